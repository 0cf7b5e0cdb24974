"""
The reports, format by format, on a synthetic run: what they say, what they refuse, what they escape.
"""

from __future__ import annotations

import io
import json
import os
import re
import statistics
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from rich.console import Console

from store_conformance.contract import Level, Mode, UserError, Verdict
from store_conformance.contract.records import Measurement, Row, Run
from store_conformance.reports import (
    DEFAULT,
    build_report,
    compare,
    json_report,
    write_reports,
)
from store_conformance.reports.diff import headline, print_diff, to_markdown
from store_conformance.reports.statistics import percentile, summarise
from store_conformance.reports.summary import flags
from store_conformance.reports.text import number, safe_link, visible
from store_conformance.runs.lines import RunFileError
from store_conformance.runs.run_file import (
    RunWriter,
    merge_runs,
    read_run,
    schema,
)
from tests.page_parts import page_data
from tests.sample_run import (
    BACKENDS,
    HOSTILE,
    NASTY,
    make_run,
    row,
    sample_run,
)

VALIDATOR = jsonschema.Draft202012Validator


@pytest.fixture(scope="module")
def run() -> Run:
    return sample_run()


@pytest.fixture(scope="module")
def written(run: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    paths = write_reports(run, tmp_path_factory.mktemp("reports") / "new" / "folder")
    return {path.name: path.read_text("utf-8") for path in paths}


def write_run(path: Path, run: Run) -> Path:
    """The run as a file, through the writer that a real run uses."""
    writer = RunWriter(path, {k: v for k, v in run.header.items() if k not in ("kind", "schema")})
    entries: list[Row | Measurement] = [*run.rows, *run.measurements]
    for entry in entries:
        writer.add(entry)
    writer.close(
        seconds=run.footer["seconds"]["total"],
        by_backend={k: v["total"] for k, v in run.footer["seconds"]["by_backend"].items()},
        interrupted=False,
    )
    return path


# -- run files ----------------------------------------------------------------------------------


def test_every_line_of_a_run_file_keeps_the_schema(run: Run, tmp_path: Path) -> None:
    path = write_run(tmp_path / "run.jsonl", run)
    validator = VALIDATOR(schema())
    VALIDATOR.check_schema(schema())

    for line in path.read_text("utf-8").splitlines():
        validator.validate(json.loads(line))


@pytest.mark.parametrize(
    "line",
    [
        {"kind": "other"},
        {"kind": "header", "schema": 2},
        {**row("memory", "K1").to_dict(), "verdict": "passed"},
        {**row("memory", "K1").to_dict(), "surprise": 1},
        {"kind": "measurement", "backend": "memory", "name": "x"},
        {"kind": "footer", "counts": {"passed": 1}, "rows": 1},
    ],
    ids=["kind", "schema", "verdict", "unknown field", "no value", "footer"],
)
def test_the_schema_refuses_a_line_of_another_shape(line: dict[str, Any]) -> None:
    assert not VALIDATOR(schema()).is_valid(line)


def test_a_run_reads_back_as_it_was_written(run: Run, tmp_path: Path) -> None:
    again = read_run(write_run(tmp_path / "run.jsonl", run))

    assert again.rows == run.rows
    assert [m.name for m in again.measurements] == [m.name for m in run.measurements]
    assert write_reports(again, tmp_path / "out")


@pytest.mark.parametrize(
    ("cut", "problem"),
    [
        (lambda lines: lines[:-1], "no footer"),
        (lambda lines: [*lines[:-1], lines[-1][:-9]], "not JSON"),
        (lambda lines: [*lines[:5], lines[-1]], "footer counts"),
        (lambda lines: lines[1:], "no header"),
        (lambda lines: [], "no header"),
        (lambda lines: ["{}"], "not a record of a run"),
        (lambda lines: [lines[0].replace('"schema": 1', '"schema": 9'), *lines[1:]], "schema 9"),
    ],
    ids=["no footer", "half a line", "rows lost", "no header", "empty", "foreign", "schema"],
)
def test_a_truncated_or_foreign_run_file_is_refused(
    cut: Any, problem: str, run: Run, tmp_path: Path
) -> None:
    path = write_run(tmp_path / "run.jsonl", run)
    path.write_text("\n".join(cut(path.read_text("utf-8").splitlines())), "utf-8")

    with pytest.raises(RunFileError, match=problem) as refused:
        read_run(path)

    assert refused.value.hint


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("verdict", "passed"),
        ("level", "MAY"),
        ("mode", "both"),
        ("restart", "reboot"),
        ("memory", "muscle"),
        ("scenario", "muscle"),
    ],
)
def test_a_row_with_a_value_that_no_version_knows_is_refused(
    field: str, value: str, tmp_path: Path
) -> None:
    path = write_run(tmp_path / "run.jsonl", make_run([row("memory", "E4", restart="object")]))
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    (changed,) = [line for line in lines if line["kind"] == "verdict"]
    changed[field] = value
    path.write_text("\n".join(map(json.dumps, lines)), "utf-8")

    with pytest.raises(RunFileError, match=f"cannot be read .*{value}"):
        read_run(path)
    assert not VALIDATOR(schema()).is_valid(changed)


