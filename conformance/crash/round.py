"""
What one strike came to.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from store_conformance.crash.account import Wrong

BY_ITSELF, OPENED_ANEW, NEVER = "by itself", "opened anew", "never"
DIED = "its process ended"
"""How a store worked again after a fault that ends with nothing dead."""


@dataclass(frozen=True)
class Round:
    """What one strike came to."""

    fault: str
    struck: bool
    """Whether it counts: work was in flight, and enough had been acknowledged."""
    reason: str = ""
    """Why it does not count."""
    acknowledged: int = 0
    whole: int = 0
    wrong: dict[str, int] = field(default_factory=dict)
    """How often each `Wrong` was found; ``unreadable`` and ``disordered`` beside them."""
    oldest_lost: float = 0.0
    """Seconds from the acknowledgement of the oldest lost thing to the strike."""
    examples: tuple[str, ...] = ()
    seconds: float = 0.0
    came_back: str = ""
    """How the store worked again (``BY_ITSELF`` and the like), where it was given time for that."""

    @property
    def broken(self) -> bool:
        """Whether something was wrong that a store promises to keep right."""
        return any(n for name, n in self.wrong.items() if name != Wrong.TORN_BATCH.value)
