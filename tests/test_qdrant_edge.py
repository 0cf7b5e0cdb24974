"""
Qdrant's engine inside the process: what its folder promises, and how the backend offers it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("qdrant_edge", reason="qdrant-edge-py is not installed")

from store_conformance.backends import registry
from store_conformance.backends.base import BackendError, Deployment
from store_conformance.backends.vector.errors import EngineError, ForeignCollectionError
from store_conformance.backends.vector.qdrant_edge import QdrantEdgeStore
from tests import driver_checks
from tests.driver_checks import INDEX, keys

pytestmark = pytest.mark.slow


def _opener(path: Path) -> Callable[..., QdrantEdgeStore]:
    def open(index: Any = None, ttl: Any = None) -> QdrantEdgeStore:
        return QdrantEdgeStore.from_path(str(path), index=index, ttl=ttl)

    return open


ONE_STORE = [c for c in driver_checks.ALL if c is not driver_checks.many_threads_and_setups]
"""The other opens several stores on one folder at once."""


@pytest.mark.parametrize("check", ONE_STORE, ids=lambda check: check.__name__)
def test_store(tmp_path: Path, check: Callable[[Any], None]) -> None:
    check(_opener(tmp_path))


_WRITER = """
import sys
from tests.driver_checks import INDEX
from store_conformance.backends.vector.qdrant_edge import QdrantEdgeStore
with QdrantEdgeStore.from_path(sys.argv[1], index=INDEX) as store:
    for n in range(10_000):
        store.put(("s",), f"k{n % 50}", {"text": "alpha", "more": ["beta"], "n": n})
        print(n, flush=True)
"""


def test_what_was_acknowledged_outlives_a_kill_of_the_process(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(tmp_path)],
        stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert child.stdout is not None
    seen = -1
    for line in child.stdout:
        seen = int(line)
        if seen == 300:
            os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()

    with _opener(tmp_path)(index=INDEX) as store:
        numbers = {item.key: item.value["n"] for item in store.search(("s",), limit=100)}
        assert all(numbers[f"k{n % 50}"] >= n for n in range(seen - 49, seen + 1))
        for word in ("alpha", "beta"):
            found = store.search(("s",), query=word, limit=100)
            assert sorted(keys(found)) == sorted(numbers)
            assert {round(item.score or 0, 3) for item in found} == {1.0}


def test_a_folder_is_for_one_store(tmp_path: Path) -> None:
    with _opener(tmp_path)() as store:
        store.put(("a",), "k", {})
        script = (
            "import sys; from store_conformance.backends.vector.qdrant_edge import QdrantEdgeStore\n"
            "with QdrantEdgeStore.from_path(sys.argv[1]) as store: store.get(('a',), 'k')"
        )
        other = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path)],
            capture_output=True, text=True, cwd=Path(__file__).parents[1],
        )  # fmt: skip
        assert other.returncode != 0
        assert "another store has this folder open" in other.stderr
    with _opener(tmp_path)() as again:
        assert again.get(("a",), "k") is not None


def test_a_folder_of_others_is_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / "langgraph_store"
    theirs.mkdir()
    (theirs / "notes.txt").write_text("mine")
    with pytest.raises(ForeignCollectionError, match="lacks our marker"):
        _opener(tmp_path)().setup()
    assert [file.name for file in theirs.iterdir()] == ["notes.txt"]
    (theirs / "langgraph.json").write_text("{}")
    with pytest.raises(ForeignCollectionError, match="lacks our marker"):
        _opener(tmp_path)().setup()


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match="could not open the folder"):
        _opener(tmp_path / "file")().setup()


def test_numbers_that_differ_in_the_last_bit_are_found_by_ranges(tmp_path: Path) -> None:
    numbers = [0.1, 0.10000000000100001, 9007199254740991, -1.1, 1e308, 5e-324]
    with _opener(tmp_path)() as store:
        for n, number in enumerate(numbers):
            store.put(("a",), f"k{n}", {"f": number})
        for n, number in enumerate(numbers):
            for operator in ("$gte", "$lte"):
                assert f"k{n}" in keys(store.search(("a",), filter={"f": {operator: number}}))
            for operator in ("$gt", "$lt"):
                assert f"k{n}" not in keys(store.search(("a",), filter={"f": {operator: number}}))


def test_the_backend_offers_it_by_an_option() -> None:
    backend: Any = registry.create("qdrant", options={"embedded": "edge"})
    try:
        assert backend.deployment is Deployment.EMBEDDED
        assert "Edge" in backend.availability().detail
        at = backend.location()
        with backend.open(at, INDEX, None, "sync") as store:
            store.put(("a",), "k", {"text": "alpha"})
        twin: Any = registry.create("qdrant")
        twin.attach(backend.spec())
        with twin.open(at, INDEX, None, "sync") as store:
            assert keys(store.search(("a",), query="alpha")) == ["k"]
        assert backend.facts().store.endswith("QdrantEdgeStore")
    finally:
        backend.stop()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"options": {"embedded": "remote"}}, "embedded=remote is unknown"),
        (
            {"options": {"embedded": "edge"}, "url": "http://127.0.0.1:1"},
            "embedded deployment only",
        ),
        (
            {"options": {"embedded": "edge"}, "deployment": Deployment.PROCESS},
            "embedded deployment only",
        ),
    ],
)
def test_an_option_that_does_not_fit_is_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(BackendError, match=told):
        registry.create("qdrant", **given)
