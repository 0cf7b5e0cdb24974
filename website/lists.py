"""
Lists as Python-Markdown reads them: what belongs to an item is indented by four.

The project's pages are written for code hosts, where it is enough to stand below the item's first letter,
and where a list needs no empty line before it.
"""

from __future__ import annotations

import re

from website.places import with_fences

_ITEM = re.compile(r"( *)([-*+]|\d+\.)( +)(?=\S)")
_WIDTH = 4


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


class _Levels:
    """The items that a line stands in: where their text begins, as written and as it is to be."""

    def __init__(self) -> None:
        self._open: list[tuple[int, int]] = []

    def moved(self, line: str) -> str:
        """The line at its new place."""
        written, wanted = self._open[-1] if self._open else (0, 0)
        return " " * max(0, wanted + _indent(line) - written) + line.lstrip(" ")

    def leave(self, indent: int) -> None:
        """Close the items that a line of that indent is not part of."""
        while self._open and indent < self._open[-1][0]:
            self._open.pop()

    def enter(self, found: re.Match[str]) -> None:
        wanted = self._open[-1][1] if self._open else 0
        self._open.append((len(found.group()), wanted + _WIDTH))

    def __bool__(self) -> bool:
        return bool(self._open)


def with_wide_lists(text: str) -> str:
    """The same text, indented by four below each item, with an empty line before a list."""
    told: list[str] = []
    levels, inside = _Levels(), False
    for line, fenced in with_fences(text):
        begins, inside = fenced and not inside, fenced
        if not line.strip():
            told.append("")
            continue
        found = None if fenced else _ITEM.match(line)
        if begins or (not fenced and (found or not told or not told[-1])):
            levels.leave(_indent(line))
        if found and told and told[-1] and not levels:
            told.append("")
        told.append(levels.moved(line))
        if found:
            levels.enter(found)
    return "\n".join(told)
