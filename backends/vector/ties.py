"""
The nearest rows in an order that does not depend on how many were asked for.

Engines leave open which of several equally near rows come first, and so which of them make it into
the first ten.  Pages cut from such answers would repeat rows and miss others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from store_conformance.backends.vector.driver import Hit


def settled(ask: Callable[[int], Sequence[Hit]], limit: int, most: int) -> list[Hit]:
    """
    The ``limit`` nearest by score, then id; ``ask`` gives that many nearest in any order of equals.

    If the last of them is as near as the next, more is asked for, up to ``most``, until the equals
    are all there.
    """
    asked = min(limit + 1, most)
    while True:
        hits = sorted(ask(asked), key=lambda hit: (-hit.score, hit.row.id))
        whole = len(hits) < asked or asked >= most
        if whole or hits[limit - 1].score != hits[-1].score:
            return hits[:limit]
        asked = min(max(asked * 4, 64), most)
