"""
A whole run as the command line does it: engines up, cases, measurements, run file.
"""

from __future__ import annotations

import gc
import os
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from store_conformance.contract.records import Run
from store_conformance.harness.backends import passing_folder
from store_conformance.harness.errors import HarnessError
from store_conformance.harness.interrupting import interruptible, undisturbed
from store_conformance.pytest_plugin.cases import Handover
from store_conformance.pytest_plugin.progress import ProgressPlugin
from store_conformance.runs.isolation import isolated
from store_conformance.runs.run_file import read_run
from store_conformance.runs.session import RunSession
from store_conformance.runs.streams import duplicate_stdout

_UNCAPTURED = "--capture=no"
"""A store that closes ``sys.stdout`` would close what pytest captures with; what it prints leads nowhere anyway."""


OWN_PLUGIN = "store_conformance.pytest_plugin.plugin"
_WITHOUT = ("cacheprovider", "logging", "unraisableexception", "threadexception")
"""Parts of pytest that a run has no use for; the last two collect garbage over and over."""
_QUIET = ("-q", "--no-header", "--noconftest", "-c", os.devnull, "--rootdir", ".")


def _pytest(
    session: RunSession, progress: ProgressPlugin, plugin: str | None, *arguments: str, cases: bool
) -> int:
    named = [OWN_PLUGIN, *([plugin] if plugin else []), *(f"no:{name}" for name in _WITHOUT)]
    # Cases call the lab's checks, so that nothing is gained by rewriting their assertions.
    words = [*(word for name in named for word in ("-p", name)), "--assert=plain", *_QUIET]
    with passing_folder("pytest") as folder:
        words.append(f"--basetemp={folder / 'temporary'}")
        try:
            code = int(
                pytest.main(
                    [*words, *arguments], plugins=[Handover(session, cases=cases), progress]
                )
            )
        finally:
            gc.unfreeze()  # what was frozen before the first case
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
    workers: int | None = 0,
    cases: bool = True,
    bench: bool = False,
    meanwhile: Callable[[], object] = lambda: None,
) -> Run:
    """
    Run the selected cases (and the latency measurements) and give the run as it was written.

    ``workers`` is the number of processes, ``None``: as many as the cores and the cases call for.
    ``meanwhile`` is called while the engines start.

    Ctrl-C ends it early: the file gets its footer, engines are stopped, ``KeyboardInterrupt`` goes on.
    """
    stream = duplicate_stdout()
    console = Console(file=stream, soft_wrap=True)
    interrupted = True
    with interruptible(), isolated(run_file.resolve().parent):
        try:
            session.choose_workers(workers)
            session.open_file(str(run_file))
            begin = time.perf_counter()
            session.start(console.print, meanwhile)
            console.print(f"engines up in {time.perf_counter() - begin:.1f} s")
            if cases:
                _run_cases(session, ProgressPlugin(stream), console)
            if bench:
                _run_benchmarks(session, ProgressPlugin(stream), console)
            _tell_left(session, console)
            interrupted = False
        finally:
            try:
                _end(session, console, interrupted=interrupted)
            finally:
                if stream is not sys.stdout:
                    stream.close()
    return read_run(run_file)


def _end(session: RunSession, console: Console, *, interrupted: bool) -> None:
    with undisturbed():
        try:
            session.close_file(interrupted=interrupted)
        finally:  # also where the disk is full
            session.stop(lambda text: console.print(text, markup=False))


def _run_cases(session: RunSession, progress: ProgressPlugin, console: Console) -> None:
    apart = session.apart()
    for names in apart:
        if len(apart) > 1:
            console.print(
                f"{', '.join(names)}: in processes of {'its' if len(names) == 1 else 'their'} own"
            )
        with session.only(names):
            _run_together(session, progress)
    session.look(console.print)


def _run_together(session: RunSession, progress: ProgressPlugin) -> None:
    """The cases of backends that may share a process."""
    processes = session.workers  # as chosen, or fewer where connections are few
    # What a user's store may do to its process must not be done to this one.
    alone = processes <= 1 and not session.runs_foreign_code
    parallel = () if alone else ("--tx", _processes(processes), "--dist", "loadgroup")
    if session.runs_foreign_code:
        parallel = (*parallel, _UNCAPTURED)
    try:
        _pytest(session, progress, "xdist.plugin" if parallel else None, *parallel, cases=True)
    except HarnessError as error:
        if not session.runs_foreign_code:
            raise
        # What a store does to the processes of its cases is told, and costs no report.
        session.record_never_begun(str(error).strip().rpartition("\n")[2])
        return
    if session.runs_foreign_code:  # a worker may have ended without a word of its cases
        session.record_never_begun("what was to run it ended and told nothing")


def _processes(count: int) -> str:
    """So many workers, as xdist is told; a module in the working folder must not be theirs, whatever its name."""
    safe = " -P" if sys.version_info >= (3, 11) else ""
    return f"{max(1, count)}*popen//python={shlex.quote(sys.executable)}{safe}"


def _run_benchmarks(session: RunSession, progress: ProgressPlugin, console: Console) -> None:
    console.print("latency")
    with session.attached(), passing_folder("clock") as storage:
        measured = ("--pyargs", "store_conformance.benchmarks", "--benchmark-quiet")
        kept = ("--benchmark-storage", f"file://{storage}")
        _pytest(session, progress, "pytest_benchmark.plugin", *measured, *kept, cases=False)


def _tell_left(session: RunSession, console: Console) -> None:
    if session.left:
        threads = ", ".join(sorted(set(session.left)))
        console.print(f"left running by a store, and ended with its process: {threads}")
