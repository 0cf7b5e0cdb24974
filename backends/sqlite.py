"""
``SqliteStore`` and ``AsyncSqliteStore``: a file, and sqlite-vec for the vectors.

Many Pythons are built without loadable extensions, which sqlite-vec is.  Then a connection of
``pysqlite3`` or ``sqlean`` is handed to the very same store classes; the facts say which it was.
"""

from __future__ import annotations

import importlib
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

from langgraph.store.base import BaseStore

from store_conformance.backends.arguments import what_is_given
from store_conformance.backends.backups import COPY, DUMP, SNAPSHOT, Backup, folder_copy
from store_conformance.backends.base import (
    Availability,
    Backend,
    BackendError,
    Deployment,
    Door,
    EngineUnavailableError,
    Facts,
    Mode,
    Opened,
    Snippet,
    Spec,
)
from store_conformance.backends.packages import megabytes, versions
from store_conformance.contract import ALL, Location
from store_conformance.contract.hints import suggestion

if TYPE_CHECKING:
    import sqlite3

    from langgraph.store.base import IndexConfig, TTLConfig

FILE_NAME = "store.db"
DRIVERS = (("sqlite3", ""), ("pysqlite3.dbapi2", "pysqlite3-binary"), ("sqlean", "sqlean.py"))
"""Modules with the interface of sqlite3, in the order tried, and the distributions they come from."""
JOURNAL_MODES = ("delete", "truncate", "persist", "wal")
SYNCHRONOUS = ("off", "normal", "full", "extra")
SETTINGS = {"journal_mode": JOURNAL_MODES, "synchronous": SYNCHRONOUS}
"""The pragmas that decide what survives, and their values."""
GET_STORE = "pip install langgraph-checkpoint-sqlite"
GET_DRIVER = "pip install pysqlite3-binary (or sqlean.py)"


@cache
def driver() -> tuple[ModuleType, str, bool]:
    """The module to connect with, its distribution (empty: Python's own), and if it loads extensions."""
    for name, distribution in DRIVERS:
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        if hasattr(module.Connection, "enable_load_extension"):
            return module, distribution, True
    return importlib.import_module("sqlite3"), "", False


def _pragmas(pragmas: Mapping[str, str]) -> list[str]:
    return [f"PRAGMA {name} = {value}" for name, value in pragmas.items()]


@contextmanager
def _open_sync(
    path: Path, index: IndexConfig | None, ttl: TTLConfig | None, pragmas: Mapping[str, str]
) -> Iterator[BaseStore]:
    from langgraph.store.sqlite import SqliteStore

    module, distribution, _ = driver()
    if not distribution:
        with SqliteStore.from_conn_string(str(path), **what_is_given(index, ttl)) as store:
            for statement in _pragmas(pragmas):
                store.conn.execute(statement)
            store.setup()
            yield store
        return
    # What from_conn_string does, with the other module's connect.
    with closing(module.connect(str(path), check_same_thread=False, isolation_level=None)) as conn:
        for statement in _pragmas(pragmas):
            conn.execute(statement)
        store = SqliteStore(conn, **what_is_given(index, ttl))
        store.setup()
        yield store


@asynccontextmanager
async def _open_async(
    path: Path, index: IndexConfig | None, ttl: TTLConfig | None, pragmas: Mapping[str, str]
) -> AsyncIterator[BaseStore]:
    import aiosqlite
    from langgraph.store.sqlite.aio import AsyncSqliteStore

    module, distribution, _ = driver()
    if not distribution:
        async with AsyncSqliteStore.from_conn_string(
            str(path), **what_is_given(index, ttl)
        ) as store:
            for statement in _pragmas(pragmas):
                await store.conn.execute(statement)
            await store.setup()
            yield store
        return
    # aiosqlite runs whatever connection its connector makes, in its own thread.
    connector = partial(module.connect, str(path), isolation_level=None)
    async with aiosqlite.Connection(connector, iter_chunk_size=64) as conn:
        for statement in _pragmas(pragmas):
            await conn.execute(statement)
        store = AsyncSqliteStore(conn, **what_is_given(index, ttl))
        await store.setup()
        yield store


