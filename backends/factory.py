"""
A store that somebody brings: ``--store FILE.py:FUNCTION`` or ``package.module:FUNCTION``.

The function needs nothing of this project.  It may be a context manager, an async one, or a plain
function that returns a store; it takes as many of ``at``, ``index`` and ``ttl`` as it wants.
"""

from __future__ import annotations

import difflib
import inspect
import os
import queue
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from langgraph.store.base import BaseStore

from backends.base import (
    Availability,
    Backend,
    BackendError,
    Deployment,
    Engine,
    Facts,
    Mode,
    Opened,
)
from backends.references import Reference, one_line
from conformance.contract import ALL, Capability, Location

STANDARD = ("at", "index", "ttl")
CHECK_SECONDS = 30.0
SHAPE = "def open_store(at, index, ttl) that yields or returns a BaseStore"
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


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
        self._function: Callable[..., Any] = found
        self._names: tuple[str, ...] = ()
        if self._inner is None:
            if not callable(found):
                raise BackendError(
                    self.name, f"{self._reference} is a {type(found).__name__}, no function.", SHAPE
                )
            self._names = _arguments(self.name, found, self._options)
        inner = self._inner.capabilities if self._inner is not None else ALL
        self.capabilities = capabilities if capabilities is not None else inner

    # -- opening -----------------------------------------------------------------------------------

    def open(self, at: Location, index: Any, ttl: Any, mode: Mode) -> Opened:
        if self._inner is not None:
            return self._inner.open(at, index, ttl, mode)
        place = replace(at, options={**at.options, **self._options})
        made = self._call({"at": place, "index": index, "ttl": ttl})
        return self._managed(made, mode)

    def _call(self, values: dict[str, Any]) -> Any:
        """Call the function with those of the arguments that it takes."""
        parameters = list(inspect.signature(self._function).parameters.values())
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for parameter, name in zip(parameters, self._names):
            if parameter.kind in _POSITIONAL:
                positional.append(values[name])
            elif parameter.kind is not inspect.Parameter.VAR_KEYWORD:
                named[parameter.name] = values[name]
        if any(p.kind is p.VAR_POSITIONAL for p in parameters):
            positional += [values[name] for name in STANDARD[len(positional) :]]
        elif any(p.kind is p.VAR_KEYWORD for p in parameters):
            named.update({n: values[n] for n in STANDARD if n not in self._names})
        return self._function(*positional, **named, **self._options)

    def _managed(self, made: Any, mode: Mode) -> Opened:
        """What the function gave as a context manager of the right kind, not yet entered."""
        if isinstance(made, BaseStore):
            # Some stores are context managers themselves; then closing them is their own business.
            return _plain(made)
        if inspect.isawaitable(made):
            return _awaited(self.name, made)
        if isinstance(made, AbstractAsyncContextManager) and (
            mode == "async" or not isinstance(made, AbstractContextManager)
        ):
            return made
        if isinstance(made, AbstractContextManager):
            return made
        hint = SHAPE
        if inspect.isgenerator(made) or inspect.isasyncgen(made):
            kind = "asynccontextmanager" if inspect.isasyncgen(made) else "contextmanager"
            hint = f"decorate it with @contextlib.{kind}"
        raise BackendError(self.name, f"{_returned(self._reference, made)}.", hint)

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
                mode: Mode = "sync" if Capability.SYNC in self.capabilities else "async"
                return self._enter(self.open(at, None, None, mode))
            finally:
                if self._inner is not None:
                    self._inner.discard(at)

    def _enter(self, opened: Opened) -> str:
        if isinstance(opened, AbstractContextManager):
            with opened as store:
                return self._type_of(store)

        async def enter() -> str:
            async with opened as store:
                return self._type_of(store)

        import asyncio

        return asyncio.run(enter())

    def _type_of(self, store: Any) -> str:
        if not isinstance(store, BaseStore):
            raise BackendError(self.name, f"{_returned(self._reference, store)}.", SHAPE)
        return f"{type(store).__module__}.{type(store).__qualname__}"

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

    def location(self) -> Location:
        return super().location() if self._inner is None else self._inner.location()

    def discard(self, at: Location) -> None:
        if self._inner is not None:
            self._inner.discard(at)
        super().discard(at)

    def engine(self) -> Engine | None:
        return self._inner.engine() if self._inner is not None else None

    def private(self) -> Backend | None:
        return self._inner.private() if self._inner is not None else None

    def facts(self) -> Facts:
        return self._inner.facts() if self._inner is not None else Facts(store=str(self._reference))

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
            "inner": self._inner.spec() if self._inner is not None else None,
        }

    def attach(self, spec: dict[str, Any]) -> None:
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


