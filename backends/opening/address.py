"""
A store's URL, taken apart without being shown: it may hold a password.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from store_conformance.backends.base import BackendError
from store_conformance.contract.secrets import remember_given

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+]*):")
_FILE = re.compile(r"[\w./~-]+\.(db|sqlite3?)")
_CONNINFO = re.compile(r"\s*(host|hostaddr|dbname|user|port|service)\s*=")


@dataclass(frozen=True)
class Address:
    """``scheme:rest?parameters``; ``rest`` is left as it was written, and never shown."""

    scheme: str
    rest: str = field(repr=False)
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    reading: bool = False
    """Whether the store is only read: then nothing is made, migrated or swept."""


def parse_address(url: str) -> Address:
    """The parts of a URL, or of a connection string of Postgres; raises ``BackendError``."""
    url = url.strip()
    remember_given({}, url)
    if _CONNINFO.match(url):
        return Address("postgresql", url)
    scheme = _SCHEME.match(url)
    if scheme is None:
        raise BackendError("store", "the URL has no scheme.", _begins_with(url))
    head, mark, query = url[scheme.end() :].partition("?")
    if mark and "@" in query and "=" not in query.partition("@")[0]:
        raise BackendError(
            "store", "the URL has an @ behind its question mark.", "write ? in a password as %3F"
        )
    return Address(scheme[1].lower(), head, _parameters(query))


def _begins_with(url: str) -> str:
    """What the URL may have been meant to be; shows nothing of it but the name of a file."""
    if url.strip(":").lower().replace("-", "").removeprefix("in") == "memory":
        return "write memory:, which keeps nothing"
    if _FILE.fullmatch(url):
        return f"a file of SQLite is sqlite:///{url}"
    return "it begins with memory:, sqlite:///, postgresql://, qdrant:// or another (docs/PRODUCTION.md)"


def _parameters(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in filter(None, query.split("&")):
        name, sign, value = pair.partition("=")
        name = unquote(name)
        if not sign:
            raise BackendError(
                "store", f"the parameter {name!r} of the URL has no value.", f"write {name}=..."
            )
        if name in found:
            raise BackendError(
                "store", f"the URL has the parameter {name!r} twice.", "give it once"
            )
        found[name] = unquote(value)
    return found


def path_of(engine: str, address: Address, *, example: str) -> Path:
    """
    The path of a URL without a host: ``scheme:///relative`` and ``scheme:////absolute``.

    Raises ``BackendError`` where there is none or the folder that it lies in is missing.
    """
    if not address.rest.startswith("///") or address.rest == "///":
        raise BackendError(
            engine,
            "the URL has no path behind three slashes.",
            f"write {example} (relative), or {example.replace('///', '////')} (absolute)",
        )
    text = unquote(address.rest[3:])
    if any(ord(sign) < 32 for sign in text):
        raise BackendError(
            engine, "the path of the URL has a control character.", "write % in a path as %25"
        )
    path = Path(text).expanduser()
    if not path.absolute().parent.is_dir():
        raise BackendError(
            engine,
            f"there is no folder {path.absolute().parent}.",
            f"make it: mkdir -p '{path.absolute().parent}'",
        )
    return path


@dataclass(frozen=True)
class Host:
    """A server of HTTP; ``key`` is what stands before the ``@``."""

    name: str
    port: int | None
    key: str | None = field(repr=False)

    @property
    def local(self) -> bool:
        return self.name in LOOPBACK

    def url(self, *, tls: bool, port: int) -> str:
        host = f"[{self.name}]" if ":" in self.name else self.name
        return f"{'https' if tls else 'http'}://{host}:{self.port or port}"


def host_of(engine: str, address: Address, *, example: str) -> Host:
    """The host of ``scheme://[key@]host[:port]``; raises ``BackendError``."""
    try:
        parts = urlsplit(address.rest)
        name, port = parts.hostname, parts.port
    except ValueError:
        name = port = None
    if not name or parts.path.strip("/"):
        raise BackendError(
            engine,
            "the URL has no host and port that can be read.",
            f"write {example}; an IPv6 address stands in brackets, special characters are %XX",
        )
    key = parts.password or parts.username
    return Host(name, port, unquote(key) if key else None)
