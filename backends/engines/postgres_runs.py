"""
The runs on a Postgres server: which of them live, and what those that do not have left behind.

Each run has an id, which is part of the names of all that it creates, and holds an advisory lock on it
while it is connected.  So a later run can tell what a killed one has left, and remove just that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from store_conformance.backends.engines.postgres_place import REMARK
from store_conformance.backends.engines.postgres_url import PREFIX

if TYPE_CHECKING:
    import psycopg

LOCK_CLASS = 0x53_43_46  # any constant that no other program is likely to use
_OURS = re.compile(rf"{PREFIX}_([0-9a-f]{{8}})(?:_\d+)?")
_MINE = "(SELECT oid FROM pg_roles WHERE rolname = current_user)"

Rows = list[tuple[Any, ...]]
Execute = Callable[[str, tuple[Any, ...]], Rows]
"""Runs one statement with its values; gives its rows."""


@dataclass(frozen=True)
class Leftovers:
    """Names of what runs have left that live no more."""

    schemas: list[str]
    databases: list[str]


def hold(connection: psycopg.Connection[Any], run: str) -> None:
    """Mark the run as one that lives, for as long as the connection does."""
    connection.execute("SELECT pg_advisory_lock_shared(%s, %s)", (LOCK_CLASS, _key(run)))


def leftovers(execute: Execute, *, but: str) -> Leftovers:
    """What is the user's own, bears our mark and is of no living run, ``but`` not being looked at."""
    schemas = execute(
        f"SELECT nspname FROM pg_namespace WHERE nspowner = {_MINE}"
        " AND obj_description(oid, 'pg_namespace') = %s",
        (REMARK,),
    )
    databases = execute(
        f"SELECT datname FROM pg_database WHERE datdba = {_MINE}"
        " AND shobj_description(oid, 'pg_database') = %s",
        (REMARK,),
    )
    return Leftovers(_abandoned(execute, schemas, but), _abandoned(execute, databases, but))


def _abandoned(execute: Execute, rows: Iterable[tuple[Any, ...]], but: str) -> list[str]:
    """Those whose run holds no lock any more, in whichever database it held it."""
    held = "SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND classid::bigint = %s"
    living = {int(key) for (key,) in execute(held, (LOCK_CLASS,))}
    found = ((name, _OURS.fullmatch(name)) for (name,) in rows)
    return [
        name
        for name, match in found
        if match and match[1] != but and int(match[1], 16) not in living
    ]


def _key(run: str) -> int:
    """A run's id as the signed 32-bit number that an advisory lock takes."""
    number = int(run, 16)
    return number - 2**32 if number >= 2**31 else number
