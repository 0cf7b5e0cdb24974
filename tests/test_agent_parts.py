"""
An environment in which the agent cannot work is no fault of a store.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest

from store_conformance.backends.memory import MemoryBackend
from store_conformance.contract import Mode, Verdict
from store_conformance.harness.runner import run_case
from store_conformance.harness.settings import Settings
from store_conformance.suite.register import all_cases
from store_conformance.suite.support import agent as _agent

try:
    import langmem  # noqa: F401
except Exception as error:  # noqa: BLE001 - on Python 3.10 it ends with an AttributeError
    pytest.skip(f"unverified: langmem cannot be imported: {error}", allow_module_level=True)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    def clear() -> None:
        _agent._parts.cache_clear()
        _agent._rehearsal.cache_clear()

    clear()
    yield
    clear()


def agent_rows() -> list[Any]:
    backend = MemoryBackend()
    backend.start()
    try:
        return [
            run_case(backend, spec, Mode.SYNC, None, Settings(embed="exact")).row
            for spec in all_cases()
            if spec.id == "episodic::an_agent_updates_and_deletes_its_memories"
        ]
    finally:
        backend.stop()


def test_where_everything_fits_the_agent_runs() -> None:
    assert _agent._rehearsal() == ""
    assert [row.verdict for row in agent_rows()] == [Verdict.PASS]


@pytest.mark.parametrize("error", [ImportError, AttributeError, TypeError, SyntaxError])
def test_a_package_that_cannot_be_imported_is_no_fault_of_the_store(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.import_module

    def broken(name: str, *more: Any) -> Any:
        if name == "langmem":
            raise error("planted")
        return real(name, *more)

    monkeypatch.setattr(importlib, "import_module", broken)
    rows = agent_rows()

    assert [row.verdict for row in rows] == [Verdict.UNVERIFIED]
    assert "planted" in rows[0].message


def test_an_agent_that_runs_on_no_store_is_no_fault_of_the_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(parts: Any, store: Any) -> Any:
        raise TypeError("ToolNode takes other arguments in this release")

    monkeypatch.setattr(_agent, "compile_agent", broken)
    rows = agent_rows()

    assert [row.verdict for row in rows] == [Verdict.UNVERIFIED]
    assert "a plain dict" in rows[0].message
    assert "ToolNode" in rows[0].message