@contextmanager
def _plain(store: BaseStore) -> Iterator[BaseStore]:
    yield store


@asynccontextmanager
async def _awaited(name: str, coming: Any) -> AsyncIterator[BaseStore]:
    store = await coming
    if not isinstance(store, BaseStore):
        raise BackendError(name, f"the coroutine returned a {type(store).__name__}.", SHAPE)
    yield store


def _returned(reference: Reference, value: Any) -> str:
    what = "None" if value is None else f"a {type(value).__module__}.{type(value).__qualname__}"
    return f"{reference} gave {what.replace('builtins.', '')}, not a BaseStore"


def _as_backend(
    name: str, found: Any, options: Mapping[str, str], url: str | None
) -> Backend | None:
    """The `Backend` that was referred to, made if it is a class; ``None`` if it is something else."""
    if isinstance(found, Backend):
        if options or url:
            raise BackendError(name, "a Backend object takes no --option and no --url.", "give its class")
        return found
    if not (isinstance(found, type) and issubclass(found, Backend)):
        return None
    arguments: dict[str, Any] = dict(options)
    if url is not None:
        arguments["url"] = url
    try:
        inspect.signature(found).bind(**arguments)
    except TypeError as error:
        raise BackendError(name, f"{found.__qualname__}: {error}.", _takes(found)) from None
    try:
        return found(**arguments)
    except BackendError:
        raise
    except Exception as error:
        raise BackendError(name, f"{found.__qualname__} raised {one_line(error)}.") from error


def _takes(function: Callable[..., Any]) -> str:
    names = [p.name for p in inspect.signature(function).parameters.values() if p.name not in STANDARD]
    return f"it takes {', '.join(names)}" if names else "it takes none"


def _arguments(
    name: str, function: Callable[..., Any], options: Mapping[str, str]
) -> tuple[str, ...]:
    """
    Which of ``at``, ``index`` and ``ttl`` go to the function's parameters, in their order.

    By name where a parameter is called so, else by position; checks the options, too.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return STANDARD
    plain = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    optional = {p.name for p in plain if p.default is not p.empty or p.kind is p.KEYWORD_ONLY}
    accepted = [p.name for p in plain if p.name not in STANDARD and p.name in optional]
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters)
    for option in options:
        if option not in accepted and not open_ended:
            near = difflib.get_close_matches(option, accepted, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            known = f"It takes {', '.join(accepted)}." if accepted else "It takes none."
            raise BackendError(name, f"the function takes no option {option!r}.", hint + known)
    given: list[str] = []
    free = [s for s in STANDARD if s not in {p.name for p in plain}]
    for parameter in plain:
        if parameter.name in STANDARD:
            given.append(parameter.name)
        elif parameter.name in optional or parameter.name in options:
            if parameter.default is parameter.empty and parameter.name not in options:
                raise BackendError(
                    name, f"it needs an option {parameter.name!r}.", f"--option {parameter.name}=..."
                )
            break
        elif free:
            given.append(free.pop(0))
        else:
            raise BackendError(name, f"its parameter {parameter.name!r} is none of ours.", SHAPE)
    return tuple(given)
