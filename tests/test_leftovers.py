"""
What a store leaves is counted: by a server, in a folder of the case's own, after each case and for the run.
"""

from __future__ import annotations

import gc
import json
import tempfile
import threading
import weakref
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from store_conformance.backends import registry
from store_conformance.backends.base import Backend
from store_conformance.contract import Mode
from store_conformance.contract.records import Measurement
from store_conformance.harness.leftovers import (
    collect_while,
    count_held,
    own_temporary_folder,
    regain_temporary_folder,
)
from store_conformance.harness.runner import run_case
from store_conformance.harness.settings import Settings
from store_conformance.reports.model import build_report
from store_conformance.reports.tables import left
from store_conformance.reports.text import NOT_MEASURED
from store_conformance.runs.run_file import RunWriter, read_run
from store_conformance.suite.register import all_cases
from tests.backend_use import no_postgres
from tests.sample_run import make_run, row, sample_run

K3 = next(s for s in all_cases() if s.rule_id == "K3" and Mode.SYNC in s.modes)


@no_postgres
def test_the_server_counts_connections_to_one_place(postgres: Backend) -> None:
    at, other = postgres.location(), postgres.location()
    opened = postgres.open(at, None, None, Mode.SYNC)
    assert isinstance(opened, AbstractContextManager)
    with opened:
        assert postgres.server_connections(at) == 1
        assert postgres.server_connections(other) == 0
    assert postgres.server_connections(at) == 0


def test_temporary_files_are_counted_where_nobody_else_writes() -> None:
    usual = tempfile.gettempdir()
    with own_temporary_folder() as folder:
        before = count_held(temporary=folder)
        with tempfile.NamedTemporaryFile(), tempfile.NamedTemporaryFile(dir=usual):
            grown = count_held(temporary=folder).growth_since(before)
            assert grown["temporary_files"] == 1
        assert "temporary_files" not in count_held(temporary=folder).growth_since(before)
    assert tempfile.gettempdir() == usual


class Loop:
    """An object that only the garbage collector frees."""

    def __init__(self) -> None:
        self.itself = self


@pytest.mark.parametrize("old", [False, True])
def test_garbage_is_collected_while_something_remains(old: bool) -> None:
    loop = Loop()
    if old:
        gc.collect()  # it survives, and is looked through with everything else alone
    gone = weakref.ref(loop)
    del loop

    assert not collect_while(lambda: gone() is not None)


def test_what_is_held_remains() -> None:
    loop = Loop()
    held = weakref.ref(loop)

    assert collect_while(lambda: held() is loop)


def test_a_case_that_is_given_up_takes_no_temporary_folder_with_it() -> None:
    usual = tempfile.gettempdir()
    entered, end = threading.Event(), threading.Event()

    def hang() -> None:
        with own_temporary_folder():
            entered.set()
            end.wait(60)

    stuck = threading.Thread(target=hang)
    stuck.start()
    assert entered.wait(60)
    moved = tempfile.gettempdir()
    regain_temporary_folder()
    regained = tempfile.gettempdir()
    with own_temporary_folder() as another:
        end.set()
        stuck.join(60)  # its block ends while another one's lasts
        inside = tempfile.gettempdir()

    assert moved != usual
    assert regained == usual
    assert inside == str(another)
    assert tempfile.gettempdir() == usual


@pytest.mark.parametrize("leaves", [True, False])
def test_what_a_case_left_is_measured(leaves: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    end = threading.Event()
    backend = registry.create("memory")
    open_as_usual = backend.open

    def opened(*given: Any) -> Any:
        if leaves:
            threading.Thread(target=end.wait, daemon=True, name="left").start()
        return open_as_usual(*given)

    monkeypatch.setattr(backend, "open", opened)
    outcome = run_case(backend, K3, Mode.SYNC, next(iter(K3.expand())), Settings())
    end.set()
    backend.stop()

    told = [m.value for m in outcome.measurements if m.name == "left.after_case"]
    assert bool(told) is leaves
    assert all(value["threads"] >= 1 for value in told)


def test_the_runs_own_total_is_in_its_footer_and_in_the_report(tmp_path: Path) -> None:
    run = sample_run()
    writer = RunWriter(tmp_path / "run.jsonl", dict(run.header))
    writer.close(seconds=1.0, by_backend={}, interrupted=False, left={"threads": 2})

    assert read_run(tmp_path / "run.jsonl").footer["left"] == {"threads": 2}
    assert json.loads((tmp_path / "run.jsonl").read_text().splitlines()[-1])["left"]


def test_the_report_has_a_table_of_what_closing_leaves() -> None:
    figure = Measurement(
        "memory", "left.after_close", {"threads": 6, "files": 0}, Mode.SYNC, case="leftovers::x",
        facts={"openings": 6}, rule="O19",
    )  # fmt: skip
    run = make_run([row("memory", "O19")], measurements=[figure])
    run.footer["left"] = {"threads": 7}

    made = left(build_report(run))

    kinds = dict(zip(made.head, made.rows[0]))
    assert (kinds["Threads"], kinds["Files"]) == ("6", "0")
    assert kinds["Connections"] == NOT_MEASURED
    assert "after 6 openings" in made.note and "7 threads" in made.note
    assert left(build_report(make_run([row("memory", "O19")]))).rows == ()