def test_a_row_of_the_first_release_reads_without_the_newer_fields() -> None:
    old = row("memory", "E1", "fail", mode="async", scenario="semantic")
    data = old.to_dict()

    again = Row.from_dict(data)

    assert again == old
    assert not {"restart", "memory"} & set(data)
    assert (again.verdict, again.level, again.mode) == (Verdict.FAIL, Level.MUST, Mode.ASYNC)
    assert all(type(v) is not Verdict for v in data.values()), "a run file holds plain texts"


def test_a_run_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFileError, match="cannot be read"):
        read_run(tmp_path / "none.jsonl")


def one_backend(name: str, **header: Any) -> Run:
    only = make_run([row(name, "K1")], backends={name: BACKENDS[name]})
    return replace(only, header={**only.header, **header})


def test_runs_of_two_backends_merge_into_one_report(tmp_path: Path) -> None:
    merged = merge_runs(
        [one_backend("memory"), one_backend("postgres", machine={"system": "Darwin"})]
    )

    report = build_report(merged)

    assert report.names == ("memory", "postgres")
    assert any("different machines" in sentence for sentence in report.caveats)
    assert write_reports(merged, tmp_path)


@pytest.mark.parametrize(("rules", "lacking"), [(("K1", "K2", "X1"), "X1"), (("K1", "K2"), "")])
def test_a_run_of_a_suite_with_fewer_rules_is_marked_in_a_merged_report(
    rules: tuple[str, ...], lacking: str
) -> None:
    rows = {"memory": ("K1", "K2"), "postgres": rules}
    runs = [
        make_run([row(name, rule) for rule in those], backends={name: BACKENDS[name]})
        for name, those in rows.items()
    ]

    report = build_report(merge_runs(runs))

    marked = [flag for flag in flags(report) if flag.startswith("fewer rules")]
    assert marked == (["fewer rules: memory (1 not run)"] if lacking else [])
    told = [sentence for sentence in report.caveats if "fewer rules" in sentence]
    assert len(told) == bool(lacking)
    assert all(f": {lacking} were not run on it" in one for one in told)


