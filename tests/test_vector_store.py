"""
The store over vector databases: against the reference store, and on real Qdrant and Chroma.

The dict driver shows what the store does where an engine can do little; the engines show that the
drivers say the same.
"""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from langgraph.store.base import (
    BaseStore,
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    SearchOp,
)

from store_conformance.backends import registry
from store_conformance.backends.base import Deployment
from store_conformance.backends.vector import encoding
from store_conformance.backends.vector.backend import VectorBackend
from store_conformance.backends.vector.driver import OVERFLOW, Abilities, Limits
from store_conformance.backends.vector.errors import (
    DimensionMismatchError,
    EngineError,
    ForeignCollectionError,
    LimitExceededError,
)
from store_conformance.backends.vector.filters import compile_filter
from store_conformance.backends.vector.store import VectorStore
from store_conformance.contract.secrets import one_line
from store_conformance.mutants.reference import ReferenceStore
from tests import driver_checks
from tests.vector_memory_driver import MemoryDriver

pytestmark = pytest.mark.slow

DIMS = 12
Open = Callable[..., AbstractContextManager[VectorStore]]


def embed(texts: list[str]) -> list[list[float]]:
    """Directions that depend on the text alone."""
    return [[random.Random(f"{text}/{i}").gauss(0, 1) for i in range(DIMS)] for text in texts]


INDEX: Any = {"dims": DIMS, "embed": embed, "fields": ["text", "tags[*]"]}
WEAK = Abilities(offset=False, namespaces=False, pushes=frozenset())
TIGHT = Limits(rows_per_write=3, ids_per_fetch=4, rows_per_page=5)


def _dict_store(**abilities: Any) -> Callable[[Path], Open]:
    def at(path: Path) -> Open:
        rows: dict[str, Any] = {}

        def open_store(**config: Any) -> VectorStore:
            return VectorStore(MemoryDriver(rows, **abilities), collection="c", **config)

        return open_store

    return at


def _qdrant(path: Path) -> Open:
    from store_conformance.backends.vector.qdrant import QdrantStore

    return lambda **config: QdrantStore.from_path(str(path / "qdrant"), **config)


def _chroma(path: Path) -> Open:
    from store_conformance.backends.vector.chroma import ChromaStore

    return lambda **config: ChromaStore.from_path(str(path / "chroma"), **config)


def _edge(path: Path) -> Open:
    from store_conformance.backends.vector.qdrant_edge import QdrantEdgeStore

    return lambda **config: QdrantEdgeStore.from_path(str(path / "edge"), **config)


def _server(kind: str) -> Callable[[Path], Open]:
    """A collection of its own on a server that all tests of this process share."""

    def at(path: Path) -> Open:
        backend = _running(kind)
        location = backend.location()
        return lambda **config: backend.store(location, config.get("index"), config.get("ttl"))

    return at


_alive: list[VectorBackend] = []


@functools.cache
def _running(kind: str) -> VectorBackend:
    backend: Any = registry.create(kind, deployment=Deployment.PROCESS)
    backend.start()
    _alive.append(backend)
    return backend  # type: ignore[no-any-return]


def _needs_server(kind: str) -> pytest.MarkDecorator:
    if importlib.util.find_spec({"qdrant": "qdrant_client", "chroma": "chromadb"}[kind]) is None:
        return pytest.mark.skip(reason=f"the client of {kind} is not installed")
    found = registry.create(kind, deployment=Deployment.PROCESS).availability()
    return pytest.mark.skipif(not found.ok, reason=f"{found.detail}; {found.how_to_get}")


@pytest.fixture(scope="session", autouse=True)
def _stop_servers() -> Iterator[None]:
    yield
    for backend in _alive:
        backend.stop()


