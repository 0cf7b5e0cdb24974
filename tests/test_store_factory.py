"""
`create_store` and `create_async_store`: the store that the environment asks for, or an error that names what is wrong.
"""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest

from store_conformance.backends.base import Backend, BackendError, EngineUnavailableError
from store_conformance.backends.environment import read_env, read_env_file
from store_conformance.backends.opening import postgres as opening
from store_conformance.backends.opening.address import parse_address
from store_conformance.backends.opening.postgres_setup import _no_unknown_pooler
from store_conformance.backends.opening.schemes import schemes
from store_conformance.contract import UserError
from store_conformance.factory import FactoryError, create_async_store, create_store
from store_conformance.factory.environment import VARIABLES, wanted
from store_conformance.factory.page import page
from tests.backend_use import HERE, no_postgres, no_sqlite

NAMESPACE = ("users", "anna")
SECRET = "hunter2-%41@:/?"  # noqa: S105 - what must not be shown


@pytest.fixture(autouse=True)
def own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """None of ours is set, the working folder is empty, and what a file sets is gone afterwards."""
    before = dict(os.environ)
    monkeypatch.chdir(tmp_path)
    for name in (*VARIABLES, "PINECONE_API_KEY", "QDRANT_API_KEY"):
        os.environ.pop(name, None)
    yield
    os.environ.clear()
    os.environ.update(before)


def remembered(**more: Any) -> Any:
    """What is found after a put, a close and another opening."""
    with create_store(**more) as store:
        store.put(NAMESPACE, "fact", {"text": "likes tea"})
    with create_store(**more) as store:
        found = store.search(NAMESPACE, query="likes tea")
        return found[0].value if found else None


# -- which store the environment asks for --------------------------------------------------------------


def test_nothing_set_is_an_error_and_no_store_in_memory() -> None:
    with pytest.raises(FactoryError, match="STORE_URL=memory:"):
        create_store()


def test_a_store_in_memory_is_asked_for_and_announced(caplog: pytest.LogCaptureFixture) -> None:
    os.environ["USE_PERSISTENT_STORE"] = "false"
    with caplog.at_level(logging.WARNING):
        store = create_store()

    assert type(store).__name__ == "InMemoryStore"
    assert "lost when the process ends" in caplog.text
    assert "EMBEDDINGS is not set" in caplog.text


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ({"USE_PERSISTENT_STORE": "true"}, "POSTGRES_CONNECTION_STRING"),
        ({"USE_PERSISTENT_STORE": "ture"}, "write true or false"),
        (
            {"POSTGRES_CONNECTION_STRING": f"postgresql://a:{SECRET}@h/d"},
            "USE_PERSISTENT_STORE is not",
        ),
        ({"STORE_URL": "memory:", "USE_PERSISTENT_STORE": "true"}, "disagree"),
        ({"STORE_URL": "sqlite:///a.db", "USE_PERSISTENT_STORE": "false"}, "disagree"),
        ({"STORE_URL": "memory:", "EMBEDDINGS": "opena:small"}, "openai:small"),
        ({"STORE_URL": "memory:", "EMBEDDINGS_DIMS": "24"}, "EMBEDDINGS is not"),
        ({"STORE_URL": "memory:", "EMBEDDINGS": "exact:24", "EMBEDDINGS_DIMS": "many"}, "1536"),
        ({"STORE_URL": "memory:", "EMBEDDINGS": "exact:24", "EMBEDDINGS_DIMS": "25"}, "makes 24"),
    ],
)
def test_a_missing_or_wrong_variable_is_named(told: dict[str, str], named: str) -> None:
    os.environ.update(told)

    with pytest.raises(FactoryError) as caught:
        create_store()

    assert named in str(caught.value)
    assert SECRET not in str(caught.value)


def test_the_guides_two_variables_choose_postgres() -> None:
    os.environ["USE_PERSISTENT_STORE"] = "true"
    os.environ["POSTGRES_CONNECTION_STRING"] = "postgresql://a:b@h/d"

    chosen = wanted()

    assert (chosen.url, chosen.source) == ("postgresql://a:b@h/d", "POSTGRES_CONNECTION_STRING")
    assert "a:b" not in repr(chosen)


