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
Call = Callable[[int], object]
"""One turn of a lane, by its number."""
Make = Callable[[str, BaseStore], Call]


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
    turns = _Turns(lanes, count, spare, rounds + 10)
    singles = lanes.raw.singles()
    calls: dict[str, tuple[Make, Call]] = {
        **{f"put, new key{w}": (turns.put_new, turns.insert(one)) for w, one in singles.items()},
        **{
            f"put, existing key{w}": (turns.overwrite, turns.replace(one))
            for w, one in singles.items()
        },
        "get": (turns.get, turns.raw_get),
        "semantic search": (turns.search, turns.raw_search),
    }
    return {
        name: interleaved(
            {RAW: raw, **{lane: make(lane, store) for lane, store in lanes.stores.items()}}, rounds
        )
        for name, (make, raw) in calls.items()
    }


class _Turns:
    """
    What each lane does in its ``n``-th turn of so many.

    Other items for each lane and turn, so that nobody finds what another has just warmed up; what the
    raw client is given was prepared before the clock runs.
    """

    def __init__(self, lanes: Lanes, count: int, spare: Iterator[int], turns: int) -> None:
        self._items = lanes.items
        self._raw = lanes.raw
        self._count = count
        self._spare = spare
        self._turns = turns
        self._places = {name: i for i, name in enumerate([OURS, RAW, *lanes.others])}
        self._step = max(1, count // (3 * (turns + 10)))
        numbers = [self._at(RAW, n) for n in range(turns)]
        self._ready = [prepared(self._items, number, 1) for number in numbers]
        self._below = [_below(self._items, number) for number in numbers]

    def _at(self, lane: str, turn: int) -> int:
        return (turn * 3 * self._step + self._places[lane] * self._step) % self._count

    def _fresh(self) -> list[int]:
        return list(itertools.islice(self._spare, self._turns))

    def put_new(self, lane: str, store: BaseStore) -> Call:
        del lane
        own = self._fresh()
        return lambda n: _put(store, self._items, own[n])

    def overwrite(self, lane: str, store: BaseStore) -> Call:
        return lambda n: _put(store, self._items, self._at(lane, n), 1)

    def get(self, lane: str, store: BaseStore) -> Call:
        return lambda n: _found(store.get(*_place(self._items, self._at(lane, n))))

    def search(self, lane: str, store: BaseStore) -> Call:
        return lambda n: _search(store, self._items, self._at(lane, n))

    def insert(self, single: Single) -> Call:
        fresh = [prepared(self._items, n) for n in self._fresh()]
        return lambda n: single(fresh[n], False)

    def replace(self, single: Single) -> Call:
        return lambda n: single(self._ready[n], True)

    def raw_get(self, turn: int) -> object:
        return self._raw.get(self._ready[turn][0].id)

    def raw_search(self, turn: int) -> object:
        vector = self._items.vector(self._at(RAW, turn))
        return self._raw.search(vector, self._below[turn], _LIMIT)


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

    def lane(call: Callable[[BaseStore, int], object], store: BaseStore) -> Any:
        return lambda number: call(store, (number * 37 % users) * PER_NAMESPACE)

    return {
        name: interleaved({o: lane(call, s) for o, s in lanes.stores.items()}, rounds, warm=2)
        for name, call in calls.items()
    }


def bulk(lanes: Lanes, spare: Iterator[int], times: int = 5) -> dict[str, dict[str, float]]:
    """Seconds of 1,000 puts in one batch and one by one, each lane a fifth at a time in turn."""
    items = lanes.items
    batches: dict[str, list[float]] = {}
    singles: dict[str, list[float]] = {}

    def note(lane: str, kind: dict[str, list[float]], call: Callable[[], object]) -> None:
        kind.setdefault(lane, []).append(seconds(call))

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
        for lane, store in lanes.stores.items():
            note(lane, singles, partial(singly, store, taken(BATCH // times)))
            note(lane, batches, partial(store.batch, [_op(items, n) for n in taken(BATCH)]))
        note(RAW, singles, partial(rawly, [prepared(items, n) for n in taken(BATCH // times)]))
        note(RAW, batches, partial(lanes.raw.put, [prepared(items, n) for n in taken(BATCH)]))
    return {
        lane: {
            "batch": summary(batches[lane]).p50,
            "batch, best": min(batches[lane]),
            "singles": sum(singles[lane]) * BATCH / (BATCH // times * times),
        }
        for lane in batches
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
        for lane, store in lanes.stores.items():
            took = seconds(partial(load, store, lanes.items, loaded, count))
            if lane == OURS:
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