def _needs(module: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(module) is None
    return pytest.mark.skipif(missing, reason=f"{module} is not installed")


ENGINES = [
    pytest.param(_dict_store(), id="dict"),
    pytest.param(_dict_store(abilities=WEAK, limits=TIGHT), id="weak-dict"),
    pytest.param(_qdrant, id="qdrant-local", marks=_needs("qdrant_client")),
    pytest.param(_edge, id="qdrant-edge", marks=_needs("qdrant_edge")),
    pytest.param(_chroma, id="chroma-embedded", marks=_needs("chromadb")),
    pytest.param(_server("qdrant"), id="qdrant-server", marks=_needs_server("qdrant")),
    pytest.param(_server("chroma"), id="chroma-server", marks=_needs_server("chroma")),
]


@pytest.fixture(params=ENGINES)
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    made: Open = request.param(tmp_path)
    return made


@pytest.fixture
def store(opener: Open) -> Iterator[VectorStore]:
    with opener(index=INDEX, ttl={"default_ttl": None}) as opened:
        yield opened


def keys(found: Any) -> list[str]:
    return [item.key for item in found]


def test_the_vectors_of_items_come_back(opener: Open) -> None:
    driver_checks.vectors_come_back(opener)


# -- the same answers as the reference ------------------------------------------------------------

LABELS = ["a", "b", "A", "a ", "ab", "*", "é", "e\u0301", "a/b", "\n"]
WORDS = ["red", "green", "blue", "Ω", "", "100%"]
SCALARS: list[Any] = [
    0, 1, 1.0, -1, 2.5, True, False, None, "", "a", "b", "10", 9, 2**63, 2**53 + 1, 1e16, [],
    [1, True], {}, {"x": 1}, {"x": None}, [{"y": 1}],
]  # fmt: skip


def _value(rng: random.Random) -> dict[str, Any]:
    value: dict[str, Any] = {
        name: rng.choice(SCALARS) for name in rng.sample("fgh", rng.randrange(4))
    }
    if rng.random() < 0.7:
        value["text"] = rng.choice(WORDS)
    if rng.random() < 0.3:
        value["tags"] = rng.choices(WORDS, k=rng.randrange(4))
    if rng.random() < 0.05:
        value |= {f"many{n}": n for n in range(encoding.MAX_TOKENS + 5)}
    return value


def _namespace(rng: random.Random, shortest: int = 1) -> tuple[str, ...]:
    return tuple(rng.choices(LABELS, k=rng.randrange(shortest, 4)))


def _filter(rng: random.Random) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    for name in rng.sample("fgh", rng.choice([0, 0, 1, 1, 2])):
        operator = rng.choice(["", "$eq", "$ne", "$gt", "$gte", "$lt", "$lte"])
        operand = rng.choice(SCALARS)
        found[name] = {operator: operand} if operator else operand
    return found or None


def _op(rng: random.Random) -> Any:
    kind = rng.random()
    key = rng.choice("klmn")
    if kind < 0.45:
        value = _value(rng) if rng.random() < 0.8 else None
        index: Any = rng.choice([None, None, None, False, ["text"], ["$"]])
        return PutOp(_namespace(rng), key, value, index=index)
    if kind < 0.6:
        return GetOp(_namespace(rng), key)
    if kind < 0.85:
        query = rng.choice([None, None, "red", "Ω"])
        limit = 1000 if query is None else rng.randrange(5)
        offset = 0 if query is None else rng.randrange(4)
        return SearchOp(_namespace(rng, 0)[:2], _filter(rng), limit, offset, query)
    conditions = tuple(
        MatchCondition(rng.choice(["prefix", "suffix"]), _namespace(rng))
        for _ in range(rng.randrange(3))
    )
    depth = rng.choice([None, 1, 2])
    return ListNamespacesOp(conditions, depth, rng.choice([2, 100]), rng.randrange(3))


def _shown(result: Any, op: Any) -> Any:
    if isinstance(op, SearchOp):
        rows = [(r.namespace, r.key, repr(r.value), r.score) for r in result]
        if op.query is None:
            return sorted(rows)
        # Engines keep vectors in single precision, and ties have no order.
        return [round(row[3], 4) for row in rows]
    if isinstance(op, GetOp):
        return result and (result.namespace, result.key, repr(result.value))
    return result


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_operations_answer_as_the_reference_does(
    store: VectorStore, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    at = SimpleNamespace(path=tmp_path)

    with ReferenceStore.open_store(at, index=INDEX) as reference:
        for _ in range(60):
            ops = [_op(rng) for _ in range(rng.randrange(1, 12))]
            expected, got = reference.batch(ops), store.batch(ops)
            for op, wanted, found in zip(ops, expected, got, strict=True):
                assert _shown(found, op) == _shown(wanted, op), op


def test_paging_shows_every_item_once(store: VectorStore) -> None:
    store.batch([PutOp(("p", str(n % 3)), f"k{n}", {"text": f"t{n}", "n": n}) for n in range(130)])

    for query in (None, "t7"):
        for filter, count in ((None, 130), ({"n": {"$gte": 65}}, 65)):
            seen: list[str] = []
            for offset in range(0, 140, 17):
                seen += keys(
                    store.search(("p",), query=query, filter=filter, limit=17, offset=offset)
                )
            assert len(seen) == len(set(seen)) == count
    assert len(store.search(("p",), limit=1000)) == 130


def test_pages_of_equally_near_items_neither_repeat_nor_miss(store: VectorStore) -> None:
    store.batch([PutOp(("p",), f"k{n}", {"text": "same"}) for n in range(40)])

    seen = [
        k
        for o in range(0, 45, 7)
        for k in keys(store.search(("p",), query="same", limit=7, offset=o))
    ]

    assert sorted(seen) == sorted(f"k{n}" for n in range(40))


# -- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        {"b": 1, "a": [1.0, -0.0, 1e16, 5e-324, 2**80, None, True, "\x00\n\ud800 \U0001f600"]},
        {"": {"": {}}, "$x": [], "a.b": {"c d": [[]]}},
        {"deep": [[[[[[[[[[{"x": 1}]]]]]]]]]]},
    ],
)
def test_values_come_back_exactly(store: VectorStore, value: dict[str, Any]) -> None:
    store.put(("v",), "\x00 k\ud800", value)

    item = store.get(("v",), "\x00 k\ud800")

    assert item is not None
    assert repr(item.value) == repr(value)
    assert item.key == "\x00 k\ud800"


