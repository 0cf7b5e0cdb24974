"""
What the start of a command costs: what it imports, what it waits for, and what is left when it fails.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from store_conformance.backends.memory import MemoryBackend
from store_conformance.contract import MemoryType, groups, rules
from store_conformance.harness.backends import Backend, BackendError, EngineUnavailableError
from store_conformance.harness.settings import Settings
from store_conformance.reports import page
from store_conformance.runs.facts import describe
from store_conformance.runs.selection import Selection
from store_conformance.runs.session import RunSession
from store_conformance.runs.starting import start_side_by_side
from store_conformance.suite.register import all_cases, cases_naming

HEAVY = {"pytest", "langgraph", "langchain_core", "hypothesis", "numpy", "wordllama", "jinja2"}
MAIN = """
import sys
from store_conformance.cli.parsing import main
try:
    main(sys.argv[1:])
finally:
    print("\\nimported", *sorted(sys.modules))
"""


def imported(folder: Path, *arguments: str) -> set[str]:
    """The modules that a command had imported when it ended."""
    done = subprocess.run(
        [sys.executable, "-c", MAIN, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return set(done.stdout.rsplit("imported", 1)[1].split())


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("run", "--help"), ("--version",), ("run", "--timeout", "soon"), ("rum",)],
)
def test_help_and_wrong_options_import_little(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert imported(tmp_path, *arguments) & HEAVY == set()


@pytest.mark.slow
def test_a_run_of_one_rule_imports_what_that_rule_needs(tmp_path: Path) -> None:
    run = ("run", "-b", "memory", "--out", "out", "-n", "0", "--histories", "1", "--steps", "2")
    plain = imported(tmp_path, *run, "--rule", "K2")
    histories = imported(tmp_path, *run, "--rule", "E9")

    assert plain & HEAVY == {"pytest", "langgraph", "langchain_core", "jinja2"}
    assert {m for m in plain if m.startswith("store_conformance.backends.")}.isdisjoint(
        {"store_conformance.backends.sqlite", "store_conformance.backends.postgres"}
    )
    assert {"hypothesis", "wordllama"} <= histories


# -- the register -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rule_id", [r.id for r in rules()])
def test_no_case_of_a_rule_is_missed_when_modules_are_left_out(rule_id: str) -> None:
    wanted = [s.id for s in all_cases() if s.rule_id == rule_id]

    assert [s.id for s in cases_naming(frozenset({rule_id})) if s.rule_id == rule_id] == wanted


@pytest.mark.parametrize(
    "selection",
    [
        *(Selection(groups=(g.id,)) for g in groups()),
        Selection(scenarios=(MemoryType.SEMANTIC,)),
        Selection(rules=("K1",), groups=("X",), scenarios=(MemoryType.EPISODIC,)),
        Selection(),
    ],
)
def test_a_selection_has_every_case_that_it_takes(selection: Selection) -> None:
    assert list(selection.cases()) == [s for s in all_cases() if selection.takes(s)]


def test_modules_are_left_out_for_one_rule() -> None:
    modules = {s.func.__module__ for s in cases_naming(frozenset({"K2"}))}

    assert 0 < len(modules) < len({s.func.__module__ for s in all_cases()}) / 2


# -- engines ----------------------------------------------------------------------------------------


class Meets(Backend):
    """Its engine starts when as many starts are under way as the barrier has parties."""

    def __init__(self, barrier: threading.Barrier, error: Exception | None = None) -> None:
        super().__init__()
        self.barrier = barrier
        self.error = error
        self.running = False

    def start(self) -> None:
        self.barrier.wait(60)
        if self.error is not None:
            raise self.error
        self.running = True

    def stop(self) -> None:
        self.running = False
        super().stop()


GONE = EngineUnavailableError("b", "the engine is not there.")


def test_engines_start_side_by_side_and_beside_other_work() -> None:
    barrier = threading.Barrier(3)
    backends = {name: Meets(barrier) for name in "ab"}

    started = start_side_by_side(backends, lambda: barrier.wait(60))

    assert [s.error for s in started.values()] == [None, None]
    assert all(b.running for b in backends.values())


def test_an_interrupt_waits_for_the_starts_so_that_they_can_be_stopped() -> None:
    barrier = threading.Barrier(3)
    backends = {name: Meets(barrier) for name in "ab"}

    def interrupted() -> None:
        barrier.wait(60)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start_side_by_side(backends, interrupted)

    assert all(b.running for b in backends.values())


def session(optional: frozenset[str]) -> RunSession:
    barrier = threading.Barrier(2)
    backends = {"a": Meets(barrier), "b": Meets(barrier, GONE)}
    return RunSession(dict(backends), Selection(), Settings(), optional=optional)


def test_an_optional_backend_that_is_not_there_is_left_out_and_said() -> None:
    run, said = session(frozenset({"b"})), list[str]()

    run.start(said.append)

    assert run.names() == ["a"]
    assert said == [f"left out: {GONE}"]
    run.stop()


def test_a_named_backend_that_is_not_there_ends_the_run_and_the_other_is_stopped() -> None:
    run = session(frozenset())
    (other, _) = run.backends.values()

    with pytest.raises(EngineUnavailableError):
        run.start()
    assert isinstance(other, Meets)
    assert other.running
    run.stop()
    assert not other.running


class StaysBehind(Meets):
    """What it made cannot be cleared away."""

    def stop(self) -> None:
        super().stop()
        raise BackendError("a", "could not remove postgresql://me:s3cret@there/x.", "do it by hand")


def test_what_cannot_be_cleared_away_is_said_and_the_rest_is_stopped() -> None:
    barrier, said = threading.Barrier(2), list[str]()
    left, other = StaysBehind(barrier), Meets(barrier)
    run = RunSession({"a": left, "b": other}, Selection(), Settings())
    run.start()

    run.stop(said.append)

    assert not left.running and not other.running
    assert len(said) == 1 and "could not remove" in said[0] and "s3cret" not in said[0]


@pytest.mark.parametrize(("patience", "known"), [(60.0, True), (0.2, False)])
def test_a_store_whose_first_put_hangs_does_not_hold_up_the_run(
    monkeypatch: pytest.MonkeyPatch, patience: float, known: bool
) -> None:
    backend, go = MemoryBackend(), threading.Event()
    if not known:
        monkeypatch.setattr(backend, "open", lambda *given: go.wait(120))
    try:
        seconds = describe(backend, patience)["seconds_to_first_put"]
    finally:
        go.set()
        backend.stop()

    assert (seconds is not None) is known


# -- templates --------------------------------------------------------------------------------------

COMPILED = """
import sys, json
from pathlib import Path
from store_conformance.reports import page
from store_conformance.runs.facts import describe
page.compile_templates()
print(json.dumps([str(p) for p in Path(page._Compiled().directory).glob("*")]))
"""


def compiled(prefix: Path, **environment: str) -> list[str]:
    plain = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", COMPILED],
        env={**plain, "PYTHONPYCACHEPREFIX": str(prefix), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return list(json.loads(done.stdout))


@pytest.mark.slow
def test_compiled_templates_are_kept_where_python_keeps_compiled_modules(tmp_path: Path) -> None:
    kept = compiled(tmp_path)

    assert len(kept) == len(page.environment().list_templates(extensions=("j2",)))
    assert all(Path(file).is_relative_to(tmp_path) for file in kept)


@pytest.mark.slow
def test_they_are_not_kept_where_python_keeps_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    assert compiled(tmp_path, PYTHONDONTWRITEBYTECODE="1") == []
    assert compiled(tmp_path / "file" / "below") == []
