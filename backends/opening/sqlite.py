"""
``sqlite:///PATH``: ``SqliteStore`` and ``AsyncSqliteStore`` over one file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from store_conformance.backends.arguments import what_is_given
from store_conformance.backends.base import BackendError, EngineUnavailableError
from store_conformance.backends.opening.address import Address, path_of
from store_conformance.backends.opening.managed import managed
from store_conformance.backends.opening.settings import TTL, Setting, as_it_is, read, ttl_of
from store_conformance.backends.sqlite import GET_DRIVER, GET_STORE, driver

EXAMPLE = "sqlite:///email_agent.db"
SETTINGS = (
    Setting("busy_seconds", 30.0, "`database is locked` while another process writes", most=3600),
    Setting(
        "journal",
        "wal",
        "readers that block the writer and are blocked by it; write delete on a network share",
        ("wal", "delete", "truncate", "persist"),
    ),
    Setting(
        "synchronous",
        "full",
        "memories that were acknowledged and are gone after a power cut",
        ("full", "normal", "extra"),
    ),
    Setting("setup", True, "off for a file that must be there already: a misspelt path makes none"),
    *TTL,
)


@contextmanager
def open_sync(address: Address, index: Any, ttl: Any) -> Iterator[Any]:
    path, values = _checked(address, index)
    from langgraph.store.sqlite import SqliteStore

    _make_private(path)
    with _explained(path):
        # Without isolation_level=None a put is open until somebody commits, which the store does not.
        connected = driver()[0].connect(str(path), check_same_thread=False, isolation_level=None)
    with closing(connected) as conn:
        with _explained(path):
            for pragma in _pragmas(values):
                conn.execute(pragma).fetchall()
            store = managed(SqliteStore)(
                conn, **what_is_given(_indexed(index), ttl_of(values, ttl))
            )
            _has_a_store(path, values, conn.execute(_TABLE).fetchone())
            if address.reading:
                _leave_as_it_is(conn, store)
                if index is not None:
                    _load_distances(conn)
            store.setup()
            if index is not None:
                _same_length(path, index, conn.execute(_VECTOR).fetchone())
        store.start_ttl_sweeper()
        try:
            yield store
        finally:
            store.stop_ttl_sweeper(timeout=5)


@asynccontextmanager
async def open_async(address: Address, index: Any, ttl: Any) -> AsyncIterator[Any]:
    path, values = _checked(address, index)
    import aiosqlite
    from langgraph.store.sqlite.aio import AsyncSqliteStore

    connector = partial(driver()[0].connect, str(path), isolation_level=None)
    _make_private(path)
    with _explained(path):
        connected = await aiosqlite.Connection(connector, iter_chunk_size=64)
    try:
        with _explained(path):
            for pragma in _pragmas(values):
                await connected.execute_fetchall(pragma)
            given = what_is_given(_indexed(index), ttl_of(values, ttl))
            store = managed(AsyncSqliteStore)(connected, **given)
            found = list(await connected.execute_fetchall(_TABLE))
            _has_a_store(path, values, found[0] if found else None)
            await store.setup()
            if index is not None:
                found = list(await connected.execute_fetchall(_VECTOR))
                _same_length(path, index, found[0] if found else None)
        await store.start_ttl_sweeper()
        try:
            yield store
        finally:
            await store.stop_ttl_sweeper(timeout=5)
    finally:
        await connected.close()


def _checked(address: Address, index: Any) -> tuple[Path, dict[str, Any]]:
    values = as_it_is(read("sqlite", SETTINGS, address.parameters), reading=address.reading)
    if address.rest in ("//", "///", "///:memory:", ":memory:"):
        raise BackendError(
            "sqlite",
            "the URL names no file, and a database in memory keeps nothing.",
            f"write {EXAMPLE}, or memory: if losing everything is meant",
        )
    path = path_of("sqlite", address, example=EXAMPLE)
    if not values["setup"] or path.is_dir():
        must_be_file(path)
    try:
        import langgraph.store.sqlite  # noqa: F401
    except ImportError:
        raise EngineUnavailableError(
            "sqlite", "langgraph-checkpoint-sqlite is not installed.", GET_STORE
        ) from None
    if index is not None and not driver()[2]:
        raise EngineUnavailableError(
            "sqlite", "this Python's sqlite3 cannot load extensions such as sqlite-vec.", GET_DRIVER
        )
    return path, values


def must_be_file(path: Path) -> None:
    """Raises ``BackendError`` where there is nothing, or a folder."""
    if path.is_dir():
        raise BackendError("sqlite", f"{path} is a folder.", "name a file in it")
    if not path.is_file():
        raise BackendError("sqlite", f"there is no file {path.absolute()}.", "check the path")


def _indexed(index: Any) -> Any:
    """The fields also under the name by which ``SqliteStore`` reads them, else it embeds whole values."""
    if index is None or not index.get("fields"):
        return index
    return {"text_fields": index["fields"], **index}


def _make_private(path: Path) -> None:
    """A new file is its owner's alone; one that is there keeps its rights and the time it was changed."""
    with suppress(OSError):
        path.touch(mode=0o600, exist_ok=False)