@pytest.mark.parametrize(
    "bad",
    [
        float("nan"), float("inf"), b"x", {1}, {1: 2}, object(), "\ud83d\ude00", timedelta(1),
        10**5000,
    ],
    ids=lambda bad: type(bad).__name__,
)  # fmt: skip
def test_what_json_would_alter_is_refused_before_anything_is_written(
    store: VectorStore, bad: Any
) -> None:
    with pytest.raises(ValueError):
        store.batch([PutOp(("v",), "good", {"x": 1}), PutOp(("v",), "bad", {"x": [bad]})])

    assert store.search(("v",)) == []


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"x": inner}])
def test_deep_nesting_takes_no_time(store: VectorStore, wrap: Callable[[Any], Any]) -> None:
    value: Any = 1
    for _ in range(200):
        value = wrap(value)

    began = time.perf_counter()
    store.put(("v",), "k", {"deep": value})

    assert store.get(("v",), "k").value == {"deep": value}  # type: ignore[union-attr]
    assert time.perf_counter() - began < 2
    assert keys(store.search(("v",), filter={"deep": value})) == ["k"]


def test_a_value_nested_beyond_the_interpreter_is_refused(store: VectorStore) -> None:
    value: dict[str, Any] = {}
    value["self"] = value

    with pytest.raises(ValueError, match="nested"):
        store.put(("v",), "k", value)


def test_returned_values_belong_to_the_caller(store: VectorStore) -> None:
    mine = {"x": [1]}
    store.put(("v",), "k", mine)
    mine["x"].append(2)
    first, second = store.batch([GetOp(("v",), "k"), GetOp(("v",), "k")])
    first.value["x"].append(3)  # type: ignore[union-attr]

    assert second.value == {"x": [1]}  # type: ignore[union-attr]
    assert store.get(("v",), "k").value == {"x": [1]}  # type: ignore[union-attr]


def test_lone_surrogates_and_the_character_they_would_make_are_two_keys() -> None:
    pair, joined = "\ud83d\ude00", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")

    assert encoding.item_id(("a",), pair) != encoding.item_id(("a",), joined)
    assert encoding.from_space(encoding.to_space((pair, "x"))) == (pair, "x")


# -- namespaces -----------------------------------------------------------------------------------