def test_files_are_read_and_real_variables_win(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("STORE_ENV=production\nSTORE_URL=memory:\nOTHER_KEY=kept\n")
    (tmp_path / ".env.production").write_text(
        "STORE_URL='sqlite:///in file.db'\nEMBEDDINGS=exact:24\n"
    )

    create_store().close()
    assert (tmp_path / "in file.db").exists()
    assert os.environ["OTHER_KEY"] == "kept"

    os.environ["STORE_URL"] = "sqlite:///real.db"
    create_store().close()
    assert (tmp_path / "real.db").exists()


def test_a_file_is_read_alike_with_python_dotenv_and_without(tmp_path: Path) -> None:
    pytest.importorskip("dotenv")
    values = ["a  # note", "a#b", "'a # b' # note", '"a"', "'it#s'  ", "# b", "", "'a' # 'b'"]
    path = tmp_path / ".env"
    path.write_text("\ufeff" + "".join(f"N{n}={v}\n" for n, v in enumerate(values)), "utf-8")

    assert read_env(path) == read_env_file(path)
    assert list(read_env(path).values()) == ["a", "a#b", "a # b", "a", "it#s", "# b", "", "a"]


def test_a_comment_of_another_encoding_costs_no_variable(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"# f\xfcr uns\nSTORE_URL=sqlite:///a.db\n")

    create_store().close()

    assert (tmp_path / "a.db").exists()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("STORE_URL=memory:\n")
    (tmp_path / ".env.production").write_text("STORE_URL=sqlite:///a.db\n")
    os.environ["STORE_ENV"] = "prodution"

    with pytest.raises(FactoryError, match="did you mean 'production'"):
        create_store()


def test_an_index_without_dims_is_refused() -> None:
    with pytest.raises(FactoryError, match="dims"):
        create_store("memory:", index={"embed": "openai:text-embedding-3-small"})


@pytest.mark.parametrize(
    ("embed", "dims", "said"),
    [
        ("opanai:text-embedding-3-small", 1536, "did you mean"),
        ("exact:x", 24, "embed of the index"),
        ("exact:24", 30, "exact:24 makes 24"),
    ],
)
def test_a_misspelt_embedder_of_an_index_is_refused_by_its_name(
    embed: str, dims: int, said: str
) -> None:
    with pytest.raises(FactoryError, match="index") as refused:
        create_store("memory:", index={"embed": embed, "dims": dims})
    assert said in str(refused.value)


def test_an_embedder_of_an_index_may_be_given_by_its_name() -> None:
    index: Any = {"embed": "exact:24", "dims": 24}
    with create_store("memory:", index=index) as store:
        store.put(("a",), "k", {"text": "apple"})
        assert store.search(("a",), query="apple")[0].score is not None


# -- every store ---------------------------------------------------------------------------------------

LOCAL = [
    pytest.param("sqlite:///a.db", "langgraph.store.sqlite", id="sqlite"),
    pytest.param("qdrant:///q", "qdrant_client", id="qdrant"),
    pytest.param("qdrant+edge:///e", "qdrant_edge", id="edge"),
    pytest.param("chroma:///c", "chromadb", id="chroma"),
    pytest.param("hybrid:stores.toml", "qdrant_edge", id="hybrid"),
]


@pytest.mark.parametrize(("url", "needs"), LOCAL)
def test_a_store_of_this_machine_remembers(url: str, needs: str, tmp_path: Path) -> None:
    pytest.importorskip(needs)
    (tmp_path / "stores.toml").write_text(
        'default = "memories"\n[stores]\nprompts = "sqlite:///p.db"\nmemories = "qdrant+edge:///${FOLDER}"\n'
        '[[routes]]\nstore = "prompts"\ndepth = 1\n'
    )
    os.environ.update(EMBEDDINGS="exact:24", STORE_URL=url, FOLDER="e")

    assert remembered() == {"text": "likes tea"}

    async def again() -> Any:
        async with create_async_store() as store:
            await store.aput(NAMESPACE, "other", {"text": "tea again"})
            return {item.key for item in await store.asearch(NAMESPACE)}

    assert asyncio.run(again()) == {"fact", "other"}


@pytest.mark.parametrize(
    ("more", "flushes"), [("", True), ("?flush=on", True), ("?flush=off", False)]
)
def test_edge_flushes_each_write_unless_told_otherwise(
    more: str, flushes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("qdrant_edge", reason="unverified: qdrant-edge-py is not installed")
    from store_conformance.backends.vector import qdrant_edge

    told: list[bool] = []

    class Told(qdrant_edge.QdrantEdgeDriver):
        def __init__(self, folder: Path, *, flush_writes: bool = False) -> None:
            told.append(flush_writes)
            super().__init__(folder, flush_writes=flush_writes)

    monkeypatch.setattr(qdrant_edge, "QdrantEdgeDriver", Told)
    os.environ["EMBEDDINGS"] = "exact:24"
    with create_store(f"qdrant+edge:///e{more}") as store:
        store.put(NAMESPACE, "fact", {"text": "likes tea"})

    assert told == [flushes]


@no_sqlite
def test_a_plain_call_is_closed_at_exit(tmp_path: Path) -> None:
    """The write-ahead log is folded into the file only by a connection that is closed."""
    code = (
        "from store_conformance.factory import create_store\n"
        "store = create_store('sqlite:///a.db')\n"
        "store.put(('a',), 'k', {'n': 1})\n"
        "import os; assert os.path.exists('a.db-wal')\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=120)

    assert (tmp_path / "a.db").exists()
    assert not (tmp_path / "a.db-wal").exists()


@no_sqlite
def test_sqlite_is_opened_with_its_defaults_and_with_others() -> None:
    with create_store("sqlite:///a.db") as store:
        told = [
            store.conn.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
        ]
    assert told == ["wal", 2, 30000, 1]

    with create_store("sqlite:///b.db?journal=delete&busy_seconds=1.5&synchronous=normal") as store:
        told = [
            store.conn.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "busy_timeout")
        ]
    assert told == ["delete", 1, 1500]


@no_sqlite
def test_an_overwritten_item_of_sqlite_keeps_its_vectors_and_a_deleted_one_none() -> None:
    os.environ["EMBEDDINGS"] = "exact:24"
    with create_store("sqlite:///a.db") as store:
        for text in ("coffee", "tea"):
            store.put(NAMESPACE, "fact", {"text": text})
        found = store.search(NAMESPACE, query="tea")
        assert [item.value["text"] for item in found] == ["tea"] and found[0].score is not None
        store.delete(NAMESPACE, "fact")
        assert store.conn.execute("SELECT count(*) FROM store_vectors").fetchone()[0] == 0


@no_sqlite
def test_the_sweeper_runs_where_a_ttl_is_given() -> None:
    with create_store("sqlite:///a.db?ttl_minutes=1") as store:
        assert store.ttl_config["default_ttl"] == 1
        assert store._ttl_sweeper_thread.is_alive()
    with create_store("sqlite:///a.db") as store:
        assert store._ttl_sweeper_thread is None


@no_postgres
def test_a_postgres_store_has_its_pool_its_schema_and_its_time_outs(postgres: Backend) -> None:
    url = server(postgres)
    execute(url, 'DROP SCHEMA IF EXISTS "my agent" CASCADE; CREATE SCHEMA "my agent"')
    os.environ.update(
        EMBEDDINGS="exact:24", STORE_URL=f"{url}?schema=my%20agent&pool_max=3&lock_timeout=7"
    )

    assert remembered() == {"text": "likes tea"}

    with create_store() as store, store.conn.connection() as conn:
        names = (
            "search_path",
            "statement_timeout",
            "lock_timeout",
            "hnsw.ef_search",
            "hnsw.iterative_scan",
        )
        told = {
            name: next(iter(conn.execute(f"SHOW {name}").fetchone().values())) for name in names
        }
        assert (store.conn.max_size, conn.autocommit) == (3, True)
    assert told == {
        "search_path": '"my agent",public',
        "statement_timeout": "1min",
        "lock_timeout": "7s",
        "hnsw.ef_search": "100",
        "hnsw.iterative_scan": "strict_order",
    }

    async def found() -> Any:
        async with create_async_store() as store:
            return [item.value for item in await store.asearch(NAMESPACE, query="tea")]

    assert asyncio.run(found()) == [{"text": "likes tea"}]


@no_postgres
def test_what_is_wrong_with_postgres_is_said_without_the_password(postgres: Backend) -> None:
    url = server(postgres)
    host = url.partition("@")[2]
    execute(
        url,
        f"DROP ROLE IF EXISTS weak; CREATE ROLE weak LOGIN PASSWORD '{SECRET}';"
        "DROP SCHEMA IF EXISTS other CASCADE; CREATE SCHEMA other",
    )
    right = f"postgresql://weak:{quote(SECRET, safe='')}@{host}"
    wrong = f"postgresql://weak:{quote(SECRET[:-1], safe='')}@{host}"
    for asked, said in (
        (right, "may not create tables"),
        (f"{right}?setup=off&schema=other", "no table store yet"),
        (wrong, "a % itself is %25"),
        (f"postgresql://weak:{SECRET}@{host}", "%3F"),
        (f"postgresql://weak:a%zz@{host}", "special characters as %XX"),
        (f"{url}?schema=nowhere", 'CREATE SCHEMA "nowhere"'),
        (f"{url}?poolmax=3", "did you mean 'pool_max'"),
        (f"{url}?sslmod=require", "did you mean 'sslmode'"),
        (f"{url}?pool_max=0", "from 1 to 1000"),
        (f"{url}?schema=a&pooler=transaction", "ALTER ROLE"),
        (f"{url.rpartition('/')[0]}/nowhere", "no such database"),
        ("postgresql://weak@[::1]:1/x", "nobody listens"),
        ("postgresql:///x?host=/nowhere", "there is no folder /nowhere"),
    ):
        with pytest.raises(UserError) as caught:
            create_store(asked)
        assert said in str(caught.value), asked
        assert SECRET not in str(caught.value)
        assert quote(SECRET, safe="") not in str(caught.value)


@no_postgres
@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://u:p@h:notaport/d", "from 1 to 65535"),
        ("postgresql://u:p@h:70000/d", "from 1 to 65535"),
        ("postgresql://::1:5432/d", "in brackets"),
        ("postgresql://u:TOP/SECRET@h/d", "from 1 to 65535"),
        ("postgresql://u:TOP@SECRET@h/d", "as %40"),
        ("postgresql://h/d?sslmode=requir", "did you mean 'require'"),
        ("postgresql://h/d?connect_timeout=x", "a whole number"),
        ("postgresql://h/d?target_session_attrs=rw", "is 'rw'"),
        ("postgresql:///d?host=/no/such/folder", "unix_socket_directories"),
    ],
)
def test_a_mistake_in_a_url_of_postgres_is_seen_before_anybody_is_asked(
    url: str, said: str
) -> None:
    with pytest.raises(BackendError) as caught:
        create_store(url)

    assert said in str(caught.value)
    assert caught.value.exit_code == 2
    assert "SECRET" not in str(caught.value)


