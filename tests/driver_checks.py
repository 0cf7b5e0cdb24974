"""
What a driver owes the store, checked through the store: the same for every engine.

Not the contract of a store (the suite has that): these look where a thin driver goes wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import pytest
from langchain_core.embeddings import Embeddings
from langgraph.store.base import BaseStore, PutOp

from store_conformance.backends.vector.chroma_rows import cosines
from store_conformance.backends.vector.errors import DimensionMismatchError

Open = Callable[..., AbstractContextManager[Any]]
"""Opens the same place again: ``open(index=..., ttl=...)``."""

WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta")


class Counts(Embeddings):
    """An embedder without a model: how often each word is in the text."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[float(text.split().count(word)) for word in WORDS] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


INDEX: Any = {"dims": len(WORDS), "embed": Counts(), "fields": ["text", "more[*]"]}


def keys(found: list[Any]) -> list[str]:
    return [item.key for item in found]


def values_come_back(open: Open) -> None:
    """Texts, numbers and shapes exactly as they were put, also after reopening."""
    value = {
        "text": "x' \"%_\\\n\té 🎉 \x00 \ud800",
        "ints": [0, -1, 2**63, 10**30],
        "floats": [0.1, -0.0, 1e16, 5e-324, 1.7976931348623157e308],
        "mixed": [None, True, {}, [], {"": {"a.b": {"$c": " "}}}],
    }
    names = ["", " ", " k", "k ", "K", "k", "é", "e\u0301", "a/b", "x" * 3000, "\x00"]
    spaces = [("s",), ("S",), ("s ",), ("s", "t"), ("s/t",), ("*", "%"), ("\t",), ("é",)]
    with open(index=INDEX) as store:
        store.batch([PutOp(("s",), name, {"name": name, **value}) for name in names])
        store.batch([PutOp(space, "k2", {"space": list(space)}) for space in spaces])
    with open() as store:
        for name in names:
            item = store.get(("s",), name)
            assert item.key == name and item.value == {"name": name, **value}
            assert [repr(f) for f in item.value["floats"]] == [repr(f) for f in value["floats"]]
        for space in spaces:
            assert store.get(space, "k2").value == {"space": list(space)}
        assert store.list_namespaces() == sorted(spaces)
        assert len(store.search(("s",), limit=100)) == len(names) + 2


def searches_are_exact(open: Open) -> None:
    """Prefixes, filters and pages, with and without a query."""
    with open(index=INDEX) as store:
        store.batch(
            [
                PutOp(
                    ("u", str(n % 3)),
                    f"k{n}",
                    {
                        "text": " ".join([WORDS[n % 8]] * (n % 5 + 1) + ["theta"]),
                        "n": n,
                        "x": n / 4,
                        "even": n % 2 == 0,
                        "o": {"p": [n % 2, "é"]},
                    },
                )
                for n in range(120)
            ]
        )
        store.put(("v", "0"), "other", {"text": "alpha alpha alpha", "n": 1})
        store.put(("u", "0"), "plain", {"text": "alpha", "n": 1000}, index=False)

        assert len(store.search(("u",), limit=1000)) == 121
        assert len(store.search(("u", "0"), limit=1000)) == 41
        assert store.search(("uu",)) == []
        cases: list[tuple[dict[str, Any], int]] = [
            ({"n": 5}, 1),
            ({"n": 5.0}, 1),
            ({"x": 0.25}, 1),
            ({"even": True}, 60),
            ({"even": 1}, 0),
            ({"even": {"$ne": True}, "n": {"$lt": 10}}, 5),
            ({"n": {"$gte": 9, "$lt": 100}}, 91),
            ({"n": {"$gt": 99}}, 21),
            ({"o": {"p": [1, "é"]}}, 60),
            ({"text": {"$gt": "z"}}, 15),
            ({"missing": 1}, 0),
        ]
        for given, count in cases:
            assert len(store.search(("u",), filter=given, limit=1000)) == count, given
        walked = [
            name
            for offset in range(0, 140, 7)
            for name in keys(store.search(("u",), limit=7, offset=offset))
        ]
        assert sorted(walked) == sorted(set(walked)) and len(walked) == 121

        found = store.search(("u",), query="alpha alpha", limit=3)
        assert found[0].value["text"].startswith("alpha")
        scores = [item.score for item in store.search((), query="alpha", limit=1000)]
        assert scores == sorted(scores, reverse=True) and len(scores) == 121
        assert max(scores) == pytest.approx(1.0, abs=1e-5)
        ranked = keys(store.search(("u",), query="beta gamma", limit=1000))
        paged = [
            name
            for offset in range(0, 130, 30)
            for name in keys(store.search(("u",), query="beta gamma", limit=30, offset=offset))
        ]
        assert sorted(paged) == sorted(ranked) and "plain" not in ranked and len(ranked) == 120
        near = store.search(("u",), query="beta", filter={"n": {"$gte": 118}}, limit=5)
        assert sorted(keys(near)) == ["k118", "k119"]


