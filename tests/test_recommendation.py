"""
Which backend for whom: each answer follows from the run's records, and says no more than they showed.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from store_conformance.contract import Level, Mode, Rule, rules
from store_conformance.contract.records import Measurement, Row, Run
from store_conformance.reports import build_report
from store_conformance.reports.model import Report
from store_conformance.reports.recommendation import MOST_BITES, Recommendation
from store_conformance.reports.sources import explained, sentence
from store_conformance.runs.run_file import merge_runs, read_run
from tests.sample_run import BACKENDS, make_run, restart_rows, row

PUBLISHED = Path(__file__).resolve().parent.parent / "reports" / "published" / "runs"
IN_PROCESS: dict[str, Any] = {
    **BACKENDS["postgres"],
    "services": 0,
    "setup_steps": ["pip install it"],
    "deployment": "embedded",
}
SERVER: dict[str, Any] = {**BACKENDS["postgres"], "deployment": "process"}


def backend(name: str, *broken: str, pace: float = 100.0, recall: float = 1.0) -> Run:
    """A backend that keeps every promise but those, with the figures that are compared."""
    kept = [row(name, r.id, "fail" if r.id in broken else "pass") for r in rules() if r.id != "E4"]
    writers = {"writers": 3, "lost": 0, "errors": [], "per_second": pace}
    figures = [
        Measurement(name, "processes.writers", "ok", Mode.SYNC, facts=writers),
        Measurement(name, "recall.index@5", recall, Mode.SYNC),
    ]
    return make_run([*kept, *restart_rows(name)], figures, backends={name: SERVER})


def answers(**backends: tuple[Run, dict[str, Any]]) -> dict[str, Recommendation]:
    rows: list[Row] = [r for run, _ in backends.values() for r in run.rows]
    figures = [m for run, _ in backends.values() for m in run.measurements]
    facts = {name: facts for name, (_, facts) in backends.items()}
    report = build_report(make_run(rows, figures, backends=facts))
    return {answer.kind.id: answer for answer in report.recommendations}


def chosen(answer: Recommendation) -> str | None:
    return answer.chosen.backend if answer.chosen else None


def test_development_takes_what_is_least_to_set_up_and_the_rest_what_persists() -> None:
    told = answers(
        dict_store=(
            backend("dict_store"),
            {**IN_PROCESS, "capabilities": ["sync", "async", "vectors"]},
        ),
        file=(backend("file"), {**IN_PROCESS, "setup_steps": ["a", "b"]}),
        server=(backend("server"), SERVER),
    )

    assert chosen(told["development"]) == "dict_store"
    assert chosen(told["small"]) == "file"
    assert chosen(told["production"]) == "server"
    assert told["small"].refused["dict_store"] == "does not persist, as it declares"
    assert "other machines" in told["production"].refused["file"]


def test_production_takes_the_one_that_breaks_least() -> None:
    told = answers(
        loses=(backend("loses", "K1"), SERVER),
        unordered=(backend("unordered", "S5"), SERVER),
        slow=(backend("slow", "E6"), SERVER),
    )

    names = [c.backend for c in told["production"].candidates]
    assert names == ["unordered", "loses"]
    assert "several processes" in told["production"].refused["slow"]


def test_a_backend_that_lost_a_write_is_for_nothing_that_must_survive() -> None:
    lossy = backend("lossy")
    rows = [r for r in lossy.rows if r.rule != "E4"]
    rows += restart_rows("lossy", {"engine_killed": "fail"})
    told = answers(lossy=(make_run(rows, list(lossy.measurements)), SERVER))

    assert chosen(told["small"]) is None
    assert "lost by engine kill -9" in told["production"].refused["lossy"]
    assert chosen(told["development"]) == "lossy"


def test_large_scale_takes_the_pace_and_says_that_nobody_measured_it() -> None:
    told = answers(
        slow=(backend("slow", pace=10), SERVER),
        fast=(backend("fast", "S10", pace=1000), SERVER),
        unpaged=(backend("unpaged", "S5", pace=5000), SERVER),
        blurred=(backend("blurred", pace=9000, recall=0.6), SERVER),
    )["large"]

    assert [c.backend for c in told.candidates] == ["fast", "slow", "unpaged"]
    assert told.refused["blurred"] == "recall of its index is 0.600"
    assert told.reservation.startswith("Large scale was not measured")


def test_an_emulator_and_an_unknown_set_up_are_recommended_to_nobody() -> None:
    told = answers(
        emulator=(backend("emulator"), {**SERVER, "deployment": "emulated"}),
        mine=(backend("mine"), {**SERVER, "services": None}),
    )

    assert [chosen(answer) for answer in told.values()] == [None] * 4
    assert "emulated" in told["production"].refused["emulator"]


def test_what_bites_is_what_such_a_user_meets_first_in_plain_words() -> None:
    told = answers(one=(backend("one", "K10", "S5", "O12", "T8", "L3", "V5"), SERVER))
    production, development = told["production"].chosen, told["development"].chosen
    assert production and development

    assert production.bites[0].text == "Walking through pages returns every item once"
    assert [b.rule.id for b in production.bites] == ["S5", "O12", "V5", "K10"]
    assert [b.rule.id for b in development.bites] == ["S5", "K10", "V5", "L3"]
    assert (production.broken, len(production.bites)) == (6, MOST_BITES)


def test_a_store_of_this_project_is_marked_as_such() -> None:
    ours = {**SERVER, "store": "store_conformance.backends.vector.VectorStore"}
    told = answers(ours=(backend("ours"), ours), theirs=(backend("theirs"), SERVER))

    assert {c.backend: c.own for c in told["production"].candidates} == {
        "ours": True,
        "theirs": False,
    }


# -- the published report ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published() -> Report:
    return build_report(merge_runs([read_run(path) for path in sorted(PUBLISHED.glob("*.gz"))]))


def test_no_two_systems_read_the_same_where_their_evidence_differs(published: Report) -> None:
    """The broken promises of every backend are in its *best for*; figures tell the others apart."""
    (best,) = (r.values for r in published.comparison if r.feature.id == "best_for")
    real = [view for view in published.backends if not view.emulated]

    for one, other in itertools.combinations(real, 2):
        values = [(best[v.name].short, best[v.name].detail) for v in (one, other)]
        assert values[0] != values[1], (one.name, other.name)


# -- words ---------------------------------------------------------------------------------------


def test_every_rule_says_why_it_matters() -> None:
    assert [r.id for r in rules() if not r.why.endswith(".")] == []
    assert len({r.why for r in rules()}) == len(rules())
    assert Rule("Q7", Level.MUST, "a promise of another version", "").why == ""


def test_every_rule_has_a_title_that_fits_a_row() -> None:
    assert [r.id for r in rules() if not r.title] == []
    assert [r.id for r in rules() if len(r.title) > 60 or "`" in r.title] == []


def test_a_source_names_file_release_and_lines() -> None:
    told = sentence('B51-90, 763 "Retrieve", D, #5503, CVE-2025-8709')

    assert told == (
        "langgraph/store/base/__init__.py (langgraph-checkpoint 4.3.2), lines 51-90, 763 "
        '"Retrieve", the stores page of the LangGraph docs, LangGraph issue #5503, CVE-2025-8709'
    )
    links = [part.link for part in explained("B5, #5503") if part.link]
    assert links == ["https://github.com/langchain-ai/langgraph/issues/5503"]


def test_no_source_is_left_as_letters_and_numbers() -> None:
    unread = [
        r.id for r in rules() if any(c.isdigit() and s in "BMSP" for s, c in _pairs(r.source))
    ]
    assert unread, "the contract's own notation is the control"
    assert [
        r.id
        for r in rules()
        if any(c.isdigit() and s in "BMSP" for s, c in _pairs(sentence(r.source)))
    ] == []


def _pairs(text: str) -> list[tuple[str, str]]:
    return list(itertools.pairwise(f" {text}"))