@no_postgres
@pytest.mark.parametrize(
    "url",
    [
        "postgresql://[::1]:1/d",
        "postgresql://127.0.0.1:1,127.0.0.1:2/d",
        "postgresql://127.0.0.1:1/d?connect_timeout=2&sslmode=prefer",
        "postgresql:///d?host=@abstract&connect_timeout=2",
    ],
)
def test_a_right_url_of_a_server_that_is_not_there_is_no_mistake(url: str) -> None:
    with pytest.raises(EngineUnavailableError) as caught:
        create_store(url)

    assert caught.value.exit_code == 3


@no_postgres
def test_two_stores_of_a_database_find_pgvector_and_a_hidden_one_is_named(
    postgres: Backend,
) -> None:
    url = server(postgres)
    os.environ["EMBEDDINGS"] = "exact:24"
    for name in ("one", "two"):
        execute(url, f"DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}")
    execute(url, "DROP EXTENSION IF EXISTS vector CASCADE")
    for name in ("one", "two"):
        assert remembered(url=f"{url}?schema={name}") == {"text": "likes tea"}

    execute(url, "ALTER EXTENSION vector SET SCHEMA one")
    with pytest.raises(BackendError, match="ALTER EXTENSION vector SET SCHEMA public"):
        create_store(f"{url}?schema=two")
    execute(url, "ALTER EXTENSION vector SET SCHEMA public")


