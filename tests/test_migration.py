"""
Memories moved between stores given as URLs: all of them, unaltered, or an error that says how to go on.
"""

from __future__ import annotations

import gc
import json
import os
import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.base import PutOp
from langgraph.store.memory import InMemoryStore

from store_conformance.backends.base import Backend, BackendError
from store_conformance.factory import create_store
from store_conformance.migration import moving, pages, preflight, walking
from store_conformance.migration.commands import export_store, import_file
from store_conformance.migration.export_file import read_export, write_export
from store_conformance.migration.journal import FILE, Journal
from store_conformance.migration.moving import Migration, Progress
from store_conformance.migration.preflight import SAMPLE, unusual
from store_conformance.migration.transfer import Exported, ImportRefusedError, MigrationError
from store_conformance.migration.urls import migrate
from store_conformance.migration.walking import walk, walk_from_the_top
from tests.backend_use import no_postgres, no_sqlite
from tests.test_store_factory import execute, own_environment, server

__all__ = ["own_environment"]
pytestmark = no_sqlite
ODD: dict[str, Any] = {
    "text": "Füße 🧠 'quoted' \"twice\"\n100 %",
    "n": [1, 1.5, None, True, {"deep": {"er": []}}],
}


def fill(store: Any, count: int = 30) -> None:
    store.batch(
        [
            PutOp(("users", f"u{n % 7}"), f"k{n}", {"n": n, "text": f"fact {n}"})
            for n in range(count)
        ]
    )
    store.put(("users",), "above", {"text": "a namespace above others"})
    store.put(("odd", "sp ace", "Füße"), "it's", ODD)


@pytest.fixture
def source(tmp_path: Path) -> str:
    with create_store("sqlite:///source.db") as store:
        fill(store)
        store.put(("brief",), "k", {"n": 1}, ttl=60)
    return "sqlite:///source.db"


def held(url: str) -> dict[Any, Any]:
    found: dict[Any, Any] = {}

    def keep(page: list[Exported]) -> int:
        found.update({item.address: item.value for item in page})
        return len(page)

    with create_store(url) as store:
        list(walk(store, keep))
    return found


# -- there, and all of it -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "needs"),
    [
        ("sqlite:///target.db", "langgraph.store.sqlite"),
        ("qdrant+edge:///e", "qdrant_edge"),
        ("chroma:///c", "chromadb"),
    ],
)
def test_everything_is_moved_and_verified(source: str, target: str, needs: str) -> None:
    pytest.importorskip(needs)
    os.environ["EMBEDDINGS"] = "exact:24"
    told: list[Progress] = []

    report = migrate(source, target, tell=told.append)

    assert report.items == 33 and len(report.spaces) == 10
    assert held(target) == held(source)
    with create_store(target) as store:
        assert store.search(("users",), query="fact 3", limit=3)[0].score is not None
    assert [p.stage for p in told if p.items == p.total] and told[-1].rate > 0


@no_postgres
def test_there_and_back_through_postgres_is_what_it_was(source: str, postgres: Backend) -> None:
    url = server(postgres)
    execute(url, "DROP SCHEMA IF EXISTS moved CASCADE; CREATE SCHEMA moved")
    with closing(sqlite3.connect("source.db")) as conn:
        conn.execute(
            "UPDATE store SET created_at = '2020-01-02 03:04:05', updated_at = '2021-01-02 03:04:05'"
        )
        conn.commit()
        before = conn.execute("SELECT expires_at, ttl_minutes FROM store WHERE key='k'").fetchone()

    there = migrate(source, f"{url}?schema=moved")
    back = migrate(f"{url}?schema=moved", "sqlite:///back.db")

    assert there.spaces == back.spaces and held("sqlite:///back.db") == held(source)
    assert not any("begin anew" in loss for loss in (*there.losses, *back.losses))
    with closing(sqlite3.connect("back.db")) as conn:
        rows = set(conn.execute("SELECT created_at, updated_at FROM store"))
        after = conn.execute("SELECT expires_at, ttl_minutes FROM store WHERE key='k'").fetchone()
    assert rows == {("2020-01-02 03:04:05.000000", "2021-01-02 03:04:05.000000")}
    assert (after[0], after[1]) == (before[0].partition("+")[0], 60.0)


def test_what_cannot_be_kept_is_named(source: str) -> None:
    pytest.importorskip("qdrant_edge", reason="unverified: qdrant-edge-py is not installed")

    losses = migrate(source, "qdrant+edge:///e").losses

    assert any("created_at" in loss for loss in losses)
    assert any("times to live begin anew" in loss for loss in losses)


