"""
Expectations: what a file may say, and what the gate makes of it.
"""

from __future__ import annotations

import dataclasses
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
    is_case,
    read_expectations,
    stale,
)
from store_conformance.runs.expecting import propose
from store_conformance.runs.gate import Gate, judge_run
from store_conformance.runs.known import shipped_expectations
from store_conformance.runs.selection import Selection
from store_conformance.runs.session import RunSession
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
    judged = judge_run(Run(header, tuple(run.known.marked(r) for r in rows), (), {}), run)
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
    marked = session(known).known.marked(row(Verdict.FAIL))
    assert (marked.expectation, marked.upstream) == ("it forgets", "https://example.org/1")
    assert session(known).known.marked(row(Verdict.PASS)).expectation is None


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
    assert session(one(tmp_path)).known.excluded("some") == {"created"}, (
        "an entry for the whole rule"
    )
    assert session(one(tmp_path, case='"timestamps::*"')).known.excluded("some") == frozenset()
    narrow = one(tmp_path, case='"timestamps::*"', exclude='["created", "page"]')
    assert session(narrow).known.excluded("some") == {"created", "page"}
    assert session(narrow).known.excluded("other") == frozenset()


# -- what the failure looks like ----------------------------------------------------------------------


def looks(kind: str, case: str = "timestamps::kept", **more: Any) -> Row:
    return dataclasses.replace(row(Verdict.FAIL, case=case, **more), failure_kind=kind, cause=kind)


KNOWN = "created_at after an overwrite: a later time"


def test_a_failure_that_looks_as_expected_passes_the_gate(tmp_path: Path) -> None:
    for kind in (f'"{KNOWN}"', f'["another one", "{KNOWN}"]', '"created_at after *"'):
        assert gate([looks(KNOWN), row(Verdict.PASS)], one(tmp_path, kind=kind))[0] == 0


def test_a_failure_that_looks_different_fails_the_gate_and_says_so(tmp_path: Path) -> None:
    other = "get raised KeyError: …"
    code, (reason,) = gate([looks(other), row(Verdict.PASS)], one(tmp_path, kind=f'"{KNOWN}"'))

    assert code == 1
    assert "looks different from what is expected" in reason
    assert KNOWN in reason
    assert other in reason


def test_a_table_of_kinds_pins_each_case_and_which_cases_fail(tmp_path: Path) -> None:
    text = entry(case='"timestamps::*"') + (
        f'\n[expect.kind]\n"timestamps::kept[*]" = "{KNOWN}"\n"timestamps::grows" = ["a", "b"]\n'
    )
    (known,) = read_expectations(write(tmp_path, text))

    assert (
        gate([looks(KNOWN, "timestamps::kept[put]"), looks("b", "timestamps::grows")], known)[0]
        == 0
    )
    for changed in (looks("b", "timestamps::kept[put]"), looks(KNOWN, "timestamps::new")):
        code, (reason,) = gate([changed], known)
        assert code == 1
        assert "looks different from what is expected" in reason
    assert "no failure of this case" in gate([looks(KNOWN, "timestamps::new")], known)[1][0]


def test_brackets_and_question_marks_of_a_kind_stand_for_themselves(tmp_path: Path) -> None:
    assert gate([looks("keys […]?")], one(tmp_path, kind='"keys […]?"'))[0] == 0
    assert gate([looks("keys …x")], one(tmp_path, kind='"keys […]?"'))[0] == 1


def judged(rows: list[Row], *expectations: Expectation) -> Gate:
    run = session(*expectations)
    header = {"backends": {"some": {"packages": PACKAGES["some"]}}}
    return judge_run(Run(header, tuple(run.known.marked(r) for r in rows), (), {}), run)


def test_one_without_a_kind_hides_changes_and_that_is_said(tmp_path: Path) -> None:
    rows = [looks("anything at all")]
    (warning,) = judged(rows, one(tmp_path)).warnings
    assert "hides any other failure" in warning
    assert judged(rows, one(tmp_path, sometimes="true")).warnings, "it does not say why"
    varies = one(tmp_path, sometimes='"two threads must meet"')
    assert judged(rows, varies) == Gate(0)
    assert judged([looks(KNOWN)], one(tmp_path, kind=f'"{KNOWN}"')).warnings == ()
    assert judged([row(Verdict.PASS)], varies).code == 0


def test_one_whose_reason_is_still_to_be_written_fails_the_gate(tmp_path: Path) -> None:
    unsaid = one(tmp_path, why='"TODO: say why"')
    code, (reason,) = gate([looks(KNOWN)], unsaid)
    assert code == 1
    assert "has no reason yet" in reason


def test_a_row_of_an_older_run_has_no_kind_and_matches_by_its_case(tmp_path: Path) -> None:
    known = one(tmp_path, kind=f'"{KNOWN}"')
    assert known.covers(row(Verdict.FAIL))
    assert not known.covers(looks("other"))


# -- expect ---------------------------------------------------------------------------------------------


