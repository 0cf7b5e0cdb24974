"""
The guide's snippets that do not work, each beside what works (docs/PRODUCTION.md).
"""

from __future__ import annotations

import importlib
import os
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from store_conformance.backends.base import Backend
from store_conformance.factory import FactoryError, create_store
from store_conformance.factory.environment import VARIABLES, wanted
from tests.backend_use import embed, no_postgres, no_sqlite
from tests.test_store_factory import execute, server

WITHOUT_DIMS: Any = {"embed": embed}
INDEX: Any = {"dims": 3, "embed": embed}
NAMESPACE = ("lance",)


@pytest.fixture(autouse=True)
def no_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def official(engine: str) -> Any:
    """The class, untyped: what is wrong here the type checker would see too."""
    module = importlib.import_module(f"langgraph.store.{engine}")
    return getattr(module, f"{engine.capitalize()}Store")


def own_schema(postgres: Backend, name: str) -> str:
    url = server(postgres)
    execute(url, f"DROP SCHEMA IF EXISTS {name} CASCADE", f"CREATE SCHEMA {name}")
    execute(url, "CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
    return f"{url}?options=-csearch_path%3D{name},public"


@no_postgres
def test_a_constructor_takes_no_connection_string(postgres: Backend) -> None:
    postgres_store = official("postgres")
    url = own_schema(postgres, "snippet_a")
    with pytest.raises(TypeError, match="connection_string"):
        postgres_store(connection_string=url, index=INDEX)
    # Without ``with`` it is no store either, and without ``setup`` it has no tables.
    with pytest.raises(AttributeError):
        postgres_store.from_conn_string(url).put(NAMESPACE, "k", {})
    import psycopg

    with (
        postgres_store.from_conn_string(url) as store,
        pytest.raises(psycopg.errors.UndefinedTable),
    ):
        store.put(NAMESPACE, "k", {})

    with postgres_store.from_conn_string(url, index=INDEX) as store:
        store.setup()
        store.put(NAMESPACE, "k", {"prompt": "..."})
        assert store.get(NAMESPACE, "k").value == {"prompt": "..."}


@no_postgres
def test_an_index_of_postgres_needs_its_dims(postgres: Backend) -> None:
    postgres_store = official("postgres")
    url = own_schema(postgres, "snippet_b")
    with postgres_store.from_conn_string(url, index=WITHOUT_DIMS) as store:
        with pytest.raises(KeyError, match="dims"):
            store.setup()
    with pytest.raises(FactoryError, match="dims"):
        create_store(url, index=WITHOUT_DIMS)

    with create_store(url, index=INDEX) as store:
        store.put(NAMESPACE, "k", {"text": "a cat"})
        assert store.search(NAMESPACE, query="cat")[0].score > 0


@no_sqlite
def test_a_constructor_takes_no_path(tmp_path: Path) -> None:
    sqlite_store = official("sqlite")
    with pytest.raises(TypeError, match="path"):
        sqlite_store(path="./data/email_agent.db", index=INDEX)

    with sqlite_store.from_conn_string(str(tmp_path / "email_agent.db")) as store:
        store.setup()
        store.put(NAMESPACE, "k", {"prompt": "..."})
        assert store.get(NAMESPACE, "k").value == {"prompt": "..."}
    with create_store("sqlite:///email_agent.db") as store:
        assert store.get(NAMESPACE, "k").value == {"prompt": "..."}


@pytest.mark.parametrize("engine", ["postgres", "sqlite"])
def test_the_official_stores_come_with_the_checkpointers(engine: str) -> None:
    pytest.importorskip(f"langgraph.store.{engine}", reason="unverified: not installed")
    names = [str(file) for file in metadata.files(f"langgraph-checkpoint-{engine}") or ()]

    assert f"langgraph/store/{engine}/__init__.py" in names


@no_postgres
def test_the_official_store_speaks_psycopg_3_and_not_psycopg2() -> None:
    required = metadata.requires("langgraph-checkpoint-postgres") or []

    assert any(line.startswith(("psycopg>=3", "psycopg<")) for line in required)
    assert not any("psycopg2" in line for line in required)


def test_a_vector_store_of_langchain_takes_an_embedder_and_no_text() -> None:
    """Nothing complains before the first search."""
    pinecone = pytest.importorskip(
        "langchain_pinecone",
        reason="unverified: langchain-pinecone is not installed, or not for this pinecone",
    )
    index = SimpleNamespace(config=SimpleNamespace(host="h", api_key="k"))
    store = pinecone.PineconeVectorStore(index=index, embedding="openai:text-embedding-3-small")

    with pytest.raises(AttributeError, match="embed_query"):
        store.similarity_search("anything")


def test_the_guides_hybrid_is_no_store_and_ours_is() -> None:
    from langgraph.store.base import BaseStore
    from langgraph.store.memory import InMemoryStore

    class HybridStore:
        """As the guide has it: get, put and search, and none of what a graph or a tool calls."""

        def get(self, namespace: Any, key: str) -> Any: ...
        def put(self, namespace: Any, key: str, value: Any) -> None: ...
        def search(self, namespace: Any, query: str, limit: int = 5) -> Any: ...

    assert not hasattr(HybridStore, "aget") and not issubclass(HybridStore, BaseStore)

    hybrid = importlib.import_module("store_conformance.backends.hybridstore")
    routes = [hybrid.Route(depth=1, store=InMemoryStore())]
    store = hybrid.HybridStore(routes, default=InMemoryStore())
    store.put(("lance", "examples"), "k", {"n": 1})
    assert isinstance(store, BaseStore)
    assert [item.key for item in store.search(("lance",))] == ["k"]


def test_the_guides_switch_falls_back_to_memory_in_silence() -> None:
    os.environ["USE_PERSISTENT_STORE"] = "true "
    persistent = os.getenv("USE_PERSISTENT_STORE", "false").lower() == "true"
    assert not persistent

    with pytest.raises(FactoryError, match="POSTGRES_CONNECTION_STRING"):
        wanted()


def test_the_guides_keys_with_a_slash_cannot_be_told_apart() -> None:
    """Its import takes two names out of ``key.split("/")``."""
    assert len(["lance", "2", "agent_instructions"]) == 3