@no_postgres
def test_other_dimensions_than_the_tables_are_an_error_at_start(postgres: Backend) -> None:
    url = server(postgres)
    execute(url, "DROP SCHEMA IF EXISTS dims CASCADE; CREATE SCHEMA dims")
    for name in ("exact:24", "exact:30"):
        os.environ["EMBEDDINGS"] = name
        if name == "exact:24":
            create_store(f"{url}?schema=dims").close()
            continue
        with pytest.raises(BackendError, match="24 dimensions, and EMBEDDINGS 30"):
            create_store(f"{url}?schema=dims")


@no_sqlite
def test_vectors_of_another_length_in_a_file_are_an_error_at_start() -> None:
    async def opened() -> None:
        async with create_async_store("sqlite:///a.db"):
            pass

    os.environ["EMBEDDINGS"] = "exact:24"
    assert remembered(url="sqlite:///a.db") == {"text": "likes tea"}
    asyncio.run(opened())
    os.environ["EMBEDDINGS"] = "exact:30"
    with pytest.raises(BackendError, match="24 dimensions, and EMBEDDINGS 30"):
        create_store("sqlite:///a.db")
    with pytest.raises(BackendError, match="24 dimensions, and EMBEDDINGS 30"):
        asyncio.run(opened())


def test_a_server_that_does_not_answer_is_unavailable_and_shows_no_key() -> None:
    pytest.importorskip("qdrant_client")
    with pytest.raises(EngineUnavailableError, match="refused") as caught:
        create_store("qdrant://hunter22@127.0.0.1:9")

    assert caught.value.exit_code == 3 and "hunter22" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresq://h/d", "did you mean 'postgresql'"),
        ("a.db", "has no scheme"),
        ("sqlite://a.db", "three slashes"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:///no/such.db", "mkdir -p"),
        ("sqlite:///a.db?jurnal=wal", "did you mean 'journal'"),
        ("sqlite:///a.db?journal=wall", "did you mean 'wal'"),
        ("sqlite:///a.db?journal=wal&journal=wal", "twice"),
        ("sqlite:///a.db?journal", "write journal=..."),
        ("memory:?size=1", "it takes none"),
        ("memory:x", "has no path"),
        ("qdrant://", "no host"),
        ("qdrant://h:port", "no host and port"),
        ("pinecone://", "names no index"),
        ("pinecone://x", "PINECONE_API_KEY"),
        ("hybrid:none.toml", "No such file"),
    ],
)
def test_a_wrong_url_says_what_to_write(url: str, said: str) -> None:
    with pytest.raises(BackendError) as caught:
        create_store(url)

    assert said in str(caught.value)
    assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[stores]\na = 'memory:'", "fewer than two"),
        ("default = 'c'\n[stores]\na = 'memory:'\nb = 'memory:'", "default is 'c'"),
        ("default = 'a'\n[stores]\na = 'memory:'\nb = '${NOT_THERE}'", "NOT_THERE"),
        (
            "default = 'a'\n[stores]\na = 'memory:'\nb = 'memory:'\n[[routes]]\nstore = 'b'",
            "no condition",
        ),
        (
            "default = 'a'\n[stores]\na = 'memory:'\nb = 'memory:'\n[[routes]]\nstore = 'b'\ndeph = 1\ndepth = 1",
            "'deph'",
        ),
        ("= 1", "no TOML"),
    ],
)
def test_a_wrong_file_of_a_hybrid_says_what_to_write(text: str, said: str) -> None:
    Path("stores.toml").write_text(text)

    with pytest.raises(BackendError) as caught:
        create_store("hybrid:stores.toml")

    assert said in str(caught.value)


