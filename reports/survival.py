"""
Restart survival: for each memory type, which kind of restart acknowledged writes came through.

The kinds, from mild to harsh: a new store ``object``, a new ``process``, the ``engine`` stopped and
started, the engine (or, where there is none, the application) ended by ``kill`` -9.  A row belongs to
a kind by the ``restart.<kind>`` measurement of its case, or else by the words of its case id; to a
memory type by its scenario, or by the words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from conformance.contract import Verdict, merge
from conformance.results import Measurement, Row
from reports.cells import verdict_of

KINDS = ("object", "process", "engine", "kill")
KIND_TITLES = {
    "object": "new store object",
    "process": "new process",
    "engine": "engine stopped and started",
    "kill": "kill -9",
}
MEMORIES = ("procedural", "semantic", "episodic")
RULES = ("E1", "E2", "E3", "E4")
"""The rules whose rows can speak of a restart."""

_KIND_WORDS = (
    ("kill", {"kill", "kills", "killed", "sigkill", "crash", "crashed"}),
    ("engine", {"engine", "server", "stopped"}),
    ("process", {"process", "processes"}),
    ("object", {"object", "reopen", "reopens", "reopened", "restart", "restarts", "restarted"}),
)


@dataclass(frozen=True)
class Survival:
    """What came of one kind of restart for one memory type on one backend."""

    backend: str
    kind: str
    memory: str
    verdict: Verdict
    rows: tuple[Row, ...]
    observed: str
    """What the check saw in words, where it said so."""
    writes: int | None
    """Acknowledged writes that the check covered; ``None`` where it did not count them."""
    survived: int | None


def _words(text: str) -> set[str]:
    return set(re.split(r"[^a-z0-9]+", text.lower()))


def kind_in(text: str) -> str | None:
    """The kind of restart that a case id or a measurement's name speaks of, the harshest first."""
    words = _words(text)
    return next((kind for kind, signs in _KIND_WORDS if words & signs), None)


def _kind_of(row: Row, measured: list[Measurement]) -> str | None:
    for figure in measured:
        kind = kind_in(figure.name.removeprefix("restart."))
        if kind:
            return kind
    statement = row.case.split("::", 1)[-1]
    parameter = re.search(r"\[(.+)\]$", statement)
    return (parameter and kind_in(parameter.group(1))) or kind_in(statement)


def _memory_of(row: Row) -> str:
    if row.scenario:
        return row.scenario
    words = _words(row.case)
    by_rule = {"E1": "procedural", "E2": "semantic", "E3": "episodic"}
    return next((m for m in MEMORIES if m in words), by_rule.get(row.rule, "any"))


def _total(figures: list[Measurement], fact: str) -> int | None:
    values = [f.facts.get(fact) for f in figures]
    counted: list[int] = []
    for value in values:
        if isinstance(value, bool) or value is None:
            continue
        if isinstance(value, (int, float)):
            counted.append(int(value))
    return sum(counted) if counted else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def survival(
    rows: tuple[Row, ...], measurements: tuple[Measurement, ...], backend: str
) -> tuple[Survival, ...]:
    """The restart matrix of one backend: one entry a kind and memory type that was looked at."""
    figures: dict[tuple[str, str], list[Measurement]] = {}
    for figure in measurements:
        if figure.backend == backend and figure.name.startswith("restart."):
            figures.setdefault((figure.case, figure.mode), []).append(figure)
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.backend != backend or row.rule not in RULES:
            continue
        kind = _kind_of(row, figures.get((row.case, row.mode), []))
        if kind is not None:
            found.setdefault((kind, _memory_of(row)), []).append(row)
    entries = []
    for (kind, memory), alike in found.items():
        seen = [f for r in alike for f in figures.get((r.case, r.mode), [])]
        entries.append(
            Survival(
                backend,
                kind,
                memory,
                merge(verdict_of(r) for r in alike),
                tuple(alike),
                "; ".join(dict.fromkeys(_text(f.value) for f in seen)),
                _total(seen, "writes_covered"),
                _total(seen, "survived"),
            )
        )
    memories = (*MEMORIES, "any")
    return tuple(
        sorted(
            entries,
            key=lambda e: (
                KINDS.index(e.kind),
                memories.index(e.memory) if e.memory in memories else len(memories),
                e.memory,
            ),
        )
    )
