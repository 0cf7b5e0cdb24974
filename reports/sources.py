"""
Where a promise is written, in words that a stranger understands: file, lines and release, or a link.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_FILES = {
    "B": ("langgraph/store/base/__init__.py", "langgraph-checkpoint 4.3.2"),
    "BB": ("langgraph/store/base/batch.py", "langgraph-checkpoint 4.3.2"),
    "BE": ("langgraph/store/base/embed.py", "langgraph-checkpoint 4.3.2"),
    "M": ("langgraph/store/memory/__init__.py", "langgraph-checkpoint 4.3.2"),
    "S": ("langgraph/store/sqlite/base.py", "langgraph-checkpoint-sqlite 3.1.2"),
    "P": ("langgraph/store/postgres/base.py", "langgraph-checkpoint-postgres 3.2.0"),
}
"""What the letters of the contract's sources stand for (see the head of ``rules.toml``)."""
_WORDS = {
    "D": "the stores page of the LangGraph docs",
    "T": "upstream's own test_store.py",
    "guide": "the production persistence guide,",
}
_PLACES = re.compile(
    r"\b(?P<file>BB|BE|B|M|S|P)(?P<lines>\d+(?:-\d+)?(?:, \d+(?:-\d+)?)*)"
    r"|(?<!\w)PR ?#(?P<pull>\d+)|(?<![\w#])#(?P<issue>\d+)|(?P<cve>CVE-\d{4}-\d+)"
    r"|\b(?P<word>D|T|guide)(?!\w)|\b(?P<whole>BB|BE|B|M|S|P)(?=:| /|,|$)"
    r'|(?P<said>"[^"]*"|`[^`]*`)'
)
_HOST = "https://github.com/langchain-ai/langgraph"
NONE = "No sentence says so: it follows from the data model, or from what the official stores do."


@dataclass(frozen=True)
class Part:
    """A piece of the sentence, with the address that it leads to if any."""

    text: str
    link: str | None = None


def _part(found: re.Match[str]) -> Part:
    kind, text = found.lastgroup, found.group()
    if kind in ("file", "lines"):
        path, release = _FILES[found["file"]]
        lines = found["lines"]
        noun = "line" if lines.isdigit() else "lines"
        return Part(f"{path} ({release}), {noun} {lines}")
    if kind == "whole":
        path, release = _FILES[text]
        return Part(f"{path} ({release})")
    if kind == "word":
        return Part(_WORDS[text])
    if kind == "issue":
        return Part(f"LangGraph issue {text}", f"{_HOST}/issues/{found['issue']}")
    if kind == "pull":
        return Part(f"LangGraph pull request #{found['pull']}", f"{_HOST}/pull/{found['pull']}")
    if kind == "cve":
        return Part(text, f"https://nvd.nist.gov/vuln/detail/{text}")
    return Part(text)


def explained(source: str) -> tuple[Part, ...]:
    """The source of a rule as parts of one sentence."""
    if not source.strip():
        return (Part(NONE),)
    parts, end = [], 0
    for found in _PLACES.finditer(source):
        if found.start() > end:
            parts.append(Part(source[end : found.start()]))
        parts.append(_part(found))
        end = found.end()
    if end < len(source):
        parts.append(Part(source[end:]))
    return tuple(parts)


def sentence(source: str) -> str:
    """The same without links."""
    return "".join(part.text for part in explained(source))