def writes_replace_and_delete(open: Open) -> None:
    """Nothing of an old value stays: not its fields, not its vectors."""
    with open(index=INDEX) as store:
        store.put(("a",), "k", {"text": "alpha", "more": ["beta", "gamma"], "old": 1})
        first = store.get(("a",), "k")
        assert keys(store.search(("a",), query="gamma")) == ["k"]
        store.put(("a",), "k", {"text": "delta", "new": "x"})
        second = store.get(("a",), "k")
        assert second.created_at == first.created_at and second.updated_at > first.updated_at
        assert store.search(("a",), filter={"old": 1}) == []
        assert store.search(("a",), query="gamma")[0].score == pytest.approx(0.0, abs=1e-5)
        store.put(("a",), "k", {"text": "alpha"}, index=False)
        assert store.search(("a",), query="alpha") == []
        store.delete(("a",), "k")
        store.delete(("a",), "never")
        assert store.get(("a",), "k") is None and store.list_namespaces() == []


def vectors_come_back(open: Open) -> None:
    """Each item's own, in the order of its texts; none of what is not indexed or was overwritten."""
    two, one, none = (("a",), "two"), (("a",), "one"), (("b",), "none")
    with open(index=INDEX) as store:
        store.put(*two, {"text": "alpha beta", "more": ["gamma", "gamma", "delta"]})
        store.put(*one, {"text": "theta", "more": ["zeta"]})
        store.put(*one, {"text": "alpha alpha beta"})
        store.put(*none, {"text": "alpha"}, index=False)
    with open() as store:
        found = store.vectors([two, one, none, (("a",), "never")])

    assert found.keys() == {two, one, none} and found[none] == []
    for place, texts in ((two, ["alpha beta", "gamma", "delta"]), (one, ["alpha alpha beta"])):
        assert len(found[place]) == len(texts)
        for vector, text in zip(found[place], texts, strict=True):
            wanted = Counts().embed_query(text)
            assert cosines(wanted, [vector]) == [pytest.approx(1.0, abs=1e-6)]


def expiry_works(open: Open) -> None:
    """Hidden, refreshed and swept by the driver's own field."""
    ttl = {"default_ttl": None, "refresh_on_read": True, "omit_expired": True}
    with open(index=INDEX, ttl=ttl) as store:
        store.put(("a",), "gone", {"text": "alpha"}, ttl=0)
        store.put(("a",), "later", {"text": "alpha", "more": ["beta"]}, ttl=0.05)
        store.put(("b",), "stays", {"text": "alpha"})
        assert keys(store.search(("a",), query="alpha")) == ["later"]
        assert store.get(("a",), "gone") is None
        assert store.sweep_ttl() == 1
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline:  # longer than its time, read again and again
            assert store.get(("a",), "later") is not None
            time.sleep(0.3)
        time.sleep(3.2)
        assert store.get(("a",), "later") is None
        assert store.sweep_ttl() == 1
        assert store.list_namespaces() == [("b",)]


def schema_grows_and_is_guarded(open: Open) -> None:
    """Vectors can be added to a place without; other dimensions are refused at the put."""
    other: Any = {"dims": 3, "embed": lambda texts: [[1.0, 0.0, 0.0] for _ in texts]}
    with open() as store:
        store.put(("a",), "k", {"text": "alpha"})
        assert [item.score for item in store.search(("a",), query="alpha")] == [None]
    with open(index=INDEX) as store:
        assert store.get(("a",), "k").value == {"text": "alpha"}
        store.put(("a",), "l", {"text": "alpha"})
        assert keys(store.search(("a",), query="alpha")) == ["l"]
    with open(index=other) as store:
        with pytest.raises(DimensionMismatchError, match="8"):
            store.put(("a",), "m", {"text": "alpha"})
        assert store.get(("a",), "m") is None
        assert sorted(keys(store.search(("a",)))) == ["k", "l"]
    with open() as store:
        assert len(store.search(("a",))) == 2


def many_threads_and_setups(open: Open) -> None:
    """Parallel first openings and parallel writers lose nothing."""

    def write(number: int) -> None:
        with open(index=INDEX) as store:
            for n in range(5):
                store.put(("t", str(number)), f"k{n}", {"text": WORDS[n], "n": n})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    with open(index=INDEX) as store:
        assert len(store.search(("t",), limit=100)) == 20
        assert len(store.list_namespaces()) == 4


ALL: list[Callable[[Open], None]] = [
    values_come_back,
    searches_are_exact,
    writes_replace_and_delete,
    vectors_come_back,
    expiry_works,
    schema_grows_and_is_guarded,
    many_threads_and_setups,
]


def survives(open: Open, kill_and_start: Callable[[], None]) -> None:
    """What was acknowledged is there after the engine was killed; an open store works again."""
    with open(index=INDEX) as store:
        for n in range(30):
            store.put(("s",), f"k{n}", {"text": WORDS[n % 8], "n": n})
        kill_and_start()
        assert len(store.search(("s",), limit=100)) == 30
        assert len(store.search(("s",), query="alpha", limit=100)) == 30
        store.put(("s",), "after", {"text": "alpha"})
    with open(index=INDEX) as store:
        assert store.get(("s",), "k29").value == {"text": WORDS[5], "n": 29}
        assert store.get(("s",), "after") is not None


def batch_of(store: BaseStore, count: int, **value: Any) -> None:
    store.batch([PutOp(("b",), f"k{n}", {"n": n, **value}) for n in range(count)])