def _has_a_store(path: Path, values: Mapping[str, Any], found: Any) -> None:
    if not values["setup"] and found is None:
        raise BackendError("sqlite", f"{path} holds no store.", "name the file of a SqliteStore")


def _leave_as_it_is(conn: Any, store: Any) -> None:
    """
    Take a table of an older release as it is: the columns that it lacks are in a view of this connection.

    The store's ``setup`` would add them to the file; without them it cannot read.
    """
    store.is_setup = True
    have = {row[1] for row in conn.execute("PRAGMA main.table_info(store)").fetchall()}
    for lacking, view in _OLDER.items():
        if lacking not in have:
            conn.execute(view)
            return


def _load_distances(conn: Any) -> None:
    """What a search by meaning calls, which the store's ``setup`` loads."""
    import sqlite_vec

    conn.enable_load_extension(True)
    sqlite_vec.load(conn)
    conn.enable_load_extension(False)


def _same_length(path: Path, index: Mapping[str, Any], found: Any) -> None:
    """The file keeps vectors of any length, and every search fails where two of them differ."""
    if found is not None and found[0] // 4 != index["dims"]:
        raise BackendError(
            "sqlite",
            f"the vectors in {path} have {found[0] // 4} dimensions, and EMBEDDINGS {index['dims']}.",
            "use the embedder that the memories were made with, or migrate into another file",
        )


_OLDER = {
    "expires_at": "CREATE TEMP VIEW store AS SELECT *, NULL AS expires_at, NULL AS ttl_minutes FROM main.store",
    "ttl_minutes": "CREATE TEMP VIEW store AS SELECT *, NULL AS ttl_minutes FROM main.store",
}
"""By the first column that a table of an older release lacks: the table with all that is read of it."""
_VECTOR = "SELECT length(embedding) FROM store_vectors LIMIT 1"
_TABLE = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'store'"


def _pragmas(values: Mapping[str, Any]) -> list[str]:
    found = [f"PRAGMA journal_mode={values['journal']}"] if values["setup"] else []
    return [
        f"PRAGMA busy_timeout={int(values['busy_seconds'] * 1000)}",
        *found,
        f"PRAGMA synchronous={values['synchronous']}",
        # Vectors of deleted items go with them only where foreign keys are looked after.
        "PRAGMA foreign_keys=ON",
    ]


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """What is wrong with the file, in words that say what to do."""
    kinds = (sqlite3.Error, driver()[0].Error)
    try:
        yield
    except kinds as error:
        text = str(error)
        told = _TOLD.get(next((sign for sign in _TOLD if sign in text), ""))
        if told is None:
            raise
        raise BackendError("sqlite", f"{path}: {text}.", told) from error


_TOLD = {
    "unable to open": "are the file and its folder yours to read and write?",
    "readonly database": "give the process the right to write the file and its folder",
    "attempt to write a readonly": "give the process the right to write the file and its folder",
    "not a database": "this is no SQLite file; name another one, or restore a backup",
    "malformed": "the file is damaged; restore a backup",
}
