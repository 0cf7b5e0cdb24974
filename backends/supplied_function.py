"""
A store that a function opens: it needs nothing of this project.

The function may be a context manager, an async one, or a plain or async function that returns a store; it
takes as many of ``at``, ``index`` and ``ttl`` as it wants.
"""

from __future__ import annotations

import copy
import inspect
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langgraph.store.base import BaseStore

from store_conformance.backends.arguments import Arguments
from store_conformance.backends.backups import COPY, SNAPSHOT, Backup, folder_copy
from store_conformance.backends.base import (
    DOORS,
    INDEXES,
    Availability,
    BackendError,
    Door,
    Facts,
    Mode,
    Opened,
    Snippet,
    Spec,
)
from store_conformance.backends.faults import causes
from store_conformance.backends.packages import installed_with
from store_conformance.backends.references import Reference
from store_conformance.backends.supplied import OnlyAsyncError, SuppliedBackend
from store_conformance.backends.waiting import MOST_SECONDS, Settle, WaitingStore
from store_conformance.contract import Capability, Location, declared

if TYPE_CHECKING:
    from langgraph.store.base import IndexConfig, TTLConfig

_SAYS = {"index": "no-vectors", "ttl": "no-ttl-config"}
"""What a function says by an argument that it does not use, as ``--declare`` has it."""
COUNT_SECONDS = 10.0
"""What counting connections may take."""
URL_VARIABLE = "STORE_URL"
"""Where a reproducer finds the URL, which may hold a password."""


