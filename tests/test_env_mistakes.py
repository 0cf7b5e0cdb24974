"""
What people get wrong in `.env` files and variables: an error that names it, and never a store in memory.
"""

from __future__ import annotations

import logging
import os
import sys
from importlib import util
from pathlib import Path
from typing import Any

import pytest

from store_conformance.backends.base import BackendError
from store_conformance.backends.environment import read_env, read_env_file
from store_conformance.contract import UserError
from store_conformance.factory import FactoryError, create_store
from store_conformance.factory.environment import VARIABLES, load_files
from tests.backend_use import no_sqlite
from tests.test_store_factory import own_environment

__all__ = ["own_environment"]
FILE = "sqlite:///a.db"
SECRET = "hunter22"  # noqa: S105
AWAY = f"postgresql://a:{SECRET}@127.0.0.1:1/d"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"STORE_URI={FILE}", "rename STORE_URI to STORE_URL"),
        (f"STORE_ULR={AWAY}", "rename STORE_ULR to STORE_URL"),
        (f"store_url={FILE}", "rename store_url to STORE_URL"),
        (f"USE_PERSISTENT_STORE=false\nSTORE_URI={FILE}", "rename STORE_URI"),
        (f"USE_PERSISTANT_STORE=true\nPOSTGRES_CONNECTION_STRING={AWAY}", "USE_PERSISTANT_STORE"),
        (f"USE_PERSISTENT_STORE=true\nPOSTGRES_CONNECTION_STR={AWAY}", "POSTGRES_CONNECTION_STR "),
        ("USE_PERSISTENT_STORE=true\nPOSTGRES_CONNECTION_STRING=memory:", "no address of Postgres"),
        (f"USE_PERSISTENT_STORE=true\nPOSTGRES_CONNECTION_STRING={FILE}", "no address of Postgres"),
        ("USE_PERSISTENT_STORE=true\nPOSTGRES_CONNECTION_STRING=h:5432/d", "no address of Postgr"),
        ("STORE_ENVIRONMENT=production\nSTORE_URL=memory:", "rename STORE_ENVIRONMENT to STORE_ENV"),
        (f"# mine\nSTORE_URL='{AWAY}", "line 2 of .*names STORE_URL and sets nothing"),
        (f"STORE_URL=\"{FILE}'", "line 1 of .*names STORE_URL"),
        (f"STORE_URL: {FILE}", "line 1 of .*names STORE_URL"),
        (f"set STORE_URL={FILE}", "line 1 of .*names STORE_URL"),
        (f"$env:STORE_URL='{FILE}'", "line 1 of .*names STORE_URL"),
        ("STORE_URL", "line 1 of .*names STORE_URL"),
        (f"STORE_URL\u200b={FILE}", "line 1 of .*names STORE_URL"),
        (f"STORE_URL=\u201c{AWAY}\u201d", "quotation mark"),
        (f"STORE_URL=\u200b{AWAY}", r"U\+200B"),
        (f"STORE_URL={AWAY}\0", r"U\+0000"),
        (f"URL={FILE}\nSTORE_URL=${{URL}}", "name of another variable"),
        (f"STORE_URL={FILE};", "STORE_URL ends with ';'"),
        ("STORE_URL=", "neither the environment nor .*env"),
        ("STORE_URL=redis://h", "STORE_URL: there is no store redis:"),
        (f"STORE_URL=jdbc:{AWAY}", "leave jdbc: out"),
        ("STORE_URL=http://h:6333", "write qdrant://"),
        ("STORE_URL=C:\\data\\a.db", "sqlite:///C:/"),
        ("STORE_URL=data/a.db", "sqlite:///data/a.db"),
        ("STORE_URL=inmemory", "write memory:, which keeps nothing"),
        (f"STORE_URL={FILE}\nEMBEDINGS=exact:24", "rename EMBEDINGS to EMBEDDINGS"),
        (f'STORE_URL={FILE}\nEMBEDDINGS=exact:24\nEMBEDDINGS_FIELDS=["text"]', "without brackets"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("production", [False, True], ids=["env", "production"])
def test_a_mistake_in_a_file_is_named_and_means_no_memory(
    text: str, said: str, production: bool, tmp_path: Path
) -> None:
    """In ``.env``, and in ``.env.production`` before a ``.env`` that would be content with memory."""
    if production and ("STORE_ENV" in text or text == "STORE_URL="):
        pytest.skip("the line is about .env itself, or leaves the word to it")
    path = tmp_path / (".env.production" if production else ".env")
    path.write_text(text + "\n", "utf-8")
    if production:
        content = "" if "USE_PERS" in text else "STORE_URL=memory:\n"
        (tmp_path / ".env").write_text(f"STORE_ENV=production\n{content}")

    with pytest.raises(UserError, match=said) as caught:
        create_store()

    assert SECRET not in str(caught.value) and not (tmp_path / "a.db").exists()


@no_sqlite
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be-bom"])
def test_any_editors_file_is_read(newline: str, encoding: str, tmp_path: Path) -> None:
    lines = [
        "# für uns",
        "export STORE_URL = 'sqlite:///a b.db'  # here",
        "STORE_URI_OF_ANOTHER_PROGRAM=redis://h",
        "",
    ]
    data = newline.join(lines)
    big = encoding.endswith("-bom")
    path = tmp_path / ".env"
    path.write_bytes(f"\ufeff{data}".encode("utf-16-be") if big else data.encode(encoding))

    assert read_env(path) == read_env_file(path)
    create_store().close()
    assert (tmp_path / "a b.db").exists()


@no_sqlite
def test_another_programs_variable_is_no_mistake_where_ours_is_set(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("STORE_URI=redis://h\nEMBEDDING=small\n")
    os.environ["STORE_URL"] = FILE
    create_store().close()
    del os.environ["STORE_URL"]
    create_store(FILE).close()  # nor where the call says which
    del os.environ["STORE_URI"]  # which the file has brought
    os.environ["STORE_ENV"] = "production"
    (tmp_path / ".env.production").write_text(f"STORE_URL={FILE}\n")

    create_store().close()


def test_real_variables_are_looked_at_too(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("STORE_URL=memory:\n")
    os.environ["STORE_URI"] = AWAY
    with pytest.raises(FactoryError, match="the environment sets STORE_URI"):
        create_store()
    del os.environ["STORE_URI"]
    os.environ["STORE_URL"] = f'"{FILE}"'  # as docker's --env-file hands it on

    with pytest.raises(FactoryError, match="docker's --env-file"):
        create_store()


def test_a_file_that_nobody_reads_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env.production").write_text(f"STORE_URL={FILE}\n")
    (tmp_path / ".env.example").write_text("STORE_URL=\n")

    with pytest.raises(FactoryError, match=r"set STORE_ENV=production to have \.env\.production"):
        create_store()


def test_a_file_that_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(f"STORE_URL={FILE}\n")

    def read_bytes(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", read_bytes)

    with pytest.raises(FactoryError, match=r"\.env cannot be read: Permission denied"):
        load_files(tmp_path, {})


def test_a_setting_of_another_name_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    os.environ.update(STORE_URL="memory:", EMBEDDINGS="exact:24", EMBEDDING_FIELDS="text")

    with caplog.at_level(logging.WARNING):
        create_store().close()

    assert "EMBEDDING_FIELDS is set and means nothing here: did you mean EMBEDDINGS_FIELDS" in (
        caplog.text
    )


@pytest.mark.parametrize(
    ("url", "module", "extra"),
    [
        (FILE, "langgraph.store.sqlite", "sqlite"),
        (AWAY, "langgraph.store.postgres", "postgres"),
        ("qdrant://127.0.0.1:1", "qdrant_client", "qdrant"),
        ("qdrant+edge:///e", "qdrant_edge", "qdrant-edge"),
        ("chroma:///c", "chromadb", "chroma"),
        ("weaviate://127.0.0.1:1", "weaviate", "weaviate"),
        ("pinecone://i", "pinecone", "pinecone"),
    ],
)
def test_a_missing_package_is_named_with_what_to_install(
    url: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden: dict[str, Any] = {name: None for name in sys.modules if (name + ".").startswith(module)}
    for name in (*hidden, module):
        monkeypatch.setitem(sys.modules, name, None)
    before = util.find_spec
    monkeypatch.setattr(
        util, "find_spec", lambda name, *more: None if name == module else before(name, *more)
    )
    os.environ["STORE_URL"] = url

    with pytest.raises(BackendError, match=r"not installed|is missing") as caught:
        create_store()

    assert "pip install" in caught.value.hint and extra in caught.value.hint
    assert set(VARIABLES) and SECRET not in str(caught.value)
