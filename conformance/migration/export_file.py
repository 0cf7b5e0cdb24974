"""
The file between two stores: JSON Lines with a header, a line for each item, and a last line that says
how many there are (docs/MIGRATION.md).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from store_conformance.migration.transfer import Exported, MigrationError, no_json

FORMAT = "langgraph-store-export"
VERSION = 1


def write_export(path: Path, items: Iterable[Exported]) -> int:
    """
    Write a JSON Lines file (docs/MIGRATION.md); gives how many items it holds.

    The file appears when it is complete.  Raises `MigrationError` for a value that is not JSON.
    """
    count = 0
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("w", encoding="ascii", newline="\n") as file:
            file.write(json.dumps({"format": FORMAT, "version": VERSION}) + "\n")
            for item in items:
                file.write(_line(item) + "\n")
                count += 1
            file.write(json.dumps({"end": True, "items": count}) + "\n")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _line(item: Exported) -> str:
    reason = no_json(item.value)
    if reason is not None:
        raise MigrationError(
            f"{item.namespace!r} {item.key!r} cannot be exported: {reason}",
            "change it in the store, or leave it out",
        )
    data = {
        "namespace": list(item.namespace),
        "key": item.key,
        "value": item.value,
        "created_at": item.created_at,
        "updated_at": item.updated_at,
    }
    return json.dumps(data)


def read_export(path: Path) -> list[Exported]:
    """The items of such a file; raises `MigrationError` for one that is foreign, cut off or damaged."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise MigrationError(f"{path} cannot be read ({error})", "check the path") from None
    records = [_record(path, n, line) for n, line in enumerate(lines, 1) if line.strip()]
    if not records or records[0].get("format") != FORMAT:
        raise MigrationError(f"{path} is no export", "make one with store-conformance export")
    if records[0].get("version") != VERSION:
        raise MigrationError(
            f"{path} has version {records[0].get('version')!r}, this reads {VERSION}",
            "export again with this version",
        )
    if not records[-1].get("end") or records[-1].get("items") != len(records) - 2:
        raise MigrationError(f"{path} is cut off", "export again")
    return [_item(path, n, record) for n, record in enumerate(records[1:-1], 2)]


def _record(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise MigrationError(f"{path}:{number}: no JSON object", "export again")
    return record


def _item(path: Path, number: int, record: dict[str, Any]) -> Exported:
    namespace, key, value = record.get("namespace"), record.get("key"), record.get("value")
    if not isinstance(namespace, list) or not isinstance(key, str) or not isinstance(value, dict):
        raise MigrationError(
            f"{path}:{number}: no item",
            "an item has a namespace (list), a key (text) and a value",
        )
    return Exported(
        tuple(namespace), key, value, record.get("created_at"), record.get("updated_at")
    )
