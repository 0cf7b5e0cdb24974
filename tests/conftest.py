"""
Engines that several files of tests use.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from store_conformance.backends import registry
from store_conformance.backends.base import Backend


@pytest.fixture(scope="module")
def postgres() -> Iterator[Backend]:
    backend = registry.create("postgres", deployment="embedded")
    backend.start()
    yield backend
    backend.stop()
