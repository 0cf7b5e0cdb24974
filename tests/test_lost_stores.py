"""
A store whose own code ends its process, raises or stands still before the first case costs its own cases alone.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from store_conformance.backends.engines.processes import runs
from store_conformance.backends.polling import wait_until
from store_conformance.contract import Level, Mode, UserError, Verdict
from store_conformance.contract.errors import EXIT_UNVERIFIED
from store_conformance.contract.records import Row
from store_conformance.runs.gate import judge_run
from store_conformance.runs.health import NEVER_OPENED
from store_conformance.runs.hosted import HostedBackend, StoreLostError
from store_conformance.runs.opening import open_each
from store_conformance.runs.options import RunOptions, session_from_options
from store_conformance.runs.run_file import read_run
from store_conformance.runs.session import RunSession
from tests.sample_run import make_run, row

STORE = """
import os, sys, time
from contextlib import contextmanager
from langgraph.store.memory import InMemoryStore
{at_import}

@contextmanager
def open_store(at, index, ttl):
    {at_opening}
    yield InMemoryStore(index=index)
"""
LOST = {
    "ends at import": ({"at_import": "os._exit(0)"}, "ended its process while it was imported"),
    "raises at import": ({"at_import": "sys.exit(4)"}, "cannot be imported: SystemExit: 4"),
    "ends when opened": (
        {"at_opening": "os._exit(0)"},
        "ended its process while it was opened",
    ),
    "raises when opened": ({"at_opening": "raise OSError('no')"}, "raised OSError: no"),
    "gives no store": ({"at_opening": "yield None; return"}, "gave None"),
}


def _written(folder: Path, name: str, at_import: str = "", at_opening: str = "pass") -> str:
    path = folder / f"{name}.py"
    path.write_text(STORE.format(at_import=at_import, at_opening=at_opening), "utf-8")
    return f"{path}:open_store"


def _begun(*stores: str, backends: tuple[str, ...] = ()) -> tuple[RunSession, list[str]]:
    """The session of a run before its engines start, and what was told."""
    options = RunOptions(backends=backends, stores=stores, rules=("L4",))
    session = session_from_options(options, hosted=True)
    try:
        return session, list(open_each(session, 60.0))
    except BaseException:
        session.stop()
        raise


@pytest.mark.parametrize("sin", LOST)
def test_the_others_go_on_without_it_and_it_is_told(tmp_path: Path, sin: str) -> None:
    lines, said = LOST[sin]
    bad, good = _written(tmp_path, "bad", **lines), _written(tmp_path, "good")

    session, told = _begun(bad, good, backends=("memory",))

    session.stop()
    assert session.names() == ["memory", "good"]
    assert list(session.absent) == ["bad"] and said in session.absent["bad"]
    assert any(line.startswith("left out: bad: ") and said in line for line in told)


@pytest.mark.parametrize("sin", LOST)
def test_alone_it_ends_the_run(tmp_path: Path, sin: str) -> None:
    lines, said = LOST[sin]

    with pytest.raises(StoreLostError) as raised:
        _begun(_written(tmp_path, "bad", **lines))

    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("nowhere.py:open_store", "no file"),
        ("good.py:opens", "there is no 'opens'"),
        ("nowhere_at_all:open_store", "no module"),
    ],
)
def test_a_mistake_in_what_was_asked_for_ends_the_run_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    good = _written(tmp_path, "good")

    with pytest.raises(UserError, match=said) as raised:
        _begun(good, reference)

    assert not isinstance(raised.value, StoreLostError)


def test_two_stores_of_one_name_are_refused_though_one_is_lost(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    bad = _written(tmp_path / "other", "shop", at_import="os._exit(0)")

    with pytest.raises(UserError, match="named twice"):
        _begun(bad, _written(tmp_path, "shop"))


def test_what_was_loaded_for_a_run_that_is_refused_is_ended(tmp_path: Path) -> None:
    mark = tmp_path / "process"
    marks = f"open({str(mark)!r}, 'w').write(str(os.getpid()))"
    shop = _written(tmp_path, "shop", at_import=marks)

    with pytest.raises(UserError, match="named twice"):
        _begun(shop, shop)

    assert wait_until(lambda: not runs(int(mark.read_text("utf-8"))), 20)


def test_one_whose_engine_does_not_start_is_lost_alone(tmp_path: Path) -> None:
    engine = """
