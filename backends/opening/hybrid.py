"""
``hybrid:FILE.toml``: ``HybridStore`` over stores that each have a URL of their own.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from store_conformance.backends.base import BackendError
from store_conformance.backends.opening.address import Address, parse_address
from store_conformance.backends.opening.managed import managed
from store_conformance.backends.opening.settings import Setting, read
from store_conformance.contract.hints import suggestion

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# The store itself is imported where one is made: it needs what old releases of langgraph-checkpoint have not,
# and this module is imported with every suite.
if TYPE_CHECKING:
    from store_conformance.backends.hybridstore import Route

SETTINGS: tuple[Setting, ...] = ()
EXAMPLE = "hybrid:stores.toml"
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_CONDITIONS = ("depth", "prefix", "pattern")


@dataclass(frozen=True)
class Layout:
    """What the file says: a URL for each name, the routes in their order, and who takes the rest."""

    urls: Mapping[str, str]
    routes: tuple[Mapping[str, Any], ...]
    default: str

    def over(self, stores: Mapping[str, Any]) -> Any:
        from store_conformance.backends.hybridstore import HybridStore

        routes = [_route(stores[route["store"]], route) for route in self.routes]
        return managed(HybridStore)(routes, default=stores[self.default])


def _route(store: Any, told: Mapping[str, Any]) -> Route:
    from store_conformance.backends.hybridstore import Route

    prefix, pattern = (
        tuple(told[name]) if name in told else None for name in ("prefix", "pattern")
    )
    return Route(store=store, depth=told.get("depth"), prefix=prefix, pattern=pattern)


@contextmanager
def open_sync(address: Address, index: Any, ttl: Any) -> Iterator[Any]:
    from store_conformance.backends.opening.schemes import open_address

    layout = read_layout(address)
    with ExitStack() as stack:
        stores = {
            name: stack.enter_context(open_address(url, index, ttl, reading=address.reading))
            for name, url in layout.urls.items()
        }
        yield layout.over(stores)


@asynccontextmanager
async def open_async(address: Address, index: Any, ttl: Any) -> AsyncIterator[Any]:
    from store_conformance.backends.opening.schemes import aopen_address

    layout = read_layout(address)
    async with AsyncExitStack() as stack:
        stores = {
            name: await stack.enter_async_context(aopen_address(url, index, ttl))
            for name, url in layout.urls.items()
        }
        yield layout.over(stores)


def read_layout(address: Address) -> Layout:
    """The file of the URL; raises ``BackendError`` for what it lacks or what cannot be."""
    read("hybrid", SETTINGS, address.parameters)
    path = Path(unquote(address.rest.removeprefix("///")))
    if not address.rest:
        raise BackendError("hybrid", "the URL names no file.", f"write {EXAMPLE}")
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BackendError(
            "hybrid", f"{path} cannot be read: {error.strerror}.", "check the path"
        ) from None
    except ValueError as error:
        raise BackendError("hybrid", f"{path} is no TOML: {error}.", "correct it") from None
    stores, routes, default = told.get("stores"), told.get("routes", []), told.get("default")
    if not isinstance(stores, dict) or len(stores) < 2 or not isinstance(routes, list):
        raise BackendError(
            "hybrid",
            f"{path} names fewer than two stores.",
            'write [stores] with a line NAME = "URL" for each, default = "NAME", and [[routes]]',
        )
    _named_store(path, "default", default, stores)
    for number, route in enumerate(routes, 1):
        _check_route(path, number, route, stores)
    urls = {name: _expanded(path, name, url) for name, url in stores.items()}
    return Layout(urls, tuple(routes), str(default))


def urls_of(url: str) -> Mapping[str, str] | None:
    """The URL of each store of a hybrid by its name; ``None`` for what is none."""
    address = parse_address(url)
    return read_layout(address).urls if address.scheme == "hybrid" else None


def _named_store(path: Path, what: str, name: object, stores: Mapping[str, Any]) -> None:
    if not isinstance(name, str) or name not in stores:
        raise BackendError(
            "hybrid",
            f"{path}: {what} is {name!r}, which is no store.",
            suggestion(str(name), stores),
        )


def _check_route(path: Path, number: int, route: object, stores: Mapping[str, Any]) -> None:
    where = f"route {number}"
    if not isinstance(route, dict) or not set(route) & set(_CONDITIONS):
        raise BackendError(
            "hybrid", f"{path}: {where} has no condition.", f"give one of {', '.join(_CONDITIONS)}"
        )
    for name in route:
        if name not in (*_CONDITIONS, "store"):
            raise BackendError(
                "hybrid", f"{path}: {where} has an unknown {name!r}.", suggestion(name, _CONDITIONS)
            )
    _named_store(path, f"the store of {where}", route.get("store"), stores)


def _expanded(path: Path, name: str, url: object) -> str:
    """The URL with ``${VARIABLE}`` filled in, so that the file needs to hold no password."""
    if not isinstance(url, str):
        raise BackendError(
            "hybrid", f"{path}: the store {name} has no URL.", f'write {name} = "URL"'
        )
    for variable in _VARIABLE.findall(url):
        if not os.environ.get(variable):
            raise BackendError(
                "hybrid",
                f"{path}: the store {name} needs {variable}, which is not set.",
                "set it in the environment or in .env",
            )
    return _VARIABLE.sub(lambda found: os.environ[found[1]], url)
