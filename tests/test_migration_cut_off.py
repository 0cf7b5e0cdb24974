"""
A migration that is cut off while it tries things in the target, or whose disks are full: nothing is left behind.
"""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.base import Op, PutOp, Result
from langgraph.store.memory import InMemoryStore

from store_conformance.cli.migrate import Teller
from store_conformance.contract.errors import EXIT_INTERRUPTED
from store_conformance.migration.claims import CLAIMS, Claim
from store_conformance.migration.journal import FILE, Journal
from store_conformance.migration.moving import Migration, Progress
from store_conformance.migration.transfer import (
    Exported,
    ImportRefusedError,
    MigrationError,
    export_items,
    import_items,
)
from store_conformance.migration.urls import migrate
from tests.backend_use import no_sqlite
from tests.test_migration import held, run, source
from tests.test_store_factory import own_environment

__all__ = ["own_environment", "source"]
ITEMS = 130


class Trying(InMemoryStore):
    """Raises ``error`` for whatever is asked of it once something was tried, until it is mended."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__()
        self.error = error
        self.tried = False

    def batch(self, ops: Any) -> Any:
        listed = list(ops)
        if self.tried and self.error is not None:
            raise self.error
        found = super().batch(listed)
        self.tried = self.tried or any(_tries(op) for op in listed)
        return found

    def mend(self) -> None:
        self.error = None


def _tries(op: Any) -> bool:
    tries = isinstance(op, PutOp) and op.value is not None and "_check_" in op.namespace[-1]
    return tries and op.namespace != CLAIMS


def _aside(store: InMemoryStore) -> list[Any]:
    return [i.key for i in store.search((), limit=1000) if "_check_" in i.namespace[-1]]


def filled() -> InMemoryStore:
    store = InMemoryStore()
    store.batch([PutOp(("users", f"u{n % 7}"), f"k{n}", {"text": "fact"}) for n in range(ITEMS)])
    return store


OUT_OF_REACH = (
    ConnectionError("gone"),
    sqlite3.OperationalError("database or disk is full"),
    OSError(28, "No space left on device"),
)


@pytest.mark.parametrize("error", OUT_OF_REACH, ids=lambda e: str(e)[:12])
def test_what_was_tried_when_the_target_went_away_is_taken_away_by_the_next_start(
    error: Exception, tmp_path: Path
) -> None:
    source, target = filled(), Trying(error)

    with pytest.raises(MigrationError, match=r"checking ended .*goes on from here"):
        run(source, target, tmp_path / "j")
    target.mend()
    assert _aside(target)
    run(source, target, tmp_path / "j")

    assert not _aside(target) and len(target.search((), limit=1000)) == ITEMS


def test_a_target_with_others_items_is_refused_as_before(tmp_path: Path) -> None:
    source, target = filled(), Trying(ConnectionError("gone"))
    with pytest.raises(MigrationError, match="checking ended"):
        run(source, target, tmp_path / "j")
    target.mend()
    target.put(("mine", "own_check_list"), "k", {"n": 1})

    with pytest.raises(MigrationError, match="not empty"):
        run(source, target, tmp_path / "j")

    assert [i.key for i in target.search((), limit=1000)] == ["k"]


class Choosy(InMemoryStore):
    """Refuses every text, by an error of its engine's."""

    def batch(self, ops: Any) -> Any:
        listed = list(ops)
        if any(isinstance(op, PutOp) and "text" in (op.value or {}) for op in listed):
            raise sqlite3.OperationalError("malformed JSON")
        return super().batch(listed)


def test_what_the_target_refuses_is_no_fault_of_its_surroundings(tmp_path: Path) -> None:
    target = Choosy()

    with pytest.raises(ImportRefusedError, match="malformed JSON"):
        run(filled(), target, tmp_path / "j")

    assert not target.search((), limit=10)