class FunctionBackend(SuppliedBackend):
    """
    The backend around such a function.

    That it cannot be called is raised by the constructor, what it raises by ``check`` and by entering a store.
    """

    def __init__(
        self,
        function: Callable[..., object],
        reference: Reference,
        name: str,
        capabilities: frozenset[Capability],
        options: Mapping[str, str],
        url: str | None,
    ) -> None:
        super().__init__(reference, name, capabilities, options, url)
        self._arguments = Arguments.plan(name, function, options)
        self._is_async = _runs_in_a_loop(function)
        self._classes: set[type] = set()
        self._given: type | None = None  # what the function gave the last time
        in_a_loop: Callable[..., object] | None = getattr(function, "for_async", None)
        self._for_async = self._through(in_a_loop) if in_a_loop is not None else None
        self._say_what_is_unused()

    def _say_what_is_unused(self) -> None:
        """What no function is given cannot be asked of the store: it counts as declared away, and is told."""
        notes: list[str] = []
        for name in sorted(self._unused()) if self.capabilities else ():
            left = declared((_SAYS[name],), self.capabilities)
            if left != self.capabilities:
                said = f"its function does not use the argument {name!r}"
                notes.append(f"{said}, which counts as --declare {_SAYS[name]}")
            self.capabilities = left
        self.notes = tuple(notes)

    def _unused(self) -> frozenset[str]:
        """Arguments with which neither function does anything."""
        unused = self._arguments.unused()
        return unused & self._for_async._unused() if self._for_async is not None else unused

    # -- opening -----------------------------------------------------------------------------------

    def open(
        self, at: Location, index: IndexConfig | None, ttl: TTLConfig | None, mode: Mode
    ) -> Opened:
        if self._for_async is not None and mode == Mode.ASYNC:
            return self._for_async.open(at, index, ttl, mode)
        place = replace(at, options={**at.options, **self._options})
        # The function is called where the store will be used, not before: an async store may need
        # the running loop, and what the function raises is raised by opening it.
        opener = self._open_async if mode == Mode.ASYNC or self._is_async else self._open_sync
        return opener(place, index, ttl)

    def doors(self, mode: Mode) -> Mapping[str, Door]:
        """
        The functions in the attribute ``doors`` of the function, by any of the names of `DOORS`.

        Each opens the same store in another way and takes what the function itself may take.
        """
        given: Mapping[str, Callable[..., object]] = self._named("doors", "door", DOORS)
        return {name: partial(self._through(given[name]).open, mode=mode) for name in given}

    def indexes(self) -> Mapping[str, Sequence[Mapping[str, object]]]:
        """The lists of entries in the attribute ``indexes`` of the function, by any of the names of `INDEXES`."""
        return self._named("indexes", "index", INDEXES)

    @property
    def pooled(self) -> bool:
        """The attribute ``pooled`` of the function."""
        return bool(getattr(self._arguments.function, "pooled", False))

    def sever(self, at: Location) -> int | None:
        """
        Calls the attribute ``sever`` of the function, if it has one, with the place; it may give a number.
        """
        sever: Callable[[Location], object] | None
        sever = getattr(self._arguments.function, "sever", None)
        if sever is None:
            return None
        ended = sever(replace(at, options={**at.options, **self._options}))
        return ended if isinstance(ended, int) else 1

    def discard(self, at: Location) -> None:
        """
        Calls the attribute ``discard`` of the function, if it has one, with the place; then the folder goes.

        It is called for every place, also for one where nothing was opened.
        """
        remove: Callable[[Location], object] | None
        remove = getattr(self._arguments.function, "discard", None)
        try:
            if remove is not None:
                remove(replace(at, options={**at.options, **self._options}))
        finally:
            super().discard(at)

    def _named(self, attribute: str, kind: str, known: Sequence[str]) -> Mapping[str, Any]:
        """The functions or entries that the function has by these names; raises ``BackendError``."""
        given: Mapping[str, Any] = getattr(self._arguments.function, attribute, None) or {}
        for name in sorted(set(given) - set(known)):
            hint = f"{attribute} are {', '.join(known)}"
            raise BackendError(self.name, f"unknown {kind} {name!r}.", hint)
        return given

    def backups(self) -> Mapping[str, Backup]:
        """
        What the attribute ``backup`` of the function says; nothing is guessed of a store without it.

        ``"copy"``: the files below ``at.path`` are all there is.  Or two functions: ``take(at, folder)``
        of the open store, and ``restore(folder, at)`` at a fresh place.
        """
        given: object = getattr(self._arguments.function, "backup", None)
        if given is None:
            return {}
        if given == COPY:
            return {COPY: folder_copy("copy the files, while nobody has them open")}
        take, restore = (
            given if isinstance(given, (tuple, list)) and len(given) == 2 else (None,) * 2
        )
        if not callable(take) or not callable(restore):
            hint = 'write "copy", or (take, restore)'
            raise BackendError(self.name, f"the attribute backup is {given!r}.", hint)

        def restored(folder: Path, old: Location, fresh: Location) -> Location:
            del old
            restore(folder, fresh)
            return fresh

        return {SNAPSHOT: Backup("the function's own", take, restored)}

    def _through(self, function: Callable[..., object]) -> FunctionBackend:
        """This backend with another function."""
        other = copy.copy(self)
        other._for_async = None
        other._arguments = Arguments.plan(self.name, function, self._options)
        other._is_async = _runs_in_a_loop(function)
        return other

    @contextmanager
    def _open_sync(
        self, at: Location, index: IndexConfig | None, ttl: TTLConfig | None
    ) -> Iterator[BaseStore]:
        made = self._make(at, index, ttl)
        if isinstance(made, AbstractContextManager):
            with made as store:
                yield self._waited(self.checked(store), at)
        elif isinstance(made, BaseStore) and not isinstance(made, AbstractAsyncContextManager):
            yield self._waited(self.checked(made), at)
        else:
            if inspect.iscoroutine(made):
                made.close()  # or Python warns that it was never awaited
            raise OnlyAsyncError(
                self.name, "the store can be opened in an event loop only.", "--declare no-sync"
            )

    @asynccontextmanager
    async def _open_async(
        self, at: Location, index: IndexConfig | None, ttl: TTLConfig | None
    ) -> AsyncIterator[BaseStore]:
        made = self._make(at, index, ttl)
        if inspect.isawaitable(made):
            made = await made
        if isinstance(made, AbstractAsyncContextManager):
            async with made as store:
                yield self._waited(self.checked(store), at)
        elif isinstance(made, AbstractContextManager):
            with made as store:
                yield self._waited(self.checked(store), at)
        else:
            yield self._waited(self.checked(made), at)

    def _make(self, at: Location, index: IndexConfig | None, ttl: TTLConfig | None) -> object:
        """What the function gives: a store, an awaitable, or a context manager not yet entered."""
        made = self._arguments.call(at, index, ttl)
        kinds = (AbstractContextManager, AbstractAsyncContextManager, BaseStore)
        if isinstance(made, kinds) or inspect.isawaitable(made):
            self._given = next((kind for kind in kinds if isinstance(made, kind)), None)
            return made
        if inspect.isgenerator(made) or inspect.isasyncgen(made):
            kind = "asynccontextmanager" if inspect.isasyncgen(made) else "contextmanager"
            raise self.returned(made, f"decorate it with @contextlib.{kind}")
        raise self.returned(made)

    def _waited(self, store: BaseStore, at: Location) -> BaseStore:
        """The store, behind one that waits where the function has the attribute ``settle``."""
        settle: Settle | float | None = getattr(self._arguments.function, "settle", None)
        if settle is None:
            return store
        if callable(settle) and not inspect.iscoroutinefunction(settle):
            return WaitingStore(store, settle, at)
        if (
            isinstance(settle, bool)
            or not isinstance(settle, int | float)
            or not 0 < settle <= MOST_SECONDS
        ):
            hint = f"write seconds, {MOST_SECONDS:g} at most, or a plain function of the open store"
            raise BackendError(self.name, f"the attribute settle is {settle!r}.", hint)
        return WaitingStore(store, float(settle), at)

    def checked(self, store: object) -> BaseStore:
        found = super().checked(store)
        self._classes.add(type(found))
        return found

    # -- the rest of a backend ---------------------------------------------------------------------

    def availability(self) -> Availability:
        return Availability(True, self.deployment, str(self._reference))

    @property
    def url(self) -> str | None:
        return self._url

    def spare_connections(self, most: int) -> int | None:
        """
        How many stores a server lets be open at once: they are opened until it says that these are all.

        Asked where a URL was given; of a store that opens in a loop only, or slowly, it is not known.
        """
        if self._url is None or self._is_async or Capability.SYNC not in self.capabilities:
            return None
        number, end = 0, time.monotonic() + COUNT_SECONDS
        try:
            with ExitStack() as opened:
                while number < most and time.monotonic() < end:
                    at = self.location()
                    opened.callback(self.discard, at)
                    opened.enter_context(self._open_sync(at, None, None))
                    number += 1
        except Exception as error:  # noqa: BLE001 - what is no limit is left to the cases
            return number if any(self.environment_fault(e) for e in causes(error)) else None
        return None

    def facts(self) -> Facts:
        """What can be told of a function: of what has been opened, and of its module."""
        function = inspect.unwrap(self._arguments.function)
        names = getattr(function, "__globals__", {})
        return Facts(store=str(self._reference), packages=installed_with(self._classes, names))

    def snippet(self, at: Location, mode: Mode) -> Snippet | None:
        """The function called by itself; ``None`` until a store was opened, which shows what it gives."""
        twin = self._for_async if mode == Mode.ASYNC else None
        if twin is not None:
            return twin._snippet(f"{self._reference.name}.for_async")
        return self._snippet(self._reference.name)

    def _snippet(self, function: str) -> Snippet | None:
        if self._given is None:
            return None
        place = Path(self._reference.place)
        head: tuple[str, ...] = ("import os, pathlib, tempfile, types, uuid",)
        name = self._reference.name.split(".")[0]
        if self._reference.is_file:
            head = (*head, *_file_as_module(place), f"{name} = store_file.{name}")
        else:
            head = (*head, f"from {self._reference.place} import {name}")
        opening = f"{function}({self._arguments.source('AT', '{INDEX}', '{TTL}')})"
        if self._given is BaseStore:
            head, opening = (*head, "from contextlib import nullcontext"), f"nullcontext({opening})"
        url = "None" if self._url is None else f"os.environ[{URL_VARIABLE!r}]"
        return Snippet(
            (
                *head,
                "AT = types.SimpleNamespace(path=pathlib.Path(tempfile.mkdtemp()),"
                f" url={url}, name='repro_' + uuid.uuid4().hex[:8], options={self._options!r})",
            ),
            opening,
            setup=False,
            awaits=self._given is AbstractAsyncContextManager,
            environment={} if self._url is None else {URL_VARIABLE: self._url},
        )

    def spec(self) -> Spec:
        return super().spec().with_details(is_async=self._is_async)

    def attach(self, spec: Spec) -> None:
        self._is_async = bool(spec.details["is_async"])


def _file_as_module(path: Path) -> tuple[str, ...]:
    """By its path and under another name: the file may be called like the package that it imports."""
    return (
        "import importlib.util, sys",
        f"sys.path.append({str(path.parent)!r})",
        f"spec = importlib.util.spec_from_file_location('store_file', {str(path)!r})",
        "store_file = sys.modules['store_file'] = importlib.util.module_from_spec(spec)",
        "spec.loader.exec_module(store_file)",
    )


def _runs_in_a_loop(function: Callable[..., object]) -> bool:
    """Whether that is plain from the function itself; ``check`` finds out about the others."""
    inner = inspect.unwrap(function)
    return inspect.isasyncgenfunction(inner) or inspect.iscoroutinefunction(inner)
