"""
A user's store is loaded and tried in a process of its own: what it does to that process costs the run nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from store_conformance.contract import UserError
from store_conformance.contract.capabilities import ALL
from store_conformance.runs.hosted import HostedBackend, HostSilentError, _last_said
from store_conformance.runs.run_file import read_run

STORE = """
import atexit, os, sys, time
from contextlib import contextmanager
from langgraph.store.memory import InMemoryStore

{at_import}

class Store(InMemoryStore):
    def batch(self, ops):
        {at_call}
        return super().batch(ops)

@contextmanager
def open_store(at, index, ttl):
    {at_opening}
    yield Store(index=index)
"""
IMPOLITE = """
import asyncio, copy, gc, json, locale, logging, random, signal, tempfile, threading, warnings

atexit.register(time.sleep, 3600)
threading._register_atexit(time.sleep, 3600)
print("x" * 300_000)
sys.stdout.close()
os.close(2)
sys.stdout = sys.stderr = None
os.chdir(tempfile.mkdtemp())
os.rmdir(os.getcwd())
os.environ.clear()
os.umask(0o777)
sys.path[:] = []
time.sleep = lambda seconds: None
time.time = time.perf_counter = lambda: 0.0
random.Random = random.seed = json.dumps = json.loads = gc.collect = None
locale.setlocale(locale.LC_ALL, "C")
logging.basicConfig(level=0, force=True)
warnings.simplefilter("error")
gc.disable()
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
"""


@pytest.fixture
def store(tmp_path: Path) -> Callable[..., str]:
    def write(at_import: str = "", at_opening: str = "pass", at_call: str = "pass") -> str:
        text = STORE.format(at_import=at_import, at_opening=at_opening, at_call=at_call)
        (tmp_path / "shop.py").write_text(text, "utf-8")
        return f"{tmp_path / 'shop.py'}:open_store"

    return write


@pytest.mark.skipif(os.name == "nt", reason="unverified: folders and descriptors differ there")
def test_what_a_store_does_to_its_process_changes_no_verdict_and_no_report(
    tmp_path: Path, store: Callable[..., str]
) -> None:
    words = ["run", "--store", store(IMPOLITE), "--rule", "K3", "--out", "out", "-n", "1"]

    done = subprocess.run(
        [sys.executable, "-m", "store_conformance.cli", *words],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert "The gate holds" in done.stdout
    rows = read_run(tmp_path / "out").rows
    assert rows and {str(r.verdict) for r in rows} == {"pass"}
    assert (tmp_path / "out" / "report.html").is_file()


@pytest.mark.parametrize(
    ("sin", "said"),
    [
        ({"at_import": "os._exit(0)"}, "ended its process while it was imported"),
        ({"at_import": "raise KeyboardInterrupt"}, "raised KeyboardInterrupt"),
        ({"at_import": "sys.exit(0)"}, "SystemExit"),
        ({"at_opening": "os._exit(0)"}, "ended its process while it was opened"),
        ({"at_opening": "raise GeneratorExit"}, "raised GeneratorExit"),
    ],
)
def test_a_store_that_ends_while_it_is_looked_at_is_told(
    store: Callable[..., str], sin: dict[str, str], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        _looked_at(store(**sin))


def _looked_at(reference: str) -> None:
    backend = HostedBackend(reference, seconds=60.0)
    try:
        backend.check(60.0)
    finally:
        backend.stop()


def test_an_import_that_stands_still_with_the_lock_held_is_ended(store: Callable[..., str]) -> None:
    held = "import ctypes; ctypes.PyDLL(None).sleep(3600)"

    with pytest.raises(HostSilentError):
        HostedBackend(store(at_import=held), seconds=1.0)


@pytest.mark.parametrize(
    ("at_call", "answers"),
    [
        ("os._exit(0)", []),
        # What ends a thread of a case is the call's own; the other API has no such call.
        ("raise type('Mine', (BaseException,), {})", ["async"]),
        ("raise SystemExit", ["async"]),
        ("pass", ["sync", "async"]),
    ],
)
def test_a_store_that_ends_its_process_later_is_left_to_the_cases(
    store: Callable[..., str], at_call: str, answers: list[str]
) -> None:
    backend = HostedBackend(store(at_call=at_call), seconds=60.0, capabilities=ALL)
    try:
        backend.check(60.0)
        assert backend.missing_halves(60.0) == []
        backend.start()
        told = backend.prepare(60.0, 16)
    finally:
        backend.stop()

    assert told.facts["store"].endswith("shop.py:open_store")
    assert told.facts["answers"] == answers
    assert (told.facts["seconds_to_first_put"] is not None) is bool(answers)


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ("Traceback (most recent call last):\n  File 'a.py'\nOSError: no\n", "OSError: no"),
        ("starting\nfatal: no server\n", "starting fatal: no server"),
        ("", ""),
    ],
)
def test_the_last_words_of_a_process_are_one_line(printed: str, said: str) -> None:
    assert _last_said(printed) == said