REVIEWED = f"""# What is known of some store.
{HEAD}
[[expect]]
rule = "K4"
case = "timestamps::*"
why = "it forgets"  # see the table
sometimes = "a clock of whole seconds"
kind = "old"

# This one is about deletes.
[[expect]]
rule = "X1"
case = "delete::gone"
why = "a tombstone"
"""


def run_of(*rows: Row, packages: dict[str, str] | None = None) -> Run:
    return Run({"backends": {"some": {"packages": packages or PACKAGES["some"]}}}, rows, (), {})


def test_expect_keeps_what_people_wrote_and_adds_what_was_seen() -> None:
    run = run_of(
        looks(KNOWN, "timestamps::kept[a]"),
        looks(KNOWN, "timestamps::kept[b]"),
        looks("empty", "delete::gone", rule_id="X1"),
        looks("new", "search::pages", rule_id="S4"),
        row(Verdict.PASS, case="search::pages", rule_id="S4", mode=Mode.ASYNC),
    )

    made = propose([run], "some", REVIEWED, "some.toml")

    for kept in ("# What is known", "# see the table", "# This one is about", '"it forgets"'):
        assert kept in made.text
    assert made.added == ("S4 search::pages (sync)",)
    assert any("X1 delete::gone: looks like: empty" in line for line in made.changed)
    again = propose([run], "some", made.text, "some.toml")
    assert (again.text, again.added, again.changed) == (made.text, (), ())


def test_what_expect_wrote_is_what_the_run_saw(tmp_path: Path) -> None:
    rows = [
        looks("one", "timestamps::kept[a]"),
        looks("two", "timestamps::kept[b]"),
        looks("same", "search::pages[1]", rule_id="S4"),
        looks("same", "search::pages[2]", rule_id="S4"),
        looks("alone", "search::walk[x]", rule_id="S5"),
        row(Verdict.PASS, case="search::walk[y]", rule_id="S5"),
    ]
    made = propose([run_of(*rows)], "some", None, "some.toml")
    assert len(made.added) == 3
    filled = made.text.replace("TODO: say why", "because")
    known = read_expectations(write(tmp_path, filled))

    assert gate(rows, *known) == (0, ())
    for changed in (
        looks("two", "timestamps::kept[a]"),
        looks("same", "search::walk[y]", rule_id="S5"),
    ):
        assert gate([*rows, changed], *known)[0] == 1
    assert gate(rows, *read_expectations(write(tmp_path, made.text)))[0] == 1, "no reason yet"


def test_expect_says_what_is_stale_and_drops_kinds_that_are_gone() -> None:
    text = HEAD + '[[expect]]\nrule = "K4"\nwhy = "w"\nkind = ["gone", "here"]\n'
    stays = propose([run_of(looks("here"))], "some", text, "some.toml")
    assert 'kind = "here"' in stays.text
    assert stays.changed == ("K4 *: no longer looks like: gone",)
    passes = propose([run_of(row(Verdict.PASS))], "some", text, "some.toml")
    assert passes.text == text
    assert "passes now" in passes.stale[0]


def test_expect_drops_nothing_for_a_run_that_left_parameters_out() -> None:
    text = HEAD + '[[expect]]\nrule = "K4"\nwhy = "w"\nkind = ["gone", "here"]\n'
    run = run_of(looks("here"))
    quick = dataclasses.replace(run, header={**run.header, "profile": "quick"})

    made = propose([quick], "some", text, "some.toml")

    assert (made.text, made.changed, made.stale) == (text, (), ())
    assert propose([quick, run], "some", text, "some.toml").changed, "a whole run tells"


def test_expect_leaves_entries_for_other_versions_alone() -> None:
    text = HEAD + (
        '[[expect]]\nrule = "K4"\nwhy = "w"\nkind = "old"\nversions = { langgraph-checkpoint = "<4" }\n'
    )
    made = propose([run_of(looks("here"))], "some", text, "some.toml")
    assert made.text.startswith(text)
    assert made.added == ("K4 timestamps::kept",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("backend = ", "is not TOML"),
        ('backend = "other"', "is about 'other' and not about 'some'"),
        (HEAD + "expect = 3", "expect is no list of tables"),
        (entry(kind="7"), "kind: is no text"),
        (entry(sometimes='""'), "sometimes: '' is no reason"),
    ],
)
def test_expect_refuses_a_wrong_file(text: str, says: str) -> None:
    with pytest.raises(UserError) as raised:
        propose([run_of(looks("here"))], "some", text, "some.toml")
    assert says in str(raised.value)


def test_expect_asks_for_a_run_that_tells_kinds() -> None:
    with pytest.raises(UserError, match="did not tell kinds of failure"):
        propose([run_of(row(Verdict.FAIL))], "some", None, "some.toml")


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
        assert not known.hides_changes, f"names no kind: {known.text}"
        for case, _ in known.kinds:
            named = [r for r in rows if known.matches(r) and is_case(r.case, case)]
            assert named, f"kind names no case: {case}"
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
