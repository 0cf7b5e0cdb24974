"""
What a user-supplied store is as a backend, whether a function opens it or a `Backend` of the user's own.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import ClassVar

from langgraph.store.base import BaseStore

from store_conformance.backends.arguments import SHAPE
from store_conformance.backends.base import (
    Backend,
    BackendError,
    Deployment,
    Spec,
)
from store_conformance.backends.engines.postgres_faults import Surroundings
from store_conformance.backends.engines.postgres_faults import fault as postgres_fault
from store_conformance.backends.folders import passing_folder
from store_conformance.backends.references import Reference, one_line
from store_conformance.contract import Capability, Location, Mode

CHECK_SECONDS = 30.0


class OnlyAsyncError(BackendError):
    """What was referred to gives something that only an event loop can open."""


class SuppliedBackend(Backend):
    """
    A backend behind a reference, under a name of its own.

    ``check`` opens and closes a store once, and tells what is wrong; all errors are ``BackendError`` with a hint.
    """

    name: ClassVar[str] = "store"
    deployment = Deployment.FACTORY

    def __init__(
        self,
        reference: Reference,
        name: str,
        capabilities: frozenset[Capability],
        options: Mapping[str, str],
        url: str | None,
    ) -> None:
        super().__init__()
        self._reference = reference
        # Each instance has a name of its own, although the class declares one for all.
        self.__dict__["name"] = name
        self.capabilities = capabilities
        self._options = dict(options)
        self._url = url
        self._is_async = False
        """Whether stores are opened in an event loop only, also for their blocking methods."""
        self.notes: tuple[str, ...] = ()
        """What the reference says of the store without being asked, in sentences for a user."""
        self._trying = "open"
        """What ``check`` is doing with a store, for its message."""

    def returned(self, value: object, hint: str = SHAPE) -> BackendError:
        """The error that this is not a store."""
        if isinstance(value, type):
            what = f"the class {value.__qualname__}"
            return BackendError(
                self.name, f"{self._reference} gave {what}, not a BaseStore.", "call it"
            )
        kind = f"a {type(value).__module__}.{type(value).__qualname__}"
        what = "None" if value is None else kind.replace("builtins.", "")
        return BackendError(self.name, f"{self._reference} gave {what}, not a BaseStore.", hint)

    def checked(self, store: object) -> BaseStore:
        """``store`` if it is one; raises ``BackendError`` otherwise."""
        if not isinstance(store, BaseStore):
            raise self.returned(store)
        return store

    # -- the preflight -----------------------------------------------------------------------------

    def check(self, seconds: float = CHECK_SECONDS) -> str:
        """
        Open a store once, without index and ttl, and close it; gives the store's type as text.

        Raises ``BackendError`` if that fails or takes longer than ``seconds``; the thread it hangs in is
        left alone.
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
                f"{self._reference} did not {self._trying} a store within {seconds:g} s.",
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
        with self._trial_place() as at:
            store = self._enter(at)
        return f"{type(store).__module__}.{type(store).__qualname__}"

    @contextmanager
    def _trial_place(self) -> Iterator[Location]:
        with passing_folder("check") as folder:
            yield Location(folder, self.url, "conformance_check")

    def _enter(self, at: Location) -> BaseStore:
        if not self._is_async and Capability.SYNC in self.capabilities:
            opened = self.open(at, None, None, Mode.SYNC)
            try:
                if isinstance(opened, AbstractContextManager):
                    with opened as store:
                        return self._entered(store)
            except OnlyAsyncError:
                self._is_async = True

        async def enter() -> BaseStore:
            opened = self.open(at, None, None, Mode.ASYNC)
            if isinstance(opened, AbstractContextManager):
                with opened as store:
                    return self._entered(store)
            async with opened as store:
                return self._entered(store)

        return asyncio.run(enter())

    def _entered(self, store: object) -> BaseStore:
        self._trying = "close"
        return self.checked(store)

    def environment_fault(self, error: BaseException) -> str | None:
        return postgres_fault(error, Surroundings())

    # -- for other processes -----------------------------------------------------------------------

    def spec(self) -> Spec:
        return (
            super()
            .spec()
            .with_details(
                factory=self._reference.absolute,
                options=self._options,
                capabilities=sorted(str(c) for c in self.capabilities),
                own_url=self._url,
            )
        )
