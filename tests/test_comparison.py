"""
The comparison table: what each value follows from, and that it says no more than the run showed.
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from rich.console import Console

from store_conformance.contract import MemoryType, Mode, Restart, rules
from store_conformance.contract.records import Measurement, Row, Run
from store_conformance.reports import build_report, comparison, write_reports
from store_conformance.reports.derived import Derived, Feature, Grade
from store_conformance.reports.terminal import print_tables
from store_conformance.reports.view import BackendView
from tests.sample_run import (
    BACKENDS,
    make_run,
    restart_figures,
    restart_rows,
    row,
    sample_run,
)

VALIDATOR = jsonschema.Draft202012Validator


@pytest.fixture(scope="module")
def run() -> Run:
    return sample_run()


# -- comparison ---------------------------------------------------------------------------------

SAFE = [r.id for r in rules() if r.group in ("K", "X", "N", "O", "E") and r.id != "E4"]
WRITERS = Measurement(
    "postgres",
    "processes.writers",
    "ok",
    facts={"writers": 3, "writes": 75, "lost": 0, "errors": []},
)


def one(
    feature: str,
    rows: list[Row],
    figures: list[Measurement] | None = None,
    name: str = "postgres",
    **facts: Any,
) -> Derived:
    """The value of one feature of one backend with these rows."""
    run = make_run(rows, figures, backends={name: {**BACKENDS[name], **facts}})
    table = {r.feature.id: r.values[name] for r in build_report(run).comparison}
    return table[feature]


def good_rows(**verdicts: str) -> list[Row]:
    """Passing rows of every group that production readiness looks at, and all restarts."""
    return [row("postgres", r, verdicts.get(r, "pass")) for r in SAFE] + restart_rows("postgres")


def restarts(*kinds: str, **verdicts: str) -> list[Row]:
    names = {"a_new_store": "object", "a_new_process": "process", "the_client": "client_killed"}
    names |= {"the_engine_stopped": "engine_stopped", "the_engine_killed": "engine_killed"}
    every = restart_rows("postgres", verdicts)
    if not kinds:
        return every
    return [
        r for r in every if any(kind in kinds for sign, kind in names.items() if sign in r.case)
    ]


def test_persistence_through_the_engines_kill_is_a_yes() -> None:
    derived = one("persistence", restarts(), restart_figures("postgres"))

    assert (derived.value, derived.grade) == ("Yes, through engine kill -9", Grade.GOOD)
    assert "E4" in derived.rules
    assert "restart.engine_killed" in derived.figures
    assert any("360 writes covered" in note for note in derived.notes)


def test_persistence_that_a_kill_breaks_is_a_partly() -> None:
    derived = one("persistence", restarts(engine_killed="fail"))

    assert derived.value == "Partly: through engine restart, lost by engine kill -9"
    assert derived.grade is Grade.PARTLY


def test_persistence_that_a_new_process_breaks_is_a_no() -> None:
    assert one("persistence", restarts(process="fail")).grade is Grade.BAD


def test_persistence_says_which_restart_could_not_be_verified() -> None:
    derived = one("persistence", restarts(engine_killed="unverified", engine_stopped="unsupported"))

    assert (derived.value, derived.grade) == ("Yes, through client kill -9", Grade.PARTLY)
    assert "not verified: engine restart, engine kill -9" in derived.notes


def test_persistence_without_a_service_needs_only_the_clients_kill() -> None:
    rows = restarts(engine_killed="unsupported", engine_stopped="unsupported")

    derived = one("persistence", rows, services=0)

    assert (derived.value, derived.grade) == ("Yes, through client kill -9", Grade.GOOD)


def test_persistence_of_the_users_own_server_stays_a_reservation() -> None:
    rows = restarts(engine_killed="unsupported", engine_stopped="unsupported")

    assert one("persistence", rows, services=1).grade is Grade.PARTLY


def test_persistence_names_the_memory_types_that_were_not_looked_at() -> None:
    rows = [r for r in restarts() if "episodic" not in r.case]

    assert "not measured: episodic" in one("persistence", rows).notes


def test_persistence_that_is_not_declared_is_a_no_with_what_was_observed() -> None:
    report = build_report(sample_run())
    derived = report.comparison[0].values["memory"]

    assert (derived.value, derived.grade) == ("No (declared)", Grade.BAD)
    assert "observed, new store object: lost, as declared" in derived.notes
    assert not [s for s in report.survival if s.backend == "memory" and s.verdict == "pass"]


def test_persistence_without_restart_rows_is_not_measured() -> None:
    assert one("persistence", [row("postgres", "K1")]).value == "not measured"


def test_a_failed_restart_case_of_no_one_memory_type_still_counts() -> None:
    odd = row("postgres", "E4", "fail", case="restart::odd", restart="object")

    assert one("persistence", [*restarts(), odd]).grade is Grade.BAD


def test_a_row_is_of_the_restart_that_it_says_and_not_of_its_names_words() -> None:
    misleading = row(
        "postgres",
        "E4",
        "fail",
        case="restart::the_engine_killed_loses_nothing_acknowledged[semantic]",
        restart="process",
        memory="episodic",
    )
    silent = row(
        "postgres", "E4", "fail", case="restart::engine_kill_crash_of_a_new_case[semantic]"
    )

    (entry,) = build_report(make_run([misleading, silent])).survival

    assert (entry.kind, entry.memory) == (Restart.PROCESS, MemoryType.EPISODIC)


def test_runs_of_the_first_release_keep_their_restart_table() -> None:
    told = build_report(make_run(restarts())).survival
    silent = [replace(r, restart=None, memory=None) for r in restarts()]

    old = build_report(make_run(silent)).survival

    assert len(old) == len(told) == 15
    assert [(e.kind, e.memory, e.verdict) for e in old] == [
        (e.kind, e.memory, e.verdict) for e in told
    ]


@pytest.mark.parametrize(
    ("rows", "figures", "facts", "value", "grade"),
    [
        ([("E6", "pass")], [WRITERS], {}, "Several processes", Grade.GOOD),
        ([("E6", "fail")], [], {}, "No: E6 failed", Grade.BAD),
        ([("E6", "unverified")], [], {}, "not measured", Grade.UNKNOWN),
        ([], [], {}, "not measured", Grade.UNKNOWN),
        ([], [], {"capabilities": ["sync"]}, "Single process (declared)", Grade.BAD),
        (
            [("E6", "fail")],
            [replace(WRITERS, facts={"lost": 0, "errors": ["database is locked"]})],
            {},
            "Several processes, with errors",
            Grade.PARTLY,
        ),
        (
            [("E6", "pass")],
            [replace(WRITERS, facts={"lost": 2, "errors": []})],
            {},
            "No: loses writes",
            Grade.BAD,
        ),
    ],
    ids=["pass", "fail", "unverified", "not run", "declared", "errors", "lost"],
)
def test_scalability_follows_from_several_writing_processes(
    rows: list[tuple[str, str]],
    figures: list[Measurement],
    facts: dict[str, Any],
    value: str,
    grade: Grade,
) -> None:
    derived = one("scalability", [row("postgres", r, v) for r, v in rows], figures, **facts)

    assert (derived.value, derived.grade) == (value, grade)


@pytest.mark.parametrize(
    ("verdicts", "facts", "value"),
    [
        ({"V1": "pass", "V4": "pass"}, {}, "Yes"),
        ({"V1": "pass", "V10": "fail"}, {}, "Yes, but 1 rule broken: V10"),
        ({"V4": "fail"}, {}, "No: V4 failed"),
        ({"V4": "unverified"}, {}, "not measured"),
        ({"V4": "unsupported"}, {"capabilities": ["sync", "persistence"]}, "No (declared)"),
    ],
    ids=["yes", "broken", "no", "unverified", "declared"],
)
def test_vector_search_follows_from_group_v(
    verdicts: dict[str, str], facts: dict[str, Any], value: str
) -> None:
    rows = [row("postgres", rule_id, verdict) for rule_id, verdict in verdicts.items()]

    assert one("vectors", rows, **facts).value == value


@pytest.mark.parametrize(
    ("facts", "value"),
    [
        ({"services": 0, "setup_steps": ["pip install x"]}, "Simple"),
        ({"services": 1, "setup_steps": ["a", "b", "c"]}, "Medium"),
        ({"services": 0, "setup_steps": ["a"], "hosted": True}, "Medium"),
        ({"services": 2, "setup_steps": ["a"]}, "Involved"),
        ({"services": None, "setup_steps": ["a"]}, "not measured"),
        ({"services": 0, "setup_steps": [], "deployment": "factory"}, "not measured"),
    ],
)
def test_set_up_follows_from_the_facts(facts: dict[str, Any], value: str) -> None:
    assert one("setup", [row("postgres", "K1")], **facts).value == value


def test_set_up_without_a_figure_says_not_measured() -> None:
    facts: dict[str, Any] = {"install_megabytes": None, "seconds_to_first_put": None}

    notes = " ".join(one("setup", [row("postgres", "K1")], **facts).notes)

    assert "size not measured" in notes
    assert "first put not measured" in notes


def test_cost_names_licence_host_and_bytes() -> None:
    size = Measurement("postgres", "disk.bytes_per_item", 2048)
    rows = [row("postgres", "K1")]

    measured = one("cost", rows, [size])
    unmeasured = one("cost", rows, licence="unknown")

    assert measured.value == "Self-hosted"
    assert "2,048 bytes per memory on disk" in measured.notes
    assert unmeasured.notes == ("licence not stated", "bytes per memory not measured")
    assert one("cost", rows, hosted=True).value == "Hosted service"
    assert one("cost", rows, services=0).value == "In the application's process"


def test_production_ready_is_a_yes_when_nothing_speaks_against_it() -> None:
    derived = one("production", good_rows(), [WRITERS])

    assert (derived.value, derived.grade) == ("Yes", Grade.GOOD)


@pytest.mark.parametrize(
    ("verdicts", "value", "reason"),
    [
        ({"K6": "fail"}, "With reservations", "broken MUST: K6"),
        ({"O1": "unverified"}, "With reservations", "not verified: O1"),
        ({"E6": "fail"}, "With reservations", "several processes: No: E6 failed"),
        ({"E6": "unverified"}, "With reservations", "several processes not measured"),
        ({"E3": "fail"}, "With reservations", "broken MUST: E3"),
    ],
)
def test_production_readiness_names_what_speaks_against_it(
    verdicts: dict[str, str], value: str, reason: str
) -> None:
    derived = one("production", good_rows(**verdicts))

    assert derived.value == value
    assert reason in derived.because


def test_a_restart_that_lost_a_write_is_not_ready_for_production() -> None:
    kept = [r for r in good_rows() if r.rule != "E4"]

    for kind in ("object", "engine_killed"):
        derived = one("production", kept + restarts(**{kind: "fail"}), [WRITERS])

        assert derived.grade is Grade.BAD
        assert derived.value.startswith("No: persistence")


def test_lost_writes_of_several_processes_are_not_ready_for_production() -> None:
    lost = replace(WRITERS, facts={"writers": 3, "lost": 1})

    assert one("production", good_rows(), [lost]).value == "No: several processes lose writes"


def test_a_fault_that_undoes_acknowledged_writes_is_not_ready_for_production() -> None:
    rows = [*good_rows(), row("postgres", "P1", "fail")]
    said = "No: a fault in the middle of a call undoes acknowledged writes"
    assert one("production", rows, [WRITERS]).value == said
    survived = [*good_rows(), row("postgres", "P1"), row("postgres", "P3", "fail")]
    assert one("production", survived, [WRITERS]).value == "Yes"


def test_production_ready_takes_no_failed_should_for_a_broken_must() -> None:
    assert one("production", good_rows(K10="fail"), [WRITERS]).value == "Yes"


def test_an_expected_failure_is_no_better_for_production() -> None:
    rows = [
        replace(r, expectation="known upstream") if r.rule == "K6" else r
        for r in good_rows(K6="fail")
    ]

    assert one("production", rows, [WRITERS]).value == "With reservations"


def test_production_readiness_is_not_measured_where_a_group_was_not_run() -> None:
    derived = one("production", [r for r in good_rows() if not r.rule.startswith("N")])

    assert derived.value == "not measured"
    assert "group N was not run" in derived.because


@pytest.mark.parametrize(
    ("rows", "facts", "value"),
    [
        (good_rows(), {}, "Production, several processes"),
        (good_rows(), {"hosted": True}, "Production, run by a provider"),
        (good_rows(E6="fail"), {}, "Single-process applications"),
        (restarts(engine_killed="fail"), {}, "Nothing that must survive a crash"),
        (restarts(object="fail"), {}, "Nothing that must survive a restart"),
        ([row("postgres", "K1")], {}, "not measured"),
        ([row("postgres", "K1")], {"capabilities": ["sync"]}, "Development and tests"),
    ],
)
def test_best_for_says_no_more_than_the_run_showed(
    rows: list[Row], facts: dict[str, Any], value: str
) -> None:
    assert one("best_for", rows, **facts).value == value


def test_an_emulator_is_evidence_for_nothing(run: Run) -> None:
    report = build_report(run)
    values = {r.feature.id: r.values["pinecone"] for r in report.comparison}

    for feature in ("persistence", "vectors", "scalability", "production", "best_for"):
        assert values[feature].value == "not measured"
        assert "emulated: says nothing about the service" in values[feature].because
    assert "not measured" in values["setup"].notes[-1]
    assert "not measured" in values["cost"].notes[-1]
    assert any("emulator" in sentence for sentence in report.caveats)


def test_every_value_says_from_what(run: Run) -> None:
    for feature in build_report(run).comparison:
        for name, derived in feature.values.items():
            assert derived.because.endswith("."), (feature.feature.id, name)
            if derived.grade is not Grade.UNKNOWN:
                assert derived.rules or derived.figures, (feature.feature.id, name)


def test_a_new_row_is_one_function_and_one_entry(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What CONTRIBUTING shows: every format shows a row that nothing else knows of."""

    def age(view: BackendView) -> Derived:
        return Derived("Older than the hills", Grade.GOOD, "Somebody said so.", (), ("K1",)).brief(
            "Old"
        )

    row_of_age = Feature("age", "Age of the store", "“Old” if somebody says so.", age)
    monkeypatch.setattr(comparison, "FEATURES", (*comparison.FEATURES, row_of_age))
    run = make_run([row("postgres", "K1")], backends={"postgres": BACKENDS["postgres"]})

    for path in write_reports(run, tmp_path, ["md", "html", "json"]):
        assert "Age of the store" in path.read_text("utf-8"), path.name
    console = Console(width=120, record=True, file=io.StringIO())
    print_tables(run, console)
    assert "✓ Old" in console.export_text()


