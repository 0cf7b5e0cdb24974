"""
What the records of a run file must look like before anything is read from them.

A run file may come from anywhere: whoever reads a field afterwards takes it for what it is called.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from store_conformance.contract import Verdict
from store_conformance.contract.records import Row
from store_conformance.runs.lines import RunFileError

SCHEMA_VERSION = 1


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _is_list_of(test: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list) and all(map(test, value))


def _is_table_of(test: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, dict) and all(map(test, value.values()))


_Shape = tuple[Callable[[object], bool], str]
_TABLE: _Shape = (_is_table, "no table")
_TEXT: _Shape = (_is_text, "no text")
_TEXTS_LISTED: _Shape = (_is_list_of(_is_text), "no list of texts")
_TABLES_LISTED: _Shape = (_is_list_of(_is_table), "no list of tables")
_NUMBER: _Shape = (_is_number, "no number")
_COUNTS: _Shape = (_is_table_of(_is_number), "no table of numbers")

_HEADER = {
    **dict.fromkeys(("selection", "settings", "machine"), _TABLE),
    **dict.fromkeys(("suite_version", "started", "profile"), _TEXT),
    **dict.fromkeys(("merged", "resumed"), _TABLES_LISTED),
}
_SELECTION = dict.fromkeys(("rules", "groups", "scenarios", "skip"), _TEXTS_LISTED)
_FOOTER = {"counts": _COUNTS, "seconds": _TABLE, "left": _COUNTS, "causes": _TABLES_LISTED}
_SPENT = {"total": _NUMBER, "in_store": _NUMBER, "waited": _NUMBER}
_SECONDS = {**_SPENT, "by_backend": (_is_table_of(_is_table), "no table of tables")}


def _be(key: str) -> str:
    """``seconds`` and ``machine`` in a sentence."""
    return "are" if key.endswith("s") else "is"


def _check_shape(
    path: Path, name: str, given: Mapping[str, Any], shape: Mapping[str, _Shape]
) -> None:
    """Raise for a field that is there and is not what it is taken for."""
    for key, (fits, unlike) in shape.items():
        if given.get(key) is not None and not fits(given[key]):
            raise RunFileError(
                path,
                f"has a {name} whose {key} {_be(key)} {unlike}",
                "the file was edited; run again",
            )


_TEXTS = (
    "backend",
    "rule",
    "case",
    "message",
    "name",
    "expected",
    "got",
    "expectation",
    "upstream",
    "script",
)
_MORE_TEXTS = ("failure_kind", "cause", "unlike", "unit")
_NUMBERS = ("seconds", "in_store", "waited", "calls", "seed")


def check_types(data: dict[str, Any]) -> None:
    """Raise ``TypeError`` for a field that every reader takes for a text or number, and is none."""
    for key in (*_TEXTS, *_MORE_TEXTS):
        if not isinstance(data.get(key, ""), (str, type(None))):
            raise TypeError(f"{key} is no text")
    for key in _NUMBERS:
        value = data.get(key, 0)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError(f"{key} is no number")
    for key, kind in (("history", str), ("samples", (int, float))):
        listed = data.get(key, [])
        if not isinstance(listed, list) or not all(isinstance(entry, kind) for entry in listed):
            raise TypeError(f"{key} is no list of its kind")
    if not isinstance(data.get("facts", {}), dict):
        raise TypeError("facts is no table")


def checked_header(path: Path, header: dict[str, Any]) -> dict[str, Any]:
    if header.get("schema") != SCHEMA_VERSION:
        raise RunFileError(
            path,
            f"is of schema {header.get('schema')!r}, this version reads {SCHEMA_VERSION}",
            "run again with this version, or report with the version that wrote it",
        )
    backends = header.get("backends")
    if not isinstance(backends, dict) or not all(isinstance(f, dict) for f in backends.values()):
        raise RunFileError(path, "has a header without backends", "give a run file (run.jsonl)")
    _check_shape(path, "header", header, _HEADER)
    _check_shape(path, "selection", header.get("selection") or {}, _SELECTION)
    return header


def check_footer(path: Path, footer: dict[str, Any], rows: list[Row]) -> None:
    """Raise where the footer does not fit what stands above it."""
    _check_shape(path, "footer", footer, _FOOTER)
    seconds = footer.get("seconds") or {}
    _check_shape(path, "footer's seconds", seconds, _SECONDS)
    for name, spent in (seconds.get("by_backend") or {}).items():
        _check_shape(path, f"footer's seconds of {name!r}", spent, _SPENT)
    if footer.get("rows") != len(rows):
        raise RunFileError(
            path,
            f"has {len(rows)} rows but its footer counts {footer.get('rows')}",
            "the file was cut or edited; run again",
        )
    counted = Counter(str(row.verdict) for row in rows)
    told = footer.get("counts")
    if told is not None and {k: n for k, n in told.items() if n} != counted:
        raise RunFileError(
            path,
            "contradicts itself: its footer counts other verdicts than its rows have",
            "the file was edited; run again",
        )


def check_verdicts(path: Path, rows: Iterable[Row]) -> None:
    """Raise where the same check passed and failed: no run writes that, and which of both holds cannot be told."""
    seen: dict[tuple[str, str, str, str], Verdict] = {}
    for row in rows:
        if row.verdict not in (Verdict.PASS, Verdict.FAIL):
            continue
        before = seen.setdefault((row.backend, row.rule, row.case, row.mode), row.verdict)
        if before is not row.verdict:
            raise RunFileError(
                path,
                f"contradicts itself: {row.rule} ({row.case}, {row.mode}) both passes and fails"
                f" for {row.backend}",
                "the file was edited; run again",
            )
