"""
Facts, each with a name; one that cannot be had is missing together with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from store_conformance.contract.secrets import one_line


@dataclass
class Gathered:
    """What was seen, and why the rest was not."""

    engine: str
    where: str
    """The address without a password."""
    facts: dict[str, Any] = field(default_factory=dict)
    hidden: dict[str, str] = field(default_factory=dict)

    def see(self, names: str, look: Callable[[], Any]) -> None:
        """One fact, or as many as ``names`` has words and ``look`` gives values."""
        wanted = names.split()
        try:
            found = look()
        except LookupError as error:
            self.hidden.update(dict.fromkeys(wanted, one_line(error, most=120)))
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, the fact is not visible from here
            reason = one_line(f"{type(error).__name__}: {error}", most=120)
            self.hidden.update(dict.fromkeys(wanted, reason))
            return
        values = [found] if len(wanted) == 1 else list(found)
        self.facts.update(zip(wanted, values, strict=True))
