"""
Whose fault an exception is: told by where it was raised, however the store's files are named.
"""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from store_conformance import suite
from store_conformance.backends.base import Backend, BackendError, EngineUnavailableError
from store_conformance.backends.factory import user_supplied
from store_conformance.backends.hybrid import HybridBackend
from store_conformance.backends.supplied import SuppliedBackend
from store_conformance.contract import Mode, Verdict
from store_conformance.harness.backends import VectorStoreError
from store_conformance.harness.case import CaseSpec, case, spec_of
from store_conformance.harness.errors import (
    HarnessError,
    StoreRaisedError,
    UnsupportedError,
    UnverifiedError,
)
from store_conformance.harness.lab import Lab
from store_conformance.harness.loops import HungError, TooSlowError
from store_conformance.harness.process import child_main
from store_conformance.harness.process.child import ChildFailedError
from store_conformance.harness.runner import run_case
from store_conformance.harness.settings import Settings
from store_conformance.migration.transfer import MigrationError

SOURCE = Path(__file__).with_name("blame_stores.py")
CASES = '''
import asyncio

def get(store, key):
    return store.raw.get(("a",), key)

def through_the_face(lab):
    """A call through the harness's face of the store."""
    lab.indexed().get(("a",), lab.wanted)

def by_hand(lab):
    """The case calls the raw store."""
    lab.indexed().raw.get(("a",), lab.wanted)

def in_the_loop(lab):
    """The case calls the raw store in a coroutine of its own."""
    async def work(raw):
        return await asyncio.gather(raw.aget(("a",), lab.wanted))
    lab.indexed().run(work)

def in_time(lab):
    """The case waits for the raw store, but not for ever."""
    async def work(raw):
        await asyncio.wait_for(raw.aget(("a",), lab.wanted), 0.05)
    lab.indexed().run(work)

def looks_into_the_answer(lab):
    """The case uses an answer as what it should be."""
    lab.indexed().raw.get(("a",), lab.wanted).value.items()

def hands_the_answer_on(lab):
    """The case hands an answer to a library."""
    __import__("json").dumps(lab.indexed().raw.get(("a",), lab.wanted))

def value_by_the_face(lab):
    """The harness's face looks into the answer."""
    lab.indexed().value(("a",), lab.wanted)

def does(lab):
    """The case does what the test says."""
    lab.indexed()
    lab.wanted(lab)
'''


@pytest.fixture(scope="module")
def cases() -> Iterator[ModuleType]:
    """A module of the suite, as far as anybody can tell."""
    module = ModuleType(f"{suite.__name__}.test_of_blame")
    sys.modules[module.__name__] = module
    exec(compile(CASES, "blame_cases.py", "exec"), vars(module))  # a module that is no file
    yield module
    del sys.modules[module.__name__]


def ended(
    cases: ModuleType,
    name: str,
    wanted: Any,
    backend: Backend,
    rule: str = "K1",
    mode: Mode = Mode.ASYNC,
) -> tuple[Verdict, str]:
    """What the case of that name comes to with that backend."""

    def body(lab: Any) -> None:
        lab.wanted = wanted
        getattr(cases, name)(lab)

    spec = spec_of(case(rule)(body))
    assert isinstance(spec, CaseSpec)
    row = run_case(backend, spec, mode, None, Settings(timeout=20)).row
    return row.verdict, row.message


def backend_in(folder: Path) -> SuppliedBackend:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(SOURCE, folder / "k.py")
    return user_supplied(f"{folder / 'k.py'}:open_store", name="buggy")


FOLDERS = (
    "stores",
    "backends",
    "conformance/suite",
    "conformance/harness",
    "store_conformance/suite",
    "store_conformance_suite",
    "tests/mutants",
)
BUGS = (
    ("through_the_face", "raises"),
    ("through_the_face", "nonsense"),
    ("through_the_face", "raises what has no text"),
    ("by_hand", "raises"),
    ("by_hand", "raises what has no text"),
    ("by_hand", "embeds wrongly"),
    ("in_the_loop", "raises"),
    ("in_the_loop", "embeds wrongly"),
    ("in_the_loop", "cancelled"),
    ("in_time", "late"),
    ("looks_into_the_answer", "nonsense"),
    ("looks_into_the_answer", "odd item"),
    ("hands_the_answer_on", "nonsense"),
    ("value_by_the_face", "odd item"),
)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_bug_of_a_store_is_the_stores_wherever_its_file_lies(
    folder: str, tmp_path: Path, cases: ModuleType
) -> None:
    backend = backend_in(tmp_path / folder)
    try:
        verdicts = {bug: ended(cases, *bug, backend)[0] for bug in BUGS}
    finally:
        backend.stop()

    assert verdicts == dict.fromkeys(BUGS, Verdict.FAIL)


