"""
The nearest right name, for messages about a wrong one.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``did you mean 'postgres'? ``, with the space that a next sentence needs, or nothing."""
    choice = sorted(known)
    near = difflib.get_close_matches(name, choice, n=1)
    near = near or [other for other in choice if name and other.startswith(name)]
    return f"did you mean {near[0]!r}? " if near else ""
