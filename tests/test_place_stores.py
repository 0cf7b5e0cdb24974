"""
A store of the user's own that does not keep its locations apart is refused before it is written to; one
that does is not accused.
"""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from store_conformance.backends.base import BackendError
from store_conformance.backends.supplied_function import FunctionBackend
from store_conformance.contract import declared
from store_conformance.harness.backends import SuppliedBackend, user_supplied
from store_conformance.runs.preflight import keeps_apart

STORES = '''
import time
from contextlib import asynccontextmanager, contextmanager
from langgraph.store.base import GetOp, ListNamespacesOp, PutOp, SearchOp
from langgraph.store.memory import InMemoryStore

USERS = InMemoryStore()
for number in range(7):
    USERS.put(("users", "anna"), f"k{number}", {"text": "mine"})
writes = []


class Watched(InMemoryStore):
    """Says what was written, whoever asks."""

    def batch(self, ops):
        ops = list(ops)
        writes.extend(op for op in ops if isinstance(op, PutOp))
        return super().batch(ops)

    async def abatch(self, ops):
        return self.batch(ops)


class Users(Watched):
    def __init__(self):
        super().__init__()
        self._data = USERS._data


class Slow(InMemoryStore):
    def batch(self, ops):
        ops = list(ops)
        if any(isinstance(op, (SearchOp, ListNamespacesOp)) for op in ops):
            time.sleep(1)
        return super().batch(ops)


class NoEmptyPrefix(InMemoryStore):
    """Refuses to list everything, as a service without scans does."""

    def batch(self, ops):
        ops = list(ops)
        for op in ops:
            if isinstance(op, ListNamespacesOp) or isinstance(op, SearchOp) and not op.namespace_prefix:
                raise ValueError("name a namespace")
        return super().batch(ops)

    async def abatch(self, ops):
        return self.batch(ops)


class SaysNothing(InMemoryStore):
    def batch(self, ops):
        return [None for _ in ops]

    async def abatch(self, ops):
        return self.batch(ops)


SHARED, SILENT = Watched(), NoEmptyPrefix()
ONE = {}


def of_the_user(at, index, ttl):
    return Users()

@asynccontextmanager
async def of_the_user_async(at):
    yield Users()

def one_for_all(at):
    return SHARED

def one_for_all_that_does_not_list():
    return SILENT

def by_name(at):
    return ONE.setdefault(at.name, InMemoryStore())

@contextmanager
def each_its_own(at, index, ttl):
    yield InMemoryStore()

@asynccontextmanager
async def each_its_own_async(at):
    yield InMemoryStore()

def slow(at):
    return Slow()

def does_not_list(at):
    return NoEmptyPrefix()

def says_nothing(at):
    return SaysNothing()

def raises(at):
    raise RuntimeError("no")

def hangs(at):
    time.sleep(5)
'''


@pytest.fixture
def stores(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    file = tmp_path / f"apart_{abs(hash(request.node.name))}.py"
    file.write_text(STORES)
    return file


def _brought(file: Path, function: str, lacking: tuple[str, ...] = ()) -> SuppliedBackend:
    return user_supplied(f"{file}:{function}", capabilities=declared(lacking))


def _module(backend: SuppliedBackend) -> dict[str, Any]:
    assert isinstance(backend, FunctionBackend)
    names: dict[str, Any] = inspect.unwrap(backend._arguments.function).__globals__
    return names


@pytest.mark.parametrize(
    ("function", "lacking"),
    [
        ("of_the_user", ()),
        ("of_the_user", ("no-sync",)),
        ("of_the_user", ("no-async",)),
        ("of_the_user_async", ("no-sync",)),
    ],
)
def test_a_fresh_location_with_the_users_items_is_refused_and_not_written_to(
    stores: Path, function: str, lacking: tuple[str, ...]
) -> None:
    backend = _brought(stores, function, lacking)
    with pytest.raises(BackendError) as raised:
        keeps_apart(backend, 3.0)

    text = str(raised.value)
    assert "a fresh location is not empty: 7 item(s)" in text
    assert "1 namespace(s), such as ('users', 'anna')" in text
    assert "the store does not use at.name or at.path; nothing was written" in text
    assert not _module(backend)["writes"]


@pytest.mark.parametrize("function", ["one_for_all", "one_for_all_that_does_not_list"])
@pytest.mark.parametrize("lacking", ["no-sync", "no-async"])
def test_what_is_put_into_one_location_may_not_be_in_another(
    stores: Path, function: str, lacking: str
) -> None:
    backend = _brought(stores, function, (lacking,))
    with pytest.raises(BackendError, match=r"found in another.*was deleted again"):
        keeps_apart(backend, 3.0)

    for name in ("SHARED", "SILENT"):
        assert not any(_module(backend)[name]._data.values())


@pytest.mark.parametrize(
    ("function", "lacking"),
    [
        ("by_name", ()),
        ("each_its_own", ()),
        ("each_its_own_async", ("no-sync",)),
        ("slow", ()),
        ("does_not_list", ()),
        ("says_nothing", ()),
        ("raises", ()),
        ("hangs", ()),
    ],
)
def test_a_store_that_keeps_apart_or_does_not_say_is_not_accused(
    stores: Path, function: str, lacking: tuple[str, ...]
) -> None:
    keeps_apart(_brought(stores, function, lacking), 3.0)


@pytest.mark.parametrize("command", ["store-conformance", "pytest"])
def test_the_run_ends_before_its_first_case(stores: Path, command: str) -> None:
    reference = f"{stores}:of_the_user"
    arguments = {
        "store-conformance": ["store_conformance.cli", "run", "--store", reference, "--rule", "K1"],
        "pytest": [
            "pytest",
            "--pyargs",
            "store_conformance.suite",
            "--conformance-store",
            reference,
        ],
    }[command]
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=stores.parent, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    shown = done.stdout + done.stderr
    assert "a fresh location is not empty: 7 item(s)" in shown
    assert "Traceback" not in shown
    assert done.returncode == (2 if command == "store-conformance" else pytest.ExitCode.USAGE_ERROR)
