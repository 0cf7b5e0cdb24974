"""
What the exit codes of a run mean, for whoever reads them in a script.
"""

from __future__ import annotations

EXIT_OK = 0
"""The gate holds."""
EXIT_FAILED = 1
"""A rule failed that is not expected to, or an expectation is stale."""
EXIT_USAGE = 2
"""An option that cannot be used."""
EXIT_UNVERIFIED = 3
"""Nothing could be verified."""
EXIT_DATA = 65
"""A run file that cannot be read."""
EXIT_INTERRUPTED = 130
"""Ctrl-C, or a signal that ends the run as Ctrl-C does."""
