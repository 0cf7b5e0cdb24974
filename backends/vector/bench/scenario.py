"""
What is measured of one engine: ratios to the raw client, growth, bulk, and memory while iterating.
"""

from __future__ import annotations

import gc
import itertools
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from langgraph.store.base import BaseStore, PutOp

from store_conformance.backends.vector import encoding
from store_conformance.backends.vector.bench.clock import Times, interleaved, seconds, summary
from store_conformance.backends.vector.bench.data import DIMS, PER_NAMESPACE, Items
from store_conformance.backends.vector.bench.raw import Prepared, Raw, Single, prepared
from store_conformance.backends.vector.driver import Where

OURS = "store"
RAW = "raw client"
BATCH = 1000
_LIMIT = 10
_PAGE = 500
Tell = Callable[[str], None]


@dataclass
class Lanes:
    """The store, the raw client on the same collection, and another store where there is one."""

    items: Items
    store: BaseStore
    raw: Raw
    others: dict[str, BaseStore] = field(default_factory=dict)

    @property
    def stores(self) -> dict[str, BaseStore]:
        return {OURS: self.store, **self.others}


@dataclass
class Figures:
    """All figures of one engine, by number of items."""

    ratios: dict[int, dict[str, dict[str, Times]]] = field(default_factory=dict)
    growth: dict[int, dict[str, dict[str, Times]]] = field(default_factory=dict)
    bulk: dict[str, dict[str, float]] = field(default_factory=dict)
    loading: dict[int, float] = field(default_factory=dict)
    walk: dict[str, Any] = field(default_factory=dict)


Keep = Callable[[Figures], None]


def index_config(items: Items) -> dict[str, Any]:
    return {"dims": DIMS, "embed": items.embed, "fields": ["text"]}


def load(store: BaseStore, items: Items, start: int, stop: int) -> None:
    for first in range(start, stop, BATCH):
        store.batch([_op(items, n) for n in range(first, min(first + BATCH, stop))])


