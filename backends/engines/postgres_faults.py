"""
What a Postgres server or a pooler before it refuses for reasons of its own, and what to do about it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from store_conformance.backends.faults import of_the_machine

Advice = tuple[str, str]

FEW_CONNECTIONS = "raise the role's CONNECTION LIMIT, max_connections or the pooler's limits, or take fewer workers (-n)"
PREPARED = (
    "a pooler that pools by transaction (or statement) loses the prepared statements of PostgresStore",
    "set max_prepared_statements = 200 (PgBouncer 1.21 or newer), or pool_mode = session, or give the URL"
    " of the server itself",
)
_BY_STATE: dict[str, Advice] = {
    "53300": ("no connection is left for this user", FEW_CONNECTIONS),
    "53100": ("the server's disk is full", "make room on it"),
    "53200": ("the server is out of memory", "give it more, or run less beside it"),
    "25006": ("the server only reads (a standby?)", "give the URL of the primary server"),
    "58030": ("the server cannot read or write its files", "see the server's log"),
    "28000": ("the server does not let this user in", "check the user and pg_hba.conf"),
    "28P01": ("the password is wrong", "check the URL"),
}  # fmt: skip
_BY_TEXT: tuple[tuple[str, Advice], ...] = (
    ("too many (connections|clients)|remaining connection slots|no more connections allowed",
     ("no connection is left for this user", FEW_CONNECTIONS)),
    ("query_wait_timeout|client_login_timeout", ("the pooler in between has no connection to give",
     "raise its default_pool_size and max_db_connections, or take fewer workers (-n)")),
    ("unsupported startup parameter", ("a pooler in between refuses a startup parameter",
     "in session mode let it pass: ignore_startup_parameters drops it, and options may not be dropped;"
     " in transaction mode give the URL of the server itself")),
    ("server login (has been failing|failed)|cannot connect to server",
     ("the pooler in between does not reach the server", "see the pooler's log")),
    ("No space left on device", ("the server's disk is full", "make room on it")),
)  # fmt: skip
_PREPARED = re.compile(r'prepared statement "[^"]*" (does not exist|already exists)')
_LIMIT = re.compile(r"due to (statement|lock|idle-in-transaction|transaction|idle-session) timeout")
_LIMITED_BY = {
    "statement": "statement_timeout",
    "lock": "lock_timeout",
    "idle-in-transaction": "idle_in_transaction_session_timeout",
    "transaction": "transaction_timeout",
    "idle-session": "idle_session_timeout",
}
_CLIENTS = ("psycopg", "psycopg_pool", "asyncpg", "psycopg2")


@dataclass(frozen=True)
class Surroundings:
    """What decides whether an error is the environment's."""

    isolation: str = "read committed"
    """``default_transaction_isolation`` as the store's connections have it."""
    pooled: bool = False
    """Whether a pooler gives connections for a transaction only."""
    limits: Mapping[str, str] = field(default_factory=dict)
    """The limits in time of the user's role or database: ``statement_timeout`` is ``50ms``."""
    triggers: tuple[str, ...] = ()
    """Event triggers of the database, which may refuse what anybody makes in it."""


def fault(error: BaseException, around: Surroundings) -> str | None:
    """Why this is the environment's fault and how to mend it; ``None`` where it may be the store's."""
    machine = of_the_machine(error)
    if machine is not None:
        return machine
    text = getattr(error, "text", None)  # a child's exception, of which there is no more
    if type(error).__module__.split(".")[0] not in _CLIENTS and not isinstance(text, str):
        return None
    state = getattr(error, "sqlstate", None)
    said = str(error)
    if around.pooled and _PREPARED.search(said):
        return _told(PREPARED)
    if around.isolation != "read committed" and (
        state == "40001" or "could not serialize access" in said
    ):
        return _told((
            f"default_transaction_isolation is {around.isolation}, so the server refuses writes that meet",
            "ALTER ROLE ... SET default_transaction_isolation = 'read committed', which the store expects",
        ))  # fmt: skip
    ended = _LIMIT.search(said)
    limit = _LIMITED_BY[ended[1]] if ended is not None else ""
    if limit in around.limits:  # which the store has not set for itself
        return _told((
            f"{limit} is {around.limits[limit]} for the user's connections, and the server ended it",
            f"ALTER ROLE ... SET {limit} = 0 for the time of the run",
        ))  # fmt: skip
    if around.triggers and (state == "P0001" or type(error).__name__ == "RaiseException"):
        return _told((
            f"an event trigger of the database ({', '.join(around.triggers)}) refuses it: {said.splitlines()[0]}",
            "disable it for the time of the run, or give a database without it",
        ))  # fmt: skip
    if state in _BY_STATE:
        return _told(_BY_STATE[state])
    return next((_told(advice) for sign, advice in _BY_TEXT if re.search(sign, said)), None)


def _told(advice: Advice) -> str:
    return f"{advice[0]}. Hint: {advice[1]}"
