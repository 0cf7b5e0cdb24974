"""
What is to be seen of a SQLite file with a store in it; it is opened for reading alone.
"""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from store_conformance.backends.base import BackendError
from store_conformance.backends.inspection.gathering import Gathered
from store_conformance.backends.inspection.mounts import is_network
from store_conformance.backends.opening.address import Address, path_of
from store_conformance.backends.opening.settings import read
from store_conformance.backends.opening.sqlite import EXAMPLE, SETTINGS, must_be_file
from store_conformance.backends.sqlite import driver

MOST = 10_000
_CHECKED_BYTES = 500_000_000
"""A larger file is not read from end to end by a health check."""


def inspect(address: Address, *, read_only: bool = False) -> Gathered:
    values = read("sqlite", SETTINGS, address.parameters)
    path = path_of("sqlite", address, example=EXAMPLE)
    must_be_file(path)
    seen = Gathered("sqlite", f"sqlite:///{path}")
    _file(seen, path)
    seen.facts["url"] = {name: values[name] for name in ("busy_seconds", "synchronous", "journal")}
    module, _, loads = driver()
    seen.facts["loads_extensions"] = loads
    seen.facts["sqlite_version"] = module.sqlite_version
    mode = "rw" if _leaves_files_if_read_only(path) else "ro"
    uri = f"file:{quote(str(path.absolute()))}?mode={mode}"
    try:
        opened = module.connect(uri, uri=True, timeout=2)
    except module.Error as error:
        raise BackendError(
            "sqlite", f"{path} cannot be opened: {error}.", "may this user read it?"
        ) from None
    with closing(opened) as conn:
        if mode == "rw":
            conn.execute("PRAGMA query_only = ON")
        _database(seen, conn, path)
        if seen.facts.get("has_store"):
            _contents(seen, conn)
    return seen


def _leaves_files_if_read_only(path: Path) -> bool:
    """
    Whether a reader of a file in WAL mode would make ``-shm`` and ``-wal`` and, being no writer, leave them.

    One that may write takes them away again, and writes nothing else: there is no log that it could work off.
    """
    if any(path.with_name(path.name + end).exists() for end in ("-wal", "-shm", "-journal")):
        return False
    try:
        with path.open("rb") as file:
            versions = file.read(20)[
                18:
            ]  # of the file format: 2 is WAL (sqlite.org/fileformat2.html)
    except OSError:  # opening it as a database will say why
        return False
    return versions == b"\x02\x02" and os.access(path, os.W_OK)


def _file(seen: Gathered, path: Path) -> None:
    mode = path.stat().st_mode
    seen.facts["file_mode"] = stat.S_IMODE(mode)
    seen.facts["folder_mode"] = stat.S_IMODE(path.absolute().parent.stat().st_mode)
    seen.facts["folder_writable"] = os.access(path.absolute().parent, os.W_OK)
    seen.facts["bytes"] = path.stat().st_size
    seen.facts["free_bytes"] = shutil.disk_usage(path.absolute().parent).free
    seen.facts["wal_bytes"] = _size(path, "-wal")
    seen.facts["hot_journal"] = _size(path, "-journal") > 0
    seen.see("newest_backup_days", lambda: _newest_backup_days(path))
    seen.see("network_file_system", lambda: is_network(path.absolute()))


def _newest_backup_days(path: Path) -> float:
    """
    The age of the newest other file of the folder that is a SQLite database and holds a store.

    Only those whose name begins like this one's, or says that it is a backup: others are other stores.
    """
    stem = path.name.partition(".")[0]
    ages = []
    for other in path.absolute().parent.iterdir():
        alike = other.name.startswith(stem) or "backup" in other.name or "bak" in other.name
        if other.name != path.name and alike and other.is_file() and _holds_a_store(other):
            ages.append((time.time() - other.stat().st_mtime) / 86_400)
    if not ages:
        raise LookupError("no copy lies beside the file, and elsewhere nothing is to be seen")
    return min(ages)


def _holds_a_store(path: Path) -> bool:
    with path.open("rb") as file:
        if file.read(16) != b"SQLite format 3\0":
            return False
    kinds = driver()[0]
    try:
        uri = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
        with closing(kinds.connect(uri, uri=True, timeout=1)) as conn:
            return _is(conn, "SELECT count(*) FROM sqlite_master WHERE name = 'store'")
    except kinds.Error:
        return False


