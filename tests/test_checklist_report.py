"""
The production checklist as a page, in a run file, and beside the results of a run that was given a URL.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from store_conformance.backends import registry
from store_conformance.backends.base import Deployment
from store_conformance.backends.vector.backend import VectorBackend
from store_conformance.contract.checked import CheckedLine, counted
from store_conformance.reports import build_report, json_report, markdown, page
from store_conformance.reports.checklist import page as checklist_page
from store_conformance.reports.page_data import data
from store_conformance.runs import checklists
from store_conformance.runs.run_file import merge_runs, read_run, schema
from tests.backend_use import no_postgres
from tests.sample_run import HOSTILE, sample_run
from tests.test_checklist import STRONG, running

LINE = CheckedLine(
    "postgres", "PG10", "security", "must", "it is encrypted", "fail", "plain", "ssl=on"
)
WELL = replace(LINE, id="PG1", part="setup", status="pass", said="17.2", advice="")


def found(*lines: CheckedLine) -> dict[str, Any]:
    told = [
        {k: v for k, v in one.to_dict().items() if k not in ("kind", "backend")} for one in lines
    ]
    return {"engine": "postgres", "where": "postgresql://h/d", "counts": {"fail": 1}, "lines": told}


def test_the_page_has_each_line_with_what_to_do_and_runs_nothing() -> None:
    made = checklist_page(found(LINE, WELL))

    assert made.index('id="PG1"') < made.index('id="PG10"'), "setup before security"
    assert '"v fail">fail' in made and '"v pass">pass' in made and "<code>ssl=on</code>" in made
    assert "<script" not in made and "script-src" not in made and "default-src 'none'" in made


def test_foreign_texts_of_a_page_stay_texts() -> None:
    made = checklist_page(found(replace(LINE, said=HOSTILE, advice=HOSTILE, source=HOSTILE)))

    assert "<script" not in made
    assert "&lt;script&gt;" in made


def test_a_run_file_keeps_the_lines_and_a_report_shows_them(tmp_path: Path) -> None:
    run = replace(sample_run(), checks=(WELL, LINE))
    report = build_report(run)
    text = markdown.render(report)

    assert "## Production checklist" in text and "1 fail, 0 warn, 0 not visible, 1 pass" in text
    assert text.index("| ✓ pass | PG1 |") < text.index("| ✗ fail | PG10 |")
    assert data(report, ())["tables"]["checklist"]["rows"][1][:2] == ("✗ fail", "PG10")
    assert 'id="checklist"' in page.render(report, ())
    told = json.loads(json_report.render(report))
    jsonschema.Draft202012Validator(json_report.schema()).validate(told)
    assert [one["id"] for one in told["checklist"]] == ["PG1", "PG10"]


def test_a_report_without_a_checklist_has_no_part_for_it() -> None:
    report = build_report(sample_run())

    assert "Production checklist" not in markdown.render(report)
    assert 'id="checklist"' not in page.render(report, ())
    assert "checklist" not in json.loads(json_report.render(report))


def test_merged_runs_keep_the_lines_of_each() -> None:
    run = sample_run()
    other = replace(run, header={**run.header, "backends": {"other": {"absent": "x"}}})
    both = merge_runs([replace(run, checks=(LINE,)), replace(other, checks=(WELL,))])

    assert both.checks == (LINE, WELL)


def test_a_line_is_read_as_it_was_written_and_one_that_is_none_is_refused() -> None:
    written = json.loads(json.dumps(LINE.to_dict()))
    jsonschema.Draft202012Validator(schema()).validate(written)

    assert CheckedLine.from_dict(written) == LINE
    with pytest.raises(ValueError, match="no status"):
        CheckedLine.from_dict({**written, "status": "fine"})
    with pytest.raises(TypeError):
        CheckedLine.from_dict({"kind": "check"})
    assert counted((LINE, WELL)).startswith("1 fail")


@pytest.mark.parametrize(
    ("name", "url", "asked"),
    [
        ("qdrant", "http://localhost:6333", "qdrant://localhost:6333?tls=off"),
        ("weaviate", "https://w.example/", "weaviate://w.example?tls=on"),
    ],
)
def test_the_url_of_a_server_is_told_as_check_takes_it(name: str, url: str, asked: str) -> None:
    backend = registry.create(name, url=url)
    assert isinstance(backend, VectorBackend)
    backend._key = None

    assert backend.checkable() == asked
    backend._key = "k/y"
    assert backend.checkable() == asked.replace("://", "://k%2Fy@")


def test_an_engine_of_ours_and_one_that_is_gone_have_no_checklist() -> None:
    ours, gone = registry.create("memory"), registry.create("qdrant", url="http://127.0.0.1:9")
    lines: list[CheckedLine] = []
    said: list[str] = []

    checklists.look([ours, gone], lines.append, said.append)

    assert gone.deployment is Deployment.URL
    assert lines == []
    assert len(said) == 1 and said[0].startswith("no production checklist of qdrant")


@no_postgres
def test_a_run_with_a_url_has_the_checklist_beside_its_results(tmp_path: Path) -> None:
    with running(tmp_path / "pg", STRONG) as (_, rest):
        command = [
            sys.executable,
            "-m",
            "store_conformance.cli",
            "run",
            "-b",
            "postgres",
            "-n",
            "0",
        ]
        command += ["--rule", "K2", "--url", f"postgresql://{rest}", "--out", str(tmp_path / "out")]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "production checklist of postgres: " in done.stdout
    run = read_run(tmp_path / "out" / "run.jsonl")
    status = {line.id: line.status for line in run.checks}
    assert status["PG14"] == "fail", "the role is a superuser"
    assert status["PG13"] == "pass"
    assert "## Production checklist" in (tmp_path / "out" / "report.md").read_text("utf-8")
    for path in (tmp_path / "out").iterdir():
        assert not path.is_file() or STRONG not in path.read_text("utf-8"), path