# -- refused, with nothing written ------------------------------------------------------------------------


class Refusing(InMemoryStore):
    """Takes no text with ``bad`` in it, and turns 7 into 8."""

    def batch(self, ops: Any) -> Any:
        listed = list(ops)
        for place, op in enumerate(listed):
            if isinstance(op, PutOp) and op.value is not None:
                if "bad" in json.dumps(op.value):
                    raise ValueError("no bad texts here")
                if op.value.get("n") == 7e300:
                    listed[place] = op._replace(value={**op.value, "n": 8})
        return super().batch(listed)


def run(source: Any, target: Any, folder: Path, **more: Any) -> Any:
    with closing(Journal(folder)) as journal:
        return Migration(source, target, journal, **more).run()


def test_what_the_target_cannot_hold_is_listed_before_anything_is_written(tmp_path: Path) -> None:
    source, target = InMemoryStore(), Refusing()
    fill(source)
    source.put(("a",), "refused", {"text": "bad \x00"})
    source.put(("a",), "altered", {"n": 7e300})

    with pytest.raises(ImportRefusedError) as caught:
        run(source, target, tmp_path / "j")

    assert {(r.namespace, r.key) for r in caught.value.refusals} == {
        (("a",), "refused"),
        (("a",), "altered"),
    }
    assert target.search((), limit=10) == []

    for key in ("refused", "altered"):
        source.delete(("a",), key)
    assert run(source, target, tmp_path / "j2").items == 32


def test_unusual_items_are_all_tried_and_usual_ones_by_sample(tmp_path: Path) -> None:
    assert not unusual(
        Exported(("a", "b"), "key", {"text": "plain, Füße 🧠\n", "n": [1, 0.5, None]})
    )
    for value in (
        {"text": "\x00"}, {"n": 2**60}, {"n": 1e300}, {"n": float("nan")}, {"n": -0.0}, {"$gt": 1}, {"": 1},
        {"a.b": 1}, {"text": "x" * 10_000}, {"text": " end "}, {"text": "\ud800"}, {"t": [[[[[[[[[[[[1]]]]]]]]]]]]},
        {str(n): n for n in range(200)},
    ):  # fmt: skip
        assert unusual(Exported(("a",), "k", value)), value
    assert unusual(Exported(("a",), "k" * 300, {})) and unusual(Exported(("a ",), "k", {}))

    class Counting(InMemoryStore):
        tried = 0

        def batch(self, ops: Any) -> Any:
            listed = list(ops)
            self.tried += sum(
                isinstance(op, PutOp) and op.value is not None and "check" in op.namespace[-1]
                for op in listed
            )
            return super().batch(listed)

    source, target = InMemoryStore(), Counting()
    fill(source, 3 * SAMPLE)
    run(source, target, tmp_path / "j")
    assert SAMPLE <= target.tried <= SAMPLE + 5


def test_a_target_that_is_not_empty_is_refused_and_may_be_added_to(
    source: str, tmp_path: Path
) -> None:
    with create_store("sqlite:///target.db") as store:
        store.put(("mine",), "k", {"n": 1})
        store.put(("users", "u1"), "k1", {"other": True})

    with pytest.raises(MigrationError, match="not empty"):
        migrate(source, "sqlite:///target.db")
    with pytest.raises(ImportRefusedError, match="holds another value"):
        migrate(source, "sqlite:///target.db", add=True)
    assert len(held("sqlite:///target.db")) == 2

    with create_store("sqlite:///target.db") as store:
        store.delete(("users", "u1"), "k1")
    assert migrate(source, "sqlite:///target.db", add=True).items == 33
    assert len(held("sqlite:///target.db")) == 34


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ("sqlite:///source.db", "sqlite:///source.db", "same store"),
        ("sqlite:///source.db", "sqlite:///./source.db?busy_seconds=3", "same store"),
        ("postgresql://a:b@h/d", "postgres://c:d@h/d?pool_max=2", "same store"),
        ("sqlite:///sourse.db", "sqlite:///target.db", "no file"),
        ("memory:", "sqlite:///target.db", "process that made it"),
        ("qdrant+edge:///none", "sqlite:///target.db", "no collection"),
        ("sqlite:///source.db", "memory:", "ends with the process"),
        ("sqlite:///source.db", "sqlite:///no/target.db", "no folder"),
        ("sqlite:///.", "sqlite:///target.db", "is a folder"),
        ("sqlite:///source.db", "sqlit:///target.db", "did you mean 'sqlite'"),
    ],
)
def test_wrong_sides_are_refused_and_make_nothing(
    source: str, one: str, other: str, said: str
) -> None:
    if "edge" in one:
        pytest.importorskip("qdrant_edge", reason="unverified: qdrant-edge-py is not installed")
    with pytest.raises((MigrationError, BackendError), match=said):
        migrate(one, other)

    assert not Path("target.db").exists() or not held("sqlite:///target.db")
    assert not Path("sourse.db").exists()
    assert not list(Path.cwd().glob("store-migration-*"))


