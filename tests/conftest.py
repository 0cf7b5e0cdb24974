"""
Engines that several files of tests use.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from store_conformance.backends import registry
from store_conformance.backends.base import Backend


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow ones begin first, so that no worker ends alone with one of them."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Backend]:
    backend = registry.create("postgres", deployment="embedded")
    backend.start()
    yield backend
    backend.stop()
