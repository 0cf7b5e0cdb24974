"""
Expectations: what a file may say, and what the gate makes of it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from store_conformance.contract import Level, Mode, UserError, Verdict, rule
from store_conformance.contract.records import Row, Run
from store_conformance.harness.settings import Settings
from store_conformance.oracle.features import FEATURES
from store_conformance.runs.expectations import (
    Expectation,
    read_expectations,
    stale,
)
from store_conformance.runs.gate import judge_run
from store_conformance.runs.selection import Selection
from store_conformance.runs.session import RunSession, shipped_expectations
from store_conformance.suite.register import all_cases

OFFICIAL = ("memory", "sqlite", "postgres")
PACKAGES = {"some": {"langgraph-checkpoint": "4.3.2"}}
HEAD = 'backend = "some"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "some.toml"
    path.write_text(text, "utf-8")
    return path


def entry(**keys: str) -> str:
    given = {"rule": '"K4"', "why": '"it forgets"', **keys}
    return HEAD + "[[expect]]\n" + "\n".join(f"{k} = {v}" for k, v in given.items())


def one(folder: Path, **keys: str) -> Expectation:
    (found,) = read_expectations(write(folder, entry(**keys)))
    return found


def row(
    verdict: Verdict,
    *,
    case: str = "timestamps::kept",
    rule_id: str = "K4",
    mode: Mode = Mode.SYNC,
) -> Row:
    return Row("some", rule_id, Level.MUST, case, mode, verdict, "created_at after an overwrite")


def session(*expectations: Expectation) -> RunSession:
    facts: dict[str, Any] = {"some": {"packages": PACKAGES["some"]}}
    return RunSession({}, Selection(), Settings(), expectations, facts=facts)


def gate(rows: list[Row], *expectations: Expectation) -> tuple[int, tuple[str, ...]]:
    """The gate over rows that were marked as a run marks them."""
    run = session(*expectations)
    header = {"backends": {"some": {"packages": PACKAGES["some"]}}}
    judged = judge_run(Run(header, tuple(run._marked(r) for r in rows), (), {}), run)
    return judged.code, judged.reasons


# -- what a file may say ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("backend = ", "is not TOML"),
        ("", 'names no backend. Hint: write backend = "name"'),
        (entry(rule='"K44"'), "unknown rule 'K44'. Hint: did you mean 'K4'?"),
        (entry(rule='"kk4"'), "did you mean 'K4'?"),
        (entry(why='"  "'), "has no reason"),
        (HEAD + '[[expect]]\nrule = "K4"', "has no reason"),
        (entry(rules='["K4"]'), "unknown key 'rules'"),
        (entry(mode='"asynchronous"'), "mode 'asynchronous' is neither"),
        (entry(mode='["sync"]'), "is neither"),
        (entry(versions='{ langgraph-checkpoint = "four" }'), "versions:"),
        (entry(exclude='["creatd"]'), "unknown feature 'creatd'. Hint: did you mean 'created'?"),
        (entry(exclude='"created"'), "is not a list of features"),
    ],
)
def test_a_wrong_file_is_refused_with_a_hint(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UserError) as raised:
        read_expectations(write(tmp_path, text))
    assert says in str(raised.value)
    assert "some.toml" in str(raised.value)


def test_the_error_names_the_entry(tmp_path: Path) -> None:
    text = entry() + '\n[[expect]]\nrule = "X99"\nwhy = "none"'
    with pytest.raises(UserError, match=r"\[\[expect\]\] number 2: unknown rule 'X99'"):
        read_expectations(write(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.toml: cannot be read"):
        read_expectations(tmp_path / "nowhere.toml")


def test_an_entry_holds_for_its_versions_only(tmp_path: Path) -> None:
    known = one(tmp_path, versions='{ langgraph-checkpoint = ">=4.3,<=4.3.2" }')
    assert known.holds_for({"langgraph-checkpoint": "4.3.2"})
    assert known.holds_for({"langgraph-checkpoint": "4.3.1"})
    assert not known.holds_for({"langgraph-checkpoint": "4.3.3"})
    assert not known.holds_for({}), "a package that is not there is no version of it"


def test_a_pattern_takes_brackets_as_they_are(tmp_path: Path) -> None:
    assert one(tmp_path, case='"timestamps::*"').matches(
        row(Verdict.FAIL, case="timestamps::kept[put]")
    )
    exact = one(tmp_path, case='"timestamps::kept[put]"')
    assert exact.matches(row(Verdict.FAIL, case="timestamps::kept[put]"))
    assert not exact.matches(row(Verdict.FAIL, case="timestamps::keptp"))
    assert not one(tmp_path, mode='"async"').matches(row(Verdict.FAIL))


# -- what the gate makes of it -----------------------------------------------------------------------


def test_without_an_expectation_a_failure_fails_the_gate() -> None:
    assert gate([row(Verdict.FAIL), row(Verdict.PASS, rule_id="K1")])[0] == 1


def test_an_expected_failure_does_not_fail_the_gate(tmp_path: Path) -> None:
    code, reasons = gate([row(Verdict.FAIL), row(Verdict.PASS, rule_id="K1")], one(tmp_path))
    assert (code, reasons) == (0, ())


def test_an_expected_failure_carries_its_reason_and_link(tmp_path: Path) -> None:
    known = one(tmp_path, upstream='"https://example.org/1"')
    marked = session(known)._marked(row(Verdict.FAIL))
    assert (marked.expectation, marked.upstream) == ("it forgets", "https://example.org/1")
    assert session(known)._marked(row(Verdict.PASS)).expectation is None


def test_one_that_starts_to_pass_fails_the_gate(tmp_path: Path) -> None:
    code, reasons = gate([row(Verdict.PASS)], one(tmp_path))
    assert code == 1
    assert "passes now, remove it" in reasons[0]


def test_one_that_passes_sometimes_does_not(tmp_path: Path) -> None:
    assert gate([row(Verdict.PASS)], one(tmp_path, sometimes="true"))[0] == 0


def test_one_that_matches_nothing_fails_the_gate(tmp_path: Path) -> None:
    for known in (
        one(tmp_path, case='"timestamp::*"'),
        one(tmp_path, case='"x"', sometimes="true"),
    ):
        code, reasons = gate(
            [row(Verdict.FAIL), row(Verdict.PASS, rule_id="K1")], known, one(tmp_path)
        )
        assert code == 1
        assert "matches no case that ran" in reasons[0]


def test_one_for_other_versions_says_nothing(tmp_path: Path) -> None:
    later = one(tmp_path, versions='{ langgraph-checkpoint = ">=5" }')
    assert gate([row(Verdict.PASS)], later)[0] == 0
    assert gate([row(Verdict.FAIL)], later)[0] == 1


def test_what_could_not_be_verified_makes_nothing_stale(tmp_path: Path) -> None:
    assert stale([one(tmp_path)], [row(Verdict.UNVERIFIED)], PACKAGES) == []


def test_one_of_several_cases_that_still_fails_keeps_its_entry(tmp_path: Path) -> None:
    rows = [row(Verdict.PASS), row(Verdict.FAIL, mode=Mode.ASYNC)]
    assert stale([one(tmp_path)], rows, PACKAGES) == []


def test_an_expected_failure_is_steered_around(tmp_path: Path) -> None:
    assert session(one(tmp_path))._avoid("some") == {"created"}, "an entry for the whole rule"
    assert session(one(tmp_path, case='"timestamps::*"'))._avoid("some") == frozenset()
    narrow = one(tmp_path, case='"timestamps::*"', exclude='["created", "page"]')
    assert session(narrow)._avoid("some") == {"created", "page"}
    assert session(narrow)._avoid("other") == frozenset()


# -- the shipped ones ----------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", OFFICIAL)
def test_the_shipped_files_are_good(backend: str) -> None:
    found = shipped_expectations(backend)
    assert found
    cases = {s.case_id(p): s.rule_id for s in all_cases() for p in s.expand()}
    for known in found:
        assert known.backend == backend
        assert known.versions, f"{known.text}: for which versions?"
        rows = [
            Row(backend, r, Level.MUST, c, known.mode or Mode.SYNC, Verdict.FAIL, "")
            for c, r in cases.items()
        ]
        assert any(known.matches(r) for r in rows), f"matches no case: {known.text}"
        assert set(known.exclude) <= set(FEATURES)
        assert known.upstream is None or known.upstream.startswith(
            "https://github.com/langchain-ai/"
        )


def test_every_feature_of_histories_is_mapped_to_a_rule() -> None:
    for rule_id in FEATURES.values():
        assert rule(rule_id).id == rule_id


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "store_conformance.cli", "run", "-b", "memory", "--no-confirm"]
    return subprocess.run(
        [*line, "--rule", "X6", "--out", str(folder / "run"), *words],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.mark.slow
def test_the_command_gates_by_them(tmp_path: Path) -> None:
    assert command(tmp_path).returncode == 0, "InMemoryStore breaks X6, which is known"
    path = tmp_path / "more.toml"
    path.write_text(
        'backend = "memory"\n[[expect]]\nrule = "X6"\ncase = "none::*"\nwhy = "no"', "utf-8"
    )
    unmatched = command(tmp_path, "--expectations", str(path))
    assert unmatched.returncode == 1
    assert "matches no case that ran" in unmatched.stdout
    path.write_text('backend = "memory"\n[[expect]]\nrule = "X66"\nwhy = "no"', "utf-8")
    wrong = command(tmp_path, "--expectations", str(path))
    assert wrong.returncode == 2
    assert "did you mean 'X6'?" in wrong.stderr
    assert "Traceback" not in wrong.stderr
