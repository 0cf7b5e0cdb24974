"""
How much a run checks (profiles, skipped rules), how it says so, and failures by their likely cause.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from store_conformance.backends.memory import MemoryBackend
from store_conformance.cli.commands import coverage_lines
from store_conformance.cli.conclusion import gate_lines
from store_conformance.contract import Capability, Level, Mode, UserError, Verdict, rules
from store_conformance.contract.records import Row, Run
from store_conformance.harness.case import CaseSpec
from store_conformance.harness.settings import Settings
from store_conformance.pytest_plugin.running import execute
from store_conformance.reports.model import build_report
from store_conformance.runs.causes import causes_of
from store_conformance.runs.gate import Gate, judge_run
from store_conformance.runs.options import RunOptions, session_from_options
from store_conformance.runs.profiles import PROFILES, few_variants, profile
from store_conformance.runs.run_file import merge_runs, read_run
from store_conformance.runs.selection import Selection
from store_conformance.runs.session import RunSession
from tests.sample_run import make_run, row


def selected(**more: Any) -> Selection:
    return Selection.named((), (), (), **more)


# -- profiles ------------------------------------------------------------------------------------------


def test_quick_has_a_case_of_every_must_rule_and_no_kill() -> None:
    cases = selected(profile_name="quick").cases()

    of_kills_alone = {"P1"}
    must = {r.id for r in rules() if r.level is Level.MUST}
    assert {s.rule_id for s in cases} == must - of_kills_alone
    assert not any(s.serial for s in cases)
    every = selected().cases()
    assert any(s.serial for s in every)
    assert {s.rule_id for s in every} == {r.id for r in rules()}


def test_quick_runs_each_case_in_one_mode_and_with_a_few_parameters() -> None:
    quick, usual = PROFILES["quick"], PROFILES["default"]
    both = {Capability.SYNC, Capability.ASYNC}
    cases = selected(profile_name="quick").cases()

    seen: set[tuple[str, Mode]] = set()
    for spec in cases:
        chosen = quick.variants(spec, both)
        assert set(chosen) <= set(usual.variants(spec, both))
        params = [param for _, param in chosen]
        assert len(params) == len(set(params)) == min(4, len(spec.params) or 1)
        seen |= {(spec.rule_id, mode) for mode, _ in chosen}
        assert {mode for mode, _ in quick.variants(spec, {Capability.SYNC})} <= (
            {Mode.SYNC} if Mode.SYNC in spec.modes else set(spec.modes)
        )
    assert len({rule for rule, mode in seen if mode is Mode.SYNC}) > 30
    assert len({rule for rule, mode in seen if mode is Mode.ASYNC}) > 30


def test_two_stores_are_looked_at_by_different_parameters_of_a_case() -> None:
    spec = next(s for s in selected().cases() if len(s.params) > 8 and len(s.modes) == 2)
    seen = {few_variants(spec, spec.modes, salt=f"store {n}") for n in range(40)}

    assert len(seen) > 1
    assert {param for chosen in seen for _, param in chosen} == set(spec.params)
    assert {mode for chosen in seen for mode, _ in chosen} == set(spec.modes)


def test_what_a_quick_run_left_out_makes_no_expectation_stale(tmp_path: Path) -> None:
    left_out = 'backend = "memory"\n[[expect]]\nrule = "K1"\ncase = "keyvalue::*"\nwhy = "known"\n'
    (tmp_path / "known.toml").write_text(left_out)

    def told(**more: Any) -> Gate:
        run, session = ran(tmp_path, rules=("K1",), expectations=(tmp_path / "known.toml",), **more)
        return judge_run(run, session)

    assert not told(profile="quick").reasons
    assert any("passes now" in reason for reason in told().reasons)


def test_the_default_is_what_it_was_and_thorough_has_more_of_it() -> None:
    usual, thorough = PROFILES["default"], PROFILES["thorough"]
    assert (usual.histories, usual.steps) == (Settings().histories, Settings().steps)
    usual_cases = {spec.id for spec in selected().cases()}
    more = {spec.id: spec for spec in selected(profile_name="thorough").cases()}
    assert set(more) > usual_cases
    assert all(more[name].thorough for name in set(more) - usual_cases)
    assert not any(spec.thorough for spec in selected().cases())
    assert thorough.histories > usual.histories
    assert thorough.rounds > usual.rounds == 1


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"profile_name": "quik"}, "unknown profile 'quik'. Hint: did you mean 'quick'?"),
        ({"skip": ("K44",)}, "unknown rule 'K44'. Hint: did you mean 'K4'?"),
    ],
)
def test_a_wrong_name_is_refused_with_the_nearest_one(more: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError) as raised:
        selected(**more)
    assert says in str(raised.value)


def test_a_rule_is_not_asked_for_and_skipped() -> None:
    with pytest.raises(UserError, match="K4 is asked for and skipped"):
        Selection.named(("K4",), (), (), ("k4",))


def test_a_profile_without_a_case_of_what_was_asked_for_says_so() -> None:
    with pytest.raises(UserError, match="the quick profile has no case"):
        session_from_options(RunOptions(backends=("memory",), rules=("K7",), profile="quick"))


def ran(folder: Path, **more: Any) -> tuple[Run, RunSession]:
    """A run of two rules in this process: K1, which memory keeps, and X6, which it breaks."""
    options = RunOptions(backends=("memory",), **{"rules": ("K1", "X6"), **more})
    session = session_from_options(options)
    return execute(session, folder / "run.jsonl"), session


def test_a_skipped_rule_is_in_the_run_and_in_its_report_and_is_not_passed(tmp_path: Path) -> None:
    run, session = ran(tmp_path, rules=(), groups=("X",), skip=("X1", "X4", "X7", "X8"))

    skipped = [r for r in run.rows if r.rule == "X1"]
    assert skipped
    assert {r.verdict for r in skipped} == {Verdict.UNVERIFIED}
    assert {r.message for r in skipped} == {"skipped: --skip X1"}
    assert all(r.calls == 0 for r in skipped)
    assert any(r.verdict is Verdict.PASS for r in run.rows if r.rule == "X2")
    assert run.header["selection"]["skip"] == ["X1", "X4", "X7", "X8"]
    assert any("Not run, as asked: 4 rules (X1" in text for text in told_by(run))
    assert "X1, X4" in session.selection.left_out()[0]
    assert judge_run(run, session).code == 0


def told_by(run: Run) -> list[str]:
    return list(build_report(run).caveats)


def test_a_quick_run_says_so_everywhere_and_is_not_merged_with_a_whole_one(tmp_path: Path) -> None:
    run, session = ran(tmp_path, profile="quick", rules=("K1",))
    whole = make_run([row("sqlite", "K1")], backends={"sqlite": {}})

    assert run.header["profile"] == "quick"
    assert any("Only a part was checked" in t and "profile quick" in t for t in told_by(run))
    (line,) = gate_lines(judge_run(run, session), "quick")
    assert line == "The gate holds in the quick profile: only a part of the contract was checked."
    assert gate_lines(Gate(0)) == ["The gate holds."]
    assert "earlier run is of the quick profile" in coverage_lines(run, whole)[0]
    assert coverage_lines(whole, whole) == []
    version = run.header["suite_version"]
    same = dataclasses.replace(whole, header={**whole.header, "suite_version": version})
    with pytest.raises(UserError, match="checked different cases"):
        merge_runs([run, same])


def test_thorough_tries_each_case_with_three_seeds_until_it_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seeds: list[int] = []

    def failing_third(lab: Any) -> None:
        """A store holds for two seeds."""
        seeds.append(lab.settings.seed)
        store = lab.open()
        store.put(("d",), "k", {"n": 1})
        lab.true(lab.settings.seed < 3, "the seed is below three", got=lab.settings.seed)

    spec = next(s for s in selected().cases() if s.id.startswith("keyvalue::") and not s.params)
    spec = dataclasses.replace(spec, func=failing_third, modes=(Mode.SYNC,))
    for name, seen, verdict in (("default", [1], Verdict.PASS), ("thorough", [1, 2, 3], "fail")):
        seeds.clear()
        outcome = session(name).run(spec, "memory", Mode.SYNC, None)
        assert seeds == seen
        assert outcome.row.verdict == verdict
        assert outcome.row.calls >= len(seen)
    assert outcome.row.seed == 3


def session(profile_name: str) -> RunSession:
    backend = MemoryBackend()
    chosen = selected(profile_name=profile_name)
    return RunSession({"memory": backend}, chosen, Settings(seed=1), facts={"memory": {}})


def test_histories_are_many_by_themselves() -> None:
    specs: dict[str, CaseSpec] = {s.rule_id: s for s in selected().cases()}
    assert profile("thorough").rounds_of(specs["E9"]) == 1
    assert profile("thorough").rounds_of(specs["K1"]) == 3
    other_engines = next(s for s in selected(profile_name="thorough").cases() if s.thorough)
    assert profile("thorough").rounds_of(other_engines) == 1


# -- causes --------------------------------------------------------------------------------------------


def failure(case: str, cause: str, calls: int, rule: str = "K1", backend: str = "mine") -> Row:
    return Row(
        backend, rule, Level.MUST, case, Mode.SYNC, Verdict.FAIL, "m", calls=calls,
        failure_kind=cause, cause=cause,
    )  # fmt: skip


FAILURES = [
    failure("a::one", "get raised KeyError: …", 9),
    failure("a::two", "get raised KeyError: …", 3, "X1"),
    failure("a::other process", "get raised KeyError: …", 0, "E6"),
    failure("b::three", "S1: search: elements missing", 4, "S1"),
    failure("a::one", "get raised KeyError: …", 9, backend="theirs"),
]


def test_failures_of_one_cause_are_one_named_by_its_smallest_case() -> None:
    first, *others = causes_of(FAILURES)

    assert (first.backend, len(first.rows), first.smallest.case) == ("mine", 3, "a::two")
    assert set(first.rules) == {"K1", "X1", "E6"}
    assert len(others) == 2, "another difference is another cause, and so is another backend"
    assert causes_of([row("memory", "K1")]) == ()


def test_the_gate_counts_causes() -> None:
    lines = gate_lines(judge_run(make_run(FAILURES)))

    assert lines[0] == "The gate does not hold: 5 failures, likely 3 causes."
    assert "3 × mine" in lines[1]
    assert "smallest: a::two" in lines[1]
    known = [dataclasses.replace(r, expectation="known") for r in FAILURES]
    assert gate_lines(judge_run(make_run(known))) == ["The gate holds."]
    stale = Gate(1, ("expectation passes now",), causes_of(FAILURES[:1]))
    assert (
        gate_lines(stale)[0] == "The gate does not hold: 1 failure, likely 1 cause; 1 other reason."
    )


def test_the_run_file_names_each_cause_once(tmp_path: Path) -> None:
    run, _ = ran(tmp_path)
    causes = run.footer["causes"]

    failed = [r for r in run.rows if r.verdict is Verdict.FAIL]
    assert sum(c["failures"] for c in causes) == len(failed) > len(causes) > 0
    assert all(c["expected"] == c["failures"] for c in causes)
    text = (tmp_path / "run.jsonl").read_text("utf-8")
    old = [json.loads(line) for line in text.splitlines()]
    for line in old:  # as 0.1.0 wrote it
        for name in ("failure_kind", "cause", "causes", "unlike", "profile"):
            line.pop(name, None)
    path = tmp_path / "old.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in old), "utf-8")
    read = read_run(path)
    assert len(causes_of(read.rows)) >= 1
    assert [r.case for r in read.rows] == [r.case for r in run.rows]


# -- as a plugin, and from the command line ------------------------------------------------------------


def suite(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "pytest", "-q", "--pyargs", "store_conformance.suite.test_delete"]
    given = ["--conformance-backend", "memory", "--conformance-run-file", str(folder / "run.jsonl")]
    return subprocess.run(
        [*line, *given, *words], capture_output=True, text=True, timeout=120, cwd=folder
    )


@pytest.mark.slow
def test_the_plugin_skips_and_has_profiles(tmp_path: Path) -> None:
    done = suite(tmp_path, "--conformance-skip", "X2,X3", "--conformance-profile", "quick")
    assert done.returncode == 0, done.stdout
    run = read_run(tmp_path / "run.jsonl")
    assert run.header["selection"]["skip"] == ["X2", "X3"]
    assert run.header["profile"] == "quick"
    assert run.header["settings"]["histories"] == PROFILES["quick"].histories
    verdicts = {r.rule: r.verdict for r in run.rows}
    assert verdicts["X2"] is Verdict.UNVERIFIED
    assert verdicts["X1"] is Verdict.PASS


@pytest.mark.slow
def test_the_plugin_refuses_an_unknown_rule_to_skip(tmp_path: Path) -> None:
    wrong = suite(tmp_path, "--conformance-skip", "X22")
    assert wrong.returncode == pytest.ExitCode.USAGE_ERROR
    assert "unknown rule 'X22'. Hint: did you mean 'X2'?" in wrong.stderr
    assert "Traceback" not in wrong.stderr


CHANGING = """
from langgraph.store.memory import InMemoryStore