class ReadOnly(InMemoryStore):
    """Stops to take anything once something was tried; what it says names neither a disk nor a connection."""

    def __init__(self) -> None:
        super().__init__()
        self.stopped: bool | None = None

    def batch(self, ops: Any) -> Any:
        listed = list(ops)
        writes = any(isinstance(op, PutOp) for op in listed)
        if self.stopped and writes:
            raise RuntimeError("shard s1 is in state READONLY")
        found = super().batch(listed)
        if self.stopped is None and any(_tries(op) for op in listed):
            self.stopped = True
        return found


def test_a_target_that_takes_nothing_any_more_refuses_no_item(tmp_path: Path) -> None:
    source, target = filled(), ReadOnly()

    with pytest.raises(MigrationError, match=r"checking ended .*READONLY.*goes on from here"):
        run(source, target, tmp_path / "j")
    assert _aside(target)
    target.stopped = False
    run(source, target, tmp_path / "j")

    assert not _aside(target) and len(target.search((), limit=1000)) == ITEMS


def test_a_second_migration_into_a_target_is_refused_until_the_first_has_ended(
    tmp_path: Path,
) -> None:
    first, second, target = filled(), InMemoryStore(), InMemoryStore()
    second.put(("users", "u1"), "k1", {"text": "another fact"})
    refused: dict[str, str] = {}

    def also(progress: Progress) -> None:
        """In each stage of the first one a second one is tried, beside what is there."""
        if progress.stage in ("reading", "checking", "writing") and progress.stage not in refused:
            with pytest.raises(
                MigrationError, match="another migration into this target"
            ) as caught:
                run(second, target, tmp_path / "other", add=True)
            refused[progress.stage] = str(caught.value)

    run(first, target, tmp_path / "j", tell=also)

    assert len(refused) == 3 and str(tmp_path / "j") in refused["writing"]
    assert len(target.search((), limit=1000)) == ITEMS
    with pytest.raises(ImportRefusedError, match="another value"):
        run(second, target, tmp_path / "other", add=True)
    assert len(target.search((), limit=1000)) == ITEMS


def test_two_that_begin_at_the_same_moment_do_not_both_write(tmp_path: Path) -> None:
    target = InMemoryStore()

    with closing(Journal(tmp_path / "a")) as a, closing(Journal(tmp_path / "b")) as b:
        one, other = Claim(target, a), Claim(target, b)
        one.nobody_elses()
        other.nobody_elses()
        one.make()
        with pytest.raises(MigrationError, match="under way"):
            other.make()
        other.withdraw()
        one.nobody_elses()
        assert [item.key for item in target.search(CLAIMS)] == [a.name()]


def test_what_was_moved_in_half_is_no_source_and_no_empty_target(tmp_path: Path) -> None:
    half = filled()
    with closing(Journal(tmp_path / "killed")) as journal:
        Claim(half, journal).make()

    with pytest.raises(MigrationError, match="itself the target of a migration"):
        run(half, InMemoryStore(), tmp_path / "j")
    with pytest.raises(MigrationError, match=rf"journal {tmp_path / 'killed'}"):
        run(filled(), half, tmp_path / "j")


class ShortNames(InMemoryStore):
    """Takes labels of small letters, digits and underscores, as many as a word has."""

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        asked = list(ops)
        for op in asked:
            if isinstance(op, PutOp) and not all(map(_short_name, op.namespace)):
                raise ValueError(
                    f"the namespace {op.namespace!r} has a label that is not a short name"
                )
        return super().batch(asked)


def _short_name(label: str) -> bool:
    return label.isidentifier() and label.islower() and len(label) <= 32


def test_what_is_tried_has_a_label_that_a_store_of_short_names_takes() -> None:
    target = ShortNames()
    items = [
        Exported(
            ("users", "recipes_and_menus_of_a_long_year"),
            "k",
            {"a long value": "x" * 200, "n": 1e16},
        )
    ]

    import_items(target, items)

    assert [i.key for i in target.search(())] == ["k"]
    with pytest.raises(ImportRefusedError, match="not a short name"):
        import_items(target, [Exported(("Users",), "k", {"n": 1})])
    with pytest.raises(ImportRefusedError, match="not a short name"):
        import_items(target, [Exported(("recipes_and_menus_of_a_long_yea*",), "k", {"n": 1})])
    assert [i.key for i in target.search(())] == ["k"]