@pytest.mark.parametrize(
    ("other", "problem"),
    [
        (one_backend("memory"), "two of the runs"),
        (one_backend("postgres", suite_version="0.2.0"), "0.2.0"),
        (one_backend("postgres", selection={"rules": ["K1"]}), "different cases"),
    ],
    ids=["same backend", "other suite", "other cases"],
)
def test_a_merge_that_makes_no_sense_is_refused(other: Run, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        merge_runs([one_backend("memory"), other])


# -- statistics ---------------------------------------------------------------------------------


def test_percentiles_interpolate_between_the_nearest_samples() -> None:
    samples = [15.0, 20.0, 35.0, 40.0, 50.0]

    assert percentile(samples, 0) == 15
    assert percentile(samples, 40) == pytest.approx(29.0)
    assert percentile(samples, 50) == statistics.median(samples)
    assert percentile(samples, 100) == 50
    assert percentile([7.0], 95) == 7


def test_percentiles_agree_with_the_inclusive_quantiles_of_the_standard_library() -> None:
    samples = [((n * 7919) % 997) / 13 for n in range(250)]
    cuts = statistics.quantiles(samples, n=100, method="inclusive")

    assert [percentile(samples, p) for p in range(1, 100)] == pytest.approx(cuts)


@pytest.mark.parametrize("percent", [-1, 101])
def test_a_percentile_outside_its_range_is_refused(percent: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 100"):
        percentile([1.0], percent)


def test_a_p99_needs_a_hundred_samples() -> None:
    assert summarise([0.001] * 99).p99 is None
    assert summarise([0.001] * 100).p99 == pytest.approx(0.001)


def test_operations_a_second_count_the_operations_of_a_call() -> None:
    assert summarise([0.5, 1.5]).per_second == pytest.approx(1.0)
    assert summarise([0.5, 1.5], 100).per_second == pytest.approx(100.0)


def test_samples_that_are_no_number_are_left_out() -> None:
    assert summarise([float("nan"), float("inf"), 2.0]).n == 1
    assert summarise([]).p50 is None


# -- the model ----------------------------------------------------------------------------------


def test_a_cell_is_the_worst_of_its_cases_and_tells_expected_failures_apart(run: Run) -> None:
    report = build_report(run)
    cell = report.cell("postgres", "K7")
    known = report.cell("memory", "F5")

    assert cell is not None and known is not None
    assert (cell.word, cell.counts) == ("fail", {"pass": 1, "fail": 1})
    assert known.word == "fail (expected)"
    assert report.cell("memory", "S6").word == "recorded"  # type: ignore[union-attr]
    assert report.cell("memory", "K99") is None


def test_news_are_unexpected_failures_errors_and_stale_expectations(run: Run) -> None:
    report = build_report(run)

    # memory: K10 twice, X5 stale; postgres: K7, O5; pinecone: N5 twice
    assert report.unexpected == 7
    assert [r.rule for r in report.stale] == ["X5"]
    assert [r.rule for r in report.harness_errors] == ["O5"]


def test_portability_puts_the_backends_answers_side_by_side(run: Run) -> None:
    table = {(r.rule.id, r.question): r for r in build_report(run).portability}

    assert table["F7", ""].differs
    assert table["F7", ""].answers["memory"][0].text == "matches"
    assert table["S6", "order"].answers["postgres"][0].modes == ("sync", "async")
    assert not table["S6", "order"].differs


def test_a_backend_that_could_not_run_is_named_and_not_compared(tmp_path: Path) -> None:
    backends = {"memory": BACKENDS["memory"], "postgres": {"absent": "no <server> here"}}
    rows = [
        row("memory", "K1"),
        Row(
            "postgres",
            "E4",
            Level.MUST,
            "engine",
            Mode.SYNC,
            Verdict.UNVERIFIED,
            "no <server> here",
        ),
        Row("?", "?", Level.MUST, "worker", "?", Verdict.ERROR, "no verdict: the worker died"),
    ]
    partly = make_run(rows, backends=backends)

    texts = {p.name: p.read_text("utf-8") for p in write_reports(partly, tmp_path)}

    assert build_report(partly).names == ("memory",)
    assert "no &lt;server&gt; here" in texts["report.html"]
    assert "could not run" in texts["report.md"]
    document = json.loads(texts["report.json"])
    VALIDATOR(json_report.schema()).validate(document)
    assert document["absent"] == {"postgres": "no <server> here"}
    for record in (partly.header, *(r.to_dict() for r in rows)):
        VALIDATOR(schema()).validate(json.loads(json.dumps(record)))
    root = ET.fromstring(texts["junit.xml"])
    assert (root.get("tests"), root.get("skipped"), root.get("errors")) == ("3", "1", "1")
    assert "the worker died" in str(page_data(texts["report.html"])["troubles"])


def test_a_row_of_a_rule_that_the_contract_lacks_is_shown_all_the_same(tmp_path: Path) -> None:
    odd = make_run([row("memory", "Q7", "fail")], backends={"memory": BACKENDS["memory"]})

    told = page_data(write_reports(odd, tmp_path, ["html"])[0].read_text("utf-8"))

    assert told["cells"]["Q7"]["memory"]["verdict"] == "fail"
    assert "not in the contract of this version" in told["rules"]["Q7"]["title"]


def test_a_run_of_a_bare_header_makes_every_report(tmp_path: Path) -> None:
    bare = Run({"backends": {"mine": {}}}, (), (), {})

    assert len(write_reports(bare, tmp_path)) == len(DEFAULT)


# -- formats ------------------------------------------------------------------------------------


def test_the_reports_have_their_names(written: dict[str, str]) -> None:
    assert list(written) == ["report.md", "report.html", "report.json", "junit.xml"]


def test_the_json_report_keeps_its_schema(written: dict[str, str]) -> None:
    VALIDATOR.check_schema(json_report.schema())

    document = json.loads(written["report.json"])

    VALIDATOR(json_report.schema()).validate(document)
    assert document["totals"]["unexpected"] == 7
    assert {f["rule"] for f in document["findings"]} == {"K7", "K10", "N5", "F5"}


def test_the_json_report_has_no_word_that_json_lacks(tmp_path: Path) -> None:
    odd = make_run(
        [row("memory", "K1")],
        [Measurement("memory", "x", float("nan"))],
        backends={"memory": BACKENDS["memory"]},
    )

    text = write_reports(odd, tmp_path, ["json"])[0].read_text("utf-8")

    assert json.loads(text, parse_constant=pytest.fail)["measurements"][0]["value"] == "nan"


def test_the_junit_report_counts_as_the_gate_does(run: Run, written: dict[str, str]) -> None:
    root = ET.fromstring(written["junit.xml"])
    suites = {s.get("name"): s for s in root}
    memory = suites["memory"]

    assert set(suites) == {"memory", "postgres", "pinecone (emulated)"}
    assert int(root.get("tests", 0)) == len(run.rows) == len(list(root.iter("testcase")))
    assert int(root.get("failures", 0)) + int(root.get("errors", 0)) == 7
    assert (memory.get("failures"), memory.get("errors")) == ("3", "0")
    assert suites["postgres"].get("errors") == "1"
    messages = [e.get("message", "") for e in memory.iter("skipped")]
    assert "expected: known upstream" in messages
    assert "unsupported: declared: no ttl" in messages
    assert any(e.get("message", "").startswith("stale") for e in memory.iter("failure"))


def test_the_markdown_report_says_of_each_value_from_what_it_follows(
    run: Run, written: dict[str, str]
) -> None:
    (told,) = re.findall(
        r"<summary>From what each value follows</summary>(.*?)</details>",
        written["report.md"],
        re.DOTALL,
    )
    report = build_report(run)

    assert len(re.findall(r"(?m)^\*\*[^*]+\*\*: ", told)) == len(report.comparison) + 1
    assert len(re.findall(r"(?m)^- ", told)) == (len(report.comparison) + 1) * len(report.names)


def test_the_cells_of_the_markdown_comparison_are_short(written: dict[str, str]) -> None:
    table = written["report.md"].split("## Comparison")[1].split("<details>")[0]
    cells = [cell.strip() for line in table.splitlines() for cell in line.split("|")[1:-1]]

    assert cells
    assert max(map(len, cells)) <= 60


def test_every_row_of_a_markdown_table_has_as_many_cells_as_its_head(
    written: dict[str, str],
) -> None:
    width = 0
    for line in written["report.md"].splitlines():
        if not line.startswith("|"):
            width = 0
            continue
        cells = len(re.findall(r"(?<!\\)\|", line)) - 1
        width = width or cells
        assert cells == width, line


# -- writing ------------------------------------------------------------------------------------


def test_a_folder_that_is_a_file_is_refused_with_a_hint(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", "utf-8")

    with pytest.raises(UserError, match="cannot be written") as refused:
        write_reports(run, tmp_path / "file", ["json"])

    assert "--out" in refused.value.hint


def test_a_report_name_that_is_taken_by_a_folder_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "report.json").mkdir()

    with pytest.raises(UserError):
        write_reports(run, tmp_path, ["json"])

    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]


def test_an_unknown_format_is_refused_with_the_nearest_right_one(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'html'"):
        write_reports(run, tmp_path, ["htm"])
    with pytest.raises(UserError, match="no report format"):
        write_reports(run, tmp_path, [])


# -- diff ---------------------------------------------------------------------------------------


def timed(backend: str, median: float) -> Measurement:
    samples = tuple(median * (0.9 + n / 500) for n in range(100))
    return Measurement(
        backend, "latency.put", median, Mode.SYNC, "s", facts={"n_items": 1000}, samples=samples
    )


def diff_of(before: list[Row], after: list[Row], *figures: list[Measurement]) -> Any:
    one_store = {"postgres": BACKENDS["postgres"]}
    return compare(
        make_run(before, figures[0] if figures else None, one_store),
        make_run(after, figures[1] if figures else None, one_store),
    )


def test_a_diff_tells_news_from_what_was_known() -> None:
    before = [
        row("postgres", r, v)
        for r, v in (("K1", "pass"), ("K2", "fail"), ("K3", "fail"), ("K4", "pass"), ("K5", "pass"))
    ]
    after = [
        row("postgres", r, v)
        for r, v in (
            ("K1", "fail"),
            ("K2", "fail"),
            ("K3", "pass"),
            ("K4", "unverified"),
            ("X1", "fail"),
        )
    ]

    diff = diff_of(before, after)

    assert [c.after.rule for c in diff.new_failures] == ["K1"]
    assert [r.rule for r in diff.appeared] == ["X1"]
    assert [c.after.rule for c in diff.fixed] == ["K3"]
    assert [c.after.rule for c in diff.changed] == ["K4"]
    assert [r.rule for r in diff.missing] == ["K5"]
    assert len(diff.newly_failing) == 2
    assert headline(diff).startswith("2 new failures, 1 fixed")


def test_an_expected_new_failure_is_no_news() -> None:
    known = row("postgres", "K1", "fail", expectation="known")

    assert diff_of([row("postgres", "K1")], [known]).newly_failing == ()


def test_equal_runs_have_no_difference(run: Run) -> None:
    diff = compare(run, run)

    assert (diff.newly_failing, diff.fixed, diff.changed, diff.missing, diff.versions) == (
        (),
        (),
        (),
        (),
        (),
    )
    assert {t.word for t in diff.latencies} == {"no clear change"}


def test_a_latency_changes_only_beyond_the_noise() -> None:
    rows = [row("postgres", "K1")]
    slower = diff_of(rows, rows, [timed("postgres", 0.001)], [timed("postgres", 0.002)])
    alike = diff_of(rows, rows, [timed("postgres", 0.001)], [timed("postgres", 0.00102)])

    assert (slower.latencies[0].word, slower.latencies[0].ratio) == ("slower", pytest.approx(2))
    assert alike.latencies[0].word == "no clear change"


def test_a_diff_names_the_versions_and_prints_hostile_texts_safely(run: Run) -> None:
    later = [
        replace(r, verdict=Verdict.FAIL, message=HOSTILE + NASTY) if r.rule == "K1" else r
        for r in run.rows
    ]
    facts = {
        **BACKENDS,
        "memory": {**BACKENDS["memory"], "packages": {"langgraph-checkpoint": "4.4.0"}},
    }
    diff = compare(run, make_run(later, list(run.measurements), facts))
    console = Console(width=200, record=True, file=io.StringIO())

    print_diff(diff, console)

    assert diff.versions == ("memory: langgraph-checkpoint 4.3.2 → 4.4.0",)
    assert "<script>" not in to_markdown(diff)
    assert "Newly failing" in console.export_text()


# -- texts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (540.0, "540"),
        (370.4, "370"),
        (0.00831, "0.00831"),
        (1234567.0, "1,234,567"),
        (4.0, "4"),
        (2.5, "2.5"),
        (0, "0"),
        (None, "not measured"),
        (float("nan"), "nan"),
        (99.96, "100"),
    ],
)
def test_figures_keep_three_digits(value: float | None, text: str) -> None:
    assert number(value) == text


def test_hidden_characters_are_shown() -> None:
    assert visible("a\x00b\u202ec\ud83d\n") == "a\\x00b\\u202ec\\ud83d\n"


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "file:///etc/passwd", "//host", "", None, "http://["]
)
def test_only_web_addresses_become_links(url: str | None) -> None:
    assert safe_link(url) is None


def test_reports_import_neither_pytest_nor_a_client() -> None:
    code = (
        "import sys, store_conformance.reports.terminal, store_conformance.reports.diff\n"
        "wrong = {'pytest', 'langgraph', 'psycopg', 'sqlite3', 'chromadb', 'qdrant_client', 'rich'}\n"
        "found = wrong & {name.split('.')[0] for name in sys.modules}\n"
        "sys.exit(', '.join(sorted(found)) or 0)\n"
    )

    # Coverage, which measures child processes too, keeps its data by sqlite3.
    plain = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=plain)

    assert done.returncode == 0, done.stderr
