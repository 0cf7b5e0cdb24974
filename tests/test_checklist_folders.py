"""
The checklist of folders whose engine runs in the process, and of Pinecone: what is wrong is seen, and nothing is written.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from store_conformance.backends.base import BackendError
from store_conformance.checklist.looking import check
from store_conformance.checklist.model import FAIL, HIDDEN, PASS, WARN, Checklist
from store_conformance.embedding import ExactEmbeddings
from store_conformance.factory import create_store
from store_conformance.harness.backends import create
from tests.test_store_factory import own_environment

__all__ = ["own_environment"]
URLS = {
    "qdrant": ("qdrant:///f", "qdrant_client"),
    "edge": ("qdrant+edge:///f", "qdrant_edge"),
    "chroma": ("chroma:///f", "chromadb"),
}
INDEX: Any = {"dims": 16, "embed": ExactEmbeddings(dims=16)}


@pytest.fixture(params=URLS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store in a folder that only its owner may enter; it was filled and closed."""
    found, needs = URLS[request.param]
    pytest.importorskip(needs)
    with create_store(found, index=INDEX) as store:
        store.put(("users", "ada"), "k", {"text": "tea"})
    Path("f").chmod(0o700)
    return found


def bytes_and_times(folder: Path) -> dict[str, tuple[str, int, int]]:
    found = {}
    for path in sorted([folder, *folder.rglob("*")]):
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path)] = (content, path.stat().st_mtime_ns, path.stat().st_mode)
    return found


def statuses(found: Checklist) -> dict[str, str]:
    return {line.check.id: line.status for line in found.lines}


def accused(found: Checklist) -> set[str]:
    return {id for id, status in statuses(found).items() if status in (FAIL, WARN)}


@pytest.mark.parametrize("read_only", [True, False])
def test_a_right_folder_is_accused_of_nothing_and_left_as_it_is(url: str, read_only: bool) -> None:
    before = bytes_and_times(Path("f"))

    found = check(url, read_only=read_only)

    assert bytes_and_times(Path("f")) == before
    assert not accused(found) and found.exit_code == 0
    assert statuses(found)["FD1"] == PASS and statuses(found)["FD9"] == HIDDEN


def test_a_folder_that_is_open_is_looked_at_beside_its_store(url: str) -> None:
    with create_store(url, index=INDEX) as store:
        found = check(url, read_only=True)
        store.put(("users", "ada"), "k", {"text": "coffee"})
        assert store.get(("users", "ada"), "k").value == {"text": "coffee"}

    assert not accused(found)


def test_what_is_wrong_with_a_folder_is_seen(url: str) -> None:
    Path("f").chmod(0o755)
    next(path for path in Path("f").rglob("*") if path.is_file()).chmod(0o644)

    missing = check(f"{url}?collection=other", read_only=True)

    assert {"FD1", "FD2"} <= accused(missing)
    told = next(line.said for line in missing.lines if line.check.id == "FD1")
    assert "langgraph_store, which collection= would name" in told
    with pytest.raises(BackendError, match="is not there"):
        check(url.replace("///f", "///g"))
    Path("h").write_text("")
    with pytest.raises(BackendError, match="is a file"):
        check(url.replace("///f", "///h"))


def test_somebody_elses_collection_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "q").mkdir()
    theirs: dict[str, Any] = {"collections": {"docs": {"vectors": {}, "metadata": None}}}
    (tmp_path / "q" / "meta.json").write_text(json.dumps(theirs))
    (tmp_path / "q").chmod(0o700)
    pytest.importorskip("qdrant_client")

    found = check(f"qdrant:///{tmp_path / 'q'}?collection=docs")

    assert accused(found) == {"FD1"}


def test_a_damaged_file_and_one_that_is_being_written_are_told_apart() -> None:
    pytest.importorskip("chromadb")
    with create_store("chroma:///f") as store:
        store.put(("a",), "k", {"n": 1})
    file = Path("f/chroma.sqlite3")
    journal = file.with_name(file.name + "-journal")

    journal.write_bytes(b"")
    written = statuses(check("chroma:///f"))
    journal.unlink()
    with closing(sqlite3.connect(file)) as conn:
        pages = conn.execute("PRAGMA page_count").fetchone()[0]
    content = bytearray(file.read_bytes())
    size = len(content) // pages
    content[size * (pages // 2) :] = b"\xff" * (len(content) - size * (pages // 2))
    file.write_bytes(content)
    damaged = statuses(check("chroma:///f"))

    assert written["FD6"] == HIDDEN and damaged["FD6"] == FAIL


def test_too_much_for_the_local_mode_and_unflushed_writes_are_warned_of() -> None:
    pytest.importorskip("qdrant_client")
    pytest.importorskip("qdrant_edge")
    create_store("qdrant:///f").close()
    with closing(sqlite3.connect("f/collection/langgraph_store/storage.sqlite")) as conn:
        conn.executemany("INSERT INTO points VALUES (?, ?)", [(str(n), b"") for n in range(20_001)])
        conn.commit()
    create_store("qdrant+edge:///e").close()

    assert statuses(check("qdrant:///f"))["FD7"] == WARN
    assert statuses(check("qdrant+edge:///e?flush=off"))["FD10"] == WARN


# -- Pinecone ------------------------------------------------------------------------------------------------


def test_an_index_is_looked_at_by_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pinecone")
    emulator: Any = create("pinecone", deployment="emulated", url=None, options={})
    emulator.start()
    try:
        monkeypatch.setenv("PINECONE_API_KEY", emulator.key)
        at = f"host={emulator.url}"
        with create_store(f"pinecone://idx?{at}", index=INDEX) as store:
            store.put(("users", "ada"), "k", {"text": "tea"})
        right = check(f"pinecone://idx?{at}", read_only=True)
        missing = check(f"pinecone://other?{at}", read_only=True)
        empty = check(f"pinecone://idx?{at}&namespace=elsewhere", read_only=True)
    finally:
        emulator.stop()

    assert accused(right) - {"VS9"} == {"PC4"}  # the emulator protects nothing
    assert statuses(right)["PC1"] == PASS and statuses(right)["PC5"] == HIDDEN
    assert "PC1" in accused(missing) and statuses(missing)["PC2"] == HIDDEN
    assert "PC1" in accused(empty)
    assert emulator.key not in str(right.to_dict())


def test_a_service_that_gives_no_answer_has_no_missing_index(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("pinecone")
    with pytest.raises(BackendError, match="PINECONE_API_KEY is not set"):
        check("pinecone://idx")
    monkeypatch.setenv("PINECONE_API_KEY", "a-key-of-nobody")
    with pytest.raises(BackendError, match="gives no answer") as caught:
        check("pinecone://idx?host=http://127.0.0.1:1")

    assert "a-key-of-nobody" not in str(caught.value)
    assert os.environ["PINECONE_API_KEY"]
