"""
Restart survival: for each memory type, which kind of restart acknowledged writes came through.

The kinds, from mild to harsh: a new store object, a new process, the client killed with SIGKILL, the
engine stopped and started, the engine killed with SIGKILL.  A row belongs to a kind by the
``restart.<kind>`` measurement of its case, or else by the words of its case id; to a memory type by
that measurement, its scenario, or the words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from store_conformance.contract import Verdict, merge
from store_conformance.contract.records import Measurement, Row
from store_conformance.reports.cells import verdict_of

KINDS = ("object", "process", "client_killed", "engine_stopped", "engine_killed")
ENGINE_KINDS = ("engine_stopped", "engine_killed")
KIND_TITLES = {
    "object": "new store object",
    "process": "new process",
    "client_killed": "client kill -9",
    "engine_stopped": "engine restart",
    "engine_killed": "engine kill -9",
}
MEMORIES = ("procedural", "semantic", "episodic")
PREFIX = "restart."
RULES = ("E1", "E2", "E3", "E4")
"""The rules whose rows can speak of a restart."""
RESTART_RULE = "E4"
"""The rule that is about restarts only: a row of it without any other sign is a reopening."""

_KILL = {"kill", "kills", "killed", "sigkill", "crash", "crashed"}
_ENGINE = {"engine", "server"}
_PROCESS = {"process", "processes"}
_OBJECT = {
    "object",
    "reopen",
    "reopens",
    "reopened",
    "reopening",
    "restart",
    "restarts",
    "restarted",
}


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
    if words & _ENGINE:
        return "engine_killed" if words & _KILL else "engine_stopped"
    if words & _KILL:
        return "client_killed"
    if words & _PROCESS:
        return "process"
    return "object" if words & _OBJECT else None


def _kind_of(row: Row, measured: list[Measurement]) -> str | None:
    for figure in measured:
        kind = kind_in(figure.name.removeprefix(PREFIX))
        if kind:
            return kind
    statement = row.case.split("::", 1)[-1]
    return kind_in(statement) or ("object" if row.rule == RESTART_RULE else None)


def _memory_of(row: Row, measured: list[Measurement]) -> str:
    told = next((f.facts["memory"] for f in measured if f.facts.get("memory")), row.scenario)
    if told:
        return str(told)
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


def _entry(
    backend: str, place: tuple[str, str], alike: list[Row], seen: list[Measurement]
) -> Survival:
    return Survival(
        backend,
        place[0],
        place[1],
        merge(verdict_of(r) for r in alike),
        tuple(alike),
        "; ".join(dict.fromkeys(_text(f.value) for f in seen)),
        _total(seen, "writes_covered"),
        _total(seen, "survived"),
    )


def survival(
    rows: tuple[Row, ...],
    measurements: tuple[Measurement, ...],
    backend: str,
    *,
    persists: bool | None = None,
) -> tuple[Survival, ...]:
    """
    The restart matrix of one backend: one entry a kind and memory type that was looked at.

    Where ``persists`` is ``False`` (declared), a row can pass by losing everything as declared: every
    entry is then ``unsupported`` and only what was observed is told.
    """
    figures: dict[tuple[str, str], list[Measurement]] = {}
    for figure in measurements:
        if figure.backend == backend and figure.name.startswith(PREFIX):
            figures.setdefault((figure.case, figure.mode), []).append(figure)
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.backend != backend or row.rule not in RULES:
            continue
        measured = figures.get((row.case, row.mode), [])
        kind = _kind_of(row, measured)
        if kind is not None:
            found.setdefault((kind, _memory_of(row, measured)), []).append(row)
    entries = [
        _entry(backend, place, alike, [f for r in alike for f in figures.get((r.case, r.mode), [])])
        for place, alike in found.items()
    ]
    if persists is False:
        entries = [replace(entry, verdict=Verdict.UNSUPPORTED) for entry in entries]
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
