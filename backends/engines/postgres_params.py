"""
Mistakes in the parameters of a connection to Postgres that can be seen before anybody is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from store_conformance.backends.base import BackendError
from store_conformance.contract.hints import suggestion

_CHOICES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": (
        "any", "read-write", "read-only", "primary", "standby", "prefer-standby",
    ),
    "channel_binding": ("disable", "prefer", "require"),
    "gssencmode": ("disable", "prefer", "require"),
    "load_balance_hosts": ("disable", "random"),
}  # fmt: skip
_NUMBERS = (
    "connect_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
)
_MOST_PORTS = 65_535


def check_params(params: Mapping[str, str]) -> None:
    """Raise ``BackendError`` for a value that no server can be asked with; it shows no password."""
    for host in params.get("host", "").split(","):
        _check_host(host)
    for port in params.get("port", "").split(","):
        if port and not (port.isascii() and port.isdigit() and 0 < int(port) <= _MOST_PORTS):
            raise BackendError(
                "postgres",
                "the port of the URL is no number from 1 to 65535.",
                "write postgresql://USER:PASSWORD@HOST:5432/DATABASE; an IPv6 address stands in brackets, and"
                " / : ? of a password are %2F %3A %3F",
            )
    for name, choices in _CHOICES.items():
        if name in params and params[name] not in choices:
            problem = f"the parameter {name} of the URL is {params[name]!r}."
            raise BackendError("postgres", problem, suggestion(params[name], choices))
    for name in _NUMBERS:
        value = params.get(name, "0")
        if not (value.isascii() and value.lstrip("-").isdigit()):
            problem = f"the parameter {name} of the URL is {value!r}."
            raise BackendError("postgres", problem, "write a whole number")


def _check_host(host: str) -> None:
    if host.startswith("/") and Path(host).is_dir():
        return
    if "@" in host[1:]:  # one at the front is a socket in the abstract namespace
        raise BackendError(
            "postgres",
            "the URL has more than one @.",
            "write @ in a password as %40",
        )
    if host.startswith("/"):
        raise BackendError(
            "postgres",
            f"there is no folder {host} with a server's socket in it.",
            "SHOW unix_socket_directories; tells the folder, and host= names it",
        )
