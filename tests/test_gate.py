"""
Runs judged by a policy, and what an author begins with: each with a run that passes and one that does not.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from store_conformance.cli.gate import judgement_lines
from store_conformance.cli.parsing import main
from store_conformance.contract import Level, Mode, UserError, rules
from store_conformance.contract.errors import EXIT_FAILED, EXIT_OK, EXIT_UNVERIFIED, EXIT_USAGE
from store_conformance.contract.records import Measurement, Row, Run
from store_conformance.runs.again import command_again
from store_conformance.runs.judging import Judgement, judge
from store_conformance.runs.policy import Policy, find_policy, read_policy
from tests.sample_run import BACKENDS, make_run, row

ROOT = Path(__file__).resolve().parent.parent
EVERYTHING = ["sync", "async", "vectors", "ttl", "persistence", "processes", "threads", "cosine"]
MINE = {"mine": {**BACKENDS["memory"], "name": "mine", "capabilities": EVERYTHING}}
MUST = 'levels = ["MUST"]\n'


def policy(folder: Path, text: str) -> Policy:
    path = folder / "gate.toml"
    path.write_text(text, "utf-8")
    return read_policy(path)


def whole(**changed: str) -> list[Row]:
    """A row of each rule, all of them passes but those that are named."""
    return [row("mine", r.id, changed.get(r.id, "pass")) for r in rules()]


def run_of(rows: list[Row], figures: list[Measurement] | None = None, **header: Any) -> Run:
    made = make_run(rows, figures, header.pop("backends", MINE))
    made.header.update(header)
    return made


def judged(folder: Path, text: str, run: Run) -> Judgement:
    return judge([run], policy(folder, text))


def timed(operation: str, seconds: float, items: int = 1) -> Measurement:
    facts = {"n_items": 1000, "ops_per_call": items}
    samples = (seconds, seconds * 1.1, seconds * 0.9)
    return Measurement(
        "mine", f"latency.{operation}", seconds, Mode.SYNC, "s", facts=facts, samples=samples
    )


def save(path: Path, run: Run) -> Path:
    entries = [r.to_dict() for r in run.rows] + [m.to_dict() for m in run.measurements]
    lines = [run.header, *entries, run.footer]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


def command(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


# -- what is asked for --------------------------------------------------------------------------


def test_a_failure_counts_where_its_level_is_asked_for(tmp_path: Path) -> None:
    must = next(r.id for r in rules() if r.level is Level.MUST)
    should = next(r.id for r in rules() if r.level is Level.SHOULD)

    broken = judged(tmp_path, MUST, run_of(whole(**{must: "fail"})))
    spared = judged(tmp_path, MUST, run_of(whole(**{should: "fail"})))

    assert (broken.code, broken.failures) == (EXIT_FAILED, 1)
    assert spared.code == EXIT_OK
    assert [c.rules for c in spared.spared] == [(should,)]
    assert judged(tmp_path, MUST, run_of(whole())).code == EXIT_OK


@pytest.mark.parametrize("asked", ['rules = ["k5"]', 'groups = ["K"]'])
def test_rules_and_groups_are_asked_for_beside_levels(tmp_path: Path, asked: str) -> None:
    run = run_of(whole(K5="fail"))

    assert judged(tmp_path, f"{MUST}{asked}", run).code == EXIT_FAILED
    assert judged(tmp_path, f'{MUST}rules = ["S1"]', run).code == EXIT_OK


def test_a_backend_may_be_asked_for_more_than_the_others(tmp_path: Path) -> None:
    own = f'{MUST}[backend.NAME]\nlevels = ["MUST", "SHOULD"]\n'
    run = run_of(whole(K5="fail"))

    assert judged(tmp_path, own.replace("NAME", "mine"), run).code == EXIT_FAILED
    other = judged(tmp_path, own.replace("NAME", "yours"), run)
    assert (other.code, other.causes) == (EXIT_UNVERIFIED, ())
    assert other.unchecked == ("yours: no run is of it, and the policy asks for it",)
    near = judged(tmp_path, own.replace("NAME", "minee"), run).unchecked
    assert near == ("minee: no run is of it, and the policy asks for it; did you mean 'mine'?",)


def test_a_rule_without_a_row_was_not_checked(tmp_path: Path) -> None:
    rows = [r for r in whole() if r.rule not in ("K1", "K5")]

    lacking = judged(tmp_path, MUST, run_of(rows))

    assert lacking.code == EXIT_UNVERIFIED
    assert lacking.unchecked == ("mine: not run, and the policy asks for K1",)
    assert judged(tmp_path, 'rules = ["K2"]', run_of(rows)).code == EXIT_OK
    assert judged(tmp_path, "", run_of(rows)).code == EXIT_OK


def test_a_quick_run_is_partial_and_satisfies_no_level_that_it_cut_down(tmp_path: Path) -> None:
    quick: dict[str, Any] = {"profile": "quick", "selection": {"profile": ["quick"]}}

    cut = judged(tmp_path, MUST, run_of(whole(), **quick))
    uncut = judged(tmp_path, 'rules = ["K2"]', run_of(whole(), **quick))

    assert cut.code == EXIT_UNVERIFIED
    assert "run in part, by its profile" in cut.unchecked[0]
    assert uncut.code == EXIT_OK
    assert "a partial run, of the quick profile" in uncut.partial[0]
    assert judged(tmp_path, MUST, run_of(whole())).partial == ()


def test_what_was_skipped_satisfies_nothing(tmp_path: Path) -> None:
    selection: dict[str, Any] = {
        "selection": {"rules": [], "groups": [], "scenarios": [], "skip": ["K1"]}
    }
    rows = [row("mine", r.id, "unverified" if r.id == "K1" else "pass") for r in rules()]

    asked = judged(tmp_path, f'{MUST}unverified = "allow"', run_of(rows, **selection))

    assert asked.code == EXIT_UNVERIFIED
    assert asked.unchecked == ("mine: skipped by --skip, and the policy asks for K1",)
    assert judged(tmp_path, 'rules = ["K2"]', run_of(rows, **selection)).code == EXIT_OK


def test_a_run_itself_tells_what_it_was_not_asked_for_and_passes(tmp_path: Path) -> None:
    run = run_of([row("mine", "K1")], selection={"rules": ["K1"]})

    by_itself = judge([run], policy(tmp_path, MUST), ())

    assert by_itself.code == EXIT_OK
    assert "not run, and the policy asks for K2" in by_itself.warnings[0]
    failing = run_of([row("mine", "K1", "fail")], selection={"rules": ["K1"]})
    assert judge([failing], policy(tmp_path, MUST), ()).code == EXIT_FAILED


@pytest.mark.parametrize(
    ("word", "code", "told"),
    [("allow", EXIT_OK, 0), ("warn", EXIT_OK, 1), ("fail", EXIT_UNVERIFIED, 0)],
)
def test_the_policy_says_what_unverified_means(
    tmp_path: Path, word: str, code: int, told: int
) -> None:
    text = f'unverified = "{word}"'

    found = judged(tmp_path, text, run_of(whole(K1="unverified")))

    assert (found.code, len(found.warnings)) == (code, told)
    assert judged(tmp_path, text, run_of(whole())).code == EXIT_OK


def test_a_run_that_verified_nothing_does_not_pass(tmp_path: Path) -> None:
    nothing = judged(tmp_path, "", run_of([row("mine", "K1", "unsupported")]))

    assert nothing.code == EXIT_UNVERIFIED
    assert nothing.unchecked == ("mine: nothing could be verified: 1 unsupported",)


def test_an_error_of_the_harness_closes_the_gate(tmp_path: Path) -> None:
    lost = Row("?", "?", Level.MUST, "case", "?", "error", "no verdict")  # type: ignore[arg-type]

    for broken in (row("mine", "K5", "error"), lost):
        assert judged(tmp_path, MUST, run_of([*whole(), broken])).code == EXIT_FAILED


def test_a_store_may_lack_what_the_policy_names(tmp_path: Path) -> None:
    def lacking(*names: str) -> Run:
        have = [c for c in EVERYTHING if c not in names]
        return run_of(whole(), backends={"mine": {**MINE["mine"], "capabilities": have}})

    text = 'may-lack = ["vectors"]'

    assert judged(tmp_path, text, lacking("vectors", "cosine")).code == EXIT_OK
    assert judged(tmp_path, text, lacking("ttl")).broken == (
        "mine: lacks ttl, which the policy does not let it lack (`may-lack`)",
    )
    assert judged(tmp_path, "", lacking("ttl")).code == EXIT_OK


def test_a_ratio_is_of_seconds_an_item(tmp_path: Path) -> None:
    text = '[[ratio]]\nof = "batch_put"\nto = "put"\nmost = 0.5\nmode = "sync"\n'

    def measured(batch: float) -> Judgement:
        figures = [timed("put", 0.001), timed("batch_put", batch, items=100)]
        return judged(tmp_path, text, run_of(whole(), figures))

    assert measured(0.04).code == EXIT_OK
    slow = measured(0.06)
    assert slow.code == EXIT_FAILED
    assert "takes 0.6 times as long an item as put" in slow.broken[0]
    unmeasured = judged(tmp_path, text, run_of(whole()))
    assert (unmeasured.code, "run with --bench" in unmeasured.unchecked[0]) == (3, True)


def test_the_suite_can_be_pinned(tmp_path: Path) -> None:
    assert judged(tmp_path, 'suite = ">=0.1,<0.2"', run_of(whole())).code == EXIT_OK
    other = judged(tmp_path, 'suite = "<0.1"', run_of(whole()))
    assert other.code == EXIT_FAILED
    assert "run by suite 0.1.0, the policy counts <0.1" in other.broken[0]
    odd = run_of(whole(), suite_version="who knows")
    assert judged(tmp_path, 'suite = "<0.1"', odd).code == EXIT_FAILED
    assert judged(tmp_path, "", odd).code == EXIT_OK


def test_several_runs_are_judged_together_unless_they_contradict(tmp_path: Path) -> None:
    rule = policy(tmp_path, MUST)
    yours = make_run([row("yours", r.id) for r in rules()], backends={"yours": MINE["mine"]})

    assert judge([run_of(whole()), yours], rule).code == EXIT_OK
    assert judge([run_of(whole(K1="fail")), yours], rule).code == EXIT_FAILED
    with pytest.raises(UserError, match="mine is in two of the runs"):
        judge([run_of(whole()), run_of(whole())], rule)
    with pytest.raises(UserError, match=r"suites 0\.0\.1 and 0\.1\.0"):
        judge([run_of(whole(), suite_version="0.0.1"), yours], rule)


# -- expectations -------------------------------------------------------------------------------

KNOWN = """\
backend = "mine"

