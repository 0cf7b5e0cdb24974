"""
Facts beside measurements: what cases write is what reports read, and a foreign file cannot break them.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from store_conformance.backends.memory import MemoryBackend
from store_conformance.contract import MemoryType, Mode, Restart
from store_conformance.contract.observations import (
    CounterFacts,
    DelayFacts,
    LatencyFacts,
    LookFacts,
    RestartFacts,
    WriterFacts,
)
from store_conformance.harness.case import CaseSpec, case, spec_of
from store_conformance.harness.lab import Lab
from store_conformance.harness.runner import run_case
from store_conformance.harness.settings import Settings
from store_conformance.suite.register import all_cases

FACTS: tuple[Any, ...] = (
    RestartFacts(120, 119, MemoryType.SEMANTIC),
    RestartFacts(memory=MemoryType.EPISODIC),
    RestartFacts(),
    WriterFacts(3, 75, 0, (), 40.6),
    WriterFacts(errors=("locked",), lost=2),
    LatencyFacts(1000, 100, 120),
    DelayFacts(30, 7, 1, 2.0, 9.5, 12.0),
    LookFacts(480, 3, 60),
    CounterFacts(4, 100, 75),
    LatencyFacts(),
)


@pytest.mark.parametrize("facts", FACTS, ids=repr)
def test_facts_read_back_from_a_run_file_as_they_were_written(facts: Any) -> None:
    written = json.loads(json.dumps(facts.to_dict()))

    assert type(facts).read(written) == facts
    assert None not in written.values()


@pytest.mark.parametrize(
    "kind", [RestartFacts, WriterFacts, LatencyFacts, DelayFacts, LookFacts, CounterFacts]
)
@pytest.mark.parametrize("odd", ["text", True, None, {}, [[]], float("nan")])
def test_facts_of_another_type_count_as_not_told(kind: Any, odd: Any) -> None:
    read = kind.read(dict.fromkeys(kind.__dataclass_fields__, odd))

    if kind is WriterFacts and isinstance(odd, list):
        assert read == WriterFacts(errors=("[]",)), "a list of what was raised, as text"
    else:
        assert read == kind()


def _spec(**declared: Any) -> CaseSpec:
    def restarts(lab: Lab, kind: MemoryType | None = None) -> None:
        """It is there."""
        lab.observe("restart.object", "survived", RestartFacts(12, memory=kind), note="x")

    spec = spec_of(case("E4", restart=Restart.OBJECT, **declared)(restarts))
    assert spec is not None
    return spec


@pytest.mark.parametrize(
    ("declared", "param", "memory"),
    [
        ({}, None, None),
        ({"memory": MemoryType.SEMANTIC}, None, MemoryType.SEMANTIC),
        ({"params": {"p": MemoryType.EPISODIC}}, "p", MemoryType.EPISODIC),
        ({"params": {"semantic": "a text"}}, "semantic", None),
    ],
)
def test_a_row_says_what_its_case_declares(
    declared: dict[str, Any], param: str | None, memory: MemoryType | None
) -> None:
    backend = MemoryBackend()
    try:
        outcome = run_case(backend, _spec(**declared), Mode.SYNC, param, Settings())
    finally:
        backend.stop()

    assert (outcome.row.restart, outcome.row.memory) == (Restart.OBJECT, memory)
    if param != "semantic":
        (figure,) = outcome.measurements
        assert figure.facts["writes_covered"] == 12
        assert figure.facts["note"] == "x"


def test_every_case_of_the_restart_rule_declares_its_restart() -> None:
    """A case that forgets it would be missing in the report's table."""
    silent = [s.id for s in all_cases() if s.rule_id == "E4" and s.restart is None]
    elsewhere = [s.id for s in all_cases() if s.rule_id != "E4" and s.restart is not None]

    assert (silent, elsewhere) == ([], [])
    assert {s.restart for s in all_cases() if s.rule_id == "E4"} == set(Restart)
    written = {s.memory_type(p) for s in all_cases() if s.restart for p in s.expand()}
    assert written == {*MemoryType, None}
