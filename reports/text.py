"""
Figures and foreign text as a reader sees them, the same in every format.

Values of a run come from stores and may hold anything: NUL, lone surrogates, terminal escapes,
right-to-left overrides.  ``visible`` shows such characters as escapes, so that none of them can
disturb a page, a terminal or an encoder.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from typing import Any
from urllib.parse import urlsplit

from store_conformance.contract import Verdict

NOT_MEASURED = "not measured"

ICONS: dict[str, str] = {
    Verdict.PASS: "✓",
    Verdict.FAIL: "✗",
    Verdict.UNSUPPORTED: "–",
    Verdict.UNVERIFIED: "?",
    Verdict.ERROR: "!",
}
"""A sign for each verdict; the word always stands beside it."""

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UNSAFE_ID = re.compile(r"[^A-Za-z0-9_-]+")


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def visible(text: str) -> str:
    """The text with control characters, lone surrogates and direction marks as escapes."""
    return _HIDDEN.sub(_escape, text)


def xml_text(text: str) -> str:
    """The visible text without what XML cannot hold; markup is still to be escaped."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", visible(text))


def one_line(text: str, limit: int = 300) -> str:
    """The text on one line, cut at the end where it is longer than ``limit``."""
    flat = " ".join(visible(text).split())
    return flat if len(flat) <= limit else f"{flat[: limit - 1]}…"


def show(value: Any) -> str:
    """A measured value as text: text as it is, anything else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return number(value)
    return json.dumps(value, ensure_ascii=False, default=repr)


def number(value: float | int | None, digits: int = 3) -> str:
    """A figure with at most ``digits`` significant digits after the point and thousands separated."""
    if value is None or isinstance(value, bool):
        return NOT_MEASURED
    if not math.isfinite(value):
        return str(value)
    if float(value).is_integer() or abs(value) >= 1000:
        return f"{value:,.0f}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text


def milliseconds(seconds: float | None) -> str:
    """Seconds as milliseconds with three significant digits; a dash where there is no figure."""
    return "–" if seconds is None else number(seconds * 1000)


def plural(count: int, noun: str, many: str | None = None) -> str:
    """``1 service``, ``3 services``."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def safe_link(url: str | None) -> str | None:
    """The address if a browser may be sent there, else ``None``."""
    if not url:
        return None
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return None
    return url.strip() if parts.scheme in ("http", "https") and parts.netloc else None


def slug(name: str) -> str:
    """A name as part of an anchor: letters, digits, ``_`` and ``-`` only."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
    return _UNSAFE_ID.sub("-", plain).strip("-") or "backend"


def slugs(names: tuple[str, ...]) -> dict[str, str]:
    """An anchor part for each name, no two alike."""
    taken: dict[str, str] = {}
    for name in names:
        candidate, count = slug(name), 2
        while candidate in taken.values():
            candidate, count = f"{slug(name)}-{count}", count + 1
        taken[name] = candidate
    return taken
