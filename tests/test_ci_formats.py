"""
What a run leaves for a CI host: badges, SARIF, the summary of a step and annotations.

The shape of SARIF is checked by the part of its schema that concerns what we write (``SHAPE``): the official one
cannot be had offline (a log of both sample runs was held against it by hand).
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest

from store_conformance.cli.reading import report as report_command
from store_conformance.contract.records import Row, Run
from store_conformance.reports import FORMATS, build_report, write_reports
from store_conformance.reports.badge import Badge, Colour, badges, endpoint, svg
from store_conformance.reports.places import place_of
from store_conformance.reports.sarif import message, render
from store_conformance.reports.workflow import (
    MOST_ANNOTATIONS,
    MOST_FINDINGS,
    Annotation,
    annotation_lines,
    command,
    summary,
)
from tests.planted_run import PLANTED, planted_run
from tests.sample_run import BACKENDS, make_run, row, sample_run
from tests.test_planted import acting

TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}
NOTE = {
    "required": ["message"],
    "properties": {"message": TEXT, "level": {"enum": ["none", "note", "warning", "error"]}},
}
RESULT = {
    "required": ["message"],
    "additionalProperties": False,
    "properties": {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": -1},
        "kind": {"enum": ["fail"]},
        "level": {"enum": ["none", "note", "warning", "error"]},
        "message": TEXT,
        "locations": {
            "type": "array",
            "items": {
                "additionalProperties": False,
                "properties": {
                    "physicalLocation": {
                        "required": ["artifactLocation"],
                        "properties": {
                            "artifactLocation": {"properties": {"uri": {"type": "string"}}},
                            "region": {
                                "properties": {"startLine": {"type": "integer", "minimum": 1}}
                            },
                        },
                    },
                    "logicalLocations": {"type": "array", "uniqueItems": True},
                },
            },
        },
        "partialFingerprints": {"additionalProperties": {"type": "string"}},
        "properties": {"type": "object"},
        "suppressions": {
            "items": {
                "required": ["kind"],
                "additionalProperties": False,
                "properties": {
                    "kind": {"enum": ["inSource", "external"]},
                    "justification": {"type": "string"},
                },
            }
        },
    },
}
SHAPE: dict[str, Any] = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "required": ["tool"],
                "properties": {
                    "tool": {
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "required": ["name"],
                                "properties": {
                                    "rules": {"items": {"required": ["id"]}, "uniqueItems": True}
                                },
                            }
                        },
                    },
                    "invocations": {
                        "items": {
                            "required": ["executionSuccessful"],
                            "properties": {"toolExecutionNotifications": {"items": NOTE}},
                        }
                    },
                    "results": {"type": "array", "items": RESULT},
                },
            },
        },
    },
}


def mine(rows: list[Row], **changes: Any) -> Run:
    """A run of a user's store."""
    facts = {**BACKENDS["memory"], "store": "src/my_store.py:open_store", "deployment": "factory"}
    return make_run(rows, None, {"mine": {**facts, **changes}})


def sarif(run: Run) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(render(build_report(run)))
    return document


def badge_of(run: Run) -> Badge:
    return badges(build_report(run))[0]


def test_every_format_can_be_asked_for() -> None:
    offered = next(p.type for p in report_command.params if p.name == "formats")

    assert isinstance(offered, click.Choice)
    assert tuple(offered.choices) == FORMATS


# -- badges --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "colour"),
    [
        pytest.param([row("mine", "K1")], Colour.GREEN, id="kept"),
        pytest.param([row("mine", "K1"), row("mine", "K7", "fail")], Colour.YELLOW, id="a SHOULD"),
        pytest.param([row("mine", "K1", "fail"), row("mine", "K7", "fail")], Colour.RED, id="MUST"),
        pytest.param(
            [row("mine", "K1", "fail", expectation="known")], Colour.RED, id="a known MUST"
        ),
        pytest.param(
            [row("mine", "K1"), row("mine", "K2", "unverified")], Colour.GREY, id="unsure"
        ),
    ],
)
def test_the_colour_follows_from_what_is_broken(rows: list[Row], colour: Colour) -> None:
    made = badge_of(mine(rows))

    assert made.colour is colour
    kept = sum(r.verdict == "pass" for r in rows)
    assert made.message == f"{kept} of {len(rows)} promises kept"


def test_a_part_an_interruption_and_an_emulator_are_said_and_never_green() -> None:
    run = mine([row("mine", "K1")])
    part = replace(run, header={**run.header, "selection": {"rules": ["K1"]}})
    ended = replace(run, footer={**run.footer, "interrupted": True})
    emulated = mine([row("mine", "K1", "fail")], deployment="emulated")

    assert badge_of(run).colour is Colour.GREEN  # the control
    for other, word in (
        (part, "part of the suite"),
        (ended, "interrupted"),
        (emulated, "emulated"),
    ):
        made = badge_of(other)
        assert word in made.message
        assert made.colour is Colour.GREY