def ratios(lanes: Lanes, count: int, spare: Iterator[int], rounds: int) -> dict[str, Any]:
    """Each call by the store, by the raw client and by other stores, in turn."""
    items = lanes.items
    # Other items for each loop_thread and round, so that nobody finds what another has just warmed up.
    step = max(1, count // (3 * (rounds + 20)))
    places = {name: i for i, name in enumerate([OURS, RAW, *lanes.others])}

    def at(loop_thread: str, number: int) -> int:
        return (number * 3 * step + places[loop_thread] * step) % count

    ready = {n: prepared(items, at(RAW, n), 1) for n in range(rounds + 10)}
    below = {n: _below(items, at(RAW, n)) for n in range(rounds + 10)}

    def put_new(loop_thread: str, store: BaseStore) -> Callable[[int], object]:
        own = list(itertools.islice(spare, rounds + 10))
        return lambda n: _put(store, items, own[n])

    def insert(single: Single) -> Callable[[int], object]:
        fresh = [prepared(items, n) for n in itertools.islice(spare, rounds + 10)]
        return lambda n: single(fresh[n], False)

    def replace(single: Single) -> Callable[[int], object]:
        return lambda n: single(ready[n], True)

    def overwrite(loop_thread: str, store: BaseStore) -> Callable[[int], object]:
        return lambda n: _put(store, items, at(loop_thread, n), 1)

    def get(loop_thread: str, store: BaseStore) -> Callable[[int], object]:
        return lambda n: _found(store.get(*_place(items, at(loop_thread, n))))

    def search(loop_thread: str, store: BaseStore) -> Callable[[int], object]:
        return lambda n: _search(store, items, at(loop_thread, n))

    singles = lanes.raw.singles()
    calls: dict[str, tuple[Any, Callable[[int], object]]] = {
        **{f"put, new key{way}": (put_new, insert(one)) for way, one in singles.items()},
        **{f"put, existing key{way}": (overwrite, replace(one)) for way, one in singles.items()},
        "get": (get, lambda n: lanes.raw.get(ready[n][0].id)),
        "semantic search": (
            search,
            lambda n: lanes.raw.search(items.vector(at(RAW, n)), below[n], _LIMIT),
        ),
    }
    return {
        name: interleaved(
            {
                RAW: raw,
                **{
                    loop_thread: make(loop_thread, store)
                    for loop_thread, store in lanes.stores.items()
                },
            },
            rounds,
        )
        for name, (make, raw) in calls.items()
    }


def growth(lanes: Lanes, count: int, rounds: int) -> dict[str, dict[str, Times]]:
    """Calls whose work should not grow with what other users have."""
    items = lanes.items
    users = count // PER_NAMESPACE
    calls: dict[str, Callable[[BaseStore, int], object]] = {
        "search below a prefix": lambda s, n: s.search(items.namespace(n)[:2], limit=_LIMIT),
        "search below a prefix, filter": lambda s, n: s.search(
            items.namespace(n)[:2], filter={"topic": {"$gte": 100}}, limit=_LIMIT
        ),
        "semantic search below a prefix": lambda s, n: _search(s, items, n),
        "list_namespaces below a prefix": lambda s, n: s.list_namespaces(
            prefix=items.namespace(n)[:2]
        ),
        "list_namespaces, first 10 of all": lambda s, n: s.list_namespaces(limit=10),
    }

    def loop_thread(call: Callable[[BaseStore, int], object], store: BaseStore) -> Any:
        return lambda number: call(store, (number * 37 % users) * PER_NAMESPACE)

    return {
        name: interleaved(
            {o: loop_thread(call, s) for o, s in lanes.stores.items()}, rounds, warm=2
        )
        for name, call in calls.items()
    }


def bulk(lanes: Lanes, spare: Iterator[int], times: int = 5) -> dict[str, dict[str, float]]:
    """Seconds of 1,000 puts in one batch and one by one, each loop_thread a fifth at a time in turn."""
    items = lanes.items
    batches: dict[str, list[float]] = {}
    singles: dict[str, list[float]] = {}

    def note(loop_thread: str, kind: dict[str, list[float]], call: Callable[[], object]) -> None:
        kind.setdefault(loop_thread, []).append(seconds(call))

    def taken(count: int) -> list[int]:
        return list(itertools.islice(spare, count))

    def singly(store: BaseStore, numbers: list[int]) -> None:
        for n in numbers:
            _put(store, items, n)

    def rawly(ready: list[Prepared]) -> None:
        single = lanes.raw.singles()[""]
        for one in ready:
            single(one, False)

    for _ in range(times):
        for loop_thread, store in lanes.stores.items():
            note(loop_thread, singles, partial(singly, store, taken(BATCH // times)))
            note(loop_thread, batches, partial(store.batch, [_op(items, n) for n in taken(BATCH)]))
        note(RAW, singles, partial(rawly, [prepared(items, n) for n in taken(BATCH // times)]))
        note(RAW, batches, partial(lanes.raw.put, [prepared(items, n) for n in taken(BATCH)]))
    return {
        loop_thread: {
            "batch": summary(batches[loop_thread]).p50,
            "batch, best": min(batches[loop_thread]),
            "singles": sum(singles[loop_thread]) * BATCH / (BATCH // times * times),
        }
        for loop_thread in batches
    }


def walk(store: BaseStore) -> dict[str, Any]:
    """All items page by page; Python's memory in the first and the last tenth of the way."""
    gc.collect()
    resident = _resident()
    tracemalloc.start()
    peaks: list[int] = []
    seen = total = 0
    while True:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        page = store.search((), limit=_PAGE, offset=seen)
        total += sum(int(item.value["text"].split(" ", 1)[0]) for item in page)
        seen += len(page)
        peaks.append(tracemalloc.get_traced_memory()[1] - before)
        if len(page) < _PAGE:
            break
    tracemalloc.stop()
    tenth = max(1, len(peaks) // 10)
    return {
        "items": seen,
        "sum": total,
        "page": _PAGE,
        "peak_first_tenth_kb": max(peaks[1 : 1 + tenth] or peaks) // 1024,
        "peak_last_tenth_kb": max(peaks[-tenth - 1 : -1] or peaks) // 1024,
        "resident_before_mb": resident,
        "resident_after_mb": _resident(),
    }


def measure(
    lanes: Lanes, counts: list[int], rounds: int, tell: Tell, keep: Keep, *, walking: bool = True
) -> None:
    """
    Everything, at each number of items; the collection grows from one to the next.

    ``keep`` gets what there is so far, again and again: a long run that is broken off was not in vain.
    """
    figures = Figures()
    spare = itertools.count(max(counts))
    loaded = 0
    for count in counts:
        tell(f"loading {count - loaded:,} items")
        for loop_thread, store in lanes.stores.items():
            took = seconds(partial(load, store, lanes.items, loaded, count))
            if loop_thread == OURS:
                figures.loading[count] = took
        loaded = count
        lanes.raw.settle()
        tell(f"measuring at {count:,} items")
        figures.ratios[count] = ratios(lanes, count, spare, rounds)
        figures.growth[count] = growth(lanes, count, max(10, rounds // 6))
        keep(figures)
        if count == counts[0]:
            tell("bulk")
            figures.bulk = bulk(lanes, spare)
            keep(figures)
    if walking:
        tell("walking through all items")
        figures.walk = walk(lanes.store)
        keep(figures)


def spares(counts: list[int], rounds: int, lanes: int) -> int:
    """How many more items the measurements take than there are loaded."""
    return len(counts) * (rounds + 10) * (lanes + 1) + 2 * BATCH * 5 * (lanes + 1)


def _below(items: Items, n: int) -> Where:
    prefix = encoding.prefix_token(items.namespace(n)[:2])
    return Where(kinds=frozenset({"item", "vector"}), prefix=prefix)


def _op(items: Items, n: int) -> PutOp:
    return PutOp(items.namespace(n), items.key(n), items.value(n))


def _place(items: Items, n: int) -> tuple[tuple[str, ...], str]:
    return items.namespace(n), items.key(n)


def _put(store: BaseStore, items: Items, n: int, version: int = 0) -> None:
    store.put(items.namespace(n), items.key(n), items.value(n, version))


def _found(item: object) -> object:
    assert item is not None, "an item that was put is not there"
    return item


def _search(store: BaseStore, items: Items, n: int) -> object:
    query = items.value(n)["text"]
    page = store.search(items.namespace(n)[:2], query=query, limit=_LIMIT)
    assert len(page) == _LIMIT, f"a search found {len(page)} of {_LIMIT} items"
    return page


def _resident() -> float | None:
    """Megabytes of this process that are in memory; None where the system does not say."""
    if sys.platform != "linux":
        return None
    lines = Path("/proc/self/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith("VmRSS"))
    return round(int(line.split()[1]) / 1024, 1)
