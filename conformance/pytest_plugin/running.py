"""
A whole run as the command line does it: engines up, cases, measurements, run file, gate.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from store_conformance.contract import Verdict
from store_conformance.contract.records import Run
from store_conformance.harness.errors import HarnessError
from store_conformance.pytest_plugin.cases import Handover
from store_conformance.pytest_plugin.progress import ProgressPlugin, own_stdout
from store_conformance.runs.expectations import stale
from store_conformance.runs.health import STOPPED
from store_conformance.runs.run_file import read_run
from store_conformance.runs.session import RunSession

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_UNVERIFIED, EXIT_DATA = 0, 1, 2, 3, 65


@dataclass(frozen=True)
class Gate:
    """Whether a run may pass, and every reason why not."""

    code: int
    reasons: tuple[str, ...]


def judge_run(run: Run, session: RunSession | None = None) -> Gate:
    """
    The gate: unexpected failures, errors, stale expectations, and a run that verified nothing.

    Reads from the run alone; with the session also its expectations.
    """
    reasons = [
        f"{r.backend} {r.rule} {r.case} ({r.mode}): {r.message}"
        for r in run.rows
        if r.verdict == Verdict.FAIL and r.expectation is None
    ]
    reasons += [
        f"harness error in {r.backend} {r.rule} {r.case} ({r.mode}): {r.message}"
        for r in run.rows
        if r.verdict == Verdict.ERROR
    ]
    if session is not None and not run.footer.get("interrupted"):
        packages = {n: f.get("packages", {}) for n, f in run.header["backends"].items()}
        wanted = session.selected_expectations()
        reasons += [f"expectation {p}" for p in stale(wanted, run.rows, packages)]
    # Told whatever else there is: most of the run is missing.
    stopped = [
        f"{r.backend}: {r.case} ({r.mode}): {r.message}"
        for r in run.rows
        if r.message.startswith(STOPPED)
    ]
    if reasons:
        return Gate(EXIT_FAILED, (*stopped, *reasons))
    if stopped:
        return Gate(EXIT_UNVERIFIED, tuple(stopped))
    if not any(r.verdict == Verdict.PASS or r.expectation for r in run.rows):
        return Gate(EXIT_UNVERIFIED, ("nothing could be verified",))
    return Gate(EXIT_OK, ())


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP end the run as Ctrl-C does, so that everything is cleaned up."""

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    numbers = [getattr(signal, n) for n in ("SIGTERM", "SIGHUP") if hasattr(signal, n)]
    before = {n: signal.signal(n, interrupt) for n in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_PLUGINS = ("store_conformance.pytest_plugin.plugin", "xdist.plugin", "pytest_benchmark.plugin")


def _pytest(
    session: RunSession, progress: ProgressPlugin, arguments: list[str], *, cases: bool
) -> int:
    # Only the plugins that the run needs: what else is installed beside us must not change a verdict.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ.pop("PYTEST_ADDOPTS", None)
    plugins = [word for name in _PLUGINS for word in ("-p", name)]
    quiet = ["-q", "-p", "no:cacheprovider", "-p", "no:logging", "--no-header", "--noconftest"]
    quiet += ["-c", os.devnull, "--rootdir", "."]
    arguments = [*plugins, *quiet, *arguments]
    code = int(pytest.main(arguments, plugins=[Handover(session, cases=cases), progress]))
    if progress.interrupted:
        raise KeyboardInterrupt
    if code in (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR):
        # pytest has one code for Ctrl-C and for modules that cannot be imported.
        raise HarnessError(
            f"the suite could not be run: {progress.trouble or f'pytest says {code}'}"
        )
    return code


def execute(
    session: RunSession,
    run_file: Path,
    *,
    workers: int = 0,
    cases: bool = True,
    bench: bool = False,
) -> Run:
    """
    Run the selected cases (and the latency measurements) and give the run as it was written.

    Ctrl-C ends it early: the file gets its footer, engines are stopped, ``KeyboardInterrupt`` goes on.
    """
    stream = own_stdout()
    console = Console(file=stream, soft_wrap=True)
    interrupted = True
    try:
        with interruptible():
            begin = time.perf_counter()
            session.workers = workers
            session.start(lambda text: console.print(text))
            if session.workers < workers:
                console.print(f"few connections: {max(1, session.workers)} process(es)")
                workers = session.workers
            session.open_file(str(run_file))
            console.print(f"engines up in {time.perf_counter() - begin:.1f} s")
            if cases:
                parallel = ["-n", str(workers), "--dist", "loadgroup"] if workers > 1 else []
                _pytest(session, ProgressPlugin(stream), parallel, cases=True)
            if bench:
                console.print("latency")
                measured = ["--pyargs", "store_conformance.benchmarks", "--benchmark-quiet"]
                _pytest(session, ProgressPlugin(stream), measured, cases=False)
            interrupted = False
    finally:
        session.close_file(interrupted=interrupted)
        session.stop()
        if stream is not sys.stdout:
            stream.close()
    return read_run(run_file)
