"""
What is peculiar to the Chroma driver: small tenants of a big collection are compared one by one.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.base import PutOp

pytest.importorskip("chromadb", reason="chromadb is not installed")

from store_conformance.backends.vector import chroma as driver
from store_conformance.backends.vector.chroma import ChromaStore
from store_conformance.backends.vector.errors import EngineError
from tests.driver_checks import INDEX, WORDS

pytestmark = pytest.mark.slow

TENANTS = {"small": 4, "even": 6, "big": 15}


def _filled(path: Path) -> ChromaStore:
    store = ChromaStore.from_path(str(path), index=INDEX)
    draw = random.Random(5)
    for tenant, count in TENANTS.items():
        values = [
            {
                "text": " ".join(draw.choices(WORDS, k=3)),
                "more": draw.choices(WORDS, k=n % 2),
                "n": n,
            }
            for n in range(count)
        ]
        values += values[:1]  # equals
        store.batch([PutOp((tenant, "x"), f"k{n}", value) for n, value in enumerate(values)])
    return store


def _driver(store: ChromaStore) -> Any:
    """The store's driver with what is private to it."""
    return store._driver


def _answers(store: ChromaStore) -> list[Any]:
    asked: list[tuple[tuple[str, ...], dict[str, Any]]] = [
        ((tenant,), {"query": query, "limit": limit, "offset": offset, "filter": filter})
        for tenant in [*TENANTS, "nobody"]
        for query in ("alpha beta", "gamma")
        for limit, offset in ((1, 0), (3, 2), (50, 0))
        for filter in (None, {"n": {"$lt": 3}})
    ]
    pages = [store.search(prefix, **given) for prefix, given in asked]
    return [[(item.key, round(item.score or 0, 5)) for item in page] for page in pages]


def test_few_rows_below_a_prefix_are_compared_one_by_one_with_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _filled(tmp_path) as store:
        by_index = _answers(store)
        assert _driver(store)._crowded == set()
        monkeypatch.setattr(driver, "_MANY", 1)
        monkeypatch.setattr(driver, "_FEW", 10)
        assert _answers(store) == by_index
        assert len(_driver(store)._crowded) == 1  # "big"; the others have ten vectors at most
        assert any(page for page in by_index)


def test_the_index_is_not_asked_for_a_small_tenant_of_a_big_collection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _filled(tmp_path) as store:
        asked: list[int] = []
        collection = _driver(store)._collection
        query = collection.query

        def counted(self: object, **given: Any) -> Any:
            asked.append(1)
            return query(**given)

        monkeypatch.setattr(type(collection), "query", counted)
        store.search(("small",), query="alpha")
        assert len(asked) == 1  # control: the collection is small
        monkeypatch.setattr(driver, "_MANY", 1)
        store.search(("small",), query="alpha")
        assert len(asked) == 1
        monkeypatch.setattr(driver, "_FEW", 2)
        store.search(("big",), query="alpha")
        store.search(("big",), query="beta")
        assert len(asked) > 2


@pytest.mark.parametrize(("failures", "found"), [(2, True), (99, False)])
def test_a_search_that_meets_a_record_half_written_asks_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int, found: bool
) -> None:
    with _filled(tmp_path) as store:
        collection = _driver(store)._collection
        query = collection.query
        left = [failures]

        def disturbed(self: Any, **given: Any) -> Any:
            left[0] -= 1
            if left[0] >= 0:
                raise RuntimeError("Error executing plan: Internal error: Error finding id")
            return query(**given)

        monkeypatch.setattr(type(collection), "query", disturbed)
        if found:
            assert len(store.search(("small",), query="alpha", limit=3)) == 3
        else:
            with pytest.raises(EngineError, match="Error finding id"):
                store.search(("small",), query="alpha", limit=3)
