"""
Listing namespaces of an engine that cannot list them: the register, its sentinels, and what it costs.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from langgraph.store.base import MatchCondition, PutOp, TTLConfig
from langgraph.store.memory import InMemoryStore

from store_conformance.backends.vector.driver import Abilities, Limits
from store_conformance.backends.vector.listing import matches
from store_conformance.backends.vector.store import VectorStore
from tests.vector_memory_driver import MemoryDriver


@pytest.fixture
def driver() -> MemoryDriver:
    return MemoryDriver(abilities=Abilities(offset=True))


def _store(driver: MemoryDriver, ttl: TTLConfig | None = None) -> VectorStore:
    return VectorStore(driver, collection="c", ttl=ttl)


def _filled(driver: MemoryDriver, users: int = 300, each: int = 3) -> VectorStore:
    store = _store(driver)
    for user in range(users):
        ops = [PutOp(("users", f"{user:03}", "facts"), f"k{n}", {"n": n}) for n in range(each)]
        store.batch(ops)
    driver.calls.clear()
    return store


def test_no_item_is_read_for_namespaces_whose_sentinel_is_there(driver: MemoryDriver) -> None:
    with _filled(driver) as store:
        assert len(store.list_namespaces(limit=1000)) == 300
        # The register's only page, and the sentinels.
        assert driver.calls == ["scan", "heads"]


def test_a_page_looks_at_its_own_names_only(driver: MemoryDriver) -> None:
    driver.limits = Limits(ids_per_fetch=20)
    with _filled(driver) as store:
        assert store.list_namespaces(limit=2, offset=1) == [
            ("users", "001", "facts"),
            ("users", "002", "facts"),
        ]
        assert driver.calls.count("heads") == 1
        driver.calls.clear()
        assert store.list_namespaces(limit=10, max_depth=1) == [("users",)]
        assert driver.calls.count("heads") <= 1 + 300 // 20
        driver.calls.clear()
        assert len(store.list_namespaces(limit=10, max_depth=2)) == 10
        assert driver.calls.count("heads") == 1


def test_a_namespace_whose_sentinel_is_gone_is_looked_into(driver: MemoryDriver) -> None:
    with _filled(driver, users=4) as store:
        store.delete(("users", "001", "facts"), "k0")  # the sentinel; two others stay
        for key in ("k0", "k1", "k2"):
            store.delete(("users", "002", "facts"), key)
        driver.calls.clear()
        assert [name[1] for name in store.list_namespaces()] == ["000", "001", "003"]
        assert driver.calls == ["scan", "heads", "scan"]

        # The next put becomes the sentinel.
        store.put(("users", "001", "facts"), "k9", {})
        store.put(("users", "002", "facts"), "k9", {})
        driver.calls.clear()
        assert [name[1] for name in store.list_namespaces()] == ["000", "001", "002", "003"]
        assert driver.calls == ["scan", "heads"]


def test_many_empty_namespaces_below_one_name_are_looked_into_in_few_requests(
    driver: MemoryDriver,
) -> None:
    with _filled(driver, users=400, each=1) as store:
        for user in range(399):
            store.delete(("users", f"{user:03}", "facts"), "k0")
        driver.calls.clear()
        assert store.list_namespaces(max_depth=1) == [("users",)]
        assert driver.calls == ["scan", "heads", "heads"]  # the last one's sentinel is there
        store.delete(("users", "399", "facts"), "k0")
        driver.calls.clear()
        assert store.list_namespaces(max_depth=1) == []
        assert driver.calls.count("scan") == 1 + 400 // 50


def test_what_only_has_expired_items_is_not_listed_when_they_are_hidden(
    driver: MemoryDriver,
) -> None:
    with _store(driver, {"omit_expired": True, "refresh_on_read": False}) as store:
        store.put(("a", "gone"), "k", {}, ttl=-1)
        store.put(("a", "kept"), "k", {}, ttl=5)
        store.put(("a", "mixed"), "k", {}, ttl=-1)
        store.put(("a", "mixed"), "other", {})
        assert store.list_namespaces() == [("a", "kept"), ("a", "mixed")]
        assert store.sweep_ttl() == 2
        assert store.list_namespaces() == [("a", "kept"), ("a", "mixed")]


def test_a_register_of_earlier_rows_without_sentineles_is_read_too(driver: MemoryDriver) -> None:
    with _filled(driver, users=3) as store:
        for id, row in list(driver.rows.items()):
            if row.kind == "namespace":
                driver.rows[id] = replace(row, head="")
        store.delete(("users", "001", "facts"), "k0")
        assert len(store.list_namespaces()) == 3


@pytest.mark.parametrize("seed", range(20))
def test_any_listing_is_that_of_the_reference(driver: MemoryDriver, seed: int) -> None:
    draw = random.Random(seed)
    driver.limits = Limits(
        ids_per_fetch=draw.choice([1, 3, 1000]), rows_per_page=draw.choice([2, 50])
    )
    theirs = InMemoryStore()
    stores = [_store(driver), _store(driver)]  # two processes, each with its own memory
    labels = "abc"
    for _ in range(120):
        namespace = tuple(draw.choice(labels) for _ in range(draw.randint(1, 3)))
        key = draw.choice("xyz")
        mine = draw.choice(stores)
        if draw.random() < 0.6:
            mine.put(namespace, key, {})
            theirs.put(namespace, key, {})
        else:
            mine.delete(namespace, key)
            theirs.delete(namespace, key)
        if draw.random() < 0.3:
            given: dict[str, Any] = {
                "max_depth": draw.choice([None, 1, 2, 3]),
                "prefix": draw.choice([None, (draw.choice(labels),), ("*", draw.choice(labels))]),
                "suffix": draw.choice([None, (draw.choice(labels),)]),
                "limit": 1000,
            }
            # InMemoryStore lists namespaces whose items were all deleted: they are left out here.
            filled = {i.namespace for i in theirs.search((), limit=1000)}
            listed = mine.list_namespaces(**given)
            depth = given["max_depth"]
            conditions = []
            if given["prefix"]:
                conditions.append(MatchCondition("prefix", given["prefix"]))
            if given["suffix"]:
                conditions.append(MatchCondition("suffix", given["suffix"]))
            wanted = sorted({n[:depth] for n in filled if all(matches(c, n) for c in conditions)})
            assert listed == wanted
            cut = draw.randint(0, 4)
            page = mine.list_namespaces(**{**given, "limit": 2, "offset": cut})
            assert page == wanted[cut : cut + 2]
    for one in stores:
        one.close()
