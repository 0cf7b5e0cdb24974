"""
A place of a Postgres server dumped by ``pg_dump`` and brought back by ``pg_restore``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from store_conformance.backends.backups import Backup
from store_conformance.backends.base import BackendError, EngineUnavailableError
from store_conformance.backends.engines.postgres import binaries
from store_conformance.backends.engines.postgres_database import Database
from store_conformance.backends.engines.postgres_url import conninfo
from store_conformance.contract import Location
from store_conformance.contract.secrets import one_line

COMMAND = "pg_dump -Fc DATABASE > BACKUP; pg_restore -d EMPTY_DATABASE BACKUP"
FILE = "dump"
_SECONDS = 300
_DEBIAN = Path("/usr/lib/postgresql")


def dumped(database: Database, opened: Callable[[str], None]) -> Backup:
    """``opened`` is told the name of a place that is no longer empty although nobody has opened it."""

    def take(at: Location, folder: Path) -> None:
        schema = "public" if at.options["place"] == "database" else at.name
        tables = ["--table", f"{schema}.*"]
        _run("pg_dump", database, at, ["-Fc", "--no-owner", *tables, "-f", str(folder / FILE)])

    def restore(folder: Path, old: Location, fresh: Location) -> Location:
        opened(fresh.name)
        arguments = ["--no-owner", "--exit-on-error", str(folder / FILE)]
        if fresh.options["place"] == "database":
            _run("pg_restore", database, fresh, arguments)
            return fresh
        # The tables go into a schema of the name that they had.
        database.execute(f"ALTER SCHEMA {fresh.name} RENAME TO {old.name}")
        try:
            _run("pg_restore", database, fresh, arguments)
        finally:
            database.execute(f"ALTER SCHEMA {old.name} RENAME TO {fresh.name}")
        return fresh

    return Backup(COMMAND, take, restore)


def _run(program: str, database: Database, at: Location, arguments: list[str]) -> None:
    params = dict(database.params)
    params.update({k: at.options[k] for k in ("port", "dbname") if k in at.options})
    password = params.pop("password", None)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    if password is not None:  # the arguments of a process are there for everybody to see
        environment["PGPASSWORD"] = password
    found = _program(program, database)
    command = [str(found), "-d", conninfo(params), *arguments]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=_SECONDS
    )
    if done.returncode != 0:
        said = one_line(done.stderr, (password,), most=300)
        raise BackendError("postgres", f"{program} failed: {said}")


def _program(name: str, database: Database) -> Path:
    """The program of this machine that is at least as new as the server, which refuses older ones."""
    server = int(database.execute("SHOW server_version_num")[0][0]) // 10_000
    for path in _programs(name, binaries()):
        if _major(path) >= server:
            return path
    raise EngineUnavailableError(
        "postgres",
        f"there is no {name} of PostgreSQL {server} or newer here.",
        f"install postgresql-client-{server}, or put its {name} on PATH",
    )


def newest_major(name: str = "pg_dump") -> int:
    """The newest program of that name on PATH or among Debian's; raises ``LookupError`` if there is none."""
    found = [_major(path) for path in _programs(name, own=None)]
    if not found:
        raise LookupError(f"there is no {name} here")
    return max(found)


def _programs(name: str, own: Path | None) -> Iterator[Path]:
    """``own`` is the folder of the programs that a server of ours was started from."""
    if own is not None and (own / name).exists():
        yield own / name
    on_path = shutil.which(name)
    if on_path:
        yield Path(on_path)
    yield from sorted(_DEBIAN.glob(f"*/bin/{name}"), reverse=True)


def _major(path: Path) -> int:
    said = subprocess.run([str(path), "--version"], capture_output=True, text=True, check=False)
    number = re.search(r"\(PostgreSQL\)\D*(\d+)", said.stdout)
    return int(number[1]) if number else 0