class Store(InMemoryStore):
    how = "none"

    def batch(self, ops):
        ops = list(ops)
        results = super().batch(ops)
        if self.how == "raise" and any(type(o).__name__ == "GetOp" and o.key == "k" for o in ops):
            raise LookupError("the item is lost")
        lost = type(ops[0]).__name__ == "GetOp" and self.how == "none"
        return [None if lost else r for r in results]

def open_store(at, how="none"):
    store = Store()
    store.how = how
    return store
"""


@pytest.mark.slow
def test_a_known_failure_that_changes_fails_the_gate_of_the_command(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CHANGING)
    given = ["--store", "mine.py:open_store", "--name", "mine", "--declare", "no-vectors,no-async"]

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "store_conformance.cli", *words],
            capture_output=True, text=True, timeout=120, cwd=tmp_path,
        )  # fmt: skip

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return command("run", *given, "--rule", "K1,K2", "--no-confirm", *words)

    first = run("--out", "first")
    assert first.returncode == 1
    assert "failures, likely" in first.stdout, first.stdout
    assert "None where an item was expected" in first.stdout

    assert command("expect", "first").returncode == 0
    known = ["--expectations", "mine.toml", "--out", "again"]
    path = tmp_path / "mine.toml"
    path.write_text(path.read_text("utf-8").replace("TODO: say why", "because"), "utf-8")
    same = run(*known)
    assert same.returncode == 0, same.stdout
    changed = run(*known, "--option", "how=raise")
    assert changed.returncode == 1
    assert "LookupError" in changed.stdout
    told = [r.unlike for r in read_run(tmp_path / "again").rows if r.verdict is Verdict.FAIL]
    assert told
    assert all(told)
    stale = run(*known, "--option", "how=mended")
    assert stale.returncode == 1
    assert "passes now, remove it" in stale.stdout
