"""
What the environment of a run says to pytest and Hypothesis: nothing but what the run itself sets.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from store_conformance.harness.variables import changed_variables


@contextlib.contextmanager
def isolated(folder: Path) -> Iterator[None]:
    """
    An environment in which only our own options decide, and nothing is written but below ``folder``.

    Workers and other processes of cases inherit it.
    """
    histories = os.environ.get("CONFORMANCE_HISTORIES", str(folder / "histories"))
    changes = {
        # Only the plugins that the run needs: what else is installed must not change a verdict.
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis"),
        "CONFORMANCE_HISTORIES": histories,
        "PYTEST_ADDOPTS": None,
        "PYTEST_PLUGINS": None,
    }
    with changed_variables(changes):
        yield
