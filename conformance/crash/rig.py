"""
Where strikes fall: one backend with one store, on an image of its own if its power shall fail.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing

from store_conformance.contract import Capability, Location, Mode
from store_conformance.contract.secrets import one_line
from store_conformance.crash import failing_sync
from store_conformance.crash.client import Client, ClientFailedError
from store_conformance.crash.fault_proxy import FaultProxy
from store_conformance.crash.faults import Fault, Strike
from store_conformance.crash.history import Key, Kind, Write
from store_conformance.crash.image import Image, problem
from store_conformance.harness.backends import (
    Backend,
    Deployment,
    own_folder,
    remove_folder,
    scratch,
)

ATTEMPTS = 3
"""New processes that try to open the store after a fault; an engine may take a while to recover."""
PAUSE_SECONDS = 2.0
QUICK_SECONDS = 6.0
"""A fresh place that is open in less shows that the machine is not too slow to tell."""


class Rig:
    """
    A started backend, one location in it, and what its keys hold.

    ``make`` gives a new backend that nobody else uses, or with ``lent`` one that runs already: then what is struck is
    its engine, and it is not stopped.  ``proxied``: its stores reach the engine through proxies of ours.  Raises
    ``NoImageError`` and ``BackendError``.
    """

    def __init__(
        self,
        make: Callable[[], Backend],
        *,
        on_image: bool = False,
        lent: bool = False,
        proxied: bool = False,
        mode: Mode | None = None,
    ) -> None:
        self._make = make
        self._on_image = on_image
        self._lent = lent
        self._proxied = proxied
        self._mode = mode
        self._open()

    def _open(self) -> None:
        self.state: dict[Key, str | None] = {}
        self.late: tuple[Write, ...] = ()
        """Writes of the last strike that were never answered, and that its engine may still carry out."""
        self._setup_seconds: float | None = None
        self._client: Client | None = None
        self._stack = ExitStack()
        try:
            self.ledgers = own_folder("ledgers", scratch())
            self._stack.callback(remove_folder, self.ledgers)
            self.image: Image | None = None
            if self._on_image:
                self.image = self._stack.enter_context(closing(Image(scratch())))
            self.backend = self._make()
            if not self._lent:
                self._stack.callback(self.backend.stop)
            if self.image is not None:
                self.backend.keep_in(self.image.mount / "home")
            self.backend.start()
            self.at: Location = self.backend.location()
            self.proxies: dict[int, FaultProxy] = {}
            """By the port of the engine that each leads to."""
            engine = self.backend.engine()
            for port in engine.listens() if self._proxied and engine is not None else ():
                self.proxies[port] = self._stack.enter_context(closing(FaultProxy(port)))
            self._stack.callback(self._let_go)
            self.engine_name = self.backend.facts().engine
        except BaseException:
            self._stack.close()
            raise

    def close(self) -> None:
        """End every process of it and remove everything; a second call does nothing."""
        self._stack.close()

    def _let_go(self) -> None:
        if self._client is not None:
            self._client.kill()
        engine = self.backend.engine()
        if self._lent:
            self.backend.discard(self.at)
        if self.image is not None and engine is not None:
            engine.kill()  # nothing of it is kept, and the image can be unmounted

    # -- clients ----------------------------------------------------------------------------------

    def client(self) -> Client:
        """A process that has the store open and has not written yet; raises ``ClientFailedError``."""
        if self._client is None:
            self._client = self.another()
        return self._client

    def another(self) -> Client:
        """One more process with the store open, which the caller ends; raises ``ClientFailedError``."""
        through = {port: proxy.port for port, proxy in self.proxies.items()}
        return Client(self.backend, self.at, mode=self._mode, through=through)

    def take_client(self) -> Client:
        """The same as ``client``, and from now on the caller's."""
        taken = self.client()
        self._client = None
        return taken

    def new_client(self) -> Client:
        """A process started after a fault; an engine gets time to recover.  Raises ``ClientFailedError``."""
        for attempt in range(ATTEMPTS):
            try:
                return self.client()
            except ClientFailedError:
                if attempt + 1 == ATTEMPTS:
                    raise
                time.sleep(PAUSE_SECONDS)
        raise AssertionError("unreachable")

    def kill_an_opening(self, share: float) -> bool:
        """
        Move to a fresh place, and kill a process in that share of the time that setting up takes there.

        Gives whether it was killed before it was done.
        """
        self._move()
        if self._setup_seconds is None:
            # Only now is everything imported that others found imported, too.
            self._setup_seconds = self.client().opening
            self._move()
        try:
            life = share * self._setup_seconds
            Client(self.backend, self.at, mode=self._mode, life=life).kill()
        except ClientFailedError:
            return True
        return False

    def _move(self) -> None:
        if self._client is not None:
            self._client.kill()
            self._client = None
        self.backend.discard(self.at)
        self.at = self.backend.location()
        self.state = {}
        self.late = ()

    def is_quick(self) -> bool:
        """Whether a process opens the store at the place as it is now, in a small part of the time that it would be given."""
        begin = time.monotonic()
        try:
            self.client()
        except ClientFailedError:
            return False
        return time.monotonic() - begin < QUICK_SECONDS

    def renew(self) -> None:
        """Everything anew, after a fault that the store or its engine has not come back from."""
        self.close()
        self._open()

    # -- faults -----------------------------------------------------------------------------------

    def refusal(self, fault: Fault) -> str | None:
        """Why a fault cannot strike here; ``None`` if it can."""
        offered = self.backend.capabilities
        if fault.writers > 1 and fault.shared and Capability.PROCESSES not in offered:
            return "the store is for one process at a time"
        if fault.of_engine and self.backend.engine() is None:
            return no_engine(self.backend)
        if fault.of_network and not self.proxies:
            return "where this engine listens is not known"
        if fault.opening and sys.platform != "linux":
            return "the moment can be chosen on Linux only"
        engine = self.backend.engine()
        if fault.strike is Strike.FREEZE_ENGINE and not (engine and engine.freezes):
            return "this engine is not one process group that could be stopped and continued"
        if fault.of_syncs:
            return failing_sync.tried()
        if Kind.SWEEP in fault.kinds:
            if Capability.TTL not in offered:
                return "items of this store do not expire"
            try:
                if not self.client().sweeps():
                    return "the store has no sweep_ttl that could be struck"
            except ClientFailedError as error:
                return f"the store could not be opened: {one_line(error)}"
        return None

    def outlived(self, fault: Fault) -> bool:
        """Whether an engine lives on that may still carry out what dead clients have asked of it."""
        ended = fault.strike in (Strike.KILL_BOTH, Strike.CUT_POWER, Strike.FAIL_SYNCS)
        return not ended and (self.backend.engine() is not None or self.backend.url is not None)

    def writers_for(self, fault: Fault) -> int:
        """How many processes write at once."""
        return fault.writers if Capability.PROCESSES in self.backend.capabilities else 1


def no_engine(backend: Backend) -> str:
    """Why a backend has no engine that could be struck."""
    if backend.deployment is Deployment.URL:
        return "the engine is the user's own, and is not ours to stop or kill"
    return "there is no engine apart from the client's process"


def no_disk(backend: Backend, fault: Fault) -> str | None:
    """Why the disk of this backend cannot lose its power or be full; ``None`` if it may be tried."""
    what, theirs = _OF_DISKS[fault.strike]
    if backend.deployment is Deployment.URL or backend.url is not None:
        return f"the engine is the user's own, and its {theirs}"
    if not backend.in_folders():
        return f"not all of its data is in folders of ours ({backend.deployment})"
    return problem(what) or (failing_sync.problem() if fault.of_syncs else None)


_OF_DISKS = {
    Strike.FILL_DISK: ("a full disk", "disk is not ours to fill"),
    Strike.FAIL_SYNCS: ("a failing fsync", "disk is not ours to spoil"),
    Strike.CUT_POWER: ("a power loss", "power is not ours to cut"),
}
"""What a fault of the disk is called, and why that of a user's own engine is left alone."""
