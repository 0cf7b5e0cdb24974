"""
Modules that the other ends of cases need: told by the first of them, and imported by the fork server for the next.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

_OURS = ("langgraph.store.", "store_conformance.")
_known: set[str] = set()


def own_modules() -> list[str]:
    """
    What this process has imported of LangGraph's stores and of ours, and others like it will import, too.

    Of nobody else's modules is it known what they start.
    """
    return [name for name in list(sys.modules) if name.startswith(_OURS)]


def note_modules(names: Iterable[str]) -> None:
    """Another process like those to come has told what it imported."""
    _known.update(names)


def known_modules() -> list[str]:
    """What the fork server should have imported before it forks."""
    return sorted(_known)
