"""
The hybrid against stores that are right by themselves: what may be lost is lost in between.

The checks at the top are functions over a pair of stores, so that hybrids broken on purpose (at the
bottom) go through the very same ones and have to be caught.
"""

from __future__ import annotations

import asyncio
import importlib
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.embeddings import Embeddings
from langgraph.store.base import (
    BaseStore,
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    PutOp,
    SearchOp,
)
from langgraph.store.memory import InMemoryStore

from store_conformance.backends.hybridstore import HybridStore, Route

WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta")


class Letters(Embeddings):
    """An embedder without a model: how often each of eight words is in the text."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if any("unembeddable" in text for text in texts):
            raise RuntimeError("the embedder is down")
        return [[text.count(word) + 0.01 for word in WORDS] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.embed_documents(texts)

    async def aembed_query(self, text: str) -> list[float]:
        return self.embed_query(text)


INDEX: Any = {"dims": len(WORDS), "embed": Letters(), "fields": ["text"]}


def _reference(folder: Path) -> BaseStore:
    module: Any = importlib.import_module("store_conformance.mutants.reference")
    folder.mkdir()
    at = SimpleNamespace(path=folder, url=None, name=folder.name)
    store = module.ReferenceStore(at, index=INDEX)
    store.setup()
    made: BaseStore = store
    return made


MAKERS: dict[str, Callable[[Path], BaseStore]] = {
    "memory": lambda folder: InMemoryStore(index=INDEX),
    "memory without index": lambda folder: InMemoryStore(),
    "reference": _reference,
}

PAIRS = [
    ("memory", "memory"),
    ("memory without index", "memory"),
    ("reference", "reference"),
    ("memory without index", "reference"),
]


@pytest.fixture(params=PAIRS, ids=" + ".join)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[BaseStore, BaseStore]:
    first, second = request.param
    return MAKERS[first](tmp_path / "first"), MAKERS[second](tmp_path / "second")


def by_depth(first: BaseStore, second: BaseStore, cls: type[HybridStore] = HybridStore) -> Any:
    return cls([Route(depth=1, store=first)], default=second)


def fill(store: BaseStore, count: int = 60, seed: int = 7) -> dict[tuple[Any, str], dict[str, Any]]:
    """Items under ("u",) and ("u", "x"), ("u", "y", "z"), ("v", ...), in both halves."""
    dice = random.Random(seed)
    spaces = [("u",), ("v",), ("u", "x"), ("u", "y", "z"), ("v", "x")]
    items = {}
    for number in range(count):
        namespace = dice.choice(spaces)
        text = " ".join([*dice.choices(WORDS, k=3), str(number)])
        value = {"text": text, "n": number, "even": number % 2 == 0}
        items[namespace, f"k{number}"] = value
    store.batch([PutOp(ns, key, value) for (ns, key), value in items.items()])
    return items


def value_at(store: BaseStore, namespace: tuple[str, ...], key: str) -> Any:
    """The value of an item that must be there."""
    item = store.get(namespace, key)
    assert item is not None
    return item.value


def names(found: list[Any]) -> list[tuple[Any, str]]:
    return [(item.namespace, item.key) for item in found]


def check_pages(store: BaseStore, query: str | None, **kwargs: Any) -> None:
    """Every page is cut from one sequence, in which each match is once."""
    items = fill(store)
    wanted = {
        name
        for name, value in items.items()
        if name[0][:1] == ("u",) and ("filter" not in kwargs or value["even"])
    }

    whole = store.search(("u",), query=query, limit=1000, **kwargs)
    assert set(names(whole)) == wanted
    assert len(whole) == len(wanted)
    for size in (1, 2, 3, 7, 20):
        for offset in range(0, len(whole) + 3, 3):
            page = store.search(("u",), query=query, limit=size, offset=offset, **kwargs)
            assert names(page) == names(whole)[offset : offset + size]


def check_ranked(store: BaseStore) -> None:
    """Scores descend over both stores, and what has none comes last."""
    fill(store)
    scores = [item.score for item in store.search((), query="alpha beta", limit=100)]

    scored = [score for score in scores if score is not None]
    assert len(scores) == 60
    assert scores == sorted(scored, reverse=True) + [None] * (len(scores) - len(scored))


def check_listing(store: BaseStore) -> None:
    """Truncated over both stores, then each once, sorted, paged."""
    fill(store)

    every = [("u",), ("u", "x"), ("u", "y", "z"), ("v",), ("v", "x")]
    assert store.list_namespaces() == every
    assert store.list_namespaces(max_depth=1) == [("u",), ("v",)]
    assert [store.list_namespaces(limit=2, offset=at) for at in (0, 2, 4)] == [
        every[:2],
        every[2:4],
        every[4:],
    ]
    assert store.list_namespaces(prefix=("u",), suffix=("x",)) == [("u", "x")]
    assert store.list_namespaces(prefix=("*", "x")) == [("u", "x"), ("v", "x")]


def check_batch(store: BaseStore) -> None:
    """Results in the order of the ops, reads before writes, the last write of a key."""
    store.put(("u",), "old", {"text": "alpha", "v": 1})
    store.put(("u", "x"), "old", {"text": "alpha", "v": 1})

    results: list[Any] = store.batch(
        [
            PutOp(("u", "x"), "new", {"v": 1}),
            GetOp(("u", "x"), "old"),
            PutOp(("u",), "old", {"v": 2}),
            SearchOp(("u",), limit=10),
            GetOp(("u",), "old"),
            PutOp(("u", "x"), "new", None),
            PutOp(("u", "x"), "old", None),
            PutOp(("u", "x"), "old", {"v": 3}),
            ListNamespacesOp(),
            GetOp(("u",), "missing"),
        ]
    )

    assert [results[i] for i in (0, 2, 5, 6, 7, 9)] == [None] * 6
    assert results[1].value["v"] == 1 and results[1].namespace == ("u", "x")
    assert results[4].value["v"] == 1 and results[4].namespace == ("u",)
    assert names(results[3]) == [(("u",), "old"), (("u", "x"), "old")]
    assert results[8] == [("u",), ("u", "x")]
    assert value_at(store, ("u",), "old") == {"v": 2}
    assert value_at(store, ("u", "x"), "old") == {"v": 3}
    assert store.get(("u", "x"), "new") is None


def check_failed_batch(store: BaseStore) -> None:
    """A batch with one put that cannot be embedded leaves both halves as they were."""
    with pytest.raises(RuntimeError, match="embedder is down"):
        store.batch(
            [PutOp(("u",), "a", {"v": 1}), PutOp(("u", "x"), "b", {"text": "unembeddable"})]
        )

    assert store.search(()) == []


def test_each_item_lives_in_the_store_of_its_namespace(pair: tuple[BaseStore, BaseStore]) -> None:
    first, second = pair
    store = by_depth(first, second)
    items = fill(store)

    for (namespace, key), value in items.items():
        owner, other = (first, second) if len(namespace) == 1 else (second, first)
        assert value_at(owner, namespace, key) == value
        assert other.get(namespace, key) is None
        assert store.get(namespace, key).value == value
        store.delete(namespace, key)
    assert first.search(()) == second.search(()) == store.search(()) == []


@pytest.mark.parametrize("query", [None, "", "alpha beta"])
@pytest.mark.parametrize("filtered", [False, True])
def test_pages_are_cut_from_one_sequence(
    pair: tuple[BaseStore, BaseStore], query: str | None, filtered: bool
) -> None:
    check_pages(by_depth(*pair), query, **({"filter": {"even": True}} if filtered else {}))


def test_pages_far_behind_the_first_store_are_exact() -> None:
    first, second = InMemoryStore(), InMemoryStore()
    store = by_depth(first, second)
    first.batch([PutOp(("u",), f"a{n}", {"n": n}) for n in range(437)])
    second.batch([PutOp(("u", "x"), f"b{n}", {"n": n}) for n in range(900)])

    whole = names(store.search((), limit=5000))
    assert len(whole) == 1337
    for offset in (0, 99, 436, 437, 438, 700, 1336, 1337, 10**6, 2**62):
        assert names(store.search((), limit=10, offset=offset)) == whole[offset : offset + 10]
    assert store.search((), limit=0) == []


def test_ranking_over_both(pair: tuple[BaseStore, BaseStore]) -> None:
    check_ranked(by_depth(*pair))


def test_listing_over_both(pair: tuple[BaseStore, BaseStore]) -> None:
    check_listing(by_depth(*pair))


def test_listing_beyond_one_page() -> None:
    store = by_depth(InMemoryStore(), InMemoryStore())
    spaces = [(f"n{i:04}",) if i % 2 else (f"n{i:04}", "x") for i in range(2500)]
    store.batch([PutOp(ns, "k", {}) for ns in spaces])

    assert store.list_namespaces(limit=3000) == spaces
    assert len(store.list_namespaces()) == 100


def test_batch_over_both(pair: tuple[BaseStore, BaseStore]) -> None:
    check_batch(by_depth(*pair))


def test_failed_batch_changes_nothing() -> None:
    check_failed_batch(by_depth(InMemoryStore(), InMemoryStore(index=INDEX)))
    check_failed_batch(
        HybridStore([Route(prefix=("u", "x"), store=InMemoryStore(index=INDEX))], InMemoryStore())
    )


@pytest.mark.parametrize(
    "bad",
    [
        PutOp(("a.b",), "k", {}),
        PutOp((), "k", {}),
        GetOp(("",), "k"),
        SearchOp(("a\x00",)),
        PutOp("abc", "k", {}),  # type: ignore[arg-type]
    ],
)
def test_a_bad_op_stops_the_whole_batch(bad: Any) -> None:
    store = by_depth(InMemoryStore(), InMemoryStore())
    good = [PutOp(("u",), "k", {}), PutOp(("u", "x"), "k", {})]

    with pytest.raises(InvalidNamespaceError):
        store.batch([*good, bad])
    with pytest.raises(ValueError, match="Unknown operation"):
        store.batch([*good, "not an op"])
    with pytest.raises(InvalidNamespaceError):
        asyncio.run(store.abatch([*good, bad]))

    assert store.search(()) == []


# Routes


class Counting(InMemoryStore):
    """Counts the batches it is asked."""

    asked = 0

    def batch(self, ops: Any) -> Any:
        self.asked += 1
        return super().batch(ops)


@pytest.mark.parametrize(
    ("route", "prefix", "asks_first", "asks_default"),
    [
        ({"depth": 1}, ("u",), True, True),
        ({"depth": 1}, ("u", "x"), False, True),
        ({"depth": 2}, (), True, True),
        ({"prefix": ("p",)}, ("p",), True, False),
        ({"prefix": ("p",)}, ("p", "x"), True, False),
        ({"prefix": ("p", "*", "q")}, ("p",), True, True),
        ({"prefix": ("p", "*", "q")}, ("p", "1", "q", "r"), True, False),
        ({"prefix": ("p", "*", "q")}, ("p", "1", "r"), False, True),
        ({"prefix": ("p",)}, ("pp",), False, True),
        ({"pattern": ("*", "*", "examples")}, ("a", "b"), True, True),
        ({"pattern": ("*", "*", "examples")}, ("a", "b", "other"), False, True),
        ({"pattern": ("*", "*", "examples")}, ("a", "b", "examples", "c"), False, True),
        ({"where": lambda ns: ns[0] == "w"}, ("x",), True, True),
        ({"where": lambda ns: ns[0] == "w", "depth": 1}, ("x", "y"), False, True),
    ],
)
def test_only_the_stores_concerned_are_asked(
    route: dict[str, Any], prefix: tuple[str, ...], asks_first: bool, asks_default: bool
) -> None:
    first, second = Counting(), Counting()
    store = HybridStore([Route(store=first, **route)], default=second)

    store.search(prefix)
    assert (first.asked > 0, second.asked > 0) == (asks_first, asks_default)

    first.asked = second.asked = 0
    store.list_namespaces(prefix=prefix)
    assert (first.asked > 0, second.asked > 0) == (asks_first, asks_default)


def test_a_search_finds_what_any_route_took() -> None:
    """Whatever the routes, no search misses a namespace: asked stores are a superset."""
    dice = random.Random(3)
    labels = ("a", "b", "*")
    every = [tuple(dice.choices(("a", "b"), k=dice.randint(1, 4))) for _ in range(40)]
    for _ in range(60):
        conditions: list[dict[str, Any]] = [
            {"depth": dice.randint(1, 3)},
            {"prefix": tuple(dice.choices(labels, k=dice.randint(1, 3)))},
            {"pattern": tuple(dice.choices(labels, k=dice.randint(1, 3)))},
            {"where": lambda ns: ns[-1] == "a"},
        ]
        routes = [
            Route(store=InMemoryStore(), **condition) for condition in dice.sample(conditions, k=3)
        ]
        store = HybridStore(routes, default=InMemoryStore())
        store.batch([PutOp(ns, "k", {}) for ns in every])
        assert store.list_namespaces() == sorted(set(every))
        for prefix in {ns[:depth] for ns in every for depth in range(4)}:
            wanted = {ns for ns in every if ns[: len(prefix)] == prefix}
            assert {i.namespace for i in store.search(prefix, limit=100)} == wanted
            listed = store.list_namespaces(prefix=(*prefix, "*"))
            assert listed == sorted(ns for ns in wanted if len(ns) > len(prefix))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"depth": 0},
        {"prefix": "ab"},
        {"prefix": ()},
        {"pattern": ("a.b",)},
        {"pattern": ["a"]},
    ],
)
def test_a_senseless_route_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        Route(store=InMemoryStore(), **given)


# Async, threads, loops


def test_async_twins_answer_alike(pair: tuple[BaseStore, BaseStore]) -> None:
    store = by_depth(*pair)
    fill(store)

    async def ask() -> list[Any]:
        await store.aput(("u",), 7, {"text": "eta"})
        item = await store.aget(("u",), 7)
        assert item is not None
        assert item.key == "7"
        await store.adelete(("u",), "7")
        return [
            await store.asearch(("u",), query="beta", limit=5, offset=4),
            await store.asearch((), filter={"even": True}, limit=50),
            await store.alist_namespaces(max_depth=1),
        ]

    assert asyncio.run(ask()) == [
        store.search(("u",), query="beta", limit=5, offset=4),
        store.search((), filter={"even": True}, limit=50),
        store.list_namespaces(max_depth=1),
    ]


class SyncOnly(InMemoryStore):
    async def abatch(self, ops: Any) -> Any:
        raise NotImplementedError


def test_a_store_without_async_works_in_a_thread() -> None:
    store = by_depth(SyncOnly(), InMemoryStore())

    asyncio.run(store.abatch([PutOp(("u",), "k", {"n": 1}), PutOp(("u", "x"), "k", {"n": 2})]))

    found = asyncio.run(store.asearch(()))
    assert [item.value for item in found] == [{"n": 1}, {"n": 2}]


def test_a_store_bound_to_a_loop() -> None:
    aio = pytest.importorskip("langgraph.store.sqlite.aio")

    async def use() -> None:
        async with aio.AsyncSqliteStore.from_conn_string(":memory:") as bound:
            await bound.setup()
            plain = InMemoryStore()
            store = by_depth(plain, bound)
            await store.abatch([PutOp(("u",), "k", {"n": 1}), PutOp(("u", "x"), "k", {"n": 2})])
            await asyncio.gather(*(store.aput(("u", "x"), "same", {"n": n}) for n in range(20)))
            last = await store.aget(("u", "x"), "same")
            assert last is not None
            assert last.value == {"n": 19}
            with pytest.raises(asyncio.InvalidStateError):
                store.batch([PutOp(("u",), "k", {"n": 9}), PutOp(("u", "x"), "k", {"n": 9})])
            assert value_at(plain, ("u",), "k") == {"n": 1}
            found = await asyncio.to_thread(store.search, ())
            assert found[0].value["n"] == 1 and len(found) == 3

    asyncio.run(use())


def test_a_cancelled_batch_is_not_left_half_written() -> None:
    reached = asyncio.Event()

    class Slow(InMemoryStore):
        async def abatch(self, ops: Any) -> Any:
            reached.set()
            await asyncio.sleep(0.05)
            return await super().abatch(ops)

    async def use() -> None:
        first, second = InMemoryStore(), Slow()
        store = by_depth(first, second)
        ops = [PutOp(("u",), "k", {}), PutOp(("u",), "l", {}), PutOp(("u", "x"), "k", {})]
        call = asyncio.ensure_future(store.abatch(ops))
        await reached.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert first.get(("u",), "k") is not None
        assert second.get(("u", "x"), "k") is not None

    asyncio.run(use())


# Expiry


@pytest.fixture
def expiring() -> Iterator[tuple[Any, Any, HybridStore]]:
    sqlite = pytest.importorskip("langgraph.store.sqlite")
    ttl = {"default_ttl": None, "refresh_on_read": True}
    with (
        sqlite.SqliteStore.from_conn_string(":memory:", ttl=ttl) as first,
        sqlite.SqliteStore.from_conn_string(":memory:", ttl=ttl) as second,
    ):
        first.setup()
        second.setup()
        yield first, second, by_depth(first, second)


def test_expiry_in_both(expiring: tuple[Any, Any, HybridStore]) -> None:
    *_, store = expiring
    store.setup()
    assert store.supports_ttl and store.ttl_config is not None

    store.put(("u",), "soon", {}, ttl=0.0001)
    store.put(("u", "x"), "soon", {}, ttl=0.0001)
    store.put(("u", "x"), "never", {})
    time.sleep(1.1)

    assert store.sweep_ttl() == 2
    assert names(store.search(())) == [(("u", "x"), "never")]
    assert store.stop_ttl_sweeper() is True
    handle = store.start_ttl_sweeper(1)
    assert store.stop_ttl_sweeper(5) is True
    handle.result(5)


def test_expiry_only_if_all_support_it(expiring: tuple[Any, Any, HybridStore]) -> None:
    first, *_ = expiring
    store = by_depth(first, InMemoryStore())

    assert not store.supports_ttl
    with pytest.raises(NotImplementedError, match="InMemoryStore"):
        store.put(("u",), "k", {}, ttl=1)
    store.put(("u",), "k", {}, ttl=None)
    assert store.sweep_ttl() == 0


def test_a_ranked_search_refreshes_only_what_it_returns() -> None:
    touched: list[str] = []

    class Watching(InMemoryStore):
        supports_ttl = True

        def batch(self, ops: Any) -> Any:
            ops = list(ops)
            results = super().batch(ops)
            for op, result in zip(ops, results, strict=True):
                if isinstance(op, (GetOp, SearchOp)) and op.refresh_ttl:
                    found: Any = result if isinstance(result, list) else [result]
                    touched.extend(item.key for item in found)
            return results

    store = by_depth(Watching(index=INDEX), Watching(index=INDEX))
    fill(store)
    for query in ("alpha", None):
        for refresh in (True, None, False):
            touched.clear()
            found = store.search((), query=query, limit=4, offset=40, refresh_ttl=refresh)
            returned = sorted(item.key for item in found)
            assert sorted(touched) == ([] if refresh is False else returned)


def test_coroutines_where_a_store_has_coroutines() -> None:
    aio = pytest.importorskip("langgraph.store.sqlite.aio")
    sqlite = pytest.importorskip("langgraph.store.sqlite")

    async def use() -> None:
        ttl = {"default_ttl": 0.0001}
        with sqlite.SqliteStore.from_conn_string(":memory:", ttl=ttl) as first:
            async with aio.AsyncSqliteStore.from_conn_string(":memory:", ttl=ttl) as second:
                store = by_depth(first, second)
                await store.setup()
                assert store.supports_ttl
                await store.aput(("u", "x"), "ttl", {}, ttl=0.0001)
                await store.adelete(("u", "x"), "ttl")
                await store.aput(("u",), "k", {})
                await store.aput(("u", "x"), "k", {})
                await asyncio.sleep(1.1)
                assert await store.sweep_ttl() == 2
                await store.start_ttl_sweeper(1)
                assert await store.stop_ttl_sweeper(5) is True

    asyncio.run(use())


# Hybrids that are wrong: each check above has one that it must catch


class PagesEachStore(HybridStore):
    """Hands limit and offset to each store and joins what comes."""

    def search(self, prefix: Any, /, *, limit: int = 10, offset: int = 0, **kwargs: Any) -> Any:
        parts = [s.search(prefix, limit=limit, offset=offset, **kwargs) for s in self.stores]
        return [item for part in parts for item in part][:limit]


class JoinsRankings(HybridStore):
    """Puts one store's ranking behind the other's."""

    def search(self, prefix: Any, /, *, limit: int = 10, offset: int = 0, **kwargs: Any) -> Any:
        parts = [s.search(prefix, limit=limit + offset, **kwargs) for s in self.stores]
        return [item for part in parts for item in part][offset : offset + limit]


class JoinsListings(HybridStore):
    """Truncates in each store and forgets to deduplicate."""

    def list_namespaces(self, **kwargs: Any) -> Any:
        return [ns for store in self.stores for ns in store.list_namespaces(**kwargs)]


class GroupsResults(HybridStore):
    """Gives the results store by store."""

    def batch(self, ops: Any) -> Any:
        ops = list(ops)
        if len(ops) == 1 or not all(isinstance(op, (GetOp, PutOp)) for op in ops):
            return super().batch(sorted(ops, key=lambda op: isinstance(op, GetOp)))
        return super().batch(ops)


class WritesInOrderOfRoutes(HybridStore):
    """Writes the first store first, whatever the second will say."""

    def batch(self, ops: Any) -> Any:
        return [HybridStore.batch(self, [op])[0] for op in ops]


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (PagesEachStore, lambda store: check_pages(store, None)),
        (PagesEachStore, lambda store: check_pages(store, "alpha")),
        (JoinsRankings, check_ranked),
        (JoinsListings, check_listing),
        (GroupsResults, check_batch),
        (WritesInOrderOfRoutes, check_failed_batch),
    ],
)
def test_a_broken_hybrid_is_caught(
    broken: type[HybridStore], check: Callable[[BaseStore], None]
) -> None:
    first = InMemoryStore() if check is check_failed_batch else InMemoryStore(index=INDEX)

    with pytest.raises((AssertionError, AttributeError)):
        check(by_depth(first, InMemoryStore(index=INDEX), broken))


def test_an_error_of_one_store_cuts_off_no_other() -> None:
    ended: list[str] = []

    class Refusing(InMemoryStore):
        async def abatch(self, ops: Any) -> Any:
            raise ValueError("a query vector of wrong size")

    class Slow(InMemoryStore):
        async def abatch(self, ops: Any) -> Any:
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                ended.append("cut off")
                raise
            ended.append("to its end")
            return await super().abatch(ops)

    async def use() -> None:
        store = HybridStore([Route(prefix=("u",), store=Refusing())], default=Slow())
        with pytest.raises(ValueError, match="wrong size"):
            await store.abatch([GetOp(("u",), "k"), GetOp(("other",), "k")])

    asyncio.run(use())
    assert ended == ["to its end"]
