"""
Engines that several files of tests use.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from store_conformance.backends import registry
from store_conformance.backends.base import Backend

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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Mark what is quick; the slow ones begin first, so that no worker ends alone with one of them.

    ``-m quick`` runs what a contributor runs after each change.
    """
    for item in items:
        if item.path.name in QUICK:
            item.add_marker(pytest.mark.quick)
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


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