def test_measurements_say_which_rule_they_answer_and_old_ones_are_understood() -> None:
    case = "cases::f7_holds"
    told = Measurement("postgres", "anything", "matches", Mode.SYNC, case=case, rule="F7")
    silent = replace(told, rule="")
    by_name = Measurement("postgres", "portability.S9.limit=-1", "error", Mode.SYNC)
    odd = replace(told, rule="Q99")

    (new,) = build_report(make_run([row("postgres", "K1")], [told])).portability
    (old,) = build_report(make_run([row("postgres", "F7", case=case)], [silent])).portability
    (named,) = build_report(make_run([row("postgres", "K1")], [by_name])).portability

    assert (new.rule.id, new.question) == (old.rule.id, old.question) == ("F7", "anything")
    assert (named.rule.id, named.question) == ("S9", "limit=-1")
    assert build_report(make_run([row("postgres", "K1")], [odd])).portability == ()
    assert Measurement.from_dict(told.to_dict()) == told
    assert "rule" not in silent.to_dict()


# -- backups ------------------------------------------------------------------------------------


def backed_up(way: str, value: str = "restored", **facts: Any) -> Measurement:
    return Measurement("postgres", f"backup.{way}", value, Mode.SYNC, facts=facts)


DUMPED = backed_up("dump", writes_covered=17, command="pg_dump -Fc")


