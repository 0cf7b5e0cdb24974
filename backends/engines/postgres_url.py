"""
URLs of Postgres: read, described without their password, and connected to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import ExitStack
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from store_conformance.backends.base import BackendError, EngineUnavailableError
from store_conformance.backends.engines.postgres_params import check_params
from store_conformance.backends.engines.postgres_place import MENDED
from store_conformance.backends.opening.postgres_answers import connection_class
from store_conformance.contract.secrets import redact_text

if TYPE_CHECKING:
    import psycopg

PREFIX = "conformance"
ANSWER_SECONDS = 180.0
"""What the server may take for a statement of our own, such as making and dropping places."""
_NO_LONGER = "a run waits no longer for what it has to do itself"
CONNECT_SECONDS = "10"

Params = Mapping[str, str]

WRONG_HOST = "check the host in the URL; / # ? @ of a password are %2F %23 %3F %40"

_PROBLEMS = (
    # (what the server or the client library says, what it means, what to do)
    ("password authentication failed", "the password or the user is wrong", "check the URL"),
    ("no password supplied", "the server wants a password and the URL has none",
     "write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE"),
    ("role", "there is no such user", "check the user in the URL"),
    ("database", "there is no such database", "create it first, or name an existing one"),
    ("No such file or directory", "there is no socket of a server there",
     "is the server running, and are its unix_socket_directories and its port these?"),
    ("refused", "nobody listens there", "is the server running, and are host and port right?"),
    ("resolve", "the host name is unknown", WRONG_HOST),
    ("translate host", "the host name is unknown", WRONG_HOST),
    ("timeout", "the server did not answer in time", "check host, port and firewall"),
    ("startup parameter", "a connection pooler in between refuses the search path in options",
     MENDED),
    ("closed the connection", "the connection was ended at once",
     "does a server of Postgres listen there, and is it starting or stopping?"),
    ("too many", "the server has no connection left", "raise max_connections or close others"),
    ("no pg_hba.conf entry", "the server does not let this user in from here",
     "check pg_hba.conf, or add sslmode=require to the URL"),
    ("certificate verify failed", "the server's certificate is not vouched for by the one in sslrootcert",
     "give sslrootcert= the file of the authority that signed it"),
    ("server certificate for", "the server's certificate is of another host",
     "write the host as the certificate has it, and its address as hostaddr="),
    ("root certificate", "there is no file that vouches for the server's certificate",
     "give it with sslrootcert=FILE, or sslrootcert=system for the authorities of this machine"),
    ("SSL", "the server and the URL do not agree on TLS", "check sslmode in the URL"),
)  # fmt: skip


def parse(url: str) -> dict[str, str]:
    """Connection parameters of a URL or conninfo string; raises ``BackendError``, without showing it."""
    return dict(_parsed(url))


@lru_cache(maxsize=64)  # a worker asks for those of its server with each place
def _parsed(url: str) -> Mapping[str, str]:
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    scheme = url.partition("://")[0]
    if "://" in url and scheme not in ("postgresql", "postgres"):
        raise BackendError(
            "postgres",
            f"a URL that begins with {scheme}:// is none of Postgres.",
            "write postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
        )
    try:
        params = conninfo_to_dict(url)
    except ProgrammingError:
        raise BackendError(
            "postgres",
            "the URL cannot be read.",
            "write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, special characters as %XX",
        ) from None
    found = {key: str(value) for key, value in params.items() if value is not None}
    check_params(found)
    return found


def describe_params(params: Params) -> str:
    """Where the parameters lead, without the password."""
    user = f"{params['user']}@" if "user" in params else ""
    host = params.get("host") or params.get("hostaddr") or "localhost"
    host = ",".join(f"[{one}]" if ":" in one else one for one in host.split(","))
    return f"postgresql://{user}{host}:{params.get('port', '5432')}/{params.get('dbname', '')}"


def conninfo(params: Params, **more: str) -> str:
    """The parameters as one string for the client library; it holds the password."""
    from psycopg.conninfo import make_conninfo

    return make_conninfo("", **{**params, **more})


def within(params: Params, schema: str, vector_schema: str) -> str:
    """The conninfo of a connection that creates and finds everything in ``schema``."""
    path = ",".join(dict.fromkeys((schema, vector_schema)))
    options = f"{params.get('options', '')} -csearch_path={path}".strip()
    return conninfo(params, options=options, application_name=schema)


def connect(params: Params) -> psycopg.Connection[Any]:
    """A connection in autocommit mode; raises ``EngineUnavailableError`` that says what is wrong."""
    import psycopg

    settings = {"connect_timeout": CONNECT_SECONDS, **params, "application_name": PREFIX}
    try:
        # Nothing is prepared: behind a pooler the next statement may run on another connection.
        made: psycopg.Connection[Any] = connection_class(ANSWER_SECONDS, _NO_LONGER).connect(
            conninfo(settings), autocommit=True, prepare_threshold=None
        )
    except psycopg.OperationalError as error:
        raise unavailable(params, str(error)) from None
    return made


def unavailable(params: Params, said: str) -> EngineUnavailableError:
    where = describe_params(params)
    # What was said may name the database or the user, whose names must not be taken for the reason.
    reason = re.sub(r'"[^"]*"', '""', said)
    for sign, meaning, hint in _PROBLEMS:
        needed = ("does not exist",) if sign in ("role", "database") else ()
        if sign in reason and all(n in reason for n in needed):
            return EngineUnavailableError(
                "postgres", f"cannot connect to {where}: {meaning}.", hint
            )
    text = redact_text(said, (params.get("password"),))
    last = (text.strip().splitlines() or ["no reason given"])[-1].strip().rstrip("?")
    return EngineUnavailableError("postgres", f"cannot connect to {where}: {last}", "check the URL")


def unable(params: Params, error: psycopg.Error) -> EngineUnavailableError:
    """A server that lets the user in and then ends or refuses what a run needs before its first case."""
    said = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    limit = re.search(r"due to ([\w -]+ timeout)", said)
    hint = "check the rights and settings of the user's role and of the database"
    if _NO_LONGER in said:
        hint = "see what it waits for (wait_event in pg_stat_activity): a synchronous standby that is gone, a lock"
    if limit is not None:
        hint = "give the role more time: ALTER ROLE ... SET statement_timeout, and other limits (pg_db_role_setting has them)"
    return EngineUnavailableError(
        "postgres", f"cannot work at {describe_params(params)}: {said}.", hint
    )


def as_url(params: Params) -> str:
    """The parameters as a URL, which holds the password."""
    pairs = "&".join(f"{key}={quote(value, safe='')}" for key, value in params.items())
    return f"postgresql://?{pairs}"


def spare(params: Params, most: int) -> int:
    """How many more connections the server, the user's limit and a pooler allow, up to ``most``."""
    with ExitStack() as opened:
        for number in range(most):
            try:
                opened.callback(connect(params).close)
            except EngineUnavailableError:
                return number
    return most


def connections_named(connection: psycopg.Connection[Any], name: str) -> int:
    """How many other connections go by this application name, those of every process."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND pid <> pg_backend_pid()"
    found = connection.execute(query, (name,)).fetchone()
    return int(found[0]) if found else 0
