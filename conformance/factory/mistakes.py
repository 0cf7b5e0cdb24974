"""
What people get wrong in variables and in files such as ``.env``, seen before it decides which store is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from store_conformance.contract import UserError
from store_conformance.contract.hints import nearest

_ALIKE = 0.85
"""So like a name of ours is hardly another program's."""
_QUOTES = "\"'`\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb"
_LINE = re.compile(r"""\s*(?:export\s+|set\s+|setx\s+|\$env:|-\s+)?["']?(\w+)""", re.IGNORECASE)
_SAMPLES = frozenset({"example", "sample", "template", "dist", "test", "bak"})


class FactoryError(UserError):
    """A variable is missing or wrong; the message names it and what to write, and shows no password."""


def like(right: str, told: Mapping[str, str]) -> str | None:
    """A variable that is set and was surely meant to be ``right``, which is not; else ``None``."""
    if told.get(right):
        return None
    known = [name for name, value in told.items() if value and name != right]
    return nearest(right, known, cutoff=_ALIKE)


def misspelt(right: str, sources: Iterable[tuple[str, Mapping[str, str]]]) -> None:
    """
    Refuse a variable that is nearly ``right``, in each source down to the first that has the right one.

    A source that has it wins over those behind, whose misspelt ones then decide nothing.
    """
    for where, told in sources:
        name = like(right, told)
        if name is not None:
            raise FactoryError(
                f"{where} sets {name}, which nothing here reads, and not {right}",
                f"rename {name} to {right}; if it is another program's, set {right} there as well",
            )
        if told.get(right):
            return


def lines_that_set_nothing(
    path: Path, text: str, names: Sequence[str], found: Iterable[str]
) -> None:
    """Refuse a line that begins with one of the names and from which nothing was read."""
    missing = set(names) - set(found)
    for number, line in enumerate(text.splitlines(), 1):
        begins = _LINE.match(line)
        if begins and begins[1] in missing:
            raise FactoryError(
                f"line {number} of {path} names {begins[1]} and sets nothing",
                f"write {begins[1]}=value, with a quotation mark at both ends or at none",
            )


def in_value(name: str, value: str) -> None:
    """Refuse what was not meant to be part of a value; shows nothing of it, as it may hold a password."""
    hidden = next((c for c in value if not c.isprintable()), None)
    if hidden is not None:
        raise FactoryError(
            f"{name} has the invisible character U+{ord(hidden):04X} in it", "type the value anew"
        )
    if value[:1] in _QUOTES or value[-1:] in _QUOTES:
        raise FactoryError(
            f"{name} has a quotation mark in its value",
            f"write {name}=value without any: docker's --env-file and systemd keep them",
        )
    if value.startswith("$"):
        raise FactoryError(
            f"{name} is the name of another variable, which is not filled in here",
            "write the value itself",
        )
    if value[-1:] in ",;":
        raise FactoryError(f"{name} ends with {value[-1]!r}", "leave it out")


def unread_files(folder: Path) -> list[str]:
    """What ``STORE_ENV`` may be here: the ends of ``.env.production`` and the like, without samples."""
    ends = (path.name.removeprefix(".env.") for path in sorted(folder.glob(".env.*")))
    return [end for end in ends if end and end not in _SAMPLES]