@contextmanager
def _sync_door(
    at: Location,
    index: IndexConfig | None,
    ttl: TTLConfig | None,
    *,
    setup: bool = True,
    **connecting: Any,
) -> Iterator[BaseStore]:
    """``SqliteStore(sqlite3.connect(...))``, as the class's docstring has it."""
    from langgraph.store.sqlite import SqliteStore

    path = str(at.path / FILE_NAME)
    with closing(driver()[0].connect(path, check_same_thread=False, **connecting)) as conn:
        store = SqliteStore(conn, **what_is_given(index, ttl))
        if setup:
            store.setup()
        yield store


@asynccontextmanager
async def _async_door(
    at: Location,
    index: IndexConfig | None,
    ttl: TTLConfig | None,
    *,
    setup: bool = True,
    **connecting: Any,
) -> AsyncIterator[BaseStore]:
    import aiosqlite
    from langgraph.store.sqlite.aio import AsyncSqliteStore

    connector = partial(driver()[0].connect, str(at.path / FILE_NAME), **connecting)
    async with aiosqlite.Connection(connector, iter_chunk_size=64) as conn:
        store = AsyncSqliteStore(conn, **what_is_given(index, ttl))
        if setup:
            await store.setup()
        yield store


class SqliteBackend(Backend):
    """One file a location; no engine but the process itself."""

    name: ClassVar[str] = "sqlite"
    capabilities = ALL
    deployment = Deployment.EMBEDDED
    OPTIONS: ClassVar = {
        "journal_mode": f"PRAGMA journal_mode: {', '.join(JOURNAL_MODES)}",
        "synchronous": f"PRAGMA synchronous: {', '.join(SYNCHRONOUS)}",
    }
    DURABILITY: ClassVar = (
        {},
        {"synchronous": "off"},
        {"synchronous": "extra"},
        {"journal_mode": "wal", "synchronous": "normal"},
        {"journal_mode": "wal", "synchronous": "full"},
    )

    def __init__(self, *, options: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._pragmas = dict(options or {})
        for name, value in self._pragmas.items():
            if value not in SETTINGS[name]:
                hint = suggestion(value, SETTINGS[name])
                raise BackendError(self.name, f"there is no {name}={value}.", hint)

    def availability(self) -> Availability:
        try:
            version = metadata.version("langgraph-checkpoint-sqlite")
        except metadata.PackageNotFoundError:
            return Availability(
                False, self.deployment, "langgraph-checkpoint-sqlite is not installed", GET_STORE
            )
        module, distribution, loads = driver()
        used = f"langgraph-checkpoint-sqlite {version}, SQLite {module.sqlite_version}"
        used += f" of {distribution}" if distribution else " of this Python"
        if not loads:
            return Availability(True, self.deployment, f"{used}, without vectors", GET_DRIVER)
        return Availability(True, self.deployment, used)

    def start(self) -> None:
        available = self.availability()
        if not available.ok:
            raise EngineUnavailableError(self.name, f"{available.detail}.", available.how_to_get)

    def open(
        self, at: Location, index: IndexConfig | None, ttl: TTLConfig | None, mode: Mode
    ) -> Opened:
        if index is not None and not driver()[2]:
            raise EngineUnavailableError(
                self.name,
                "this Python's sqlite3 cannot load extensions such as sqlite-vec.",
                GET_DRIVER,
            )
        path = at.path / FILE_NAME
        opener = _open_sync if mode == Mode.SYNC else _open_async
        return opener(path, index, ttl, self._pragmas)

    def spec(self) -> Spec:
        return super().spec().with_details(options=self._pragmas)

    def doors(self, mode: Mode) -> Mapping[str, Door]:
        door: Any = _sync_door if mode == "sync" else _async_door
        doors: dict[str, Door] = {
            "autocommit connection": partial(door, isolation_level=None),
            "setup never called": partial(door, isolation_level=None, setup=False),
        }
        # The docstring of the async class shows from_conn_string only.
        return {**doors, "plain connection": door} if mode == "sync" else doors

    def backups(self) -> Mapping[str, Backup]:
        return {
            COPY: folder_copy(f"cp {FILE_NAME} BACKUP, while nobody has it open"),
            SNAPSHOT: Backup("source.backup(target) of sqlite3", _take_pages, _put_back),
            DUMP: Backup(
                f"sqlite3 {FILE_NAME} \"VACUUM INTO 'BACKUP'\"", _take_vacuumed, _put_back
            ),
        }

    def snippet(self, at: Location, mode: Mode) -> Snippet:
        distribution = driver()[1]
        temporary = "os.path.join(tempfile.mkdtemp(), 'store.db')"
        head: tuple[str, ...] = ("import os, tempfile",)
        if mode == Mode.SYNC:
            head += ("from langgraph.store.sqlite import SqliteStore",)
            if not distribution:
                return Snippet(
                    (*head, f"PATH = {temporary}"), "SqliteStore.from_conn_string(PATH{args})"
                )
            connect = "connect(PATH, check_same_thread=False, isolation_level=None)"
            return Snippet(
                (
                    *head,
                    "from contextlib import nullcontext",
                    f"from {driver()[0].__name__} import connect",
                    f"PATH = {temporary}",
                ),
                f"nullcontext(SqliteStore({connect}{{args}}))",
            )
        head += ("from langgraph.store.sqlite.aio import AsyncSqliteStore",)
        if distribution:
            # AsyncSqliteStore.from_conn_string connects by aiosqlite, which takes the module from here.
            head += (
                "import aiosqlite.core",
                f"import {driver()[0].__name__} as driver",
                "aiosqlite.core.sqlite3 = driver",
            )
        return Snippet(
            (*head, f"PATH = {temporary}"), "AsyncSqliteStore.from_conn_string(PATH{args})"
        )

    def facts(self) -> Facts:
        module, distribution, loads = driver()
        names = [
            "langgraph-checkpoint",
            "langgraph-checkpoint-sqlite",
            "sqlite-vec",
            "aiosqlite",
            *filter(None, [distribution]),
        ]
        with closing(module.connect(str(self.root / "facts.db"), isolation_level=None)) as conn:
            for statement in _pragmas(self._pragmas):
                conn.execute(statement)
            settings = {
                "module": module.__name__,
                "loads_extensions": loads,
                "journal_mode": conn.execute("PRAGMA journal_mode").fetchone()[0],
                "synchronous": conn.execute("PRAGMA synchronous").fetchone()[0],
                "sqlite_vec": _vector_version(conn) if loads else "not loadable",
            }
        engine = f"SQLite {module.sqlite_version}"
        if loads:
            engine += f" with sqlite-vec {str(settings['sqlite_vec']).removeprefix('v')}"
        return Facts(
            store="langgraph.store.sqlite.SqliteStore, AsyncSqliteStore",
            packages=versions(names),
            engine=engine,
            licence="MIT; SQLite: public domain; sqlite-vec: MIT or Apache-2.0",
            setup_steps=(GET_STORE, *([f"pip install {distribution}"] if distribution else [])),
            install_megabytes=megabytes(names),
            settings=settings,
            limits={"integers": "64 bit signed", "writers": "one at a time a file"},
        )


def _take_pages(at: Location, folder: Path) -> None:
    connect = driver()[0].connect
    with (
        closing(connect(str(at.path / FILE_NAME))) as source,
        closing(connect(str(folder / FILE_NAME))) as target,
    ):
        source.backup(target)


def _take_vacuumed(at: Location, folder: Path) -> None:
    with closing(driver()[0].connect(str(at.path / FILE_NAME), isolation_level=None)) as source:
        source.execute("VACUUM INTO ?", (str(folder / FILE_NAME),))


def _put_back(folder: Path, old: Location, fresh: Location) -> Location:
    del old
    shutil.copy(folder / FILE_NAME, fresh.path / FILE_NAME)
    return fresh


def _vector_version(conn: sqlite3.Connection) -> str:
    import sqlite_vec

    conn.enable_load_extension(True)
    sqlite_vec.load(conn)
    conn.enable_load_extension(False)
    return str(conn.execute("SELECT vec_version()").fetchone()[0])


BACKEND = SqliteBackend