@pytest.mark.parametrize(("name", "said"), [("file", "cannot be written"), ("other", "no journal")])
def test_a_journal_that_is_none_is_refused_and_left_as_it_is(
    source: str, name: str, said: str
) -> None:
    other = Path("other") / FILE
    other.parent.mkdir()
    for path in (other, Path("file")):
        path.write_text("somebody's text " * 20)

    with pytest.raises(MigrationError, match=said):
        migrate(source, "sqlite:///target.db", journal=Path(name))

    assert other.read_text() == Path("file").read_text() == "somebody's text " * 20


def test_the_source_is_only_read(source: str) -> None:
    before = Path("source.db").read_bytes(), Path("source.db").stat().st_mtime_ns

    migrate(source, "sqlite:///target.db")

    assert (Path("source.db").read_bytes(), Path("source.db").stat().st_mtime_ns) == before


def of_the_first_release(path: Path) -> None:
    """A file as the first release of the store left it: without times to live."""
    from langgraph.store.sqlite.base import MIGRATIONS

    with closing(sqlite3.connect(path)) as conn:
        conn.executescript("CREATE TABLE store_migrations (v INTEGER PRIMARY KEY)")
        for number, statement in enumerate(MIGRATIONS[:2]):
            conn.executescript(statement)
            conn.execute("INSERT INTO store_migrations VALUES (?)", (number,))
        conn.execute(
            "INSERT INTO store VALUES ('users.anna', 'k', '{\"n\": 1}', '2020-01-02 03:04:05', '2021-01-02 03:04:05')"
        )
        conn.commit()


def test_a_source_of_an_older_release_is_read_and_not_migrated() -> None:
    of_the_first_release(Path("old.db"))
    before = Path("old.db").read_bytes()

    migrate("sqlite:///old.db", "sqlite:///target.db")

    assert Path("old.db").read_bytes() == before
    assert held("sqlite:///target.db") == {(("users", "anna"), "k"): {"n": 1}}
    with closing(sqlite3.connect("target.db")) as conn:
        moments = conn.execute("SELECT created_at, updated_at, expires_at FROM store").fetchone()
    assert moments == ("2020-01-02 03:04:05.000000", "2021-01-02 03:04:05.000000", None)
    create_store("sqlite:///old.db").close()
    assert Path("old.db").read_bytes() != before, "an opening for use does migrate it"


SHAPE = (
    "SELECT table_name, column_name, data_type FROM information_schema.columns"
    " WHERE table_schema = 'old' ORDER BY 1, 2"
)


@no_postgres
def test_a_source_in_postgres_of_an_older_release_is_not_migrated(postgres: Backend) -> None:
    import psycopg
    from langgraph.store.postgres.base import MIGRATIONS

    url = server(postgres)
    execute(url, "DROP SCHEMA IF EXISTS old CASCADE", "CREATE SCHEMA old")
    old = f"{url}?options=-csearch_path%3Dold"
    execute(old, MIGRATIONS[0], """INSERT INTO store VALUES ('users.anna', 'k', '{"n": 1}')""")
    with psycopg.connect(url) as conn:
        before = conn.execute(SHAPE).fetchall()

    migrate(f"{url}?schema=old", "sqlite:///target.db")

    with psycopg.connect(url) as conn:
        after = conn.execute(SHAPE).fetchall()
    assert after == before and len(before) == 5
    assert held("sqlite:///target.db") == {(("users", "anna"), "k"): {"n": 1}}