@pytest.mark.parametrize("package", ["backends", "conformance", "suite", "store_conformance_x"])
def test_a_bug_of_a_store_in_a_package_of_any_name_is_the_stores(
    package: str, tmp_path: Path, cases: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / package / "suite"
    folder.mkdir(parents=True)
    shutil.copy(SOURCE, folder / "k.py")
    for part in (folder, folder.parent):
        (part / "__init__.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    for name in [n for n in sys.modules if n.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    importlib.invalidate_caches()
    backend = user_supplied(f"{package}.suite.k:open_store", name="buggy")
    try:
        assert ended(cases, "in_the_loop", "raises", backend)[0] is Verdict.FAIL
    finally:
        backend.stop()
        for name in [n for n in sys.modules if n.partition(".")[0] == package]:
            monkeypatch.delitem(sys.modules, name)


def test_the_name_of_a_module_of_ours_does_not_make_it_one(
    tmp_path: Path, cases: ModuleType
) -> None:
    backend = backend_in(tmp_path)
    impostor = {"__name__": "store_conformance.harness.lab"}
    exec("def broken(lab):\n    raise KeyError('not of the harness')", impostor)
    try:
        assert ended(cases, "does", impostor["broken"], backend)[0] is Verdict.FAIL
    finally:
        backend.stop()


def test_a_bug_of_a_store_that_this_project_ships_is_that_stores(
    cases: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    from store_conformance.backends.hybridstore import store as shipped

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise KeyError("a bug of the store")

    backend = HybridBackend()
    backend.start()
    try:
        monkeypatch.setattr(shipped.HybridStore, "aget", broken)
        assert ended(cases, "in_the_loop", "k", backend)[0] is Verdict.FAIL
    finally:
        backend.stop()


# -- ours -------------------------------------------------------------------------------------------


def _lab_breaks(lab: Lab) -> None:
    lab.until(None, 1, "nothing")  # type: ignore[arg-type]


def _embedder_breaks(lab: Lab) -> None:
    lab.index()["embed"].embed_documents([None])


def _loop_breaks(lab: Lab) -> None:
    lab.loop_thread.run(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("broken", [_lab_breaks, _embedder_breaks, _loop_breaks])
def test_a_bug_of_the_harness_is_the_harnesss_own(
    broken: Callable[[Lab], None], tmp_path: Path, cases: ModuleType
) -> None:
    backend = backend_in(tmp_path / "conformance" / "suite")
    try:
        verdict, message = ended(cases, "does", broken, backend)
    finally:
        backend.stop()

    assert verdict is Verdict.ERROR
    assert "store_conformance." in message, "it says where"


@pytest.mark.parametrize("what", ["location", "discard"])
def test_a_backend_that_gives_no_place_is_no_fault_of_the_store(
    what: str, tmp_path: Path, cases: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = backend_in(tmp_path / "suite")
    monkeypatch.setattr(backend, what, lambda *a, **k: (_ for _ in ()).throw(KeyError("no place")))
    try:
        verdict, _ = ended(cases, "by_hand", "k", backend)
    finally:
        backend.stop()

    # What goes wrong in clearing up is told beside the verdict, which stands.
    assert verdict is (Verdict.ERROR if what == "location" else Verdict.PASS)


# -- what carries its verdict -----------------------------------------------------------------------


class _Opens(Backend):
    """A user's backend whose ``open`` does what the test says."""

    def __init__(self, opening: Callable[[], Any]) -> None:
        super().__init__()
        self.opening = opening

    def open(self, at: Any, index: Any, ttl: Any, mode: Mode) -> Any:
        return self.opening()


def _raises(error: Exception) -> Callable[..., Any]:
    def raise_it(*args: Any) -> Any:
        raise error

    return raise_it


@contextmanager
def _entering(error: Exception) -> Iterator[Any]:
    raise error
    yield


@pytest.mark.parametrize(
    ("opening", "verdict"),
    [
        (_raises(RuntimeError("no such host")), Verdict.FAIL),
        (_raises(VectorStoreError("refused")), Verdict.FAIL),
        (lambda: _entering(RuntimeError("no such host")), Verdict.FAIL),
        (lambda: _entering(EngineUnavailableError("x", "it is gone.")), Verdict.UNVERIFIED),
        (_raises(EngineUnavailableError("x", "it is gone.")), Verdict.UNVERIFIED),
        (_raises(BackendError("x", "was never started.")), Verdict.ERROR),
    ],
)
def test_opening_a_store_is_a_call_of_the_store(
    opening: Callable[[], Any], verdict: Verdict, cases: ModuleType
) -> None:
    backend = _Opens(opening)
    try:
        assert ended(cases, "by_hand", "k", backend, mode=Mode.SYNC)[0] is verdict
    finally:
        backend.stop()


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (MigrationError("it would be altered", "leave it out"), Verdict.FAIL),
        (HarnessError("the pipe is closed"), Verdict.ERROR),
        (EngineUnavailableError("x", "it is gone."), Verdict.UNVERIFIED),
        (ChildFailedError("ValueError", "no"), Verdict.FAIL),
        (ChildFailedError("BackendError", "no", Verdict.ERROR), Verdict.ERROR),
        (HungError(2.0), Verdict.FAIL),
        (TooSlowError("every call was answered"), Verdict.UNVERIFIED),
        (UnsupportedError("declared"), Verdict.UNSUPPORTED),
        (UnverifiedError("nothing was exercised"), Verdict.UNVERIFIED),
    ],
)
def test_an_ending_carries_its_verdict(
    error: Exception, verdict: Verdict, tmp_path: Path, cases: ModuleType
) -> None:
    backend = backend_in(tmp_path)
    try:
        found, message = ended(cases, "does", _raises(error), backend)
    finally:
        backend.stop()

    assert found is verdict
    assert message == str(error)


def test_a_rule_that_only_records_is_never_failed(tmp_path: Path, cases: ModuleType) -> None:
    backend = backend_in(tmp_path)
    try:
        judged = {
            rule: ended(cases, "by_hand", "raises", backend, rule)[0] for rule in ("K1", "S9")
        }
    finally:
        backend.stop()

    assert judged == {"K1": Verdict.FAIL, "S9": Verdict.UNVERIFIED}


# -- in another process -----------------------------------------------------------------------------


def _ask(key: str) -> Callable[[Lab], None]:
    def ask(lab: Lab) -> None:
        lab.child(lab.location()).call("get", ["a"], key)

    return ask


def _embed_there(lab: Lab) -> None:
    lab.child(lab.location(), embed="exakt")


@pytest.mark.parametrize(
    ("does", "verdict", "said"),
    [
        (_ask("raises"), Verdict.FAIL, "KeyError: 'a bug of the store'"),
        (_ask("nonsense"), Verdict.FAIL, "Hostile is not JSON serializable"),
        (_embed_there, Verdict.ERROR, "EmbeddingError"),
    ],
)
def test_a_child_process_tells_whose_fault_it_was(
    does: Callable[[Lab], None], verdict: Verdict, said: str, tmp_path: Path, cases: ModuleType
) -> None:
    backend = backend_in(tmp_path / "conformance")
    try:
        found, message = ended(cases, "does", does, backend)
    finally:
        backend.stop()

    assert said in message
    assert found is verdict


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (EngineUnavailableError("x", "it is gone."), "unverified"),
        (StoreRaisedError("get()", EngineUnavailableError("x", "it is gone.")), "unverified"),
        (StoreRaisedError("get()", KeyError("k")), "fail"),
        (BackendError("x", "was never started."), "error"),
    ],
)
def test_what_a_child_tells_makes_the_same_verdict(error: Exception, verdict: str) -> None:
    told = child_main._told(error)

    assert told["verdict"] == verdict
    assert str(ChildFailedError.told(told).verdict) == verdict
