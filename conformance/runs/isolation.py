"""
What the environment of a run says to pytest and Hypothesis: nothing but what the run itself sets.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def isolated(folder: Path) -> Iterator[None]:
    """
    An environment in which only our own options decide, and nothing is written but below ``folder``.

    Workers and other processes of cases inherit it.
    """
    set_here = {
        # Only the plugins that the run needs: what else is installed must not change a verdict.
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis"),
        "CONFORMANCE_HISTORIES": os.environ.get("CONFORMANCE_HISTORIES", str(folder / "histories")),
    }
    before = {n: os.environ.get(n) for n in (*set_here, "PYTEST_ADDOPTS", "PYTEST_PLUGINS")}
    os.environ.update(set_here)
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
        os.environ.pop(name, None)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