from store_conformance.backends.base import Backend
from store_conformance.contract import Capability

class Open(Backend):
    name = "bad"
    capabilities = frozenset({Capability.SYNC})
    started = 0
    def start(self):
        Open.started += 1
        if Open.started > 1:
            os._exit(0)
    def open(self, at, index, ttl, mode):
        from contextlib import nullcontext
        return nullcontext(InMemoryStore())
"""
    (tmp_path / "bad.py").write_text(STORE.format(at_import=engine, at_opening="pass"), "utf-8")
    session, _ = _begun(f"{tmp_path / 'bad.py'}:Open", _written(tmp_path, "good"))
    said: list[str] = []
    try:
        session.start(said.append)
    finally:
        session.stop()

    assert session.names() == ["good"]
    assert "ended its process while it was started" in session.absent["bad"]
    assert any(line.startswith("left out: bad: ") for line in said)
    assert [(r.backend, r.verdict) for r in session.recording.rows] == [("bad", Verdict.UNVERIFIED)]


def test_the_last_one_cannot_be_left_out(tmp_path: Path) -> None:
    session, _ = _begun(_written(tmp_path, "good"))
    error = StoreLostError("it is gone")
    try:
        with pytest.raises(StoreLostError):
            session.lose("good", error)
        assert isinstance(session.backends["good"], HostedBackend)
    finally:
        session.stop()


def test_the_gate_does_not_hold_without_a_store_that_was_asked_for() -> None:
    passed = row("mine", "K1", "pass")
    why = f"{NEVER_OPENED}: bad.py:f ended its process"
    lost = Row("bad", "E4", Level.MUST, "engine", Mode.SYNC, Verdict.UNVERIFIED, why)
    optional = Row("bad", "E4", Level.MUST, "engine", Mode.SYNC, Verdict.UNVERIFIED, "no engine")

    assert judge_run(make_run([passed])).code == 0
    assert judge_run(make_run([passed, optional])).code == 0
    gate = judge_run(make_run([passed, lost]))
    assert gate.code == EXIT_UNVERIFIED
    assert gate.reasons == (f"bad: {why}",)


def test_a_whole_run_writes_its_reports_without_it(tmp_path: Path) -> None:
    bad = _written(tmp_path, "bad", at_import="os._exit(0)")
    words = ["run", "-b", "memory", "--store", bad, "--store", _written(tmp_path, "good")]

    done = subprocess.run(
        [sys.executable, "-m", "store_conformance.cli", *words, "--rule", "L4", "--out", "out"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
    )  # fmt: skip

    said = done.stdout + done.stderr
    assert done.returncode == EXIT_UNVERIFIED, said
    assert "ended its process while it was imported" in said and "Traceback" not in said
    run = read_run(tmp_path / "out")
    verdicts = Counter((r.backend, str(r.verdict)) for r in run.rows)
    assert verdicts == {("memory", "pass"): 2, ("good", "pass"): 2, ("bad", "unverified"): 1}
    assert "ended its process" in str(run.header["backends"]["bad"]["absent"])
    assert (tmp_path / "out" / "report.html").is_file()


# -- as a plugin of pytest -----------------------------------------------------------------------------


@pytest.mark.parametrize(("sin", "code"), [("os._exit(0)", 4), ("", 0)])
def test_where_workers_run_the_cases_pytest_itself_loads_no_store(
    tmp_path: Path, sin: str, code: int
) -> None:
    marks = f"open({str(tmp_path / 'loaded')!r}, 'a').write(f'{{os.getpid()}}\\n')"
    bad = _written(tmp_path, "bad", at_import=f"{marks}; {sin}" if sin else marks)
    words = ["--pyargs", "store_conformance.suite", "--conformance-rule", "L4", "-n", "1"]

    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *words, "--conformance-store", bad, "-p", "no:cacheprovider"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    said, _ = process.communicate(timeout=300)

    loaded = (tmp_path / "loaded").read_text("utf-8").split()
    assert process.returncode == code, said
    assert loaded and str(process.pid) not in loaded
    assert ("ended its process while it was imported" in said) is bool(sin)
