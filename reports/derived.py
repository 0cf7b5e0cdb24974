"""
A derived value and what it was derived from: the parts that every row of the comparison is made of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from store_conformance.reports.text import NOT_MEASURED
from store_conformance.reports.view import BackendView


class Grade(str, Enum):
    """How a value reads: a sign beside the words, never instead of them."""

    GOOD = "good"
    PARTLY = "partly"
    BAD = "bad"
    PLAIN = "plain"
    UNKNOWN = "unknown"

    def __str__(self) -> str:
        return self.value


SIGNS = {
    Grade.GOOD: "✓",
    Grade.PARTLY: "◐",
    Grade.BAD: "✗",
    Grade.PLAIN: "",
    Grade.UNKNOWN: "?",
}


@dataclass(frozen=True)
class Derived:
    """One value of the comparison and its evidence."""

    value: str
    grade: Grade
    because: str
    """One sentence: from what the value follows."""
    notes: tuple[str, ...] = ()
    """Figures and qualifications to show below the value."""
    rules: tuple[str, ...] = ()
    """Ids of the rules whose cells were used."""
    figures: tuple[str, ...] = ()
    """Names of the measurements and header facts that were used."""
    word: str = ""
    """The value in a word or two, for a table of many backends; empty: the value itself."""
    detail: str = ""
    """What stands below the word: the one figure or reason that tells it from others with that word."""

    @property
    def short(self) -> str:
        return self.word or self.value

    def brief(self, word: str, detail: str = "") -> Derived:
        """The same value with its short form."""
        return replace(self, word=word, detail=detail)


def not_measured(because: str, *notes: str, figures: tuple[str, ...] = ()) -> Derived:
    """A value that the run cannot give, with the reason."""
    unknown = Derived(NOT_MEASURED, Grade.UNKNOWN, because, notes, (), figures)
    return unknown.brief("Unknown", NOT_MEASURED)


EMULATED = "emulated: says nothing about the service"


@dataclass(frozen=True)
class Feature:
    """A row of the comparison: its title, the rule that derives it in words, and the code of it."""

    id: str
    title: str
    how: str
    derive: Callable[[BackendView], Derived]
    behaviour: bool = True
    """Whether it speaks of what the service does, which an emulator can never show."""
    how_faults: str = ""
    """What campaigns of faults add to the rule, where the report was given some."""

    def value(self, view: BackendView) -> Derived:
        """The backend's value; nothing that an emulator did counts as evidence."""
        if self.behaviour and view.emulated:
            why = f"{EMULATED}; run against the service to fill this cell."
            return not_measured(why).brief("Unknown", "emulated")
        return self.derive(view)


@dataclass(frozen=True)
class ComparisonRow:
    """A feature with the value of each backend."""

    feature: Feature
    values: dict[str, Derived]
