"""
A badge for each backend: what Shields reads from an address (JSON), and the picture itself (SVG).

The text is how many promises are kept, as the report's first screen counts them.  The colour is

- red if a MUST is broken, yellow if only SHOULD rules are;
- green if every promise was checked, on the service itself, and holds;
- grey for everything else: a part of the suite, something unverified, an emulator (whatever it did),
  a backend that could not run.

Known failures count as broken.  A part of the suite and an emulator are also named in the text.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from unicodedata import east_asian_width
from xml.sax.saxutils import escape, quoteattr

from store_conformance.contract import Level, Verdict
from store_conformance.reports.derived import Grade
from store_conformance.reports.model import Report
from store_conformance.reports.summary import is_part
from store_conformance.reports.text import one_line, slugs, xml_text
from store_conformance.reports.view import BackendView

FOLDER = "badges"
NAME_LENGTH = 40


class Colour(Enum):
    """A colour: its name at Shields, and the dark tone on which white letters can be read."""

    GREEN = ("brightgreen", "#1f7a1f")
    YELLOW = ("yellow", "#8a5a00")
    RED = ("red", "#b3261e")
    GREY = ("lightgrey", "#5f6368")


@dataclass(frozen=True)
class Badge:
    id: str
    """The name of its files, without their ending."""
    label: str
    message: str
    colour: Colour
    is_error: bool = False
    """Whether there is nothing to say of the backend."""


def badges(report: Report) -> tuple[Badge, ...]:
    """One badge a backend, those that could not run included: an older badge of theirs must not stay."""
    ids = slugs((*report.names, *report.absent))
    found = [_badge(report, view, ids[view.name]) for view in report.backends]
    found += [
        Badge(ids[name], _label(name), "could not run", Colour.GREY, is_error=True)
        for name in report.absent
    ]
    return tuple(found)


def _label(name: str) -> str:
    return f"LangGraph store {one_line(name, NAME_LENGTH)}"


def _end(report: Report) -> str:
    return "truncated" if report.truncated else "interrupted"


def _badge(report: Report, view: BackendView, id: str) -> Badge:
    kept = report.kept[view.name]
    unknown = kept.grade is Grade.UNKNOWN
    text = "not verified" if unknown else f"{kept.value} promises kept"
    reservations = ["emulated"] if view.emulated else []
    reservations += [_end(report)] if report.interrupted else []
    reservations += ["part of the suite"] if is_part(report) else []
    if reservations:
        text = f"{text} ({', '.join(reservations)})"
    whole = kept.grade is Grade.GOOD and not reservations
    return Badge(id, _label(view.name), text, _colour(view, whole), is_error=unknown)


def _colour(view: BackendView, whole: bool) -> Colour:
    if view.emulated:
        return Colour.GREY
    broken = {cell.level for cell in view.cells.values() if cell.verdict is Verdict.FAIL}
    if Level.MUST in broken:
        return Colour.RED
    if Level.SHOULD in broken:
        return Colour.YELLOW
    return Colour.GREEN if whole else Colour.GREY


def endpoint(badge: Badge) -> str:
    """What https://img.shields.io/endpoint?url=... reads."""
    told: dict[str, object] = {
        "schemaVersion": 1,
        "label": badge.label,
        "message": badge.message,
        "color": badge.colour.value[0],
    }
    if badge.is_error:
        told["isError"] = True
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


SVG = "http://www.w3.org/2000/svg"
HEIGHT = 20
PADDING = 6
LETTER, WIDE = 6.6, 12.0
"""What a letter takes of a 11 pixel sans-serif, about; ``textLength`` makes the text fit what was reckoned."""


def _width(text: str) -> int:
    return round(sum(WIDE if east_asian_width(c) in "WF" else LETTER for c in text))


def _text(text: str, left: int, width: int) -> str:
    at = f'x="{left + PADDING}" y="14" textLength="{width}" lengthAdjust="spacingAndGlyphs"'
    return f"<text {at}>{escape(text)}</text>"


def svg(badge: Badge) -> str:
    """The badge as a picture that needs nothing from elsewhere."""
    label, message = xml_text(badge.label), xml_text(badge.message)
    first, second = _width(label), _width(message)
    split, whole = first + 2 * PADDING, first + second + 4 * PADDING
    said = f"{label}: {message}"
    colour = badge.colour.value[1]
    size = f'width="{whole}" height="{HEIGHT}"'
    lines = [
        f'<svg xmlns="{SVG}" {size} role="img" aria-label={quoteattr(said)}>',
        f"<title>{escape(said)}</title>",
        f'<rect width="{split}" height="{HEIGHT}" fill="#3c4043"/>',
        f'<rect x="{split}" width="{whole - split}" height="{HEIGHT}" fill="{colour}"/>',
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">',
        _text(label, 0, first),
        _text(message, split, second),
        "</g>",
        "</svg>",
    ]
    return "\n".join(lines) + "\n"