def test_bad_namespaces_are_refused(store: VectorStore) -> None:
    for bad in [(), "abc", ("a.b",), ("",), (1,), ("a\x00",), ("langgraph",)]:
        with pytest.raises(InvalidNamespaceError):
            store.put(bad, "k", {})  # type: ignore[arg-type]
    text: Any = "abc"
    wrong: list[Op] = [GetOp(text, "k"), SearchOp(text), PutOp(("a.b",), "k", {})]
    for op in wrong:
        with pytest.raises(InvalidNamespaceError):
            store.batch([op])


def test_a_namespace_without_items_is_not_listed(store: VectorStore) -> None:
    store.put(("n", "1"), "k", {})
    store.put(("n", "2"), "k", {})
    store.delete(("n", "1"), "k")

    assert store.list_namespaces(prefix=("n",)) == [("n", "2")]
    store.put(("n", "1"), "k", {})
    assert store.list_namespaces(prefix=("n",), limit=1, offset=1) == [("n", "2")]


# -- writes ---------------------------------------------------------------------------------------


def test_overwrites_keep_created_at_and_advance_updated_at(store: VectorStore) -> None:
    stamps = []
    for _ in range(5):
        store.put(("t",), "k", {"x": 1})
        item = store.get(("t",), "k")
        assert item is not None
        stamps.append((item.created_at, item.updated_at))
    store.delete(("t",), "k")
    store.put(("t",), "k", {"x": 1})

    assert len({created for created, _ in stamps}) == 1
    assert sorted({updated for _, updated in stamps}) == [updated for _, updated in stamps]
    assert store.get(("t",), "k").created_at > stamps[-1][1]  # type: ignore[union-attr]


def test_the_last_write_of_a_key_wins_and_reads_see_the_state_before(store: VectorStore) -> None:
    store.put(("t",), "k", {"x": 0})

    got = store.batch(
        [
            PutOp(("t",), "k", {"x": 1}),
            GetOp(("t",), "k"),
            PutOp(("t",), "k", None),
            PutOp(("t",), "k", {"x": 2}),
            PutOp(("t",), "gone", {"x": 2}),
            PutOp(("t",), "gone", None),
        ]
    )

    assert got[1].value == {"x": 0}  # type: ignore[union-attr]
    assert keys(store.search(("t",))) == ["k"]
    assert store.get(("t",), "k").value == {"x": 2}  # type: ignore[union-attr]


def test_an_overwrite_forgets_the_old_vectors(store: VectorStore) -> None:
    store.put(("t",), "k", {"text": "red", "tags": ["green", "blue"]})
    assert store.search(("t",), query="blue")[0].score == pytest.approx(1, abs=1e-4)
    store.put(("t",), "k", {"text": "red", "tags": ["green"]})
    assert store.search(("t",), query="blue")[0].score < 0.9  # type: ignore[operator]
    assert keys(store.search(("t",), query="blue", limit=5)) == ["k"]
    store.put(("t",), "k", {"text": "red"}, index=False)

    assert store.search(("t",), query="red") == []
    assert keys(store.search(("t",))) == ["k"]


def test_nothing_of_a_deleted_item_stays(tmp_path: Path) -> None:
    rows: dict[str, Any] = {}
    with VectorStore(MemoryDriver(rows), collection="c", index=INDEX) as store:
        store.put(("t",), "k", {"text": "red", "tags": ["a", "b", "c"]})
        assert len(rows) == 4
        store.delete(("t",), "k")

    assert rows == {}


def test_a_batch_of_puts_goes_out_in_few_requests() -> None:
    driver = MemoryDriver()
    with VectorStore(driver, collection="c", index=INDEX) as store:
        store.batch([PutOp(("t",), str(n), {"text": str(n)}) for n in range(1000)])

    assert driver.calls == ["heads", "upsert", "close"]


def test_what_the_engine_cannot_hold_is_refused_by_name() -> None:
    driver = MemoryDriver(limits=Limits(bytes_per_row=5000))
    with VectorStore(driver, collection="c") as store:
        with pytest.raises(LimitExceededError, match=r"Memory: bytes of one item .* 5,000"):
            store.batch([PutOp(("t",), "a", {}), PutOp(("t",), "k", {"x": "y" * 6000})])

    assert driver.rows == {}


