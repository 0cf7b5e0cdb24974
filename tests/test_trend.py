"""
Runs over time: what each says of a backend, what keeps two of them from being compared, and what is left out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from store_conformance.cli.parsing import main
from store_conformance.contract import Mode
from store_conformance.contract.errors import EXIT_DATA, EXIT_USAGE
from store_conformance.contract.records import Measurement, Row, Run
from store_conformance.reports import json_report
from store_conformance.reports.model import build_report
from store_conformance.reports.page import render
from store_conformance.reports.pictures import can_draw, draw
from store_conformance.reports.tables import tables
from store_conformance.reports.trend import Trend, Unread, trend
from store_conformance.reports.trend_formats import headlines, to_json, to_markdown, to_values
from tests.page_parts import page_data
from tests.sample_run import BACKENDS, HOSTILE, make_run, row

ONE = {"postgres": BACKENDS["postgres"]}


def timed(operation: str, seconds: float, ops: int = 1) -> Measurement:
    return Measurement(
        "postgres",
        f"latency.{operation}",
        seconds,
        Mode.SYNC,
        "s",
        facts={"ops_per_call": ops},
        samples=(seconds, seconds, seconds * 2),
    )


def run_on(day: int, rows: list[Row], figures: list[Measurement] | None = None, **more: Any) -> Run:
    made = make_run(rows, figures or [], more.pop("backends", ONE))
    made.header.update({"started": f"2026-11-{day:02}T03:00:00+00:00", **more})
    return made


def told(*runs: Run) -> Trend:
    return trend((f"run-{n}", run) for n, run in enumerate(runs))


PASS, FAIL = row("postgres", "K1"), row("postgres", "K1", "fail", cause="get: nothing")
K2 = row("postgres", "K2")


def test_each_run_is_a_point_whatever_order_the_files_have() -> None:
    late = run_on(20, [PASS, K2], [timed("get", 0.001), timed("put", 0.004)])
    early = run_on(3, [FAIL, K2], [timed("get", 0.002), timed("put", 0.004)])

    made = told(late, early)

    points = made.of("postgres")
    assert [(p.source, p.kept, p.offered, p.failures, p.news, p.causes) for p in points] == [
        ("run-1", 1, 2, 1, 1, 1),
        ("run-0", 2, 2, 0, 0, 0),
    ]
    assert [p.ratios for p in points] == [{("put", "sync"): 2.0}, {("put", "sync"): 4.0}]
    assert headlines(made) == [
        "postgres: 2 runs; kept 1 of 2 → 2 of 2, failures 1 → 0, causes 1 → 0"
    ]


def test_failures_of_one_cause_are_one_and_old_runs_go_by_the_rule() -> None:
    alike = [
        FAIL,
        row("postgres", "K2", "fail", cause="get: nothing"),
        row("postgres", "K3", "fail"),
        row("postgres", "K3", "fail", case="other::case"),
    ]

    point = told(run_on(1, alike)).points[0]

    assert (point.failures, point.causes) == (4, 2)


def test_an_operation_in_a_batch_counts_by_the_item() -> None:
    figures = [timed("get", 0.001), timed("batch_put", 0.1, ops=50)]

    ratios = told(run_on(1, [PASS], figures)).points[0].ratios

    assert ratios["batch_put", "sync"] == pytest.approx(2.0)
    assert told(run_on(1, [PASS], [timed("put", 0.1)])).points[0].ratios == {}  # nothing to go by


@pytest.mark.parametrize(
    ("changed", "mark"),
    [
        ({"suite_version": "0.2.0"}, "suite 0.1.0 → 0.2.0"),
        ({"machine": {"system": "Darwin"}}, "another machine or Python"),
        ({"profile": "quick"}, "profile quick"),
        ({"selection": {"rules": ["K1"]}}, "a part of the suite"),
        (
            {"backends": {"postgres": {**ONE["postgres"], "packages": {"psycopg": "9"}}}},
            "psycopg 3.2.1 → 9",
        ),
    ],
)
def test_what_keeps_a_run_from_being_compared_is_marked(changed: Any, mark: str) -> None:
    before = {"postgres": {**ONE["postgres"], "packages": {"psycopg": "3.2.1"}}}
    first = run_on(1, [PASS], backends=before)
    same = told(first, run_on(2, [PASS], backends=before)).points[1]
    other = told(first, run_on(2, [PASS], **{"backends": before, **changed})).points[1]

    assert same.marks == ()
    assert mark in other.marks


def test_rules_that_came_or_went_are_marked() -> None:
    second = told(
        run_on(1, [PASS, K2]), run_on(2, [PASS, row("postgres", "K3"), row("postgres", "K4")])
    )

    assert second.points[1].marks == ("rules: 2 more, 1 fewer",)


def test_interrupted_runs_and_emulators_are_marked() -> None:
    cut = run_on(1, [PASS])
    cut.footer["interrupted"] = True
    emulator = run_on(
        2, [PASS], backends={"postgres": {**ONE["postgres"], "deployment": "emulated"}}
    )

    assert told(cut).points[0].marks == ("interrupted",)
    assert told(emulator).points[0].marks == ("emulated",)


def test_a_run_that_is_there_twice_counts_once_and_one_without_a_date_not_at_all() -> None:
    made = told(run_on(1, [PASS]), run_on(1, [PASS]), run_on(2, [PASS], started="soon"))

    assert len(made.points) == 1
    assert [(u.source, u.reason) for u in made.left_out] == [
        ("run-1", "postgres started when that of run-0 did"),
        ("run-2", "does not say when it was started"),
    ]


def test_nothing_foreign_becomes_markup() -> None:
    made = trend([("<script>|`", run_on(1, [PASS], suite_version=HOSTILE)), Unread("a|b", "<b>")])

    text = to_markdown(made)

    assert "<script>" not in text
    assert "<b>" not in text
    assert json.loads(to_json(made)) == json.loads(json.dumps(to_values(made)))


# -- in the report -----------------------------------------------------------------------------------


def over_time() -> Trend:
    first = run_on(1, [FAIL, K2], [timed("get", 0.001), timed("put", 0.002)])
    second = run_on(9, [PASS, K2], [timed("get", 0.001), timed("put", 0.003)])
    return trend([("a", first), ("b", second), Unread("c", "is truncated")])


def test_the_report_tells_runs_over_time_only_where_it_was_given_some() -> None:
    run = run_on(9, [PASS, K2])
    with_history, without = build_report(run, (), over_time()), build_report(run)

    assert [r[3] for r in tables(with_history)["trend"].rows] == ["1 of 2", "2 of 2"]
    assert [r[2] for r in tables(with_history)["trend-latency"].rows] == ["×2", "×3"]
    assert "Not told over time: c: is truncated." in with_history.caveats
    assert "trend" in page_data(render(with_history, ()))["tables"]
    assert "trend" not in tables(without)
    assert "over_time" not in json_report.to_dict(without)
    values = json_report.to_dict(with_history)
    assert len(values["over_time"]["points"]) == 2
    jsonschema.validate(json.loads(json_report.render(with_history)), json_report.schema())


@pytest.mark.skipif(not can_draw(), reason="unverified: matplotlib is not installed")
def test_a_picture_is_drawn_of_several_runs_and_none_of_one() -> None:
    run = run_on(9, [PASS, K2])
    one = trend([("a", run)])

    assert {p.id for p in draw(build_report(run, (), over_time()))} == {"trend", "trend-latency"}
    assert draw(build_report(run, (), one)) == ()


# -- the command -------------------------------------------------------------------------------------


def written(folder: Path, name: str, run: Run) -> Path:
    footer = {**run.footer, "kind": "footer"}
    lines = [
        {"schema": 1, **run.header, "kind": "header"},
        *(r.to_dict() for r in run.rows),
        *(m.to_dict() for m in run.measurements),
        footer,
    ]
    path = folder / name
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


def test_the_command_reads_a_folder_and_names_what_it_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "older").mkdir()
    written(tmp_path / "older", "run.jsonl", run_on(1, [FAIL, K2]))
    written(tmp_path, "run.jsonl", run_on(9, [PASS, K2]))
    whole = (tmp_path / "run.jsonl").read_text("utf-8")
    (tmp_path / "cut.jsonl").write_text(whole[:-40], "utf-8")
    (tmp_path / "other.jsonl").write_text(whole.replace('"schema": 1', '"schema": 7'), "utf-8")

    done = CliRunner().invoke(main, ["trend", str(tmp_path)])
    as_json = CliRunner().invoke(main, ["trend", str(tmp_path), "--format", "json"])

    assert done.exit_code == 0, done.output
    assert "postgres: 2 runs; kept 1 of 2 → 2 of 2" in done.stdout
    assert "cut.jsonl: is truncated" in done.stdout
    assert "other.jsonl: is of schema 7, this version reads 1" in done.stdout
    assert len(json.loads(as_json.stdout)["points"]) == 2


def test_the_command_says_when_there_is_nothing_to_tell(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text("{}", "utf-8")
    (tmp_path / "empty").mkdir()

    unread = CliRunner().invoke(main, ["trend", str(tmp_path)])
    empty = CliRunner().invoke(main, ["trend", str(tmp_path / "empty")])
    gone = CliRunner().invoke(main, ["trend", str(tmp_path / "gone")])

    assert unread.exit_code == EXIT_DATA
    assert (empty.exit_code, gone.exit_code) == (EXIT_USAGE, EXIT_USAGE)
    assert "has no run file below it" in empty.stderr
    assert "is not there" in gone.stderr


def test_a_report_is_given_earlier_runs_and_its_own_counts_once(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    written(tmp_path / "runs", "1.jsonl", run_on(1, [FAIL, K2]))
    now = written(tmp_path / "runs", "2.jsonl", run_on(9, [PASS, K2]))

    words = [
        "report",
        str(now),
        "--history",
        str(tmp_path / "runs"),
        "--out",
        str(tmp_path / "out"),
    ]
    done = CliRunner().invoke(main, [*words, "--format", "json", "--format", "md"])

    assert done.exit_code == 0, done.output
    values = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert [p["failures"] for p in values["over_time"]["points"]] == [1, 0]
    assert values["over_time"]["left_out"] == []
    assert "## Over time" in (tmp_path / "out" / "report.md").read_text("utf-8")
