"""
Rows of a corpus file with the place they come from, so that each complaint can name file and line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from store_conformance.contract.hints import nearest
from store_conformance.corpus.model import EVERYONE, CorpusError

LAYOUT_HINT = "docs/DATA.md describes the layout"


class Folder(Protocol):
    """What is needed of a directory: a path on disk or one inside an installed package."""

    @property
    def name(self) -> str: ...
    def is_file(self) -> bool: ...
    def is_dir(self) -> bool: ...
    def read_bytes(self) -> bytes: ...
    def joinpath(self, part: str, /) -> Any: ...


@dataclass(frozen=True)
class CorpusRow:
    """One JSON object of a file; its readers raise a `CorpusError` that names the line."""

    path: str
    line: int
    data: dict[str, Any]

    def error(self, problem: str, hint: str = LAYOUT_HINT) -> CorpusError:
        """The complaint about this row, for the caller to raise."""
        return CorpusError(self.path, self.line, problem, hint)

    def first_of(self, *names: str) -> str | None:
        """The first of these columns that the row has."""
        return next((name for name in names if name in self.data), None)

    def text(self, *names: str) -> str:
        """The text in the first of these columns that is there; it must not be blank."""
        name = self.first_of(*names)
        if name is None:
            raise self._lacks(names)
        value = self.data[name]
        if isinstance(value, int) and not isinstance(value, bool) and name in ("id", "_id"):
            return str(value)
        if not isinstance(value, str):
            kind = type(value).__name__
            raise self.error(f'field "{name}" must be a text, not {kind} {value!r}')
        if not value.strip():
            raise self.error(f'field "{name}" is empty', "fill it in, or remove the row")
        return value

    def optional(self, name: str) -> str:
        """The text in that column, or nothing where there is none."""
        value = self.data.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            kind = type(value).__name__
            raise self.error(f'field "{name}" must be a text, not {kind} {value!r}')
        return value

    def user(self) -> str:
        """Who owns the row; `EVERYONE` where it does not say."""
        if "user" not in self.data:
            return EVERYONE
        user = self.text("user")
        if "." in user or user == "langgraph":
            raise self.error(
                f'user "{user}" cannot be part of a LangGraph namespace',
                "use a name without periods, other than langgraph",
            )
        return user

    def _lacks(self, names: tuple[str, ...]) -> CorpusError:
        wanted = " or ".join(f'"{name}"' for name in names)
        near = nearest(names[0], self.data, cutoff=0.7)
        has = ", ".join(self.data) or "nothing"
        hint = f'did you mean "{near}"?' if near else f"the row has: {has}; {LAYOUT_HINT}"
        return self.error(f"missing field {wanted}", hint)


def decode(raw: bytes, path: str) -> str:
    """The file's text; it must be UTF-8, a byte-order mark is dropped."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise CorpusError(path, line, "not UTF-8 text", "save the file as UTF-8") from error


def read_rows(file: Path | Any) -> list[CorpusRow]:
    """The objects of a JSON Lines file; blank lines are skipped."""
    rows = list(_rows(decode(file.read_bytes(), str(file)), str(file)))
    named = sum("user" in row.data for row in rows)
    if 0 < named < len(rows):
        row = next(row for row in rows if "user" not in row.data)
        raise row.error(
            'missing field "user", which other rows of the file have',
            f'name a user in every row or in none (then it is "{EVERYONE}")',
        )
    return rows


def _rows(text: str, path: str) -> Iterator[CorpusRow]:
    # Not splitlines(): JSON texts may hold U+2028 and the like, which it would take for line ends.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            data = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            what = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
            hint = "one JSON object a line, line breaks within texts written as \\n"
            raise CorpusError(path, number, f"broken JSON: {what}", hint) from error
        if not isinstance(data, dict):
            kind = type(data).__name__
            hint = 'write {"field": "value", ...} in each line'
            raise CorpusError(path, number, f"a line must be a JSON object, not {kind}", hint)
        yield CorpusRow(path, number, data)
