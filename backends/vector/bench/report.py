"""
The figures as Markdown, from nothing but the JSON that is written beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from store_conformance.backends.vector.bench.scenario import OURS, RAW


def section(run: Mapping[str, Any]) -> str:
    """The tables of one engine; a run that was broken off has fewer."""
    parts = [
        f"## {run['engine']}",
        f"{run['engine_version']} ({run['deployment']}), "
        + ", ".join(f"{name} {version}" for name, version in run["packages"].items())
        + f"; {run['date']}, {run['machine']}.",
        _ratios(run),
        _bulk(run),
        _growth(run),
        _walk(run),
    ]
    return "\n\n".join(part for part in parts if part)


def _others(run: Mapping[str, Any]) -> list[str]:
    return [name for name in run["lanes"] if name not in (OURS, RAW)]


def _ratios(run: Mapping[str, Any]) -> str:
    others = _others(run)
    rows = [
        ["items", "call", "raw p50 / p95", "store p50 / p95", "p50 store / raw",
         *(f"{name} p50 / p95" for name in others)]
    ]  # fmt: skip
    for count, calls in run["ratios"].items():
        for call, lanes in calls.items():
            ratio = lanes[OURS]["p50"] / lanes[RAW]["p50"]
            cells = [_times(lanes[name]) for name in (RAW, OURS)]
            rows.append(
                [
                    f"{int(count):,}",
                    call,
                    *cells,
                    f"**{ratio:.2f}**",
                    *(_times(lanes[o]) for o in others),
                ]
            )
    return "Milliseconds.\n\n" + _table(rows)


def _bulk(run: Mapping[str, Any]) -> str:
    if not run["bulk"]:
        return ""
    rows = [["1,000 puts", "one by one", "one batch (median)", "batch faster by"]]
    for lane, found in run["bulk"].items():
        factor = found["singles"] / found["batch"]
        rows.append(
            [
                lane,
                f"{found['singles']:.2f} s",
                f"{found['batch']:.3f} s",
                f"**{factor:.1f}**",
            ]
        )
    ours, raw = run["bulk"][OURS], run["bulk"][RAW]
    against = raw["singles"] / ours["batch"]
    return _table(rows) + (
        f"\n\nThe store's batch is {against:.1f} times as fast as the raw client's single upserts, and "
        f"takes {ours['batch'] / raw['batch']:.2f} times as long as the raw client's bulk upsert of "
        "rows whose index fields were worked out beforehand."
    )


def _growth(run: Mapping[str, Any]) -> str:
    counts = list(run["growth"])
    lanes = [OURS, *_others(run)]
    rows = [["p50 in ms", *(f"{lane}, {int(c):,}" for lane in lanes for c in counts)]]
    for call in run["growth"][counts[0]]:
        cells = [f"{run['growth'][c][call][lane]['p50']:.2f}" for lane in lanes for c in counts]
        rows.append([call, *cells])
    return _table(rows)


def _walk(run: Mapping[str, Any]) -> str:
    found = run["walk"]
    if not found:
        return ""
    return (
        f"Walking through {found['items']:,} items by pages of {found['page']}: at most "
        f"{found['peak_first_tenth_kb']:,} KB more than before a page in the first tenth, "
        f"{found['peak_last_tenth_kb']:,} KB in the last; resident {found['resident_before_mb']} MB "
        f"before, {found['resident_after_mb']} MB after."
    )


def _times(found: Mapping[str, float]) -> str:
    return f"{found['p50']:.2f} / {found['p95']:.2f}"


def _table(rows: list[list[str]]) -> str:
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