def test_a_backend_that_could_not_run_has_a_badge_that_says_so() -> None:
    run = make_run([row("a", "K1")], None, {"a": BACKENDS["memory"], "b": {"absent": "no server"}})
    ran, absent = badges(build_report(run))

    assert (absent.message, absent.is_error) == ("could not run", True)
    assert json.loads(endpoint(absent))["isError"] is True
    assert "isError" not in json.loads(endpoint(ran))


def test_the_files_of_badges_are_what_shields_and_a_browser_read(tmp_path: Path) -> None:
    written = write_reports(planted_run(), tmp_path, ["badge"])

    assert {path.parent for path in written} == {tmp_path / "badges"}
    assert {path.suffix for path in written} == {".json", ".svg"}
    told = json.loads(next(p for p in written if p.suffix == ".json").read_text("utf-8"))
    assert told["schemaVersion"] == 1
    assert {type(told[name]) for name in ("label", "message", "color")} == {str}
    picture = ET.fromstring(next(p for p in written if p.suffix == ".svg").read_text("utf-8"))
    names = {element.tag.rpartition("}")[2] for element in picture.iter()}
    assert names == {"svg", "title", "rect", "g", "text"}
    assert PLANTED[0][:20] in "".join(picture.itertext())


def test_a_hostile_badge_is_text(tmp_path: Path) -> None:
    for text in PLANTED:
        root = ET.fromstring(svg(Badge("b", text, text, Colour.GREY)))
        assert len(root.findall("*")) == 4  # title, two halves, the texts
        assert not [name for name in root.attrib if name.startswith("on")]


# -- places and SARIF ----------------------------------------------------------------------------


def test_a_finding_has_its_place_in_the_users_file() -> None:
    stack = 'File "/home/me/project/src/my_store.py", line 41 in put'
    hung = row("mine", "K2", "fail", history=("Thread 1:", stack))
    elsewhere = row("mine", "K3", "fail", history=('File "/lib/not_my_store.py", line 9 in put',))
    report = build_report(mine([row("mine", "K1", "fail"), hung, elsewhere]))

    places = [place_of(report, r) for r in report.rows]
    assert [(p.uri, p.line) for p in places if p] == [
        ("src/my_store.py", 1),
        ("src/my_store.py", 41),
        ("src/my_store.py", 1),
    ]


@pytest.mark.parametrize(
    ("store", "deployment", "uri"),
    [
        ("/home/me/a b.py:open_store", "factory", "file:///home/me/a%20b.py"),
        ("C:\\me\\store.py:open_store", "factory", "file:///C:/me/store.py"),
        ("package.module:open_store", "factory", None),
        ("langgraph.store.memory.InMemoryStore", "embedded", None),
    ],
)
def test_only_a_file_is_a_place(store: str, deployment: str, uri: str | None) -> None:
    report = build_report(mine([row("mine", "K1", "fail")], store=store, deployment=deployment))
    place = place_of(report, report.rows[0])

    assert (place.uri if place else None) == uri


@pytest.mark.parametrize("run", [sample_run(), planted_run()], ids=["sample", "planted"])
def test_sarif_has_the_shape_of_its_schema(run: Run) -> None:
    document = sarif(run)
    jsonschema.Draft202012Validator(SHAPE).validate(document)

    failed = [r for r in run.rows if r.verdict == "fail"]
    results = [result for one in document["runs"] for result in one["results"]]
    assert {r["ruleId"] for r in results} == {r.rule for r in failed}
    for one in document["runs"]:
        ids = [rule["id"] for rule in one["tool"]["driver"]["rules"]]
        assert [ids[r["ruleIndex"]] for r in one["results"]] == [
            r["ruleId"] for r in one["results"]
        ]
    assert "\x1b" not in json.dumps(document, ensure_ascii=False)


@pytest.mark.parametrize("key", ["message", "locations"])
def test_a_wrong_shape_is_seen(key: str) -> None:
    document = sarif(mine([row("mine", "K1", "fail")]))
    result = document["runs"][0]["results"][0]
    result[key] = [{"file": "x"}] if key == "locations" else {"words": "x"}

    assert not jsonschema.Draft202012Validator(SHAPE).is_valid(document)


def test_known_failures_are_suppressed_and_new_ones_are_not() -> None:
    rows = [row("mine", "K1", "fail", expectation="being mended"), row("mine", "K2", "fail")]
    known, new = sarif(mine(rows))["runs"][0]["results"]

    assert known["suppressions"] == [{"kind": "external", "justification": "being mended"}]
    assert "suppressions" not in new


