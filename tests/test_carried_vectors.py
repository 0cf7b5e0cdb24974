"""
Vectors taken along by a migration: equal, not embedded again, and refused where they are not the target's.
"""

from __future__ import annotations

import os
import random
from array import array
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langchain_core.embeddings import Embeddings
from langgraph.store.base import PutOp
from langgraph.store.memory import InMemoryStore

from store_conformance.backends.base import Backend
from store_conformance.backends.opening.carried import vectors_of
from store_conformance.backends.opening.details import details_of
from store_conformance.backends.opening.schemes import open_address
from store_conformance.backends.vector.chroma_rows import cosines
from store_conformance.embedding.exact import ExactEmbeddings
from store_conformance.factory import create_store
from store_conformance.migration.carrying import (
    NEAREST,
    TEXTS,
    Carrying,
    KnownVectors,
    agreed,
    texts_of,
)
from store_conformance.migration.journal import Entry, Journal
from store_conformance.migration.moving import Migration
from store_conformance.migration.transfer import Exported, MigrationError
from store_conformance.migration.urls import migrate
from tests.backend_use import no_postgres, no_sqlite
from tests.test_store_factory import execute, own_environment, server
from tests.vector_memory_driver import MemoryDriver

__all__ = ["own_environment"]
pytestmark = no_sqlite
ITEMS, DIMS = 60, 24
PLACES = [((f"u{n % 7}", "facts"), f"k{n}") for n in range(ITEMS)]
BARE = (("bare",), "k")


class Directions(Embeddings):
    """Another direction for each text and each seed; notes what it was asked."""

    def __init__(self, seed: str = "") -> None:
        self.seed = seed
        self.asked: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.asked += texts
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> list[float]:
        draw = random.Random(self.seed + text)
        return [draw.gauss(0, 1) for _ in range(DIMS)]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


@pytest.fixture
def embedder(monkeypatch: pytest.MonkeyPatch) -> Directions:
    """What ``EMBEDDINGS`` makes."""
    made = Directions()
    monkeypatch.setattr(
        ExactEmbeddings, "embed_documents", lambda self, texts: made.embed_documents(texts)
    )
    monkeypatch.setattr(ExactEmbeddings, "embed_query", lambda self, text: made.embed_query(text))
    os.environ["EMBEDDINGS"] = f"exact:{DIMS}"
    os.environ["EMBEDDINGS_FIELDS"] = "text,more[*]"
    return made


def fill(store: Any) -> None:
    store.batch(
        [
            PutOp(
                space,
                key,
                {
                    "text": f"fact {key}",
                    "more": [f"{i} more of {key}" for i in range(n % 3)],
                    "n": n,
                },
            )
            for n, (space, key) in enumerate(PLACES)
        ]
    )
    store.put(*BARE, {"text": "is not indexed"}, index=False)


@pytest.fixture
def source(embedder: Directions, tmp_path: Path) -> str:
    with create_store("sqlite:///source.db") as store:
        fill(store)
    return "sqlite:///source.db"


def kept(url: str) -> dict[Any, list[tuple[float, ...]]]:
    """The different vectors of each item."""
    with open_address(url, None, None, reading=True) as store:
        reader = vectors_of(store)
        assert reader is not None
        held = reader.read([*PLACES, BARE])
    return {
        place: sorted(
            dict.fromkeys(tuple(array("f", v)) for v in [*one.named.values(), *one.ordered])
        )
        for place, one in held.items()
    }


def same(one: dict[Any, Any], other: dict[Any, Any]) -> None:
    """The same directions for each item, in whatever order the tables give them."""
    assert one.keys() == other.keys() == set(PLACES)
    for place, vectors in one.items():
        assert len(vectors) == len(other[place])
        for vector in vectors:
            assert max(cosines(vector, other[place])) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("there", "needs"),
    [("qdrant+edge:///e", "qdrant_edge"), ("chroma:///c", "chromadb"), ("sqlite:///t.db", "json")],
)
def test_vectors_are_carried_there_and_back_and_not_embedded_again(
    source: str, embedder: Directions, there: str, needs: str
) -> None:
    pytest.importorskip(needs)
    embedder.asked.clear()

    first = migrate(source, there, vectors="carry")
    second = migrate(there, "sqlite:///back.db", vectors="carry")

    assert 0 < len(embedder.asked) <= 2 * TEXTS, "asked for no more than the look beforehand"
    same(kept(source), kept(there))
    same(kept(source), kept("sqlite:///back.db"))
    for report in (first, second):
        done = report.vectors
        assert done is not None and (done.items, done.bare, done.anew) == (ITEMS, 1, 0)
        assert done.neighbours >= done.searches * NEAREST // 2 > 0 and done.missed <= 5
        assert not any("anew by the target" in loss for loss in report.losses)
    with create_store(there) as store:
        assert store.search(("bare",), query="is not indexed") == []


