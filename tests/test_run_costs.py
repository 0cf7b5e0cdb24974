"""
What a run does to cost less, and what must not be lost by it.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis.internal.conjecture import engine, providers
from langgraph.store.memory import InMemoryStore

from store_conformance.backends.engines import postgres
from store_conformance.backends.engines.postgres_place import REMARK, Place
from store_conformance.backends.placing import UnprovenPlaceError
from store_conformance.contract import Mode
from store_conformance.harness.backends import Backend, create
from store_conformance.harness.journal import Journal
from store_conformance.harness.settings import Settings
from store_conformance.harness.subject import Subject
from store_conformance.oracle import histories
from store_conformance.runs.selection import Selection
from store_conformance.runs.session import RunSession
from store_conformance.suite import test_leftovers

# -- engines that come up meanwhile ----------------------------------------------------------------


class Slow:
    """A backend whose start takes as long as it is let."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.running = False

    def start(self) -> None:
        self.begun.set()
        assert self.go_on.wait(60)
        self.running = True

    def stop(self) -> None:
        self.running = False


def test_a_run_that_ends_while_its_engines_come_up_leaves_none_behind() -> None:
    slow = Slow()
    run = RunSession({"slow": cast("Backend", slow)}, Selection(), Settings())

    run.begin_to_start()
    assert slow.begun.wait(60)
    ending = threading.Thread(target=run.stop)
    ending.start()
    ending.join(0.1)
    assert ending.is_alive()  # it waits for the start
    slow.go_on.set()
    ending.join(60)

    assert not ending.is_alive()
    assert not slow.running


# -- the place of a connection to a server of ours -------------------------------------------------


class Connection:
    """Tells of one database and schema, and counts how often it is asked."""

    def __init__(self, schema: str, mark: str | None = REMARK) -> None:
        self.rows: list[tuple[object, ...]] = [
            ("db", schema),
            ("db", schema, schema, [], mark, None),
        ]
        self.asked = 0

    def execute(self, statement: str, *values: object, prepare: bool) -> Connection:
        self.asked += 1
        self.row = self.rows["tables" in statement]
        return self

    def fetchone(self) -> tuple[Any, ...]:
        return self.row


def test_a_server_of_ours_is_asked_for_two_names() -> None:
    connection = Connection("s1", mark=None)

    Place("schema", "s1", "db", own=True).prove(connection, fresh=lambda: True)

    assert connection.asked == 1


def test_on_a_server_of_ours_another_schema_is_refused() -> None:
    with pytest.raises(UnprovenPlaceError):
        Place("schema", "s1", "db", own=True).prove(Connection("other"), fresh=lambda: True)


def test_on_a_server_of_a_user_the_mark_is_asked_for() -> None:
    with pytest.raises(UnprovenPlaceError):
        Place("schema", "s1", "db").prove(Connection("s1", mark=None), fresh=lambda: True)
    Place("schema", "s1", "db").prove(Connection("s1"), fresh=lambda: True)


@pytest.mark.parametrize(
    ("version", "known"),
    [("PostgreSQL 18.6", True), ("PostgreSQL 16beta1", True), ("PostgreSQL 15.9", False)],
)
def test_an_older_initdb_is_not_told_what_it_does_not_know(
    monkeypatch: pytest.MonkeyPatch, version: str, known: bool
) -> None:
    monkeypatch.setattr(postgres, "server_version", lambda folder: version)

    assert postgres._takes_settings(Path()) is known


# -- random histories ------------------------------------------------------------------------------


def test_histories_draw_nothing_from_the_source_of_modules() -> None:
    read, longest = providers._get_local_constants, engine.MAX_SHRINKING_SECONDS

    with histories._for_a_gate():
        drawn = providers._get_local_constants()
        shrinking = engine.MAX_SHRINKING_SECONDS

    assert len(drawn) == 0
    assert shrinking == histories.SHRINK_SECONDS
    # Of other tests of the same process nothing is taken.
    assert providers._get_local_constants is read
    assert longest == engine.MAX_SHRINKING_SECONDS
    assert len(read()) > 0


# -- sweepers that a close has left ----------------------------------------------------------------


class Sweeping(InMemoryStore):
    """Has a thread that ends when it is told to; ``deaf``: that takes for ever."""

    def __init__(self, *, deaf: bool = False) -> None:
        super().__init__()
        self.deaf = deaf
        self.told = threading.Event()
        self.sweeper = threading.Thread(target=self.told.wait, daemon=True)
        self.sweeper.start()

    def stop_ttl_sweeper(self) -> None:
        if self.deaf:
            threading.Event().wait()
        self.told.set()
        self.sweeper.join()


class Opening:
    """A context manager around a store that somebody keeps."""

    def __init__(self, store: InMemoryStore) -> None:
        self.store = store

    def __enter__(self) -> InMemoryStore:
        return self.store

    def __exit__(self, *_: object) -> None:
        pass


def closed(store: Sweeping) -> Subject:
    backend = create("memory")
    opened: Any = Opening(store)
    subject = Subject(
        opened, at=backend.location(), mode=Mode.SYNC, loop_thread=None, journal=Journal()
    )
    subject.close()
    return subject


def test_what_a_close_left_running_is_stopped() -> None:
    stores = [Sweeping(), Sweeping()]

    test_leftovers._stop_sweepers([closed(store) for store in stores])

    assert not any(store.sweeper.is_alive() for store in stores)


def test_a_sweeper_that_cannot_be_stopped_keeps_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_leftovers, "WAIT_SECONDS", 0.1)
    store = Sweeping(deaf=True)

    test_leftovers._stop_sweepers([closed(store)])

    assert store.sweeper.is_alive()
    store.told.set()