def test_a_failing_embedder_stores_nothing(opener: Open) -> None:
    def bad(texts: list[str]) -> list[list[float]]:
        if "short" in texts:
            return [[1.0] * 3 for _ in texts]
        if "few" in texts:
            return []
        raise RuntimeError("no embedding today")

    with opener(index={**INDEX, "embed": bad}) as store:
        for text in ("short", "few", "raises"):
            with pytest.raises((ValueError, RuntimeError)):
                store.batch([PutOp(("t",), "a", {}), PutOp(("t",), "k", {"text": text})])
        assert store.search(()) == []


# -- filters --------------------------------------------------------------------------------------


def test_unknown_operators_are_refused_and_top_level_names_are_fields(store: VectorStore) -> None:
    store.put(("t",), "k", {"$x": 1})

    with pytest.raises(ValueError, match=r"\$in"):
        store.search(("t",), filter={"x": {"$in": [1]}})
    assert keys(store.search(("t",), filter={"$x": 1})) == ["k"]


def test_a_value_with_too_many_fields_is_still_found(store: VectorStore) -> None:
    many = {f"f{n}": n for n in range(1000)}
    assert OVERFLOW in encoding.index_fields(many).tokens
    store.put(("t",), "k", many)

    for filter in ({"f999": 999}, {"f999": {"$gt": 998}}, {"f999": {"$ne": 1}}):
        assert keys(store.search(("t",), filter=filter)) == ["k"]
    assert store.search(("t",), filter={"f999": {"$gt": 999}}) == []


def test_numbers_beyond_double_precision_are_compared_exactly(store: VectorStore) -> None:
    store.batch([PutOp(("t",), str(n), {"n": 2**53 + n}) for n in range(3)])

    assert keys(store.search(("t",), filter={"n": 2**53 + 1})) == ["1"]
    assert keys(store.search(("t",), filter={"n": {"$gt": 2**53 + 1}})) == ["2"]


@pytest.mark.parametrize("odd", [{1: 2}, {"x": {1}}, {"x": {"$gt": None}}, {"x": {"a": {2: 3}}}])
def test_odd_filters_match_nothing_and_raise_nothing_foreign(odd: dict[Any, Any]) -> None:
    assert not compile_filter(odd).matches({"x": 5})


# -- expiry ---------------------------------------------------------------------------------------


def test_expired_items_are_swept_with_their_vectors(opener: Open) -> None:
    with opener(index=INDEX, ttl={"default_ttl": 5}) as store:
        store.put(("t",), "short", {"text": "red", "tags": ["blue"]}, ttl=0.001)
        store.put(("t",), "long", {"text": "red"})
        store.put(("t",), "ever", {"text": "red"}, ttl=None)
        time.sleep(0.1)
        assert sorted(keys(store.search(("t",)))) == ["ever", "long", "short"]

        assert store.sweep_ttl() == 1
        assert store.sweep_ttl() == 0
        assert sorted(keys(store.search(("t",), query="blue"))) == ["ever", "long"]


def test_omit_expired_hides_and_reads_refresh(opener: Open) -> None:
    with opener(index=INDEX, ttl={"omit_expired": True}) as store:
        store.put(("gone",), "k", {"text": "red", "tags": ["blue"]}, ttl=-1)
        assert store.get(("gone",), "k") is None
        assert store.search(("gone",)) == store.search(("gone",), query="blue") == []
        assert store.list_namespaces() == []

        # Read again and again it outlives its 0.9 s; not refreshed, it does not.
        for key in ("kept", "left"):
            store.put(("t",), key, {"text": "red"}, ttl=0.015)
        for _ in range(4):
            time.sleep(0.3)
            assert store.get(("t",), "kept") is not None
            store.search(("t",), filter={"text": "red"}, refresh_ttl=False)
        assert store.get(("t",), "left") is None


