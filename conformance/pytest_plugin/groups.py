"""
Groups of tests that one worker of pytest-xdist runs, with any release of pytest.

xdist (3.8) tells the group of a test by a suffix of its id, which it sets as ``item._nodeid``.  pytest reads the id
from another place since 9.2, so that ``--dist loadgroup`` has no effect there and says nothing: what must not run
beside its like would.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def keep_groups(config: pytest.Config, items: Iterable[pytest.Item]) -> None:
    """Give the ids of tests that have a group the suffix that xdist meant to; in a worker, before it tells its ids."""
    if not getattr(config.option, "loadgroup", False):
        return
    for item in items:
        suffix = _suffix(item)
        if suffix and not item.nodeid.endswith(suffix):
            _rename(item, item.nodeid + suffix)


def is_grouped(item: pytest.Item) -> bool:
    """Whether xdist will see the group of the test."""
    suffix = _suffix(item)
    return bool(suffix) and item.nodeid.endswith(suffix)


def _suffix(item: pytest.Item) -> str:
    names = {
        str(mark.args[0] if mark.args else mark.kwargs.get("name", "default"))
        for mark in item.iter_markers("xdist_group")
    }
    return f"@{'_'.join(sorted(names))}" if names else ""


def _rename(item: pytest.Item, nodeid: str) -> None:
    try:
        from _pytest.nodeid import NodeId
    except ImportError:  # a release that reads what xdist sets, or one that nobody knows yet
        return
    changed: Any = item
    changed._id = NodeId.parse(nodeid)
