"""
The nearest right name, for messages about a wrong one.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """
    The known name that is most like ``name`` whatever its case, else one that begins with it, else ``None``.

    ``cutoff`` is how alike they must be, from 0 to 1, as `difflib.get_close_matches` counts it.
    """
    folded = {other.casefold(): other for other in sorted(known, reverse=True)}
    wanted = name.casefold()
    near = difflib.get_close_matches(wanted, folded, n=1, cutoff=cutoff)
    near = near or sorted(other for other in folded if wanted and other.startswith(wanted))
    return folded[near[0]] if near else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``did you mean 'postgres'? ``, with the space that a next sentence needs, or nothing."""
    near = nearest(name, known)
    return f"did you mean {near!r}? " if near else ""


def suggestion(name: str, known: Iterable[str]) -> str:
    """``did you mean 'postgres'?``, or all that are known where none is like it."""
    choice = list(known)
    return did_you_mean(name, choice).rstrip() or f"known are {', '.join(choice)}"