# -- defaults that need no server -----------------------------------------------------------------------


def planned(url: str, index: Any = None) -> opening.Plan:
    return opening.plan(parse_address(url), index, None)


@no_postgres
def test_a_distant_server_is_spoken_to_by_tls_alone() -> None:
    assert planned("postgresql://a@db.example/d").params["sslmode"] == "require"
    assert (
        planned("postgresql://a@db.example/d?sslmode=verify-full").params["sslmode"]
        == "verify-full"
    )
    assert "sslmode" not in planned("postgresql://a@127.0.0.1/d").params
    assert "sslmode" not in planned("postgresql:///d?host=/var/run/postgresql").params
    assert planned("postgresql://a@h1,h2:5433/d").params["sslmode"] == "require"
    assert planned("postgresql://[::1]:5/d").params["host"] == "::1"
    assert planned("host=h dbname=d password='a b'").params["password"] == "a b"  # noqa: S105


@no_postgres
def test_an_index_is_of_a_type_that_pgvector_can_index() -> None:
    for dims, vector in ((1536, "vector"), (3072, "halfvec")):
        index = planned("postgresql://h/d", {"dims": dims, "embed": len}).index
        assert index["ann_index_config"] == {"kind": "hnsw", "vector_type": vector}
    with pytest.raises(BackendError, match="index=flat"):
        planned("postgresql://h/d", {"dims": 5000, "embed": len})