def test_what_is_embedded_anew_is_said_and_costs_every_text(
    source: str, embedder: Directions
) -> None:
    embedder.asked.clear()

    report = migrate(source, "sqlite:///t.db")

    assert len(set(embedder.asked)) >= ITEMS
    assert report.vectors is None and "made anew" in report.losses[0]


@no_postgres
def test_vectors_are_carried_through_postgres(
    source: str, embedder: Directions, postgres: Backend
) -> None:
    url = server(postgres)
    execute(url, "DROP SCHEMA IF EXISTS carried CASCADE; CREATE SCHEMA carried")
    embedder.asked.clear()

    migrate(source, f"{url}?schema=carried", vectors="carry")
    migrate(f"{url}?schema=carried", "sqlite:///back.db", vectors="carry")

    assert len(embedder.asked) <= 2 * TEXTS
    assert kept(f"{url}?schema=carried") == kept("sqlite:///back.db") == kept(source)


@no_postgres
@pytest.mark.parametrize("pool", [None, {"min_size": 1, "max_size": 2}])
def test_a_postgres_store_is_read_and_set_through_one_connection_as_through_a_pool(
    embedder: Directions, postgres: Backend, pool: Any
) -> None:
    from langgraph.store.postgres import PostgresStore

    url = server(postgres)
    execute(url, "DROP SCHEMA IF EXISTS held CASCADE; CREATE SCHEMA held")
    index: Any = {"dims": DIMS, "embed": embedder, "fields": ["text"]}
    place = (("u", "facts"), "k")
    opened = PostgresStore.from_conn_string(
        f"{url}?options=-csearch_path%3Dheld,public", pool_config=pool, index=index
    )
    with opened as store:
        store.setup()
        store.put(*place, {"text": "one"})
        details, vectors = details_of(store), vectors_of(store)
        assert details is not None and vectors is not None
        long_ago = replace(details.read([place])[place], created_at="2001-02-03T04:05:06+00:00")
        details.write({place: long_ago})

        assert details.read([place]) == {place: long_ago}
        assert [*vectors.read([place])] == [place]
        found = store.get(*place)
        assert found is not None and found.created_at.year == 2001


# -- refused before anything is written ---------------------------------------------------------------------


def _other_length(_: Directions) -> None:
    os.environ["EMBEDDINGS"] = "exact:32"


def _other_model(embedder: Directions) -> None:
    embedder.seed = "another"


def _other_fields(_: Directions) -> None:
    os.environ["EMBEDDINGS_FIELDS"] = "title"


def _no_embedder(_: Directions) -> None:
    del os.environ["EMBEDDINGS"], os.environ["EMBEDDINGS_FIELDS"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_other_length, "have 24 dimensions, and EMBEDDINGS 32"),
        (_other_model, "another model or of other fields: EMBEDDINGS makes others of 16 of 16"),
        (_other_fields, "not of the fields title but of more"),
        (_no_embedder, "EMBEDDINGS is not set"),
    ],
)
def test_vectors_that_are_not_the_targets_are_refused_and_nothing_is_written(
    source: str, embedder: Directions, change: Callable[[Directions], None], said: str
) -> None:
    change(embedder)

    with pytest.raises(MigrationError, match=r"cannot be carried|EMBEDDINGS is not set") as refused:
        migrate(source, "sqlite:///t.db", vectors="carry")

    assert said in str(refused.value)
    if Path("t.db").exists():
        with open_address("sqlite:///t.db", None, None) as store:
            assert store.search((), limit=1) == []


def test_what_cannot_be_read_is_named(source: str, embedder: Directions) -> None:
    index: Any = {"dims": DIMS, "embed": embedder}
    for store, said in (
        (InMemoryStore(index=index), "the vectors of InMemoryStore cannot be read"),
        (vectorless(), "the source has no vectors"),
        (of_an_earlier_driver(), "the vectors of VectorStore cannot be read"),
    ):
        with pytest.raises(MigrationError, match=said):
            migrate(store, "sqlite:///t.db", vectors="carry")
    with pytest.raises(MigrationError, match="URL alone"):
        migrate(source, InMemoryStore(index=index), vectors="carry")
    with pytest.raises(MigrationError, match='write "carry" or "embed"'):
        migrate(source, "sqlite:///t.db", vectors="keep")
    far: Any = {**index, "distance_type": "l2"}
    with create_store("sqlite:///far.db", index=far) as store:
        fill(store)
        with pytest.raises(MigrationError, match="by l2, the target by cosine"):
            migrate(store, "sqlite:///t.db", vectors="carry")
    assert not Path("t.db").exists()


def of_an_earlier_driver() -> Any:
    """A store over a driver that was written before vectors could be asked for."""
    from store_conformance.backends.vector.store import VectorStore

    class Earlier:
        def __init__(self) -> None:
            self._driver = MemoryDriver()

        def __getattr__(self, name: str) -> Any:
            if name == "vectors":
                raise AttributeError(name)
            return getattr(self._driver, name)

    driver: Any = Earlier()
    return VectorStore(driver, collection="c")