def test_the_stores_of_a_hybrid_source_are_only_read_too() -> None:
    of_the_first_release(Path("old.db"))
    with create_store("sqlite:///other.db") as store:
        store.put(("prompt",), "k", {"n": 2})
    layout = 'default = "a"\n[stores]\na = "sqlite:///old.db"\nb = "sqlite:///other.db"\n'
    Path("both.toml").write_text(layout + '[[routes]]\nstore = "b"\ndepth = 1\n')
    before = Path("old.db").read_bytes()

    assert migrate("hybrid:both.toml", "sqlite:///target.db").items == 2

    assert Path("old.db").read_bytes() == before


def test_a_source_with_a_time_to_live_in_its_url_is_not_swept(source: str) -> None:
    with closing(sqlite3.connect("source.db")) as conn:
        conn.execute("UPDATE store SET expires_at = '2020-01-01 00:00:00' WHERE key = 'k'")
        conn.commit()

    migrate(f"{source}?ttl_minutes=1&sweep_minutes=0.01", "sqlite:///target.db")

    with closing(sqlite3.connect("source.db")) as conn:
        assert conn.execute("SELECT count(*) FROM store WHERE key = 'k'").fetchone() == (1,)


def test_a_source_with_a_cursor_is_read_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search passes over all that lies before its offset, in memory; a cursor does not."""
    pytest.importorskip("qdrant_edge", reason="unverified: qdrant-edge-py is not installed")
    with create_store("qdrant+edge:///edge") as store:
        fill(store, count=1200)
        store.search = store.list_namespaces = None
        pages: list[int] = []

        def keep(page: list[Exported]) -> int:
            pages.append(len(page))
            return len(page)

        assert sum(walk(store, keep)) == sum(pages) == 1202
        assert max(pages) <= 500
        assert sum(walk_from_the_top(store, keep)) == 1202


@no_postgres
@pytest.mark.parametrize("add", [False, True])
def test_one_store_by_two_addresses_is_noticed(source: str, postgres: Backend, add: bool) -> None:
    url = server(postgres)
    execute(url, "DROP SCHEMA IF EXISTS same CASCADE", "CREATE SCHEMA same")
    migrate(source, f"{url}?schema=same")
    other = url.replace("127.0.0.1", "localhost")
    assert other != url

    with pytest.raises(MigrationError, match="both sides are the same store") as refused:
        migrate(f"{url}?schema=same", f"{other}?schema=same", journal=Path("j"), add=add)

    assert refused.value.exit_code == 2
    assert held(f"{url}?schema=same") == held(source)


def test_a_journal_whose_disk_is_full_says_so_and_goes_on_later(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MigrationError, match="disk of the journal j is full") as refused:
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "add", _on_a_full_disk)
            migrate(source, "sqlite:///target.db", journal=Path("j"))
    assert "goes on from here" in refused.value.hint

    assert migrate(source, "sqlite:///target.db", journal=Path("j")).items == len(held(source))


def _on_a_full_disk(journal: Journal, items: Any) -> int:
    """What SQLite does on a full disk, by a database that may not grow."""
    journal._conn.execute("PRAGMA max_page_count = 1")
    try:
        large = [Exported(("a",), f"k{n}", {"t": "x" * 5000}) for n in range(50)]
        return journal._many(
            "INSERT INTO seen VALUES (?, ?, ?)",
            [(str(item.namespace), item.key, item.value["t"]) for item in large],
        )
    finally:
        journal._conn.execute("PRAGMA max_page_count = 1000000")


def test_an_empty_source_is_an_error(tmp_path: Path) -> None:
    create_store("sqlite:///source.db").close()

    with pytest.raises(MigrationError, match="holds nothing"):
        migrate("sqlite:///source.db", "sqlite:///target.db")


def test_two_migrations_at_once_are_refused(source: str, tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "j")):
        with pytest.raises(MigrationError, match="another migration is at work"):
            Journal(tmp_path / "j")
    Journal(tmp_path / "j").close()


# -- ended in the middle ----------------------------------------------------------------------------------


class Breaking(InMemoryStore):
    """Loses its connection after so many written items, until it is mended."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def batch(self, ops: Any) -> Any:
        listed = list(ops)
        for op in listed:
            if isinstance(op, PutOp) and op.value is not None and "check" not in op.namespace[-1]:
                if self.left == 0:
                    raise ConnectionError("postgresql://a:hunter22@h broke")
                self.left -= 1
        return super().batch(listed)