@no_postgres
def test_a_pooler_that_nobody_named_is_noticed() -> None:
    """Behind PgBouncer the session's own process id is another than the one it was given."""

    def conn(pid: int) -> Any:
        row = SimpleNamespace(fetchone=lambda: {"pg_backend_pid": 7})
        return SimpleNamespace(info=SimpleNamespace(backend_pid=pid), execute=lambda *_: row)

    _no_unknown_pooler(conn(7), planned("postgresql://h/d"))
    _no_unknown_pooler(conn(8), planned("postgresql://h/d?pooler=transaction"))
    with pytest.raises(BackendError, match="pooler=transaction"):
        _no_unknown_pooler(conn(8), planned("postgresql://h/d"))


@no_postgres
def test_behind_a_pooler_nothing_is_prepared_or_set() -> None:
    behind = planned("postgresql://h/d?pooler=transaction", {"dims": 3, "embed": len})
    alone = planned("postgresql://h/d", {"dims": 3, "embed": len})

    assert behind.session == [] and behind.pool["kwargs"]["prepare_threshold"] is None
    assert len(alone.session) == 5 and alone.pool["kwargs"]["prepare_threshold"] == 5


def test_every_setting_says_what_it_protects_from() -> None:
    for scheme in schemes().values():
        names = [setting.name for setting in scheme.settings]
        assert len(names) == len(set(names)), scheme.name
        assert all(len(setting.protects) > 10 for setting in scheme.settings), scheme.name


def server(backend: Backend) -> str:
    """The URL of the server that the tests share."""
    params = backend._params()  # type: ignore[attr-defined]
    password = quote(params["password"], safe="")
    return f"postgresql://{params['user']}:{password}@{params['host']}:{params['port']}/{params['dbname']}"


def execute(url: str, *statements: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as conn:
        for statement in statements:
            conn.execute(statement)


def test_the_page_has_every_setting_as_it_is() -> None:
    """``python -m store_conformance.factory.page`` gives the part between the two marks."""
    text = (HERE.parent / "docs" / "PRODUCTION.md").read_text(encoding="utf-8")
    told = text.partition("factory.page -->\n")[2].partition("<!-- end")[0]

    assert told.strip() == page().strip()


@pytest.mark.parametrize("name", ["a/b", "..", "../../x", "a\x00b", "x" * 300, "a:b"])
@pytest.mark.parametrize("scheme", ["qdrant:///f", "qdrant+edge:///f"])
def test_a_name_that_leads_out_of_the_folder_is_refused(
    scheme: str, name: str, tmp_path: Path
) -> None:
    pytest.importorskip("qdrant_client")
    pytest.importorskip("qdrant_edge")
    with pytest.raises(BackendError, match="no name of a collection"):
        create_store(f"{scheme}?collection={quote(name, safe='')}")

    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["ab", "a b", "_abc", "abc_", "a..b", "ümlaut"])
def test_a_wrong_name_of_a_chroma_collection_is_told_before_anything_is_opened(
    name: str, tmp_path: Path
) -> None:
    pytest.importorskip("chromadb")
    with pytest.raises(BackendError, match=r"no name of a collection.*3 to 512") as caught:
        create_store(f"chroma:///f?collection={quote(name)}")

    assert caught.value.exit_code == 2 and not any(tmp_path.iterdir())


def test_a_control_character_in_a_path_is_told_by_that_name() -> None:
    with pytest.raises(BackendError, match="control character") as caught:
        create_store("sqlite:///a%00b")

    assert "\0" not in str(caught.value)