def vectorless() -> Any:
    from store_conformance.backends.vector.store import VectorStore

    class Without(MemoryDriver):
        def ensure_schema(self, dims: int | None) -> int | None:
            return None

    return VectorStore(Without(), collection="c")


# -- item by item ----------------------------------------------------------------------------------------------


def test_an_item_of_other_fields_is_embedded_and_said(source: str, embedder: Directions) -> None:
    with create_store(source) as store:
        store.put(("own",), "k", {"text": "a", "title": "its own field"}, index=["title"])
    embedder.asked.clear()

    report = migrate(source, "sqlite:///t.db", vectors="carry")

    assert report.vectors is not None and report.vectors.anew == 1
    assert any("1 items were made anew" in loss for loss in report.losses)
    with create_store("sqlite:///t.db") as store:
        assert store.search(("own",), query="a")[0].score == pytest.approx(1.0, abs=1e-5)


def test_texts_have_the_names_of_the_official_stores() -> None:
    value = {"text": "one", "more": ["two", "three"], "n": 1}

    assert texts_of(value, ("text", "more[*]", "none")) == {
        "text": "one",
        "more[*].0": "two",
        "more[*].1": "three",
    }
    assert list(texts_of({"a": 1}, ("$",)).values()) == ['{"a": 1}']


def test_known_vectors_are_not_asked_for() -> None:
    inner = Directions()
    known = KnownVectors(inner)
    known.know({"a": (1.0, 2.0)})

    assert known.embed_documents(["a", "b", "b"])[0] == [1.0, 2.0] == known.embed_query("a")
    assert inner.asked == ["b"] and known.asked == 1


def moved(
    folder: Path, source: Any, target: Any, known: KnownVectors, **more: Any
) -> tuple[Any, Carrying]:
    index = {"dims": DIMS, "fields": ["text", "more[*]"]}
    carrying = Carrying(agreed(source, index), known, ("text", "more[*]"))
    with closing(Journal(folder)) as journal:
        return Migration(source, target, journal, carrying=carrying, **more).run(), carrying


class Breaking(InMemoryStore):
    """Fails at its third batch of items."""

    batches = 0

    def batch(self, ops: Any) -> Any:
        listed = list(ops)
        if any(isinstance(op, PutOp) and op.value and op.index is not False for op in listed):
            self.batches += 1
            if self.batches == 2:
                raise ConnectionError("the target is gone")
        return super().batch(listed)


def test_one_that_was_broken_off_goes_on_and_in_no_other_way(
    embedder: Directions, tmp_path: Path
) -> None:
    with create_store("sqlite:///many.db") as store:
        store.batch([PutOp(("many",), f"k{n}", {"text": f"fact {n}"}) for n in range(250)])
        known = KnownVectors(embedder)
        index: Any = {"dims": DIMS, "embed": known, "fields": ["text", "more[*]"]}
        target = Breaking(index=index)
        with pytest.raises(MigrationError, match="the target is gone"):
            moved(tmp_path / "j", store, target, known)
        with (
            closing(Journal(tmp_path / "j")) as journal,
            pytest.raises(MigrationError, match="begun with --vectors carry"),
        ):
            Migration(store, target, journal).run()

        report, _ = moved(tmp_path / "j", store, target, known)

    assert report.resumed and report.vectors.items == 250 and known.asked == 0
    assert report.vectors.searches == 10 and report.vectors.missed == 0


def test_a_target_that_scores_otherwise_is_not_called_done(
    source: str, embedder: Directions, tmp_path: Path
) -> None:
    class Dull(InMemoryStore):
        def search(self, *args: Any, **kwargs: Any) -> Any:
            found = super().search(*args, **kwargs)
            for item in found:
                item.score = item.score and item.score / 2
            return found

    for kind in (InMemoryStore, Dull):
        known = KnownVectors(embedder)
        index: Any = {"dims": DIMS, "embed": known, "fields": ["text", "more[*]"]}
        with create_store(source) as store:
            if kind is InMemoryStore:
                moved(tmp_path / "right", store, kind(index=index), known)
                continue
            with pytest.raises(MigrationError, match=r"scores 1\.0000 in the source and 0\.5000"):
                moved(tmp_path / "dull", store, kind(index=index), known)


def test_two_vectors_of_one_text_are_refused(embedder: Directions) -> None:
    with create_store("sqlite:///two.db") as store:
        store.put(("a",), "new", {"text": "the same"})
        embedder.seed = "older"
        store.put(("a",), "old", {"text": "the same"})
        embedder.seed = ""
        known = KnownVectors(embedder)
        carrying = Carrying(agreed(store, {"dims": DIMS}), known, ("text",))
        new, old = (
            Entry(n, Exported(("a",), k, {"text": "the same"}), {})
            for n, k in enumerate(("new", "old"))
        )

        assert [index for _, index in carrying.taught([new])] == [None]
        with pytest.raises(MigrationError, match="two different vectors of the text"):
            carrying.taught([new, old])
