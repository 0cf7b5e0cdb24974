"""
``HybridStore`` over two backends: namespaces of one label in the first, all others in the second.

That is the guide's rule, prompts here and memories there; the store itself takes any rule.  Over two
stores of this package nothing may fail; over an official one that one's own known failures show.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from langgraph.store.base import BaseStore

from store_conformance.backends.backups import WAYS, Backup
from store_conformance.backends.base import (
    Availability,
    Backend,
    BackendError,
    Deployment,
    Engine,
    Facts,
    Mode,
    Opened,
    Spec,
)
from store_conformance.backends.hybridstore import HybridStore, Route
from store_conformance.contract import Location

if TYPE_CHECKING:
    from langgraph.store.base import IndexConfig, TTLConfig

STORES = "stores"
COMBINATIONS = ("postgres+chroma", "postgres+qdrant", "sqlite+qdrant", "chroma+qdrant")


def _over(first: BaseStore, second: BaseStore) -> HybridStore:
    return HybridStore([Route(depth=1, store=first)], default=second)


@contextmanager
def _open_sync(opened: tuple[Any, Any]) -> Iterator[BaseStore]:
    with ExitStack() as stack:
        first, second = (stack.enter_context(one) for one in opened)
        yield _over(first, second)


@asynccontextmanager
async def _open_async(opened: tuple[Any, Any]) -> AsyncIterator[BaseStore]:
    async with AsyncExitStack() as stack:
        stores = [
            await stack.enter_async_context(one)
            if hasattr(one, "__aenter__")
            else stack.enter_context(one)
            for one in opened
        ]
        yield _over(*stores)


class _Both(Engine):
    """The engines of both halves, which live and die together."""

    def __init__(self, engines: list[Engine]) -> None:
        self._engines = engines

    def start(self) -> None:
        for engine in self._engines:
            engine.start()

    def stop(self) -> None:
        for engine in self._engines:
            engine.stop()

    def kill(self) -> None:
        for engine in self._engines:
            engine.kill()

    def listens(self) -> Sequence[int]:
        return [port for engine in self._engines for port in engine.listens()]

    def processes(self) -> Sequence[int]:
        return [pid for engine in self._engines for pid in engine.processes()]

    @property
    def freezes(self) -> bool:  # type: ignore[override]  # it depends on the halves
        return all(engine.freezes for engine in self._engines)

    def freeze(self) -> None:
        for engine in self._engines:
            engine.freeze()

    def thaw(self) -> None:
        for engine in self._engines:
            engine.thaw()


class HybridBackend(Backend):
    """
    Two backends as one; each has its own deployment, found as it would be alone.

    The option ``stores`` says which two; the first combination whose halves are both there if not.
    A deployment is for the halves that have it; there must be one.
    """

    name: ClassVar[str] = "hybrid"
    OPTIONS: ClassVar = {STORES: " or ".join(COMBINATIONS)}
    DEPLOYMENTS: ClassVar = tuple(Deployment)

    def __init__(
        self,
        *,
        deployment: Deployment | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()

        given = (options or {}).get(STORES)
        if given is not None and given not in COMBINATIONS:
            raise BackendError(
                self.name,
                f"there is no combination {given!r}.",
                f"{STORES} is {', '.join(COMBINATIONS)}",
            )
        self.stores = given or COMBINATIONS[0]
        self._take(_halves(self.stores, deployment))
        if given is None:
            for other in COMBINATIONS[1:]:
                if self.availability().ok:
                    break
                self.stores = other
                self._take(_halves(other, deployment))

    def _take(self, halves: tuple[Backend, Backend]) -> None:
        self._halves = halves
        self.parts = tuple(half.name for half in halves)
        self.capabilities = halves[0].capabilities & halves[1].capabilities
        # What it says of itself is what is weakest: nothing emulated counts as more than that.
        kinds = [half.deployment for half in halves]
        order = (Deployment.EMULATED, Deployment.EMBEDDED, Deployment.PROCESS)
        self.deployment = next((kind for kind in order if kind in kinds), kinds[0])

    def availability(self) -> Availability:
        found = [half.availability() for half in self._halves]
        named = [
            f"{half.name}: {one.detail}" for half, one in zip(self._halves, found, strict=True)
        ]
        missing = [one.how_to_get for one in found if not one.ok]
        return Availability(
            not missing, self.deployment, "; ".join(named), "; ".join(filter(None, missing))
        )

    def keep_in(self, folder: Path) -> None:
        super().keep_in(folder)
        for half in self._halves:
            half.keep_in(folder / half.name)

    def in_folders(self) -> bool:
        return all(half.in_folders() for half in self._halves)

    def start(self) -> None:
        for half in self._halves:
            half.start()

    def stop(self) -> None:
        try:
            with ExitStack() as stack:
                for half in self._halves:
                    stack.callback(half.stop)
        finally:
            super().stop()

    def backups(self) -> Mapping[str, Backup]:
        """By each way that a half has; the other half by the same, or else by its first."""
        first, second = (half.backups() for half in self._halves)
        if not first or not second:
            return {}
        return {
            way: self._both(
                first.get(way) or next(iter(first.values())),
                second.get(way) or next(iter(second.values())),
            )
            for way in WAYS
            if way in {*first, *second}
        }

    def _both(self, *ways: Backup) -> Backup:
        def take(at: Location, folder: Path) -> None:
            for number, (way, own) in enumerate(zip(ways, self._own(at), strict=True)):
                part = folder / str(number)
                part.mkdir()
                way.take(own, part)

        ends_engine = any(way.ends_engine for way in ways)

        def restore(folder: Path, old: Location, fresh: Location) -> Location:
            if (
                ends_engine
            ):  # who asks leaves the old place to us, and only the engine of one half is emptied
                for half, way, before in zip(self._halves, ways, self._own(old), strict=True):
                    if not way.ends_engine:
                        half.discard(before)
            there = [
                way.restore(folder / str(number), before, after)
                for number, (way, before, after) in enumerate(
                    zip(ways, self._own(old), self._own(fresh), strict=True)
                )
            ]
            return _over_halves(fresh, there)

        return Backup(
            " and ".join(way.command for way in ways),
            take,
            restore,
            at_rest=any(way.at_rest for way in ways),
            ends_engine=ends_engine,
            files_only=all(way.files_only for way in ways),
        )

    def engine(self) -> Engine | None:
        engines = [engine for half in self._halves if (engine := half.engine()) is not None]
        return _Both(engines) if engines else None

    def private(self) -> HybridBackend | None:
        # Not asked by what engine() gives: a half that another process has started has none here.
        own = [half.private() for half in self._halves]
        if not any(own):
            return None
        for half, private in zip(self._halves, own, strict=True):
            if private is None and half.url is not None:
                return None  # the user's own server
        halves = [private or _alike(half) for half, private in zip(self._halves, own, strict=True)]
        twin = HybridBackend(options={STORES: self.stores})
        twin._take((halves[0], halves[1]))
        return twin

    def location(self, *, durable: bool = False) -> Location:
        at = super().location(durable=durable)
        return _over_halves(at, [half.location(durable=durable) for half in self._halves])

    def _own(self, at: Location) -> list[Location]:
        return [Location.from_dict(json.loads(at.options[f"half{n}"])) for n in (0, 1)]

    def discard(self, at: Location) -> None:
        for half, own in zip(self._halves, self._own(at), strict=True):
            with contextlib.suppress(BackendError):
                half.discard(own)
        super().discard(at)

    def open(
        self, at: Location, index: IndexConfig | None, ttl: TTLConfig | None, mode: Mode
    ) -> Opened:
        first, second = (
            half.open(own, index, ttl, mode)
            for half, own in zip(self._halves, self._own(at), strict=True)
        )
        opener = _open_sync if mode == Mode.SYNC else _open_async
        return opener((first, second))

    def environment_fault(self, error: BaseException) -> str | None:
        found = (half.environment_fault(error) for half in self._halves)
        return next((fault for fault in found if fault is not None), None)

    def server_connections(self, at: Location) -> int | None:
        """Those of its parts whose servers count them."""
        counts = [
            half.server_connections(own)
            for half, own in zip(self._halves, self._own(at), strict=True)
        ]
        known = [count for count in counts if count is not None]
        return sum(known) if known else None

    def bytes_on_disk(self, at: Location) -> int | None:
        sizes = [
            half.bytes_on_disk(own) for half, own in zip(self._halves, self._own(at), strict=True)
        ]
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) else None

    def spec(self) -> Spec:
        return (
            super()
            .spec()
            .with_details(
                options={STORES: self.stores},
                halves=[half.spec().to_dict() for half in self._halves],
            )
        )

    def attach(self, spec: Spec) -> None:
        from store_conformance.backends.registry import from_spec

        halves = spec.details["halves"]
        assert isinstance(halves, Sequence)
        first, second = (
            from_spec(Spec.from_dict(half)) for half in halves if isinstance(half, Mapping)
        )
        self._take((first, second))

    def facts(self) -> Facts:
        first, second = (half.facts() for half in self._halves)
        sizes = (first.install_megabytes, second.install_megabytes)
        both = (first.engine_megabytes, second.engine_megabytes)
        engines = [size for size in both if size is not None]
        return Facts(
            store=f"store_conformance.backends.hybridstore.HybridStore over {first.store} and {second.store}",
            packages={**first.packages, **second.packages},
            engine=f"{first.engine} and {second.engine}",
            licence=f"{first.licence}; {second.licence}",
            services=first.services + second.services,
            setup_steps=(*first.setup_steps, *second.setup_steps),
            install_megabytes=None if None in sizes else round(sum(filter(None, sizes)), 1),
            engine_megabytes=round(sum(engines), 1) if engines else None,
            hosted=first.hosted or second.hosted,
            settings={
                "route": "one label: the first store; else the second",
                **{
                    half.name: facts.settings
                    for half, facts in zip(self._halves, (first, second), strict=True)
                },
            },
            limits={
                half.name: facts.limits
                for half, facts in zip(self._halves, (first, second), strict=True)
            },
        )


def _over_halves(at: Location, halves: Sequence[Location]) -> Location:
    options = {f"half{n}": json.dumps(one.to_dict()) for n, one in enumerate(halves)}
    return replace(at, options=options)


def _halves(stores: str, deployment: Deployment | None) -> tuple[Backend, Backend]:
    from store_conformance.backends.registry import create, get

    names = stores.split("+")
    having = [
        name
        for name in names
        if deployment in getattr(get(name), "DEPLOYMENTS", (get(name).deployment,))
    ]
    if deployment is not None and not having:
        raise BackendError(
            HybridBackend.name, f"neither of {' and '.join(names)} has the deployment {deployment}."
        )
    first, second = (
        create(name, deployment=deployment if name in having else None) for name in names
    )
    return first, second


def _alike(half: Backend) -> Backend:
    from store_conformance.backends.registry import create

    return create(half.name, deployment=half.deployment)


BACKEND = HybridBackend
