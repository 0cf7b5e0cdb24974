"""
What is published: the report is what its run files say, and nothing is kept that they can rebuild.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

import pytest

from store_conformance.contract import Verdict
from store_conformance.contract.survival import Survival, read_campaigns
from store_conformance.reports.write import write_reports
from store_conformance.runs.run_file import merge_runs, read_run

PUBLISHED = Path(__file__).resolve().parent.parent / "reports" / "published"
RUNS = sorted((PUBLISHED / "runs").glob("*.gz"))
REBUILD = (
    "store-conformance report reports/published/runs/* --survival reports/published/campaigns "
    "--out reports/published --format md --format pictures"
)


def rebuilt(runs: Iterable[Path], folder: Path, *formats: str) -> bytes:
    """The report in Markdown, as the command makes it."""
    merged = merge_runs([read_run(path) for path in runs])
    campaigns = read_campaigns([PUBLISHED / "campaigns"])
    path, *_ = write_reports(merged, folder, ("md", *formats), campaigns)
    return path.read_bytes()


def reproducible(packed: bytes) -> bool:
    """Whether neither the time nor the file's name is in it, so that packing again changes no byte."""
    flags, moment = packed[3], packed[4:8]
    return packed[:3] == b"\x1f\x8b\x08" and flags == 0 and moment == bytes(4)


def test_the_published_report_is_what_its_runs_say(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the published report shows pictures")
    published = (PUBLISHED / "report.md").read_bytes()

    assert RUNS
    # Compared before the assertion: pytest would show both files.
    same = rebuilt(RUNS, tmp_path, "pictures") == published
    assert same, f"report.md is not what the runs say; run: {REBUILD}"
    # Which pictures there are; their bytes also follow from matplotlib's release and the fonts.
    drawn = {path.name for path in (tmp_path / "pictures").glob("*.svg")}
    assert drawn == {path.name for path in (PUBLISHED / "pictures").glob("*.svg")}


def test_a_report_of_other_runs_is_another_one(tmp_path: Path) -> None:
    published = (PUBLISHED / "report.md").read_bytes()

    same = rebuilt(RUNS[:-1], tmp_path) == published
    assert not same


def in_a_table(one: Survival) -> tuple[str, ...]:
    """The cells of a result in the table of docs/SURVIVAL.md, without those that name backend and setting."""
    kinds = ("unreadable", "altered", "duplicated", "disordered")
    other = ", ".join(f"{getattr(one, kind)} {kind}" for kind in kinds if getattr(one, kind))
    oldest = f"{one.oldest_lost_seconds:.2f} s" if one.oldest_lost_seconds else ""
    counts = (one.lost, one.stale, one.resurrected, one.torn_items, other or 0, one.torn_batches)
    kills = f"{one.kills} ({one.missed})"
    return (one.fault, kills, f"{one.acknowledged:,}", *map(str, counts), oldest)


def test_the_figures_of_what_survives_are_those_of_the_campaigns() -> None:
    page = (PUBLISHED.parent.parent / "docs" / "SURVIVAL.md").read_text("utf-8")
    table = page.split("## Figures")[1].split("What the figures say")[0]
    lines = [line for line in table.splitlines() if line.startswith("| ")][1:]
    cells = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]
    told = [(first.split(" ")[0], *rest) for first, *rest in cells]
    found = [
        (one.backend, *in_a_table(one))
        for file in read_campaigns([PUBLISHED / "campaigns"])
        for one in file.results
        if one.verdict in (Verdict.PASS, Verdict.FAIL)
    ]

    assert lines
    assert sorted(told) == sorted(found)


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.name)
def test_a_published_run_is_packed_the_same_way_by_everybody(path: Path) -> None:
    assert reproducible(path.read_bytes())


def test_a_file_packed_with_its_name_or_time_would_be_seen(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "run.jsonl.gz", "wb") as file:
        file.write(b"{}\n")

    assert not reproducible((tmp_path / "run.jsonl.gz").read_bytes())
    assert not reproducible(gzip.compress(b"{}\n", mtime=1))
    assert reproducible(gzip.compress(b"{}\n", mtime=0))
