"""
Whose fault an exception is, as far as it tells itself: the environment's, or of a connection that is lost.

Only what no store can bring about by its answers is the environment's: a limit of the server or of a
user, a full disk, a setting.  A lost connection may be either's, so whoever asks has to look further.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator

_LOST = frozenset(
    {
        "ConnectError", "ConnectTimeout", "ConnectionError", "ConnectionTimeout", "NewConnectionError",
        "ServerDisconnectedError", "RemoteProtocolError", "InterfaceError", "OperationalError",
        "ConnectionRefusedError", "ConnectionResetError", "BrokenPipeError", "ConnectionAbortedError",
        "ServerSelectionTimeoutError", "AutoReconnect", "WeaviateConnectionError", "AdminShutdown",
        "ClientConnectorError", "NoServersError", "PoolTimeout", "ReadError", "WriteError",
        "EngineError", "EngineUnavailableError", "gaierror", "CannotConnectNow", "CrashShutdown",
    }
)  # fmt: skip
_FULL = {errno.ENOSPC: "the disk is full", errno.EROFS: "the file system is read only"}
_LARGE = "a file may not become so large (RLIMIT_FSIZE, ulimit -f)"
_FULL[errno.EFBIG] = _LARGE
if hasattr(errno, "EDQUOT"):
    _FULL[errno.EDQUOT] = "the disk quota is used up"


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The exception and those that led to it, each once."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        cause = getattr(one, "cause", None)
        waiting += [cause if isinstance(cause, BaseException) else None, one.__cause__]
        waiting += [e for e in getattr(one, "exceptions", ()) if isinstance(e, BaseException)]


_STATEMENTS = ("22", "23", "40", "42", "44", "54", "55", "57014")
"""What the SQLSTATE begins with of errors that speak of a statement: its data, rights, locks, or that it was ended."""
_MYSQL_SERVER = range(1000, 2000)
"""Numbers of errors that a MySQL server sends (from 2000 on they are the client's, who has lost it)."""
_MYSQL_AWAY = frozenset(
    [
        *(1040, 1042, 1043, 1044, 1045, 1049, 1053, 1077, 1079, 1081, 1129, 1130, 1152),
        *(*range(1154, 1162), 1184, 1203, 1226, 1927),
    ]
)
"""Those among them that speak of a connection: none is left, none is let in, the server ends."""


def _of_a_statement(error: BaseException) -> bool:
    """
    Whether the server says by a code that the statement was at fault, in an error of a class that says otherwise.

    A deadlock, a value against a constraint and a lost connection are all ``OperationalError`` to many drivers.
    """
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        return state.startswith(_STATEMENTS)
    number = error.args[0] if error.args else None
    if type(number) is not int or not (number in _MYSQL_SERVER or 3000 <= number <= 4999):
        return False
    return number not in _MYSQL_AWAY


def is_lost_connection(error: BaseException) -> bool:
    """Whether it is of the kind that a connection raises which cannot be made, or breaks."""
    if isinstance(error, (ConnectionError, EOFError)):
        return True
    if _of_a_statement(error):
        return False
    kind = getattr(error, "kind", None)  # the exception of a child process, told by its class name
    names = {kind} if isinstance(kind, str) else {one.__name__ for one in type(error).__mro__}
    return not isinstance(error, sqlite3.Error) and bool(names & _LOST)


def of_the_machine(error: BaseException) -> str | None:
    """A fault of the machine that any store may meet, in words."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return _FULL[error.errno]
    if not _is_of_sqlite(error):
        return None
    if "disk is full" in str(error):
        return _FULL[errno.ENOSPC]
    # All that SQLite says of a write that the system has refused.
    return _LARGE if "disk I/O error" in str(error) and _FILES_ARE_LIMITED else None


def _is_of_sqlite(error: BaseException) -> bool:
    """Whether it is SQLite's ``OperationalError``, of whichever build."""
    return any(
        one.__name__ == "OperationalError" and "sqlite" in one.__module__
        for one in type(error).__mro__
    )


def _files_are_limited() -> bool:
    """Whether this process was started with a limit of the size of files."""
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return False
    return resource.getrlimit(resource.RLIMIT_FSIZE)[0] != resource.RLIM_INFINITY


_FILES_ARE_LIMITED = _files_are_limited()
"""As it was before any store could have set one."""
