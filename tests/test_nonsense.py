"""
A store that answers nonsense is a finding, never an error of the harness.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from store_conformance.backends.factory import user_supplied
from store_conformance.contract import Verdict, declared
from store_conformance.harness.runner import run_case
from store_conformance.harness.settings import Settings
from store_conformance.oracle import histories
from store_conformance.suite.register import all_cases
from tests.nonsense_stores import KINDS

pytestmark = pytest.mark.slow

FILE = Path(__file__).with_name("nonsense_stores.py")
RULES = ("E7", "E9", "K1", "O1")
"""Those that go through whole stores, and some that look into single answers."""


@pytest.mark.parametrize("kind", KINDS)
def test_nonsense_is_a_finding_and_no_error_of_ours(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONFORMANCE_HISTORIES", str(tmp_path))
    monkeypatch.setattr(histories, "SHRINK_SECONDS", 0.2)  # how short a history is does not matter
    backend = user_supplied(
        f"{FILE}:open_store",
        name="nonsense",
        capabilities=declared(("no-persistence", "no-processes", "no-ttl")),
        options={"kind": kind},
    )
    settings = Settings(embed="exact", histories=1, steps=15)
    backend.start()
    try:
        rows = [
            run_case(backend, spec, mode, param, settings).row
            for spec in all_cases()
            if spec.rule_id in RULES and not spec.serial
            for mode in spec.modes[:1]
            for param in spec.expand()
        ]
    finally:
        backend.stop()

    assert [r for r in rows if r.verdict == Verdict.ERROR] == []
    assert [r for r in rows if r.verdict == Verdict.FAIL]