def test_an_import_that_was_cut_off_is_cleared_by_the_same_import() -> None:
    items, target = list(export_items(filled())), Trying(ConnectionError("gone"))

    with pytest.raises(ConnectionError):
        import_items(target, items)
    target.mend()
    left = _aside(target)
    import_items(target, items)

    assert left and not _aside(target) and len(target.search((), limit=1000)) == ITEMS


@no_sqlite
@pytest.mark.parametrize("end", ["os._exit(9)", "raise KeyboardInterrupt"])
def test_a_migration_that_was_ended_while_it_tried_goes_on(
    source: str, end: str, tmp_path: Path
) -> None:
    code = (
        "import os\n"
        "from store_conformance.migration import preflight, urls\n"
        "def tried_part(store, aside, part):\n"
        "    before(store, aside, part)\n"
        f"    {end}\n"
        "before, preflight.tried_part = preflight.tried_part, tried_part\n"
        "urls.migrate('sqlite:///source.db', 'sqlite:///target.db')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, timeout=120, capture_output=True
    )
    killed = end.startswith("os")
    assert ended.returncode == 9 if killed else b"KeyboardInterrupt" in ended.stderr
    assert bool(held("sqlite:///target.db")) == killed  # Ctrl-C leaves time to clear away

    migrate(source, "sqlite:///target.db")

    assert held("sqlite:///target.db") == held(source)


def test_a_journal_whose_disk_is_full_at_the_end_keeps_no_memory(tmp_path: Path) -> None:
    source, target = filled(), InMemoryStore()
    secret = {"text": "the very secret text " * 50}
    source.batch([PutOp(("log",), f"k{n}", secret) for n in range(200)])
    with closing(Journal(tmp_path / "j")) as journal:
        done: list[str] = []

        def note(name: str, value: str) -> None:
            before(name, value)
            done.append(name)
            if name == "done":  # VACUUM writes all of it once more
                journal._conn.execute("PRAGMA max_page_count = 1")

        before, journal.note = journal.note, note  # type: ignore[method-assign]
        assert Migration(source, target, journal).run().items == ITEMS + 200
    assert done[-1] == "done"
    assert b"very secret" not in (tmp_path / "j" / FILE).read_bytes()


@no_sqlite
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="unverified: no such signals here")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_the_command_obeys_a_signal_and_says_how_to_go_on(
    source: str, name: str, tmp_path: Path
) -> None:
    """It is told to end as soon as it says that it writes."""
    code = (
        "import os, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from store_conformance.migration import moving\n"
        "from store_conformance.cli.__main__ import main\n"
        "def write(self, claim):\n"
        f"    os.kill(os.getpid(), signal.{name})\n"
        f"    os.kill(os.getpid(), signal.{name})\n"
        "moving.Migration._write = write\n"
        "main()\n"
    )
    words = ["migrate", source, "sqlite:///target.db"]
    begun = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=tmp_path, timeout=120, capture_output=True
    )

    assert (ended.returncode, time.monotonic() > begun) == (EXIT_INTERRUPTED, True)
    assert b"goes on from here" in ended.stderr and b"Traceback" not in ended.stderr
    assert migrate(source, "sqlite:///target.db").resumed and Path("target.db").exists()


def test_the_command_says_that_it_waits(capsys: pytest.CaptureFixture[str]) -> None:
    with Teller(quiet_seconds=0.02).waiting() as tell:
        tell(Progress("writing", 100, 300, 1.0))
        waited = ""
        while "still waiting" not in waited:  # as slow as the machine may be
            time.sleep(0.01)
            waited += capsys.readouterr().err
    with Teller(quiet_seconds=600).waiting() as tell:
        tell(Progress("writing", 100, 300, 1.0))

    assert "writing: nothing new for" in waited and "goes on from there" in waited
    assert "waiting" not in capsys.readouterr().err
