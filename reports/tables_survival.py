"""
What became of acknowledged writes as tables: through restarts, and through faults.
"""

from __future__ import annotations

from collections.abc import Iterator

from store_conformance.contract import Restart
from store_conformance.contract.survival import Survival as Struck
from store_conformance.contract.survival import SurvivalFile
from store_conformance.reports.campaigns import setting_words
from store_conformance.reports.model import Report
from store_conformance.reports.survival import KIND_TITLES, Survival
from store_conformance.reports.table import NONE, Table, count, marked
from store_conformance.reports.text import ICONS, NOT_MEASURED, number

# -- restarts ------------------------------------------------------------------------------------


def _survived(entry: Survival | None) -> str:
    if entry is None:
        return NOT_MEASURED
    told = f"{ICONS[entry.verdict]} {entry.verdict}"
    if entry.writes is not None:
        of = f"{entry.survived:,} of " if entry.survived is not None else ""
        told += f", {of}{entry.writes:,} writes"
    elif entry.observed and entry.verdict != "pass":
        told += f": {entry.observed}"
    return told


def restarts(report: Report) -> Table:
    """A row a backend and memory type, a column a kind of restart."""
    by_row: dict[tuple[str, str], dict[Restart, Survival]] = {}
    for entry in report.survival:
        by_row.setdefault((entry.backend, entry.memory_name), {})[entry.kind] = entry
    return Table(
        "restarts",
        "Restart survival",
        "What became of acknowledged writes, for each memory type: how many the check covered, and how many "
        "of them it found where it counted.",
        ("Backend", "Memory type", *(KIND_TITLES[kind] for kind in Restart)),
        tuple(
            (
                marked(report, backend),
                "all types" if memory == "any" else memory,
                *(_survived(entries.get(kind)) for kind in Restart),
            )
            for (backend, memory), entries in by_row.items()
        ),
    )


# -- faults --------------------------------------------------------------------------------------


def _verdict(one: Struck) -> str:
    word = f"{ICONS[one.verdict]} {one.verdict}"
    return f"{word}: {one.reason}" if one.reason else word


def _figures(one: Struck) -> tuple[str, ...]:
    """The counts of one fault; dashes where none struck."""
    if not one.kills and not one.missed:
        return (NONE,) * 9
    counts = (
        one.acknowledged, one.lost, one.stale, one.resurrected, one.torn_items, one.unreadable,
        one.altered + one.duplicated + one.disordered,
    )  # fmt: skip
    oldest = number(one.oldest_lost_seconds) if one.oldest_lost_seconds else NONE
    return (f"{one.kills:,} ({one.missed:,})", *map(count, counts), oldest)


def _struck(report: Report, file: SurvivalFile) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The rows of one campaign, each after its backend; faults that alike could not strike share one."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for n, one in enumerate(file.results):
        where = ", ".join(filter(None, (one.deployment, setting_words(one.setting))))
        apart = str(n) if one.kills or one.missed else ""
        key = (apart, one.backend, where, _verdict(one), *_figures(one))
        alike.setdefault(key, []).append(one.fault)
    for (_, backend, where, verdict, *figures), faults in alike.items():
        row = (marked(report, backend), where, ", ".join(faults), verdict, *figures)
        yield backend, row


def survives(report: Report) -> Table:
    """A row for each backend, setting and fault of each campaign; the backends in the report's order."""
    place = {name: n for n, name in enumerate(report.names)}
    every = [found for file in report.campaigns for found in _struck(report, file)]
    every.sort(key=lambda found: place.get(found[0], len(place)))
    return Table(
        "survives",
        "What survives",
        "What faults left of acknowledged writes. Kills: strikes that count, and in brackets those that missed. "
        "Lost: not there. Stale: an older value is there. Back: deleted, and there again. Torn: an item whose "
        "value, vector or answers do not fit together. Unreadable: strikes after which the store could not be "
        "opened or read. Other: altered, twice there, or in no order that explains them. Oldest: "
        "how long before the strike the oldest of what was lost had been acknowledged. Campaigns are on one "
        "machine and with one seed each, and power losses those of an honest disk.",
        (
            "Backend", "Setting", "Fault", "Verdict", "Kills (missed)", "Acknowledged", "Lost", "Stale", "Back",
            "Torn", "Unreadable", "Other", "Oldest (s)",
        ),
        tuple(row for _, row in every),
        frozenset(range(4, 13)),
    )  # fmt: skip
