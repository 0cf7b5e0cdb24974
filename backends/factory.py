"""
A user-supplied store: ``--store FILE.py:FUNCTION`` or ``package.module:FUNCTION``.

The function needs nothing of this project.  It may be a context manager, an async one, or a plain
function that returns a store; it takes as many of ``at``, ``index`` and ``ttl`` as it wants.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import queue
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from langgraph.store.base import BaseStore

from store_conformance.backends.arguments import SHAPE, Arguments
from store_conformance.backends.base import (
    DOORS,
    Availability,
    Backend,
    BackendError,
    Deployment,
    Door,
    Engine,
    Facts,
    Mode,
    Opened,
    Snippet,
)
from store_conformance.backends.packages import installed_with
from store_conformance.backends.references import Reference, one_line
from store_conformance.contract import ALL, Capability, Location

CHECK_SECONDS = 30.0


URL_VARIABLE = "STORE_URL"
"""Where a reproducer finds the URL, which may hold a password."""


class FactoryBackend(Backend):
    """
    The backend around such a function, or around a `Backend` that the reference leads to.

    Errors in the reference are raised by the constructor, those of the function by ``check`` and
    ``open``; all are ``BackendError`` with a hint.
    """

    name: ClassVar[str] = "store"
    deployment = Deployment.FACTORY

    def __init__(
        self,
        reference: str,
        *,
        name: str | None = None,
        capabilities: frozenset[Capability] | None = None,
        options: Mapping[str, str] | None = None,
        url: str | None = None,
    ) -> None:
        super().__init__()
        self._reference = Reference.parse(reference)
        # Each instance has a name of its own, although the class declares one for all.
        self.__dict__["name"] = name or self._reference.short_name
        self._options = dict(options or {})
        self._url = url
        found = self._reference.load()
        self._inner: Backend | None = _as_backend(self.name, found, self._options, url)
        self._arguments: Arguments | None = None
        if self._inner is None:
            if not callable(found):
                raise BackendError(
                    self.name, f"{self._reference} is a {type(found).__name__}, no function.", SHAPE
                )
            self._arguments = Arguments.plan(self.name, found, self._options)
        self._is_async = self._inner is None and _runs_in_a_loop(found)
        self._classes: set[type] = set()
        self._given: type | None = None  # what the function gave the last time
        inner = self._inner.capabilities if self._inner is not None else ALL
        self.capabilities = capabilities if capabilities is not None else inner

    # -- opening -----------------------------------------------------------------------------------

    def open(self, at: Location, index: Any, ttl: Any, mode: Mode) -> Opened:
        if self._inner is not None:
            return self._inner.open(at, index, ttl, mode)
        place = replace(at, options={**at.options, **self._options})
        # The function is called where the store will be used, not before: an async store may need
        # the running loop, and what the function raises is raised by opening it.
        opener = _open_async if mode == "async" or self._is_async else _open_sync
        return opener(self, place, index, ttl)

    def doors(self, mode: Mode) -> Mapping[str, Door]:
        """
        The functions in the attribute ``doors`` of the function, by any of the names of `DOORS`.

        Each opens the same store in another way and takes what the function itself may take.
        """
        if self._inner is not None:
            return self._inner.doors(mode)
        given: Mapping[str, Any] = getattr(self._reference.load(), "doors", None) or {}
        unknown = sorted(set(given) - set(DOORS))
        if unknown:
            raise BackendError(
                self.name, f"unknown door {unknown[0]!r}.", f"the doors are {', '.join(DOORS)}"
            )
        return {
            name: partial(self._through(found).open, mode=mode) for name, found in given.items()
        }

    def _through(self, function: Any) -> FactoryBackend:
        """This backend with another function."""
        other = copy.copy(self)
        other._arguments = Arguments.plan(self.name, function, self._options)
        other._is_async = _runs_in_a_loop(function)
        return other

    def make(self, at: Location, index: Any, ttl: Any) -> Any:
        """What the function gives: a store, a coroutine, or a context manager not yet entered."""
        assert self._arguments is not None
        made = self._arguments.call(at, index, ttl)
        kinds = (AbstractContextManager, AbstractAsyncContextManager, BaseStore)
        if isinstance(made, kinds) or inspect.isawaitable(made):
            self._given = next((kind for kind in kinds if isinstance(made, kind)), None)
            return made
        hint = SHAPE
        if inspect.isgenerator(made) or inspect.isasyncgen(made):
            kind = "asynccontextmanager" if inspect.isasyncgen(made) else "contextmanager"
            hint = f"decorate it with @contextlib.{kind}"
        raise BackendError(self.name, f"{_returned(self._reference, made)}.", hint)

    def checked(self, store: Any) -> BaseStore:
        """``store`` if it is one; raises ``BackendError`` otherwise."""
        if not isinstance(store, BaseStore):
            raise BackendError(self.name, f"{_returned(self._reference, store)}.", SHAPE)
        self._classes.add(type(store))
        return store

    # -- the preflight -----------------------------------------------------------------------------

    def check(self, seconds: float = CHECK_SECONDS) -> str:
        """
        Open a store once, without index and ttl, and close it; gives the store's type as text.

        Raises ``BackendError`` if that fails or takes too long; the thread it hangs in is left alone.
        """
        answers: queue.Queue[str | BaseException] = queue.Queue()

        def work() -> None:
            try:
                answers.put(self._try_once())
            except BaseException as error:  # noqa: BLE001 - handed to the waiting thread
                answers.put(error)

        threading.Thread(target=work, daemon=True, name="store-preflight").start()
        try:
            answer = answers.get(timeout=seconds)
        except queue.Empty:
            raise BackendError(
                self.name,
                f"{self._reference} did not open a store within {seconds:g} s.",
                "does it wait for a server? A longer time-out can be set",
            ) from None
        if isinstance(answer, BackendError):
            raise answer
        if isinstance(answer, BaseException):
            raise BackendError(
                self.name,
                f"{self._reference} raised {one_line(answer)}.",
                "call it by hand to see where",
            ) from answer
        return answer

    def _try_once(self) -> str:
        self.start()
        with tempfile.TemporaryDirectory(prefix="conformance-check-") as folder:
            at = Location(Path(folder), self.url, "conformance_check")
            if self._inner is not None:
                at = self._inner.location()
            try:
                store = self._enter(at)
            finally:
                if self._inner is not None:
                    self._inner.discard(at)
        return f"{type(store).__module__}.{type(store).__qualname__}"

    def _enter(self, at: Location) -> BaseStore:
        if not self._is_async and Capability.SYNC in self.capabilities:
            try:
                with self._opened(at, "sync") as store:
                    return self.checked(store)
            except _OnlyAsyncError:
                self._is_async = True

        async def enter() -> BaseStore:
            opened = self._opened(at, "async")
            if isinstance(opened, AbstractAsyncContextManager):
                async with opened as store:
                    return self.checked(store)
            with opened as store:
                return self.checked(store)

        return asyncio.run(enter())

    def _opened(self, at: Location, mode: Mode) -> Any:
        return self.open(at, None, None, mode)

    # -- the rest of a backend ---------------------------------------------------------------------

    def availability(self) -> Availability:
        if self._inner is not None:
            return self._inner.availability()
        return Availability(True, self.deployment, str(self._reference))

    def start(self) -> None:
        if self._inner is not None:
            self._inner.start()

    def stop(self) -> None:
        if self._inner is not None:
            self._inner.stop()
        super().stop()

    @property
    def url(self) -> str | None:
        return self._url if self._inner is None else self._inner.url

    def location(self, *, durable: bool = False) -> Location:
        return (
            super().location(durable=durable)
            if self._inner is None
            else self._inner.location(durable=durable)
        )

    def discard(self, at: Location) -> None:
        if self._inner is not None:
            self._inner.discard(at)
        super().discard(at)

    def engine(self) -> Engine | None:
        return self._inner.engine() if self._inner is not None else None

    def private(self) -> Backend | None:
        return self._inner.private() if self._inner is not None else None

    def facts(self) -> Facts:
        """What can be told of a function: of what has been opened, and of its module."""
        if self._inner is not None:
            return self._inner.facts()
        function = inspect.unwrap(self._arguments.function) if self._arguments is not None else None
        names = getattr(function, "__globals__", {})
        return Facts(store=str(self._reference), packages=installed_with(self._classes, names))

    def snippet(self, at: Location, mode: Mode) -> Snippet | None:
        if self._inner is not None:
            return self._inner.snippet(at, mode)
        if self._arguments is None or self._given is None:
            return None
        place = Path(self._reference.place)
        head: tuple[str, ...] = ("import os, pathlib, tempfile, types, uuid",)
        module = self._reference.place
        if self._reference.is_file:
            head, module = (*head, f"sys.path.insert(0, {str(place.parent)!r})"), place.stem
        opening = f"{self._reference.name}({self._arguments.source('AT', '{INDEX}', '{TTL}')})"
        if self._given is BaseStore:
            head, opening = (*head, "from contextlib import nullcontext"), f"nullcontext({opening})"
        url = "None" if self._url is None else f"os.environ[{URL_VARIABLE!r}]"
        return Snippet(
            (
                *head,
                f"from {module} import {self._reference.name.split('.')[0]}",
                "AT = types.SimpleNamespace(path=pathlib.Path(tempfile.mkdtemp()),"
                f" url={url}, name='repro_' + uuid.uuid4().hex[:8], options={dict(self._options)!r})",
            ),
            opening,
            setup=False,
            awaits=self._given is AbstractAsyncContextManager,
            environment={} if self._url is None else {URL_VARIABLE: self._url},
        )

    def bytes_on_disk(self, at: Location) -> int | None:
        return super().bytes_on_disk(at) if self._inner is None else self._inner.bytes_on_disk(at)

    def spec(self) -> dict[str, Any]:
        return {
            "backend": self.name,
            "deployment": str(self.deployment),
            "factory": self._reference.absolute,
            "url": self._url,
            "options": self._options,
            "capabilities": sorted(str(c) for c in self.capabilities),
            "is_async": self._is_async,
            "inner": self._inner.spec() if self._inner is not None else None,
        }

    def attach(self, spec: dict[str, Any]) -> None:
        self._is_async = spec["is_async"]
        if self._inner is not None and spec.get("inner"):
            self._inner.attach(spec["inner"])

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> FactoryBackend:
        """The same backend in another process."""
        backend = cls(
            spec["factory"],
            name=spec["backend"],
            capabilities=frozenset(Capability(c) for c in spec["capabilities"]),
            options=spec["options"],
            url=spec["url"],
        )
        backend.attach(spec)
        return backend


class _OnlyAsyncError(BackendError):
    """The function gives something that only an event loop can open."""


@contextmanager
def _open_sync(backend: FactoryBackend, at: Location, index: Any, ttl: Any) -> Iterator[BaseStore]:
    made = backend.make(at, index, ttl)
    if isinstance(made, AbstractContextManager):
        with made as store:
            yield backend.checked(store)
    elif isinstance(made, BaseStore) and not isinstance(made, AbstractAsyncContextManager):
        yield made
    else:
        if inspect.iscoroutine(made):
            made.close()  # or Python warns that it was never awaited
        raise _OnlyAsyncError(
            backend.name, "the store can be opened in an event loop only.", "--declare no-sync"
        )


@asynccontextmanager
async def _open_async(
    backend: FactoryBackend, at: Location, index: Any, ttl: Any
) -> AsyncIterator[BaseStore]:
    made = backend.make(at, index, ttl)
    if inspect.isawaitable(made):
        made = await made
    if isinstance(made, AbstractAsyncContextManager):
        async with made as store:
            yield backend.checked(store)
    elif isinstance(made, AbstractContextManager):
        with made as store:
            yield backend.checked(store)
    else:
        yield backend.checked(made)


def _runs_in_a_loop(function: Any) -> bool:
    """Whether that is plain from the function itself; ``check`` finds out about the others."""
    inner = inspect.unwrap(function)
    return inspect.isasyncgenfunction(inner) or inspect.iscoroutinefunction(inner)


def _returned(reference: Reference, value: Any) -> str:
    what = "None" if value is None else f"a {type(value).__module__}.{type(value).__qualname__}"
    return f"{reference} gave {what.replace('builtins.', '')}, not a BaseStore"


def _as_backend(
    name: str, found: Any, options: Mapping[str, str], url: str | None
) -> Backend | None:
    """The `Backend` that was referred to, made if it is a class; ``None`` if it is something else."""
    if isinstance(found, Backend):
        if options or url:
            raise BackendError(
                name, "a Backend object takes no --option and no --url.", "give its class"
            )
        return found
    if not (isinstance(found, type) and issubclass(found, Backend)):
        return None
    arguments: dict[str, Any] = dict(options)
    if url is not None:
        arguments["url"] = url
    try:
        inspect.signature(found).bind(**arguments)
    except TypeError as error:
        names = ", ".join(inspect.signature(found).parameters) or "none"
        raise BackendError(
            name, f"{found.__qualname__}: {error}.", f"options are {names}"
        ) from None
    try:
        return found(**arguments)
    except BackendError:
        raise
    except Exception as error:
        raise BackendError(name, f"{found.__qualname__} raised {one_line(error)}.") from error