def test_the_sweeper_runs_between_start_and_stop(opener: Open) -> None:
    with opener(ttl={"sweep_interval_minutes": 0.002}) as store:
        store.put(("t",), "k", {}, ttl=0)
        assert store.stop_ttl_sweeper() is True
        time.sleep(0.2)
        assert store.get(("t",), "k", refresh_ttl=False) is not None
        future = store.start_ttl_sweeper()
        assert store.start_ttl_sweeper() is future
        deadline = time.monotonic() + 5
        while store.get(("t",), "k", refresh_ttl=False) and time.monotonic() < deadline:
            time.sleep(0.02)

        assert store.get(("t",), "k") is None
        assert store.stop_ttl_sweeper(5) is True
        assert future.done()


# -- reopening ------------------------------------------------------------------------------------


def test_vectors_survive_and_an_index_can_be_added_later(opener: Open) -> None:
    with opener() as store:
        store.put(("t",), "old", {"text": "red"})
    with opener(index=INDEX) as store:
        assert store.get(("t",), "old").value == {"text": "red"}  # type: ignore[union-attr]
        store.put(("t",), "new", {"text": "red"})
    with opener() as store:
        assert sorted(keys(store.search(("t",), query="red"))) == ["new", "old"]
    with opener(index=INDEX) as store:
        assert keys(store.search(("t",), query="red")) == ["new"]


@pytest.mark.parametrize("engine", ENGINES[2:])
def test_other_dimensions_are_refused_where_vectors_are_needed(
    engine: Callable[[Path], Open], tmp_path: Path
) -> None:
    opener = engine(tmp_path)
    with opener(index=INDEX) as store:
        store.put(("t",), "k", {"text": "red"})
    other = {**INDEX, "dims": 3, "embed": lambda texts: [[1.0, 2.0, 3.0] for _ in texts]}
    with opener(index=other) as store:
        assert keys(store.search(("t",))) == ["k"]
        with pytest.raises(DimensionMismatchError, match=r"12 dimensions.* says 3"):
            store.put(("t",), "k", {"text": "blue"})
        with pytest.raises(DimensionMismatchError):
            store.search(("t",), query="red")
        store.put(("t",), "plain", {"text": "blue"}, index=False)


def test_a_closed_store_says_so(opener: Open) -> None:
    with opener() as store:
        store.put(("t",), "k", {})

    with pytest.raises(EngineError, match="closed"):
        store.get(("t",), "k")


@_needs("qdrant_client")
def test_a_foreign_qdrant_collection_is_left_alone(tmp_path: Path) -> None:
    from qdrant_client import QdrantClient, models

    client = QdrantClient(path=str(tmp_path / "qdrant"))
    client.create_collection(
        "langgraph_store", models.VectorParams(size=3, distance=models.Distance.DOT)
    )
    client.close()

    with pytest.raises(ForeignCollectionError, match="langgraph_store"):
        _qdrant(tmp_path)().__enter__()


@_needs("chromadb")
def test_a_foreign_chroma_collection_is_left_alone(tmp_path: Path) -> None:
    import chromadb
    from chromadb.config import Settings

    client = chromadb.PersistentClient(
        str(tmp_path / "chroma"), settings=Settings(anonymized_telemetry=False)
    )
    client.create_collection("langgraph_store", embedding_function=None)
    client.close()

    with pytest.raises(ForeignCollectionError, match="langgraph_store"):
        _chroma(tmp_path)().__enter__()


@_needs("chromadb")
def test_a_chroma_collection_of_an_older_layout_is_left_alone(tmp_path: Path) -> None:
    import chromadb
    from chromadb.config import Settings

    client = chromadb.PersistentClient(
        str(tmp_path / "chroma"), settings=Settings(anonymized_telemetry=False)
    )
    client.create_collection(
        "langgraph_store",
        metadata={"made_by": "langgraph-vector-store", "layout": 1, "dims": 0},
        embedding_function=None,
    )
    client.close()

    with pytest.raises(ForeignCollectionError, match="layout 1, not 2"):
        _chroma(tmp_path)().__enter__()


@_needs("qdrant_client")
def test_an_absent_server_is_told_without_the_key() -> None:
    from store_conformance.backends.vector.qdrant import QdrantStore

    store = QdrantStore.from_url("http://127.0.0.1:9", api_key="s3cr3t")
    with closing(store), pytest.raises(EngineError) as caught:
        store.get(("a",), "k")
    assert "s3cr3t" not in str(caught.value)
    assert "Hint" in str(caught.value)