def test_a_migration_goes_on_where_it_was_broken_off(tmp_path: Path) -> None:
    source, target = InMemoryStore(), Breaking(after=150)
    fill(source, 400)

    with pytest.raises(
        MigrationError, match=r"writing ended after 100 items.*goes on from here"
    ) as caught:
        run(source, target, tmp_path / "j")
    assert "hunter22" not in str(caught.value)

    target.left = 10_000
    report = run(source, target, tmp_path / "j")
    assert report.resumed and report.items == 402
    assert target.left == 10_000 - 302  # what was acknowledged is not written again
    with pytest.raises(MigrationError, match="done already"):
        run(source, target, tmp_path / "j")


@pytest.mark.skipif(not hasattr(os, "kill"), reason="no signals")
def test_a_migration_that_was_killed_goes_on(source: str, tmp_path: Path) -> None:
    """The process ends without a word when it has written two batches."""
    with create_store(source) as store:
        fill(store, 500)
    code = (
        "import os\n"
        "from store_conformance.migration.urls import migrate\n"
        "def tell(p):\n"
        "    if p.stage == 'writing' and p.items >= 200: os._exit(9)\n"
        "migrate('sqlite:///source.db', 'sqlite:///target.db', tell=tell)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, timeout=120).returncode == 9
    assert 200 <= len(held("sqlite:///target.db")) < 503

    report = migrate(source, "sqlite:///target.db")

    assert report.resumed and held("sqlite:///target.db") == held(source)


# -- what went on meanwhile ---------------------------------------------------------------------------------


def meddling(stage: str, deed: Callable[[], None]) -> Callable[[Progress], None]:
    done: list[bool] = []

    def tell(progress: Progress) -> None:
        if progress.stage == stage and not done:
            done.append(True)
            deed()

    return tell


def test_a_source_that_is_written_to_is_not_called_moved(tmp_path: Path) -> None:
    source, target = InMemoryStore(), InMemoryStore()
    fill(source)
    tell = meddling("writing", lambda: source.put(("users", "u1"), "late", {"n": 1}))

    with pytest.raises(MigrationError, match="1 new, 0 changed, 0 deleted"):
        run(source, target, tmp_path / "j", tell=tell)


def test_a_target_that_is_written_to_is_not_called_verified(tmp_path: Path) -> None:
    source, target = InMemoryStore(), InMemoryStore()
    fill(source)
    for number, deed in enumerate(
        (
            lambda: target.put(("users", "u1"), "k1", {"n": "another"}),
            lambda: target.delete(("users", "u1"), "k1"),
            lambda: target.put(("users", "u1"), "more", {}),
        )
    ):
        target.__init__()  # type: ignore[misc]
        with pytest.raises(MigrationError, match="the target differs"):
            run(source, target, tmp_path / f"j{number}", tell=meddling("writing", deed))


class Unsettled(InMemoryStore):
    """Its pages come in another order each time, so that they overlap and lose items."""

    turn = 0

    def search(self, prefix: Any, /, **more: Any) -> Any:
        limit, offset = more.pop("limit"), more.pop("offset")
        every = super().search(prefix, limit=100_000, **more)
        self.turn += 137
        shift = self.turn % max(1, len(every))
        return (every[shift:] + every[:shift])[offset : offset + limit]


def test_nothing_is_lost_because_the_sources_pages_overlap(tmp_path: Path) -> None:
    source, target = Unsettled(), InMemoryStore()
    source.batch([PutOp(("one",), f"k{n}", {"n": n}) for n in range(1300)])

    assert run(source, target, tmp_path / "j").items == 1300


def test_the_memories_do_not_stay_in_the_journal(source: str, tmp_path: Path) -> None:
    with create_store(source) as store:
        store.put(("a",), "secret", {"text": "the very secret text"})
    migrate(source, "sqlite:///target.db", journal=tmp_path / "j")

    assert b"very secret" not in (tmp_path / "j" / FILE).read_bytes()
    assert (tmp_path / "j" / FILE).stat().st_mode & 0o077 == 0


# -- the command -------------------------------------------------------------------------------------------


def command(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-m", "store_conformance.cli", "migrate", *words]
    return subprocess.run(call, cwd=cwd, capture_output=True, text=True, timeout=120)


def test_the_command_moves_tells_and_refuses(source: str, tmp_path: Path) -> None:
    moved = command(source, "sqlite:///target.db", cwd=tmp_path)
    again = command(source, "sqlite:///target.db", "--journal", "other", cwd=tmp_path)
    wrong = command(source, "postgresql://u:hunter22@127.0.0.1:1/d", cwd=tmp_path)

    assert moved.returncode == 0, moved.stderr
    assert "33 items in 10 namespaces moved and verified" in moved.stdout
    assert "writing: 33 of 33 items" in moved.stderr
    assert "verifying the target: 33 of 33 items" in moved.stderr
    assert again.returncode == 2 and "not empty" in again.stderr
    assert wrong.returncode in (2, 3) and "hunter22" not in wrong.stderr + wrong.stdout
    assert "Traceback" not in again.stderr + wrong.stderr


# -- the file ------------------------------------------------------------------------------------------------


@pytest.fixture(params=["memories.jsonl", "memories.jsonl.gz"])
def written(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / str(request.param)
    write_export(path, [Exported(("a",), f"k{n}", {"n": n}) for n in range(3)])
    return path


def test_an_export_is_read_back_plain_and_packed(written: Path) -> None:
    assert [item.value for item in read_export(written)] == [{"n": n} for n in range(3)]
    assert (written.read_bytes()[:2] == b"\x1f\x8b") == (written.suffix == ".gz")


@pytest.mark.parametrize(
    ("deed", "said"),
    [
        (lambda lines: lines[:-1], ":4: the file is cut off"),
        (lambda lines: [*lines[:2], *lines[3:]], ":4: the file is cut off"),
        (
            lambda lines: [lines[0], lines[1].replace('"n": 0', '"n": 9'), *lines[2:]],
            ":2: the item is not",
        ),
        (
            lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
            ":5: lines were altered or changed places",
        ),
        (
            lambda lines: [lines[0], lines[1], lines[1], *lines[3:]],
            ":3: the same item as in line 2",
        ),
        (lambda lines: [lines[0].replace("2", "9"), *lines[1:]], ":1: the version is 9"),
        (lambda lines: [lines[0], "{", *lines[2:]], ":2: no JSON object"),
    ],
)
def test_a_damaged_export_is_refused_with_its_line(tmp_path: Path, deed: Any, said: str) -> None:
    path = tmp_path / "memories.jsonl"
    write_export(path, [Exported(("a",), f"k{n}", {"n": n}) for n in range(3)])
    path.write_text("\n".join(deed(path.read_text().splitlines())) + "\n")

    with pytest.raises(MigrationError) as caught:
        read_export(path)

    assert said in str(caught.value)


def test_an_export_is_its_owners_alone_and_what_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "stores.py").write_text(
        "from langgraph.store.memory import InMemoryStore\n\ndef empty():\n    return InMemoryStore()\n"
    )
    reference = f"{tmp_path / 'stores.py'}:empty"

    assert export_store(reference, tmp_path / "memories.jsonl") == 0
    assert (tmp_path / "memories.jsonl").stat().st_mode & 0o077 == 0
    with pytest.raises(MigrationError, match="is a folder"):
        export_store(reference, tmp_path)
    with pytest.raises(MigrationError, match="no embedder"):
        import_file(reference, tmp_path / "memories.jsonl", fields=("text",))
    assert import_file(reference, tmp_path / "memories.jsonl") == 0


def test_an_export_of_the_first_version_is_still_read(tmp_path: Path) -> None:
    path = tmp_path / "old.jsonl"
    path.write_text(
        '{"format": "langgraph-store-export", "version": 1}\n'
        '{"namespace": ["a"], "key": "k", "value": {"n": 1}, "created_at": null, "updated_at": null}\n'
        '{"end": true, "items": 1}\n'
    )

    assert [item.value for item in read_export(path)] == [{"n": 1}]


def traced(source: str, target: str, count: int) -> int:
    """The most that a migration of so many items held at a time, in bytes."""
    with create_store(source) as store:
        store.batch([PutOp(("many",), f"k{n}", {"text": f"{n:04} " * 1500}) for n in range(count)])
    gc.collect()
    tracemalloc.start()
    try:
        migrate(source, target)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_migration_holds_a_page_however_many_items_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = ((walking, "PAGE"), (pages, "PAGE"), (preflight, "BATCH"), (moving, "BATCH"))
    for module, name in sizes:
        monkeypatch.setattr(module, name, 10)
    traced("sqlite:///first.db", "sqlite:///of-first.db", 20)  # what is loaded but once
    few = traced("sqlite:///few.db", "sqlite:///of-few.db", 120)
    many = traced("sqlite:///many.db", "sqlite:///of-many.db", 320)

    assert few > 20 * 7500, "a page of the journal is held"
    assert many < few + 300_000, (few, many)
