"""
What the environment of a run says to pytest and Hypothesis: nothing but what the run itself sets.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from store_conformance.harness.variables import changed_variables

_QUIET = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)
"""What Python shows nobody unless it is told to."""


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
        # A warning of a library that is an error would be a failure of whatever store uses it.
        "PYTHONWARNINGS": None,
    }
    with changed_variables(changes), _own_warnings():
        yield


@contextlib.contextmanager
def _own_warnings() -> Iterator[None]:
    """Python's usual filters, where the process was started with others."""
    given = sys.warnoptions[:]
    with warnings.catch_warnings():
        if given:
            warnings.resetwarnings()
            for kind in _QUIET:
                warnings.simplefilter("ignore", kind, append=True)
        sys.warnoptions.clear()
        try:
            yield
        finally:
            sys.warnoptions[:] = given
