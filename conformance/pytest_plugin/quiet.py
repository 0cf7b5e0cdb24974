"""
pytest's own terminal output, which our commands have no use for: verdicts are told in other words.
"""

from __future__ import annotations

import io
from typing import Any

import pytest


class _Nowhere(io.StringIO):
    """Takes what is written to it, and keeps nothing."""

    def write(self, text: str, /) -> int:
        return len(text)


def silence(config: pytest.Config) -> None:
    """From now on this pytest writes nothing, and needs no stream that somebody may close."""
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        from _pytest.config import create_terminal_writer

        reporter._tw = create_terminal_writer(config, _Nowhere())
