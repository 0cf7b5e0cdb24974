"""
Campaigns of faults in the report: what they change in the comparison, what they leave alone, and what is refused.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from store_conformance.cli.parsing import main
from store_conformance.contract import UserError, Verdict
from store_conformance.contract.records import Measurement, Row, Run
from store_conformance.contract.survival import (
    DISK_FULL,
    POWER_LOSS,
    SETUP,
    Survival,
    SurvivalFile,
    read_campaigns,
    read_survival,
)
from store_conformance.reports import Report, build_report, json_report, write_reports
from store_conformance.reports.derived import Derived, Grade
from store_conformance.reports.page import render
from store_conformance.reports.pictures import can_draw, draw
from store_conformance.reports.tables_survival import survives
from store_conformance.runs.options import RunOptions, session_from_options
from store_conformance.runs.run_file import RunWriter
from tests.page_parts import Page, page_data
from tests.sample_run import BACKENDS, HOSTILE, NASTY, make_run, restart_rows, row, sample_run
from tests.test_comparison import SAFE, WRITERS

ENGINE = "PostgreSQL 18.7, pgvector 0.8.9"
"""That of the run, in other releases."""
PASSED = Survival(
    backend="postgres",
    deployment="embedded",
    fault=POWER_LOSS,
    engine=ENGINE,
    verdict=Verdict.PASS,
    wanted=30,
    kills=30,
    acknowledged=4000,
)
LOST = replace(
    PASSED, verdict=Verdict.FAIL, lost=2, stale=1, resurrected=1, oldest_lost_seconds=0.25
)


def campaign(*results: Survival, **changes: Any) -> SurvivalFile:
    file = SurvivalFile("0.1.0", 13, "2026-11-28T15:20:13+00:00", "Linux 6", True, results)
    return replace(file, **changes)


def good_run(**facts: Any) -> Run:
    """A run of Postgres in which nothing speaks against it."""
    rows: list[Row] = [row("postgres", rule) for rule in SAFE] + restart_rows("postgres")
    return make_run(rows, [WRITERS], backends={"postgres": {**BACKENDS["postgres"], **facts}})


def reported(*results: Survival, **facts: Any) -> Report:
    return build_report(good_run(**facts), [campaign(*results)])


def value(report: Report, feature: str) -> Derived:
    return {r.feature.id: r.values["postgres"] for r in report.comparison}[feature]


def refused(report: Report, kind: str) -> bool:
    (answer,) = (a for a in report.recommendations if a.kind.id == kind)
    return "postgres" in answer.refused


# -- the comparison -------------------------------------------------------------------------------


def test_without_a_campaign_nothing_of_it_is_told(tmp_path: Path) -> None:
    report = build_report(good_run())
    texts = [path.read_text("utf-8") for path in write_reports(good_run(), tmp_path)]

    assert value(report, "persistence").value == "Yes, through engine kill -9"
    assert value(report, "production").value == "Yes"
    assert not survives(report).rows
    for text in texts:
        assert "power loss" not in text.lower()
        assert "what_survives" not in text and "What survives" not in text


def test_power_losses_that_took_nothing_are_a_yes() -> None:
    report = reported(PASSED)
    kept = value(report, "persistence")

    assert (kept.value, kept.grade) == ("Yes, through power loss", Grade.GOOD)
    assert kept.detail == "30 power losses"
    assert any("nothing lost of 4,000, fewer than 10.0% of such" in note for note in kept.notes)
    assert (value(report, "production").value, value(report, "best_for").short) == (
        "Yes",
        "Production",
    )


def test_a_power_loss_that_took_writes_says_how_many_of_how_many() -> None:
    report = reported(LOST)
    kept = value(report, "persistence")

    assert (kept.short, kept.grade) == ("Partly", Grade.PARTLY)
    assert kept.detail == "4 of 4,000 lost by power loss, as it comes"
    assert value(report, "production").grade is Grade.BAD
    assert value(report, "production").detail == kept.detail
    assert value(report, "best_for").value == "Nothing that must survive a power loss"
    assert refused(report, "production") and not refused(report, "small")


def test_a_cell_names_the_worst_fault_and_counts_the_others() -> None:
    spoilt = replace(PASSED, fault=DISK_FULL, verdict=Verdict.FAIL, torn_items=16)
    kept = value(reported(LOST, spoilt), "persistence")

    assert kept.detail == "4 of 4,000 lost by power loss; 1 other fault harms, as it comes"
    assert "16 of 4,000 spoilt by disk full" in kept.value
    assert "16 of 4,000 spoilt by disk full" in kept.because


def test_a_kill_that_took_writes_is_worse_than_a_power_loss() -> None:
    report = reported(PASSED, replace(LOST, fault="engine-kill"))

    assert value(report, "persistence").detail == "4 of 4,000 lost by engine kill, as it comes"
    assert value(report, "best_for").value == "Nothing that must survive a crash"
    assert refused(report, "production") and refused(report, "small")


def test_what_a_full_disk_spoilt_is_a_reservation_and_no_crash() -> None:
    spoilt = replace(PASSED, fault=DISK_FULL, verdict=Verdict.FAIL, torn_items=16)
    report = reported(PASSED, spoilt)

    kept = value(report, "persistence")
    assert kept.detail == "16 of 4,000 spoilt by disk full, as it comes"
    assert value(report, "production").grade is Grade.PARTLY
    assert not refused(report, "small")
    by_network = reported(PASSED, replace(spoilt, fault="network-reset"))
    assert value(by_network, "best_for").value == "Nothing that must survive a crash"


def test_campaigns_of_the_same_setting_are_added_up() -> None:
    files = [campaign(LOST), campaign(replace(PASSED, acknowledged=1000), seed=14)]
    report = build_report(good_run(), files)

    assert value(report, "persistence").detail == "4 of 5,000 lost by power loss, as it comes"
    assert len(survives(report).rows) == 2


def test_what_took_nothing_shares_a_row_and_what_took_something_has_its_own() -> None:
    put, batch = (replace(PASSED, fault=fault) for fault in ("client-put", "client-batch"))
    files = [campaign(put, batch, replace(LOST, fault="client-delete")), campaign(put, seed=14)]
    rows = [row[2:7] for row in survives(build_report(good_run(), files)).rows]

    assert rows == [
        ("client-put, client-batch", "✓ pass", "90 (0)", "12,000", "0"),
        ("client-delete", "✗ fail", "30 (0)", "4,000", "2"),
    ]


def test_a_fault_in_another_release_of_the_engine_has_a_row_of_its_own() -> None:
    report = build_report(good_run(), [campaign(PASSED), campaign(replace(PASSED, engine="17"))])

    assert [row[4] for row in survives(report).rows] == ["30 (0)", "30 (0)"]


def test_a_restart_and_a_fault_that_took_writes_are_both_told() -> None:
    rows = restart_rows("postgres", {"engine_killed": "fail"})
    run = make_run(rows, backends={"postgres": BACKENDS["postgres"]})
    kept = value(build_report(run, [campaign(LOST)]), "persistence")

    assert kept.detail.startswith("4 of 4,000 lost by power loss")
    assert "lost by engine kill -9" in kept.detail


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"torn_items": 3}, "3 of 4,000 spoilt by power loss"),
        ({"lost": 1, "duplicated": 1}, "2 of 4,000 lost or spoilt by power loss"),
        ({"unreadable": 1, "missed": 2}, "unreadable after 1 of 32 (power loss)"),
    ],
)
def test_what_was_spoilt_or_unreadable_is_told_apart(counts: dict[str, Any], said: str) -> None:
    report = reported(replace(PASSED, verdict=Verdict.FAIL, **counts))

    assert value(report, "persistence").detail.startswith(said)
    assert value(report, "production").grade is Grade.BAD


def test_an_unreadable_place_after_a_killed_setup_is_a_reservation() -> None:
    shut = replace(PASSED, fault=SETUP, verdict=Verdict.FAIL, unreadable=5)
    report = reported(PASSED, shut)

    assert value(report, "persistence").detail.startswith("unreadable after 5 of 30 (client setup)")
    assert value(report, "production").value == "With reservations"
    assert value(report, "best_for").short == "Production"


# -- what counts ----------------------------------------------------------------------------------


def test_another_setting_is_named_and_does_not_count() -> None:
    lossy = replace(LOST, setting={"fsync": "off"})
    report = reported(PASSED, lossy)
    kept = value(report, "persistence")

    assert (kept.value, kept.grade) == ("Yes, through power loss", Grade.GOOD)
    assert kept.detail == "30 power losses; not with fsync=off"
    assert "with fsync=off: 4 of 4,000 lost by power loss" in kept.notes
    two = reported(PASSED, lossy, replace(LOST, setting={"synchronous_commit": "off"}))
    assert value(two, "persistence").detail == "30 power losses; 2 settings lose"


def test_the_setting_of_the_run_is_the_one_that_counts() -> None:
    kept = value(
        reported(PASSED, replace(LOST, setting={"fsync": "off"}), options={"fsync": "off"}),
        "persistence",
    )

    assert kept.detail == "4 of 4,000 lost by power loss, with fsync=off"
    assert "with as it comes: nothing lost (power loss)" not in kept.notes
    assert any(note.startswith("as it comes: nothing lost") for note in kept.notes)


@pytest.mark.parametrize("changed", [{"deployment": "process"}, {"engine": "Other 18.7"}])
def test_another_deployment_or_engine_does_not_count(changed: dict[str, Any]) -> None:
    kept = value(reported(replace(LOST, **changed)), "persistence")

    assert kept.value == "Yes, through engine kill -9; power loss not tried"
    assert any("another engine do not count here" in note for note in kept.notes)


def test_another_release_of_the_engine_counts_and_is_named() -> None:
    assert f"struck was {ENGINE}" in value(reported(LOST), "persistence").notes


@pytest.mark.parametrize(
    "results",
    [
        (),
        (replace(PASSED, backend="other"),),
        (replace(PASSED, fault="client-put"),),
        (replace(PASSED, verdict=Verdict.UNVERIFIED, kills=0, reason="no root"),),
    ],
    ids=["nothing", "another backend", "another fault", "could not strike"],
)
def test_a_power_loss_that_was_not_tried_is_said(results: tuple[Survival, ...]) -> None:
    report = reported(*results)
    kept = value(report, "persistence")
    reason = ": no root" if results and results[0].reason else ""

    assert (kept.detail, kept.grade) == ("engine kill -9; power loss not tried", Grade.PARTLY)
    assert f"power loss not tried{reason}" in kept.notes
    assert value(report, "production").value == "With reservations"
    assert "power loss not tried" in value(report, "production").detail
    assert "power loss not tried" in value(report, "best_for").detail


def test_few_power_losses_are_a_reservation() -> None:
    report = reported(replace(PASSED, kills=3))

    assert value(report, "persistence").detail == "3 power losses, too few to tell"
    assert value(report, "production").value == "With reservations"


def test_a_backend_that_does_not_persist_stays_what_it_declares() -> None:
    files = [campaign(replace(LOST, backend="memory", engine=""))]
    before, after = build_report(sample_run()), build_report(sample_run(), files)

    assert after.comparison[0].values["memory"] == before.comparison[0].values["memory"]
    assert "not measured" in after.comparison[0].values["pinecone"].value


# -- the table ------------------------------------------------------------------------------------


def test_the_table_has_every_result_with_its_figures(tmp_path: Path) -> None:
    files = (campaign(LOST, replace(PASSED, backend="absent"), finished=False),)
    report = build_report(good_run(), files)
    texts = {
        p.name: p.read_text("utf-8") for p in write_reports(good_run(), tmp_path, campaigns=files)
    }
    document = json.loads(texts["report.json"])

    first = dict(zip(survives(report).head, survives(report).rows[0], strict=True))
    assert (first["Kills (missed)"], first["Acknowledged"]) == ("30 (0)", "4,000")
    assert (first["Setting"], first["Fault"]) == ("embedded, as it comes", POWER_LOSS)
    assert (first["Lost"], first["Stale"], first["Back"]) == ("2", "1", "1")
    assert (first["Oldest (s)"], first["Verdict"]) == ("0.25", "✗ fail")
    assert [r[0] for r in survives(report).rows] == ["postgres", "absent"]
    assert "## What survives" in texts["report.md"]
    assert '<h2 id="survives">' in texts["report.html"]
    assert page_data(texts["report.html"])["tables"]["survives"]["rows"][0][5] == "4,000"
    jsonschema.Draft202012Validator(json_report.schema()).validate(document)
    (told_campaign,) = document["what_survives"]
    assert [Survival.from_dict(one) for one in told_campaign["results"]] == list(files[0].results)
    told = " ".join(report.caveats)
    assert "Linux 6; seed 13" in told and "honest disk" in told
    assert "broken off" in told and "no run, is of absent" in told
    assert "broken off" not in " ".join(reported(LOST).caveats)


def test_faults_that_could_not_strike_share_a_row_with_their_reason() -> None:
    untold = replace(PASSED, verdict=Verdict.UNVERIFIED, kills=0, acknowledged=0, reason="no root")
    other = replace(untold, fault="engine-kill", reason="no engine")
    table = survives(reported(untold, replace(untold, fault="client-put"), other, PASSED))

    assert [r[2:5] for r in table.rows] == [
        ("power-loss, client-put", "? unverified: no root", "–"),
        ("engine-kill", "? unverified: no engine", "–"),
        ("power-loss", "✓ pass", "30 (0)"),
    ]


def test_hostile_texts_of_a_campaign_are_escaped(tmp_path: Path) -> None:
    text = HOSTILE + NASTY
    nasty = replace(
        LOST, fault=text, setting={text: text}, engine=text, reason=text, examples=(text,)
    )
    files = (campaign(nasty, replace(nasty, backend=text), machine=text, started=text),)
    run = good_run(engine=text, options={text: text})

    texts = {p.name: p.read_text("utf-8") for p in write_reports(run, tmp_path, campaigns=files)}

    page = Page(texts["report.html"])
    assert page.scripts == Page(render(build_report(good_run()))).scripts
    assert "<script>alert" not in texts["report.html"] + texts["report.md"]
    assert "javascript:" not in "".join(page.links)
    assert not {"\x00", "\x07", "\u202e"} & set(texts["report.html"] + texts["report.md"])
    width = 0
    for line in texts["report.md"].split("## What survives")[1].split("## ")[0].splitlines():
        if line.startswith("|"):
            bars = line.replace("\\|", "").count("|")
            width = width or bars
            assert bars == width
    assert width


@pytest.mark.skipif(not can_draw(), reason="matplotlib is not installed")
def test_the_picture_shows_shares_and_what_could_not_be_read() -> None:
    shut = replace(PASSED, deployment="process", verdict=Verdict.FAIL, unreadable=1)
    drawn = {p.id: p for p in draw(reported(LOST, shut))}

    assert "0.1 % of 4,000" in drawn["survives"].svg
    assert "0 % of 4,000, 1 of 30 unreadable" in drawn["survives"].svg
    assert "survives" not in {p.id for p in draw(reported(replace(LOST, fault="engine-kill")))}


# -- the setting of a run --------------------------------------------------------------------------


@pytest.mark.parametrize(("given", "recorded"), [((), None), (("synchronous=off",), "off")])
def test_a_run_records_the_options_of_its_backends(
    given: tuple[str, ...], recorded: str | None
) -> None:
    session = session_from_options(RunOptions(backends=("sqlite",), options=given))
    try:
        session.start()
        facts = session.header()["backends"]["sqlite"]
    finally:
        session.stop()

    assert facts.get("options", {}).get("synchronous") == recorded
    assert ("options" in facts) == bool(given)


# -- files ----------------------------------------------------------------------------------------


def written(path: Path, text: str | None = None, **changes: Any) -> Path:
    path.write_text(text or json.dumps({**campaign(LOST).to_dict(), **changes}), "utf-8")
    return path


def test_a_campaigns_file_or_folder_reads_back(tmp_path: Path) -> None:
    written(tmp_path / "crash.json")

    assert read_survival(tmp_path / "crash.json") == read_survival(tmp_path) == campaign(LOST)


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": 2},
        {"kind": "header"},
        {"seed": "13"},
        {"machine": None},
        {"results": ["sqlite"]},
        {"results": [{"backend": "sqlite"}]},
        {"results": [{**LOST.to_dict(), "lost": "<b>2</b>"}]},
        {"results": [{**LOST.to_dict(), "lost": -2}]},
        {"results": [{**LOST.to_dict(), "oldest_lost_seconds": float("nan")}]},
        {"results": [{**LOST.to_dict(), "setting": {"fsync": 1}}]},
        {"results": [{**LOST.to_dict(), "setting": "fsync=off"}]},
        {"results": [{**LOST.to_dict(), "verdict": "passed"}]},
        {"results": [{**LOST.to_dict(), "verdict": "pass"}]},
        {"results": [{**PASSED.to_dict(), "verdict": "fail"}]},
    ],
)
def test_a_file_that_no_campaign_writes_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"is no crash\.json of this version") as told:
        read_survival(written(tmp_path / "crash.json", **changes))
    assert told.value.exit_code == 65


def test_the_same_campaign_twice_is_refused(tmp_path: Path) -> None:
    paths = [written(tmp_path / "a.json"), written(tmp_path / "b.json")]
    other = written(tmp_path / "c.json", seed=14)

    with pytest.raises(UserError, match="is the same campaign as") as told:
        read_campaigns(paths)
    assert told.value.exit_code == 2
    with pytest.raises(UserError, match="is the same campaign as"):
        read_campaigns([paths[0], paths[0]])
    assert len(read_campaigns([paths[0], other])) == 2


@pytest.mark.parametrize(
    ("name", "text", "code", "said"),
    [
        ("gone.json", None, 65, "No such file"),
        ("cut.json", json.dumps(campaign(LOST).to_dict())[:-40], 65, "is no crash.json"),
        ("foreign.json", '{"kind": "header"}', 65, "is no crash.json"),
        ("good.json", json.dumps(campaign(LOST).to_dict()), 0, "wrote"),
    ],
)
def test_the_command_takes_campaigns_and_says_what_is_wrong_with_one(
    tmp_path: Path, name: str, text: str | None, code: int, said: str
) -> None:
    run = good_run()
    writer = RunWriter(
        tmp_path / "run.jsonl", {k: v for k, v in run.header.items() if k not in ("kind", "schema")}
    )
    entries: list[Row | Measurement] = [*run.rows, *run.measurements]
    for entry in entries:
        writer.add(entry)
    writer.close(seconds=1.0, by_backend={"postgres": 1.0}, interrupted=False)
    if text is not None:
        (tmp_path / name).write_text(text, "utf-8")
    paths = [str(tmp_path / "run.jsonl"), "--survival", str(tmp_path / name)]

    done = CliRunner().invoke(
        main, ["report", *paths, "--out", str(tmp_path / "out"), "--format", "md"]
    )

    assert said in done.output
    assert "Traceback" not in done.output
    assert done.exit_code == code
    if code == 0:
        assert "4 of 4,000 lost by power loss" in (tmp_path / "out/report.md").read_text("utf-8")
    else:
        assert not (tmp_path / "out").exists()