def _size(path: Path, ending: str) -> int:
    beside = path.with_name(path.name + ending)
    return beside.stat().st_size if beside.exists() else 0


def _one(conn: Any, query: str) -> Any:
    row = conn.execute(query).fetchone()
    return None if row is None else row[0]


def _is(conn: Any, query: str) -> bool:
    return bool(_one(conn, query))


def _done_of(conn: Any, query: str, known: int) -> tuple[int, int]:
    return int(_one(conn, query)), known


def _database(seen: Gathered, conn: Any, path: Path) -> None:
    seen.see("journal_mode", lambda: str(_one(conn, "PRAGMA journal_mode")))
    seen.see("locked", lambda: _is_locked(conn))
    seen.see("integrity", lambda: _integrity(conn, path))
    seen.see(
        "pages", lambda: (_one(conn, "PRAGMA page_count"), _one(conn, "PRAGMA freelist_count"))
    )
    for fact, table in (("has_store", "store"), ("has_vectors", "store_vectors")):
        query = f"SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = '{table}'"
        seen.see(fact, partial(_is, conn, query))


def _is_locked(conn: Any) -> bool:
    """Whether somebody holds the file so long that even a read waits; an exclusive copy does, for one."""
    try:
        conn.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except Exception as error:
        if "locked" in str(error):
            return True
        raise
    return False


def _integrity(conn: Any, path: Path) -> str:
    if path.stat().st_size > _CHECKED_BYTES:
        raise LookupError("the file is too large for a quick look")
    kinds = driver()[0]
    try:
        return str(_one(conn, "PRAGMA quick_check(1)"))
    except kinds.OperationalError:  # locked, or no right to look: nothing is known of the file
        raise
    except kinds.DatabaseError as error:  # not a database, or too damaged to be checked
        return str(error)


def _contents(seen: Gathered, conn: Any) -> None:
    from langgraph.store.sqlite.base import MIGRATIONS, VECTOR_MIGRATIONS

    known: Mapping[str, int] = {
        "store_migrations": len(MIGRATIONS),
        "vector_migrations": len(VECTOR_MIGRATIONS),
    }
    for fact, table in (
        ("migrations", "store_migrations"),
        ("vector_migrations", "vector_migrations"),
    ):
        if fact == "migrations" or seen.facts.get("has_vectors"):
            query = f"SELECT coalesce(max(v), -1) + 1 FROM {table}"
            seen.see(fact, partial(_done_of, conn, query, known[table]))
    seen.see("items", lambda: int(_one(conn, "SELECT count(*) FROM store")))
    seen.see(
        "expired_unswept",
        lambda: int(
            _one(conn, "SELECT count(*) FROM store WHERE expires_at < datetime('now', '-1 hour')")
        ),
    )
    seen.see(
        "namespaces",
        lambda: [
            row[0].split(".")
            for row in conn.execute(f"SELECT DISTINCT prefix FROM store LIMIT {MOST}").fetchall()
        ],
    )
    if not seen.facts.get("has_vectors"):
        return
    seen.see(
        "orphan_vectors",
        lambda: int(
            _one(
                conn,
                "SELECT count(*) FROM store_vectors v WHERE NOT EXISTS"
                " (SELECT 1 FROM store s WHERE s.prefix = v.prefix AND s.key = v.key)",
            )
        ),
    )
    seen.see(
        "without_vectors",
        lambda: tuple(
            conn.execute(
                "SELECT sum(NOT EXISTS (SELECT 1 FROM store_vectors v WHERE v.prefix = s.prefix AND v.key = s.key)),"
                f" count(*) FROM (SELECT prefix, key FROM store LIMIT {MOST}) s"
            ).fetchone()
        ),
    )
    seen.see(
        "dims",
        lambda: sorted(
            row[0] // 4
            for row in conn.execute(
                f"SELECT DISTINCT length(embedding) FROM (SELECT embedding FROM store_vectors LIMIT {MOST})"
            ).fetchall()
        ),
    )