def test_a_backup_that_brought_everything_back_is_a_yes_with_its_way() -> None:
    derived = one("backup", [row("postgres", "E10", "pass")], [DUMPED])

    assert (derived.value, derived.grade) == ("Yes, by dump", Grade.GOOD)
    assert derived.detail == "by dump"
    assert "17 writes" in derived.because
    assert "dump: pg_dump -Fc" in derived.notes


def test_a_copy_of_files_in_use_is_told_and_decides_nothing() -> None:
    said = backed_up("in_use", "1 of 4 not whole", said="7 of 40 acknowledged writes are missing")
    derived = one("backup", [row("postgres", "E10", "pass")], [DUMPED, said])

    assert derived.grade is Grade.GOOD
    assert any("1 of 4 not whole (7 of 40" in note for note in derived.notes)


def test_a_backup_that_lost_something_is_no_yes() -> None:
    failed = [row("postgres", "E10", "fail")]

    assert one("backup", failed).short == "No"
    assert one("backup", failed, [DUMPED]).short == "Partly"
    assert one("backup", failed, [DUMPED]).detail == "restored by dump"


@pytest.mark.parametrize("rows", [[], [("E10", "unsupported")], [("E10", "unverified")]])
def test_a_backup_that_was_not_tried_says_so(rows: list[tuple[str, str]]) -> None:
    others = [row("postgres", "K1", "pass")]
    derived = one("backup", [*others, *(row("postgres", *told) for told in rows)])

    assert (derived.value, derived.grade) == ("not tried", Grade.UNKNOWN)


def test_no_backup_is_asked_of_a_store_that_does_not_persist() -> None:
    derived = one("backup", [row("memory", "K1", "pass")], name="memory")

    assert (derived.value, derived.grade) == ("No (declared)", Grade.BAD)
