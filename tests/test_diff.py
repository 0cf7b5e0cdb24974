"""
What changed between two runs: each kind of change with a run that has it and one that has not.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from store_conformance.cli.parsing import main
from store_conformance.contract import Mode
from store_conformance.contract.records import Measurement, Row, Run
from store_conformance.reports.diff import (
    MOST_IN_COMMENT,
    compare,
    headline,
    to_json,
    to_markdown,
    to_text,
)
from store_conformance.reports.diff_figures import wilson
from tests.sample_run import BACKENDS, HOSTILE, NASTY, make_run, row

ONE = {"postgres": BACKENDS["postgres"]}


def run_of(rows: list[Row], figures: list[Measurement] | None = None, **header: Any) -> Run:
    made = make_run(rows, figures, header.pop("backends", ONE))
    made.header.update(header)
    return made


def failed(kind: str | None, rule: str = "K1") -> Row:
    return row("postgres", rule, "fail", failure_kind=kind)


def test_a_failure_that_looks_different_now_is_told_and_is_no_new_one() -> None:
    diff = compare(run_of([failed("get: nothing")]), run_of([failed("get: another value")]))

    assert [c.looks for c in diff.looks_different] == [
        "postgres K1 (cases::k1_holds, sync): get: nothing → get: another value"
    ]
    assert diff.newly_failing == ()
    for same in ("get: nothing", None):  # old run files do not tell
        assert (
            compare(run_of([failed(same)]), run_of([failed("get: nothing")])).looks_different == ()
        )


def test_a_rule_that_vanished_is_no_repair() -> None:
    before = run_of([failed("a", "K1"), failed("a", "K2"), row("postgres", "K3")])
    after = run_of([row("postgres", "K2"), row("postgres", "K3"), row("postgres", "K4")])

    diff = compare(before, after)

    assert [v.text for v in diff.vanished_rules] == ["postgres K1: fail (1 check)"]
    assert [v.text for v in diff.new_rules] == ["postgres K4: pass (1 check)"]
    assert [c.after.rule for c in diff.fixed] == ["K2"]
    assert "1 fixed" in headline(diff)
    assert "1 rule vanished, 1 new rule" in headline(diff)


def test_a_case_that_is_gone_makes_no_rule_vanish_nor_does_a_backend() -> None:
    two = [row("postgres", "K1"), row("postgres", "K1", case="other::case")]

    assert compare(run_of(two), run_of(two[:1])).vanished_rules == ()
    both = {name: BACKENDS[name] for name in ("memory", "postgres")}
    more = run_of([*two, row("memory", "K2")], backends=both)
    assert compare(more, run_of(two)).vanished_rules == ()


def test_changed_settings_are_told() -> None:
    rows = [row("postgres", "K1")]
    settings = {**BACKENDS["postgres"]["settings"], "fsync": "off"}
    other = {"postgres": {**BACKENDS["postgres"], "settings": settings}}
    after = run_of(rows, backends=other, suite_version="0.2.0", profile="quick")

    diff = compare(run_of(rows), after)

    assert set(diff.settings) == {
        "postgres: settings.fsync on → off",
        "profile default → quick",
    }
    assert diff.versions == ("suite: 0.1.0 → 0.2.0",)
    assert compare(run_of(rows), run_of(rows, profile="default")).settings == ()


def recall(value: float, questions: int) -> Measurement:
    facts = {"questions": questions, "of": "memories", "embedder": "real"}
    return Measurement("postgres", "recall.evidence@5", value, Mode.SYNC, facts=facts)


def figures(before: Measurement, after: Measurement) -> Any:
    rows = [row("postgres", "K1")]
    return compare(run_of(rows, [before]), run_of(rows, [after])).figures


def test_a_recall_changed_where_chance_does_not_explain_it() -> None:
    (lower,) = figures(recall(0.7, 400), recall(0.5, 400))

    assert (lower.word, "0.5 (0.451–0.549)" in lower.text) == ("lower", True)
    assert figures(recall(0.7, 20), recall(0.6, 20)) == ()


def test_the_ends_of_wilsons_interval_are_as_far_as_chance_reaches() -> None:
    # Its definition: from either end, what was seen lies 1.96 standard errors away.
    low, high = wilson(0.8, 10)

    for end in (low, high):
        assert abs(0.8 - end) == pytest.approx(1.959964 * math.sqrt(end * (1 - end) / 10))
    assert low < 0.8 < high
    assert wilson(0.0, 10)[0] == 0
    assert wilson(1.0, 10)[1] == pytest.approx(1)


def test_what_was_measured_once_has_no_known_noise_and_no_timing_is_told_of_one() -> None:
    def size(value: float, unit: str = "B") -> Measurement:
        return Measurement("postgres", "disk.bytes_per_item", value, Mode.SYNC, unit)

    (once,) = figures(size(2000), size(2600))

    assert not once.clear
    assert once.text == "postgres disk.bytes_per_item (sync): 2,000 → 2,600 B, ×1.3"
    assert figures(size(2000), size(2000.2)) == ()
    assert figures(size(0.1, "s"), size(9.0, "s")) == ()


def test_a_latency_is_told_with_the_interval_of_its_noise() -> None:
    def timed(seconds: float) -> Measurement:
        samples = tuple(seconds * (0.9 + 0.01 * n) for n in range(21))
        facts = {"n_items": 1000}
        return Measurement(
            "postgres", "latency.put", seconds, Mode.SYNC, "s", facts=facts, samples=samples
        )

    rows = [row("postgres", "K1")]
    text = to_text(compare(run_of(rows, [timed(0.001)]), run_of(rows, [timed(0.002)])))

    assert "Figures beyond their noise (the middle half of the samples)" in text
    assert "put (sync), 1,000 items: 1 (0.95–1.05) → 2 (1.9–2.1) ms, ×2, slower" in text


def test_markdown_fits_a_comment_and_runs_nothing_of_the_runs() -> None:
    many = [row("postgres", "K1", "fail", case=f"a::{n}", message=HOSTILE * 9) for n in range(900)]
    passed = [row("postgres", "K1", case=r.case) for r in many]

    text = to_markdown(compare(run_of(passed), run_of(many), ("Only <b>a part</b>.",)))

    assert len(text) < 65_536
    assert f"… and {900 - MOST_IN_COMMENT} more" in text
    assert "> Only \\<b\\>a part" in text
    assert "<script>" not in text
    assert "<details>" not in text.split("## Newly failing")[1].split("\n- …")[0]


def test_repairs_are_folded_in_markdown() -> None:
    text = to_markdown(compare(run_of([failed("a")]), run_of([row("postgres", "K1")])))

    assert "<details><summary>Fixed (1)</summary>" in text
    assert "## Newly failing" not in text


def test_json_carries_what_the_text_does() -> None:
    after = run_of([row("postgres", "K1", "fail", message=NASTY), failed("b", "K2")])
    diff = compare(run_of([row("postgres", "K1"), failed("a", "K2")]), after, ("a note",))

    data = json.loads(to_json(diff))

    assert (data["headline"], data["notes"]) == (headline(diff), ["a note"])
    assert [r["rule"] for r in data["newly_failing"]] == ["K1"]
    assert data["newly_failing"][0]["message"] == NASTY
    assert data["looks_different"][0]["before"]["failure_kind"] == "a"


def save(path: Path, run: Run) -> Path:
    lines = [run.header, *(r.to_dict() for r in run.rows), run.footer]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


def command(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["diff", *(str(word) for word in words)])


@pytest.mark.parametrize(
    ("shape", "begins"), [("text", "1 new failure"), ("md", "# Conformance"), ("json", "{")]
)
def test_the_exit_code_is_the_same_in_every_format(tmp_path: Path, shape: str, begins: str) -> None:
    good = save(tmp_path / "good.jsonl", run_of([row("postgres", "K1")]))
    bad = save(tmp_path / "bad.jsonl", run_of([failed("a")]))

    worse, better = (command(*pair, "--format", shape) for pair in ((good, bad), (bad, good)))

    assert (worse.exit_code, better.exit_code) == (1, 0)
    assert worse.stdout.startswith(begins)
