"""
From a URL to the module that opens it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from store_conformance.backends.base import BackendError
from store_conformance.backends.opening.address import Address, parse_address
from store_conformance.backends.opening.settings import Setting
from store_conformance.contract.hints import suggestion

_OWN = {
    "memory": "memory",
    "sqlite": "sqlite",
    "postgresql": "postgres",
    "postgres": "postgres",
    "hybrid": "hybrid",
}
_VECTORS = ("qdrant", "qdrant+edge", "chroma", "weaviate", "pinecone")
NAMES = (*_OWN, *_VECTORS)
_SERVERS = "write qdrant://, chroma:// or weaviate:// before the host: each speaks HTTP by itself"
_MEANT = {
    "http": _SERVERS,
    "https": f"{_SERVERS}, and TLS to any host but this machine",
    "jdbc": "leave jdbc: out: postgresql://USER:PASSWORD@HOST:5432/DATABASE",
    "localhost": "write postgresql:// before it",
}
"""What others write, and what it is called here."""


@dataclass(frozen=True)
class Scheme:
    """What can be said of a scheme without opening anything."""

    name: str
    example: str
    settings: tuple[Setting, ...]


def _opener(name: str) -> Any:
    package = __name__.rpartition(".")[0]
    if name in _OWN:
        return import_module(f"{package}.{_OWN[name]}")
    if name in _VECTORS:
        return import_module(f"{package}.vectors").SCHEMES[name]
    raise unknown(name)


def unknown(name: str) -> BackendError:
    """What to say of a scheme that is none."""
    hint = _MEANT.get(name) or suggestion(name, NAMES)
    if len(name) == 1:
        hint = "a file of SQLite is sqlite:///C:/path/to/agent.db"
    return BackendError("store", f"there is no store {name}:.", hint)


def known_scheme(url: str) -> str:
    """The scheme of a URL; raises ``BackendError`` if it has none or one that nothing opens."""
    name = parse_address(url).scheme
    if name not in NAMES:
        raise unknown(name)
    return name


def schemes() -> Mapping[str, Scheme]:
    """Every scheme with its settings, for the documentation."""
    found = {}
    for name in NAMES:
        opener = _opener(name)
        if name in _VECTORS:
            found[name] = Scheme(name, opener.example, opener.settings)
        else:
            found[name] = Scheme(name, opener.EXAMPLE, opener.SETTINGS)
    return found


def _prepared(url: str, *, reading: bool = False) -> tuple[Any, Address]:
    address = replace(parse_address(url), reading=reading)
    return _opener(address.scheme), address


def open_address(
    url: str, index: Any, ttl: Any, *, reading: bool = False
) -> AbstractContextManager[Any]:
    """
    The sync store of a URL; raises ``BackendError`` that names what is wrong and shows no password.

    ``reading``: as it is, with nothing made, migrated or swept; for reads alone.
    """
    opener, address = _prepared(url, reading=reading)
    return opener.open_sync(address, index, ttl)  # type: ignore[no-any-return]


def aopen_address(url: str, index: Any, ttl: Any) -> AbstractAsyncContextManager[Any]:
    """The same for a store of async methods."""
    opener, address = _prepared(url)
    return opener.open_async(address, index, ttl)  # type: ignore[no-any-return]
