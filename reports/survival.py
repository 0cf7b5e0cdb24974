"""
Restart survival: for each memory type, which kind of restart acknowledged writes came through.

The kinds, from mild to harsh: a new store object, a new process, the client killed with SIGKILL, the
engine stopped and started, the engine killed with SIGKILL.  Each row says which of them its case did and
whose memory it wrote; what the case saw is in its ``restart.<kind>`` measurement.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from store_conformance.contract import MemoryType, Restart, Verdict, merge
from store_conformance.contract.observations import RestartFacts
from store_conformance.contract.records import Measurement, Row
from store_conformance.reports.old_runs import memory_of, restart_of

KIND_TITLES = {
    Restart.OBJECT: "new store object",
    Restart.PROCESS: "new process",
    Restart.CLIENT_KILLED: "client kill -9",
    Restart.ENGINE_STOPPED: "engine restart",
    Restart.ENGINE_KILLED: "engine kill -9",
}
PREFIX = "restart."
_KINDS = list(Restart)
_MEMORIES = [*MemoryType, None]
"""The order of the table: what belongs to no memory type comes last."""


@dataclass(frozen=True)
class Survival:
    """What came of one kind of restart for one memory type on one backend."""

    backend: str
    kind: Restart
    memory: MemoryType | None
    """``None``: of no one type."""
    verdict: Verdict
    rows: tuple[Row, ...]
    observed: str
    """What the check saw in words, where it said so."""
    writes: int | None
    """Acknowledged writes that the check covered; ``None`` where it did not count them."""
    survived: int | None

    @property
    def memory_name(self) -> str:
        """The memory type, or ``any``."""
        return "any" if self.memory is None else str(self.memory)


def _total(counts: list[int | None]) -> int | None:
    """The sum of what was counted; ``None`` if nothing was."""
    counted = [count for count in counts if count is not None]
    return sum(counted) if counted else None


def _entry(
    backend: str,
    place: tuple[Restart, MemoryType | None],
    alike: list[Row],
    seen: list[Measurement],
) -> Survival:
    facts = [RestartFacts.read(figure.facts) for figure in seen]
    return Survival(
        backend,
        *place,
        merge(row.verdict for row in alike),
        tuple(alike),
        "; ".join(dict.fromkeys(str(figure.value) for figure in seen)),
        _total([f.writes_covered for f in facts]),
        _total([f.survived for f in facts]),
    )


def survival(
    backend: str,
    rows: Iterable[Row],
    measurements: Iterable[Measurement],
    *,
    persists: bool | None = None,
) -> tuple[Survival, ...]:
    """
    The restart matrix of one backend, from its rows: one entry a kind and memory type that was looked at.

    Where ``persists`` is ``False`` (declared), a row can pass by losing everything as declared: every
    entry is then ``unsupported`` and only what was observed is told.
    """
    figures: dict[tuple[str, str], list[Measurement]] = {}
    for figure in measurements:
        if figure.name.startswith(PREFIX):
            figures.setdefault((figure.case, figure.mode), []).append(figure)
    found: dict[tuple[Restart, MemoryType | None], list[Row]] = {}
    for row in rows:
        kind = restart_of(row)
        if kind is not None:
            found.setdefault((kind, memory_of(row)), []).append(row)
    entries = [
        _entry(backend, place, alike, [f for r in alike for f in figures.get((r.case, r.mode), [])])
        for place, alike in found.items()
    ]
    if persists is False:
        entries = [replace(entry, verdict=Verdict.UNSUPPORTED) for entry in entries]
    return tuple(sorted(entries, key=lambda e: (_KINDS.index(e.kind), _MEMORIES.index(e.memory))))
