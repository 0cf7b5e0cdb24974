"""
What became of acknowledged writes as tables: through restarts, and through faults.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from store_conformance.contract import Restart, Verdict
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


SPOILT = (
    "lost", "stale", "resurrected", "torn_items", "unreadable", "altered", "duplicated", "disordered",
)  # fmt: skip
SUMMED = ("kills", "missed", "acknowledged", *SPOILT)
"""What is counted of each strike."""

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


def _sum(one: Struck, other: Struck) -> Struck:
    """Two results as one."""
    both = {name: getattr(one, name) + getattr(other, name) for name in SUMMED}
    oldest = max(one.oldest_lost_seconds, other.oldest_lost_seconds)
    faults = ", ".join(dict.fromkeys((*one.fault.split(", "), other.fault)))
    return replace(one, fault=faults, oldest_lost_seconds=oldest, **both)


def _kind(one: Struck) -> str:
    """The fault; of those that took nothing, all of a client or of the network are one kind."""
    kind = one.fault.partition("-")[0]
    harmless = one.verdict is Verdict.PASS and not any(getattr(one, name) for name in SPOILT)
    return kind if harmless and kind in ("client", "network") else one.fault


def _together(files: Sequence[SurvivalFile]) -> list[Struck]:
    """The results of all campaigns; those of one backend, setting and kind of fault that came to the same are one."""
    found: dict[tuple[object, ...], Struck] = {}
    for one in (one for file in files for one in file.results):
        apart = None if one.kills or one.missed else len(found)
        alike = (one.backend, one.deployment, one.engine, setting_words(one.setting), _kind(one))
        key = (*alike, _verdict(one), apart)
        found[key] = _sum(found[key], one) if key in found else one
    return list(found.values())


def _struck(report: Report, results: Sequence[Struck]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The rows of the table, each after its backend; faults that alike could not strike share one."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for n, one in enumerate(results):
        where = ", ".join(filter(None, (one.deployment, setting_words(one.setting))))
        apart = str(n) if one.kills or one.missed else ""
        key = (apart, one.backend, where, _verdict(one), *_figures(one))
        alike.setdefault(key, []).append(one.fault)
    for (_, backend, where, verdict, *figures), faults in alike.items():
        row = (marked(report, backend), where, ", ".join(dict.fromkeys(faults)), verdict, *figures)
        yield backend, row


def survives(report: Report) -> Table:
    """
    A row for each backend, setting and fault, all campaigns together; the backends in the report's order.

    What kills of clients or troubles of the network took nothing share a row, and name each fault.
    """
    place = {name: n for n, name in enumerate(report.names)}
    every = list(_struck(report, _together(report.campaigns)))
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