@_needs("chromadb")
def test_an_absent_chroma_server_is_told() -> None:
    from store_conformance.backends.vector.chroma import ChromaStore

    store = ChromaStore.from_url("http://127.0.0.1:9")
    with pytest.raises(EngineError, match="Chroma: could not open"), store:
        pass
    with pytest.raises(EngineError, match="the store is closed"):
        store.setup()


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=_needs_server(kind)) for kind in ("qdrant", "chroma")],
)
def test_an_engine_that_went_away_is_told_and_used_again_when_it_is_back(kind: str) -> None:
    backend: Any = registry.create(kind, deployment=Deployment.PROCESS)
    try:
        with backend.open(backend.location(), INDEX, None, "sync") as store:
            store.put(("t",), "k", {"text": "red"})
            backend.engine().kill()
            with pytest.raises(EngineError) as caught:
                store.put(("t",), "k", {"text": "blue"})
            assert backend.key is None or backend.key not in str(caught.value)
            backend.engine().start()

            assert store.get(("t",), "k").value == {"text": "red"}
            store.put(("t",), "k", {"text": "green"})
            assert store.search(("t",), query="green")[0].score == pytest.approx(1, abs=1e-4)
    finally:
        backend.stop()


def test_error_texts_are_cleaned() -> None:
    told = one_line(
        "GET http://me:pa55@host/x api_key=abc\nBearer xyz; failed for tok3n", ["tok3n"]
    )

    assert not any(secret in told for secret in ("pa55", "abc", "xyz", "tok3n"))


# -- async, threads, cancellation -----------------------------------------------------------------


class SlowFirst:
    """An async embedder whose first call takes longest."""

    def __init__(self) -> None:
        self.calls = 0

    async def __call__(self, texts: list[str]) -> list[list[float]]:
        self.calls += 1
        await asyncio.sleep(0.3 / self.calls)
        return embed(texts)


def test_same_key_writes_end_with_the_last_issued(opener: Open) -> None:
    async def run() -> Any:
        async with opener(index={**INDEX, "embed": SlowFirst()}) as store:  # type: ignore[attr-defined]
            await asyncio.gather(*(store.aput(("t",), "k", {"text": f"v{n}"}) for n in range(6)))
            return await store.aget(("t",), "k")

    assert asyncio.run(run()).value == {"text": "v5"}


def test_a_put_cancelled_while_it_is_embedded_is_not_executed(opener: Open) -> None:
    async def run() -> Any:
        async with opener(index={**INDEX, "embed": SlowFirst()}) as store:  # type: ignore[attr-defined]
            task = asyncio.create_task(store.aput(("t",), "k", {"text": "x"}))
            await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await store.aput(("t",), "other", {"text": "y"})
            return await store.aget(("t",), "k"), await store.aget(("t",), "other")

    cancelled, other = asyncio.run(run())
    assert cancelled is None
    assert other is not None


def test_one_callers_error_is_its_own(store: VectorStore) -> None:
    async def run() -> tuple[Any, ...]:
        return await asyncio.gather(
            store.aput(("t",), "a", {"x": 1}),
            store.aput(("t",), "b", {"x": object()}),
            store.aput(("t",), 7, {"x": 3}),  # type: ignore[arg-type]
            return_exceptions=True,
        )

    results = asyncio.run(run())

    assert results[0] is None
    assert isinstance(results[1], ValueError)
    assert sorted(keys(store.search(("t",)))) == ["7", "a"]


def test_threads_lose_nothing(store: VectorStore) -> None:
    errors: list[Exception] = []

    def work(name: int) -> None:
        try:
            for n in range(10):
                store.put(("t", str(name)), f"k{n}", {"text": "red", "n": n})
                store.search(("t",), query="red", limit=3)
                store.list_namespaces()
        except Exception as error:  # noqa: BLE001  (whatever it is, it is the finding)
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert len(store.search(("t",), limit=100)) == 40


def test_it_is_a_base_store(store: VectorStore) -> None:
    assert isinstance(store, BaseStore)
    assert store.supports_ttl
