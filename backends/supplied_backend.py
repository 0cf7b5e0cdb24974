"""
A `Backend` of the user's own, found by a reference: everything is left to it but its name.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from store_conformance.backends.backups import Backup
from store_conformance.backends.base import (
    Availability,
    Backend,
    BackendError,
    Door,
    Engine,
    Facts,
    Mode,
    Opened,
    Snippet,
    Spec,
)
from store_conformance.backends.references import OwnCodeError, Reference, one_line
from store_conformance.backends.supplied import SuppliedBackend
from store_conformance.contract import Capability, Location

if TYPE_CHECKING:
    from langgraph.store.base import IndexConfig, TTLConfig


def made_from(
    found: Backend | type[Backend], name: str, options: Mapping[str, str], url: str | None
) -> Backend:
    """
    The backend that a reference leads to: the object itself, or a new one of the class.

    Raises ``BackendError`` for options that it does not take, and for what its constructor raises.
    """
    if isinstance(found, Backend):
        if options or url:
            raise BackendError(
                name, "a Backend object takes no --option and no --url.", "give its class"
            )
        return found
    arguments = dict(options) if url is None else {**options, "url": url}
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
        raise OwnCodeError(name, f"{found.__qualname__} raised {one_line(error)}.") from error


class WrappedBackend(SuppliedBackend):
    """The user's backend under the name and with the capabilities of this run."""

    def __init__(
        self,
        own: Backend,
        reference: Reference,
        name: str,
        capabilities: frozenset[Capability] | None,
        options: Mapping[str, str],
        url: str | None,
    ) -> None:
        chosen = own.capabilities if capabilities is None else capabilities
        super().__init__(reference, name, chosen, options, url)
        self._own = own

    def availability(self) -> Availability:
        return self._own.availability()

    def keep_in(self, folder: Path) -> None:
        super().keep_in(folder)
        self._own.keep_in(folder / "own")

    def in_folders(self) -> bool:
        return self._own.in_folders()

    def start(self) -> None:
        self._own.start()

    def stop(self) -> None:
        self._own.stop()
        super().stop()

    @property
    def url(self) -> str | None:
        return self._own.url

    def location(self, *, durable: bool = False) -> Location:
        return self._own.location(durable=durable)

    def discard(self, at: Location) -> None:
        self._own.discard(at)
        super().discard(at)

    @contextmanager
    def _trial_place(self) -> Iterator[Location]:
        at = self._own.location()
        try:
            yield at
        finally:
            self._own.discard(at)

    def open(
        self, at: Location, index: IndexConfig | None, ttl: TTLConfig | None, mode: Mode
    ) -> Opened:
        return self._own.open(at, index, ttl, mode)

    def checkable(self) -> str | None:
        return self._own.checkable()

    def backups(self) -> Mapping[str, Backup]:
        return self._own.backups()

    def doors(self, mode: Mode) -> Mapping[str, Door]:
        return self._own.doors(mode)

    def indexes(self) -> Mapping[str, Sequence[Mapping[str, object]]]:
        return self._own.indexes()

    @property
    def pooled(self) -> bool:
        return self._own.pooled

    def sever(self, at: Location) -> int | None:
        return self._own.sever(at)

    def engine(self) -> Engine | None:
        return self._own.engine()

    def private(self) -> Backend | None:
        """Wrapped like this one, as other processes find the user's class by its reference alone."""
        own = self._own.private()
        if own is None:
            return None
        facts = (self._reference, self.name, self.capabilities, self._options, self._url)
        return WrappedBackend(own, *facts)

    def environment_fault(self, error: BaseException) -> str | None:
        return self._own.environment_fault(error)

    def spare_connections(self, most: int) -> int | None:
        return self._own.spare_connections(most)

    def server_connections(self, at: Location) -> int | None:
        return self._own.server_connections(at)

    def facts(self) -> Facts:
        return self._own.facts()

    def snippet(self, at: Location, mode: Mode) -> Snippet | None:
        return self._own.snippet(at, mode)

    def bytes_on_disk(self, at: Location) -> int | None:
        return self._own.bytes_on_disk(at)

    def spec(self) -> Spec:
        return super().spec().with_details(own=self._own.spec().to_dict())

    def attach(self, spec: Spec) -> None:
        own = spec.details["own"]
        assert isinstance(own, Mapping)
        self._own.attach(Spec.from_dict(own))
