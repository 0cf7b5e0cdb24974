"""
A store of which one half never worked has failed; that it "stopped answering" is said of one that did answer.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from store_conformance.contract import Verdict
from store_conformance.harness.settings import Settings
from store_conformance.runs.options import RunOptions, session_from_options
from store_conformance.runs.session import RunSession

STORE = """
from langgraph.store.base import GetOp
from langgraph.store.memory import InMemoryStore

class Store(InMemoryStore):
    def batch(self, ops):
        ops = list(ops)
        {sync}
        return super().batch(ops)

    async def abatch(self, ops):
        ops = list(ops)
        {twin}
        return await super().abatch(ops)

def open_store(at, index, ttl):
    return Store()
"""
NO_GETS = "if any(isinstance(op, GetOp) for op in ops): raise TypeError('a bug')"
ALWAYS = "raise TypeError('a bug')"
FAIL, PASS = str(Verdict.FAIL), str(Verdict.PASS)


def _verdicts(folder: Path, sync: str, twin: str) -> Counter[tuple[str, str]]:
    """How often which mode came to which verdict but ``unsupported``, in cases some of which get nothing."""
    (folder / "shop.py").write_text(STORE.format(sync=sync, twin=twin), "utf-8")
    session: RunSession = session_from_options(
        RunOptions(
            stores=(f"{folder / 'shop.py'}:open_store",),
            declare="no-vectors,no-ttl,no-processes,no-persistence",
            rules=("N4", "K3"),
            settings=Settings(timeout=20.0, confirm=False),
        )
    )
    try:
        session.start()
        rows = [session.run(j.spec, j.backend, j.mode, j.param).row for j in session.jobs()]
    finally:
        session.stop()
    told = (row for row in rows if row.verdict is not Verdict.UNSUPPORTED)
    return Counter((str(row.mode), str(row.verdict)) for row in told)


@pytest.mark.parametrize(
    ("sync", "twin", "modes"),
    [
        ("pass", ALWAYS, {"async": {FAIL}, "sync": {PASS}}),
        (ALWAYS, "pass", {"async": {PASS}, "sync": {FAIL}}),
        (NO_GETS, NO_GETS, {"async": {FAIL, PASS}, "sync": {FAIL, PASS}}),
        ("pass", "pass", {"async": {PASS}, "sync": {PASS}}),
    ],
)
def test_what_never_worked_is_a_finding(
    tmp_path: Path, sync: str, twin: str, modes: dict[str, set[str]]
) -> None:
    found = _verdicts(tmp_path, sync, twin)

    assert {m: {v for mode, v in found if mode == m} for m in ("async", "sync")} == modes
