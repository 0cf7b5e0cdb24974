"""
Engines that several files of tests use.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import pytest

from store_conformance.backends import registry
from store_conformance.backends.base import Backend
from store_conformance.harness.leftovers import keep_what_is_here
from store_conformance.pytest_plugin.groups import keep_groups

T = TypeVar("T")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background by a shell, which lets its children ignore Ctrl-C: the tests of it could not see any.
    signal.signal(signal.SIGINT, signal.default_int_handler)

QUICK = frozenset(
    {
        "test_agent_parts.py",
        "test_ci_formats.py",
        "test_comparison.py",
        "test_corpus.py",
        "test_crash_judgement.py",
        "test_diff.py",
        "test_expectations.py",
        "test_factory.py",
        "test_guest.py",
        "test_house.py",
        "test_listing.py",
        "test_page.py",
        "test_planted.py",
        "test_recall.py",
        "test_recommendation.py",
        "test_reports.py",
        "test_workflows.py",
    }
)
"""Files whose tests start no engine and wait for nothing; together they end within a minute."""

LEFT_TO_CI = frozenset(
    {
        "test_action.py",
        "test_covered.py",
        "test_crash.py",
        "test_email_agent.py",
        "test_foreign_folders.py",
        "test_other_systems.py",
        "test_own_suite.py",
        "test_page_browser.py",
        "test_site.py",
        "test_types.py",
        "test_wheel.py",
    }
)
"""
Files that the whole run leaves out where ``CI`` is not set (tests/covered.py): each of them takes tens of seconds, of
a browser, a type checker, other environments or dozens of commands.  ``pytest tests/FILE`` runs them anywhere.
"""

UNMEASURED = frozenset(
    {
        "test_action.py",
        "test_email_agent.py",
        "test_engine_gone.py",
        "test_foreign_folders.py",
        "test_guest.py",
        "test_hangs.py",
        "test_hosted.py",
        "test_house.py",
        "test_mutants.py",
        "test_named_like_its_package.py",
        "test_other_systems.py",
        "test_output.py",
        "test_own_suite.py",
        "test_pinecone.py",
        "test_planted_secrets.py",
        "test_polling.py",
        "test_postgres_backend.py",
        "test_profiles.py",
        "test_repro.py",
        "test_site.py",
        "test_standstill.py",
        "test_startup.py",
        "test_supervising.py",
        "test_terminal.py",
        "test_workers.py",
        "test_workflows.py",
    }
)
"""
Files whose child processes are not measured: they start many, which go through the lines that those of other files go
through (test_cli.py, test_crash.py, test_migration.py), and each takes half as long again when it is measured.
"""


UNTRACED = frozenset({"test_mutants.py"})
"""
Files whose tests are not measured in their own process either: they compute for minutes, take twice as long when they
are measured, and go through lines that other tests measure too.
"""


@contextmanager
def untraced() -> Iterator[None]:
    """This thread, and those that are started in the block, call no trace function."""
    own, of_new_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    try:
        yield
    finally:
        sys.settrace(own)
        threading.settrace(of_new_threads)


@pytest.fixture(scope="module", autouse=True)
def _measured_once(request: pytest.FixtureRequest) -> Iterator[None]:
    with ExitStack() as stack:
        if request.path.name in UNMEASURED:
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        if request.path.name in UNTRACED:
            stack.enter_context(untraced())
        yield


def spread(computes: Sequence[bool], items: Sequence[T]) -> list[T]:
    """
    The items that compute for long, each with some of the others behind it; the last of them well before the end.

    The others mostly wait: beside each other they would leave the cores idle, and the long ones share them.
    """
    long = [item for item, computing in zip(items, computes, strict=True) if computing]
    others = [item for item, computing in zip(items, computes, strict=True) if not computing]
    if not long:
        return others
    between = len(others) * 4 // 5 // len(long)
    parts = [[one, *others[n * between : (n + 1) * between]] for n, one in enumerate(long)]
    return [item for part in parts for item in part] + others[len(long) * between :]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Mark what is quick and what is left to CI; the slow ones begin first, so that no worker ends alone with one.

    ``-m quick`` runs what a contributor runs after each change.
    """
    for item in items:
        if item.path.name in QUICK:
            item.add_marker(pytest.mark.quick)
        if item.path.name in LEFT_TO_CI:
            item.add_marker(pytest.mark.left_to_ci)
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    items[:] = spread([i.get_closest_marker("whole") is not None for i in items], items)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Tests that share a fixture which takes long are run by one worker."""
    keep_groups(session.config, session.items)
    keep_what_is_here()  # some thousand tests, which each case that is judged here would look through


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A worker that crashes costs its test: with xdist's own scheduler the run would never end."""
    if config.option.dist != "loadgroup":
        return None
    from store_conformance.pytest_plugin.scheduling import CaseScheduling

    return CaseScheduling(config, log)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Backend]:
    backend = registry.create("postgres", deployment="embedded")
    backend.start()
    yield backend
    backend.stop()