def test_levels_places_and_fingerprints() -> None:
    rows = [row("mine", "K1", "fail"), row("mine", "K7", "fail")]
    first = sarif(mine(rows))["runs"][0]["results"]
    again = sarif(mine([replace(r, message="other words", seed=7) for r in rows]))

    assert [r["level"] for r in first] == ["error", "warning"]
    place = first[0]["locations"][0]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "src/my_store.py"
    assert place["logicalLocations"][0]["fullyQualifiedName"] == rows[0].case
    prints = [r["partialFingerprints"] for r in first]
    assert prints == [r["partialFingerprints"] for r in again["runs"][0]["results"]]
    assert prints[0] != prints[1]


def test_a_store_without_findings_has_a_run_that_closes_what_was_open() -> None:
    (clean,) = sarif(mine([row("mine", "K1")]))["runs"]
    (faulty,) = sarif(mine([row("mine", "K1", "error", message="pipe")]))["runs"]

    assert clean["results"] == [] and clean["invocations"][0]["executionSuccessful"] is True
    assert faulty["results"] == [] and faulty["invocations"][0]["executionSuccessful"] is False


def test_a_sarif_message_has_no_link_and_no_placeholder() -> None:
    assert message("[x](javascript:alert(1)) {0}")["text"] == "[x\\](javascript:alert(1)) {{0}}"
    assert message("['a'] (b)")["text"] == "['a'] (b)"


# -- the step's summary and annotations ----------------------------------------------------------


def test_the_summary_says_what_is_new_and_what_was_run() -> None:
    text = summary(build_report(sample_run()))

    kept = re.search(r"\| memory \| ◐ (\d+) of (\d+) \| 2 broken", text)
    assert kept is not None and int(kept[2]) - int(kept[1]) == 2
    assert "pinecone (emulated)" in text and "**emulated: pinecone**" in text
    assert "### Not known before" in text and "NaN came back as null" in text
    assert "F5 memory: known upstream" in text


def test_the_summary_of_a_run_without_news() -> None:
    good = summary(build_report(mine([row("mine", "K1")])))
    nothing = summary(build_report(mine([])))

    assert "Nothing new failed" in good and "### " not in good
    assert "Nothing was checked" in nothing and "Nothing new failed" not in nothing


def test_the_summary_shows_planted_texts_and_acts_on_none() -> None:
    text = summary(build_report(planted_run()))

    assert acting(text) == []
    assert "\x1b" not in text
    assert "alert(1)" in text


def test_a_summary_of_very_many_findings_stays_readable() -> None:
    rows = [row(f"s{n}", "K1", "fail", message="x" * 9000) for n in range(MOST_FINDINGS + 7)]
    run = make_run(rows, None, {r.backend: BACKENDS["memory"] for r in rows})
    text = summary(build_report(run))

    assert "and 7 more in the report" in text
    assert len(text.encode()) < 100_000


COMMAND = re.compile(r"::(error|warning|notice) [^:\r\n]*::[^\r\n]*")


def test_annotations_are_one_command_a_line_whatever_is_planted() -> None:
    rows = [row("mine", f"K{n + 1}", "fail", message=t, case=t) for n, t in enumerate(PLANTED)]
    lines = annotation_lines(build_report(mine(rows))).splitlines()

    assert len(lines) >= len(PLANTED)
    assert [line for line in lines if not COMMAND.fullmatch(line)] == []
    assert lines[0].startswith("::error file=src/my_store.py,line=1,title=mine K1 MUST")


def test_a_command_is_escaped_as_github_undoes_it() -> None:
    told = command(Annotation("error", "a: b, 5%", "100%\r\n::stop-commands::x"))

    assert told == r"::error title=a%3A b%2C 5%25::100%25\x0d%0A::stop-commands::x"
    assert not COMMAND.fullmatch("::error title=a\n::set-env::x")  # the control


def test_what_fails_the_gate_is_an_error_and_nothing_else_is() -> None:
    told = annotation_lines(build_report(sample_run())).splitlines()
    errors = [line for line in told if line.startswith("::error")]

    assert len(errors) == 5  # three new failures, a fault of the harness, a stale expectation
    assert not [line for line in errors if "F5" in line]
    assert "::notice title=Store conformance::1 known failure expected" in told
    assert annotation_lines(build_report(mine([row("mine", "K1")]))) == ""


def test_more_annotations_than_github_shows_end_with_how_many_are_left() -> None:
    rows = [row(f"s{n}", "K1", "fail") for n in range(MOST_ANNOTATIONS + 3)]
    run = make_run(rows, None, {r.backend: BACKENDS["memory"] for r in rows})
    told = annotation_lines(build_report(run)).splitlines()

    assert len(told) == MOST_ANNOTATIONS
    assert told[-1].endswith("::and 4 more: see the report")