[[expect]]
rule = "K1"
kind = "get: another value"
why = "it forgets"
"""


def with_kind(kind: str) -> list[Row]:
    failed = row("mine", "K1", "fail", failure_kind=kind, cause=kind)
    return [failed if r.rule == "K1" else r for r in whole()]


def test_the_policys_expectations_decide_whatever_the_run_was_started_with(tmp_path: Path) -> None:
    (tmp_path / "expected.toml").write_text(KNOWN, "utf-8")
    text = f'{MUST}expectations = ["expected.toml"]'
    excused = [
        row("mine", "K2", "fail", expectation="excused by whoever ran it") if r.rule == "K2" else r
        for r in whole()
    ]

    known = judged(tmp_path, text, run_of(with_kind("get: another value")))
    different = judged(tmp_path, text, run_of(with_kind("get: nothing")))

    assert (known.code, known.expected[0].rules) == (EXIT_OK, ("K1",))
    assert different.code == EXIT_FAILED
    assert different.causes[0].smallest.unlike == "get: another value"
    assert judged(tmp_path, text, run_of(excused)).causes[0].rules == ("K2",)
    assert judged(tmp_path, MUST, run_of(excused)).code == EXIT_OK


def test_what_passes_now_is_stale_and_what_was_not_run_is_not(tmp_path: Path) -> None:
    (tmp_path / "expected.toml").write_text(KNOWN, "utf-8")
    text = 'expectations = ["expected.toml"]'
    part = run_of([row("mine", "K2")], selection={"rules": ["K2"]})

    stale = judged(tmp_path, text, run_of(whole()))

    assert (stale.code, len(stale.stale)) == (EXIT_FAILED, 1)
    assert "passes now, remove it" in stale.stale[0]
    assert judged(tmp_path, text, part).code == EXIT_OK


# -- the policy's file --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('levls = ["MUST"]', "unknown key 'levls'. Hint: did you mean 'levels'"),
        ('levels = ["MUSST"]', "did you mean 'MUST'"),
        ('rules = ["K99"]', "did you mean 'K9"),
        ('groups = ["Q"]', "unknown group 'Q'"),
        ('may-lack = ["vector"]', "did you mean 'vectors'"),
        ('unverified = "wran"', "did you mean 'warn'"),
        ('levels = "MUST"', "levels is not a list of texts"),
        ('suite = "1.x"', "is no range of versions"),
        ("suite = 1", "is no range of versions"),
        ('[[ratio]]\nof = "bach_put"\nto = "put"\nmost = 2', "did you mean 'batch_put'"),
        ('[[ratio]]\nof = "put"\nto = "get"\nmost = "2"', "is no number above 0"),
        ('[[ratio]]\nof = "put"\nto = "get"\nmost = 2\nmod = "sync"', "did you mean 'mode'"),
        ('[backend.mine]\nsuite = "1"', "unknown key 'suite'"),
        ("backend = 3", "write [backend.NAME]"),
        ("levels = [", "is not TOML"),
    ],
)
def test_a_wrong_policy_is_refused_with_the_nearest_right_name(
    tmp_path: Path, text: str, told: str
) -> None:
    (tmp_path / "gate.toml").write_text(text, "utf-8")
    file = save(tmp_path / "run.jsonl", run_of(whole()))

    done = command("gate", file, "--policy", tmp_path / "gate.toml")

    assert done.exit_code == EXIT_USAGE
    assert told in done.stderr
    assert str(tmp_path / "gate.toml") in done.stderr


@pytest.mark.parametrize(("text", "refused"), [("[[[", False), ("[[[ store-conformance", True)])
def test_what_is_wrong_with_somebody_elses_project_is_no_business_of_ours(
    tmp_path: Path, text: str, refused: bool
) -> None:
    (tmp_path / "pyproject.toml").write_text(text, "utf-8")
    if not refused:
        assert find_policy(tmp_path) is None
        return
    with pytest.raises(UserError, match="is not TOML"):
        find_policy(tmp_path)


def test_a_policy_is_found_in_the_nearest_project(tmp_path: Path) -> None:
    inner = tmp_path / "src" / "deep"
    inner.mkdir(parents=True)
    project = tmp_path / "pyproject.toml"
    project.write_text('[tool.store-conformance]\nrules = ["K1"]\n', "utf-8")

    found = find_policy(inner)

    assert found is not None
    assert (found.every.rules, found.place.endswith("[tool.store-conformance]")) == (("K1",), True)
    policy(tmp_path, MUST)
    with pytest.raises(UserError, match="are both policies"):
        find_policy(inner)
    project.write_text('[project]\nname = "some"\n', "utf-8")
    beside = find_policy(inner)
    assert beside is not None
    assert beside.every.levels == (Level.MUST,)
    (tmp_path / "gate.toml").unlink()
    assert find_policy(inner) is None


# -- the command --------------------------------------------------------------------------------


def test_the_last_lines_say_what_failed_and_how_to_run_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    policy(tmp_path, MUST)
    started = "store-conformance run --store my.py:open_store --name=mine --group K --skip K9"
    others = [r for r in whole(K1="fail") if r.rule != "K2"]
    rows = [*others, row("mine", "K2", "fail", expectation="known")]
    bad = save(tmp_path / "bad.jsonl", run_of(rows, command=started))
    good = save(tmp_path / "good.jsonl", run_of(whole()))

    failing, passing = command("gate", bad), command("gate", good)

    assert (failing.exit_code, passing.exit_code) == (EXIT_FAILED, EXIT_OK)
    assert "Expected (1 failure):" in failing.stdout
    assert failing.stdout.splitlines()[-3:] == [
        f"The gate does not hold by {tmp_path / 'gate.toml'}: 1 failure, likely 1 cause.",
        "Again:",
        "  store-conformance run --store my.py:open_store --name mine --rule K1",
    ]
    assert passing.stdout.splitlines() == [f"The gate holds by {tmp_path / 'gate.toml'}."]


def test_without_a_policy_every_failure_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("", "utf-8")

    failing = command("gate", save(tmp_path / "bad.jsonl", run_of(whole(K5="fail"))))

    assert failing.exit_code == EXIT_FAILED
    assert "No policy was found" in failing.stdout
    assert command("gate", save(tmp_path / "good.jsonl", run_of(whole()))).exit_code == EXIT_OK


def test_nothing_in_a_run_reaches_the_terminal_as_it_is() -> None:
    hostile = "\x1b[2J\x1b]0;owned\x07\nThe gate holds."
    found = judge([run_of([row("mine", "K1", "fail", message=hostile)])], Policy())

    lines = judgement_lines(found, "", lambda backend, rule: rule)

    assert not any("\x1b" in line or "\n" in line for line in lines)
    assert "The gate holds." not in lines


def test_the_command_again_is_the_runs_own() -> None:
    run = run_of([], command="store-conformance run -b memory --option size=3 --rule K1 --out x")

    assert command_again(run, "memory", "K2") == (
        "store-conformance run -b memory --option size=3 --rule K2"
    )
    assert "--store FILE.py:FUNCTION" in command_again(run_of([]), "mine", "K2")


def test_the_command_again_of_a_run_that_pytest_started_is_the_command_lines() -> None:
    pytest_line = (
        "pytest --pyargs store_conformance.suite --conformance-store 'my store.py:open_store'"
        " --conformance-store-name=mine --conformance-declare no-ttl --conformance-rule K1 -n 2"
    )
    run = run_of([], command=pytest_line)

    assert command_again(run, "mine", "K2") == (
        "store-conformance run --store 'my store.py:open_store' --name mine --declare no-ttl --rule K2"
    )


# -- a run, and a beginning ---------------------------------------------------------------------


def test_a_run_is_judged_by_the_policy_that_it_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command("init", tmp_path).exit_code == EXIT_OK
    words = ("run", "--store", "conformance_store.py:open_store", "--name", "mine", "--rule", "K10")

    by_policy = command(*words, "-n", "0", "--no-confirm")
    (tmp_path / "gate.toml").write_text("", "utf-8")
    without = command("gate", "conformance-run")

    # K10 is SHOULD, and InMemoryStore breaks it: the starting policy asks for MUST.
    assert by_policy.exit_code == EXIT_OK, by_policy.output
    assert "Fails, and the policy does not ask for it" in by_policy.stdout
    assert "gate.toml: only a part of the contract was checked." in by_policy.stdout
    assert without.exit_code == EXIT_FAILED


def test_a_run_reads_the_policy_before_anything_else_unless_told_not_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gate.toml").write_text('rules = ["K99"]', "utf-8")

    read, unread = command("run", "-b", "memroy"), command("run", "-b", "memroy", "--no-policy")

    assert (read.exit_code, unread.exit_code) == (EXIT_USAGE, EXIT_USAGE)
    assert "unknown rule 'K99'" in read.stderr
    assert "did you mean 'memory'" in unread.stderr


def test_init_writes_what_works_and_touches_nothing_that_is_there(tmp_path: Path) -> None:
    mine = tmp_path / "conformance_store.py"
    mine.write_text("mine", "utf-8")

    done = command("init", tmp_path)

    assert done.exit_code == EXIT_OK
    assert mine.read_text("utf-8") == "mine"
    assert f"kept  {mine}" in done.stdout
    written = read_policy(tmp_path / "gate.toml")
    assert written.every.levels == (Level.MUST,)
    run = run_of(whole())
    assert judge([run], written).code == EXIT_OK
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    command("init", tmp_path)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_init_makes_no_second_policy(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.store-conformance]\n", "utf-8")

    done = command("init", tmp_path)

    assert "has a policy" in done.stdout
    assert not (tmp_path / "gate.toml").exists()
    assert (tmp_path / "conformance_store.py").exists()


def test_the_written_workflow_uses_the_actions_of_our_own(tmp_path: Path) -> None:
    command("init", tmp_path)
    text = (tmp_path / ".github/workflows/store-conformance.yml").read_text("utf-8")
    ours = (ROOT / ".github/workflows/ci.yml").read_text("utf-8")

    used = re.findall(r"uses: (\S+ # v\S+)", text)

    assert len(used) == text.count("uses:") == 3
    assert [action for action in used if action not in ours] == []
    assert not re.search(r"https?://|index-url", text)
