"""
The file between two stores: JSON Lines with a header, a line for each item with its hash, and a last line
that says how many there are and the hash of all (docs/MIGRATION.md).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from store_conformance.migration.transfer import Address, Exported, MigrationError, no_json

FORMAT = "langgraph-store-export"
VERSION = 2
READABLE = (1, 2)
_AGAIN = "export again, or take an unaltered copy"


def write_export(path: Path, items: Iterable[Exported]) -> int:
    """
    Write a JSON Lines file (docs/MIGRATION.md); gives how many items it holds.

    A name that ends with ``.gz`` is compressed.  The file appears when it is complete, and is its
    owner's alone.  Raises `MigrationError` for a value that is not JSON, and for a place that has a device, a pipe
    or a folder, of which it takes the place of none.
    """
    count = 0
    digest = hashlib.sha256()
    _need_file(path, or_nothing=True)
    path = path.resolve()  # a link stays one
    partial = path.with_name(path.name + ".partial")
    try:
        partial.touch(mode=0o600)
        with _opened(partial, "wt", packed=path.suffix == ".gz") as file:
            file.write(json.dumps({"format": FORMAT, "version": VERSION}) + "\n")
            for item in items:
                line = _line(item)
                digest.update(line.encode())
                file.write(line + "\n")
                count += 1
            file.write(
                json.dumps({"end": True, "items": count, "sha256": digest.hexdigest()}) + "\n"
            )
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _need_file(path: Path, *, or_nothing: bool = False) -> None:
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "a pipe or a device"
        raise MigrationError(f"{path} is {what} and no file", "name a file")
    if not (or_nothing or path.exists()):
        raise MigrationError(f"{path} cannot be read: there is no such file", "check the path")


def _opened(path: Path, mode: str, *, packed: bool) -> Any:
    opener: Any = gzip.open if packed else open
    return opener(path, mode, encoding="utf-8", newline="\n")


def content_hash(namespace: Iterable[str], key: str, value: Any) -> str:
    """
    One hash for equal items of any store.

    The order of a dict's keys does not count; ``1``, ``1.0`` and ``true`` differ.
    """
    text = json.dumps([list(namespace), key, value], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


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
        "sha256": content_hash(item.namespace, item.key, item.value),
    }
    return json.dumps(data)


def read_export(path: Path) -> list[Exported]:
    """The items of such a file; raises `MigrationError` that names the line that is wrong."""
    try:
        _need_file(path)
        with _opened(path, "rt", packed=_is_packed(path)) as file:
            lines = file.read().split("\n")
    except EOFError:
        raise MigrationError(f"{path} is cut off: it ends within a packed block", _AGAIN) from None
    except UnicodeDecodeError:
        raise MigrationError(
            f"{path} is no export: it is not a text file", "make one with store-conformance export"
        ) from None
    except (OSError, zlib.error) as error:
        raise MigrationError(f"{path} cannot be read ({error})", "check the path") from None
    records = [(n, line, _record(path, n, line)) for n, line in enumerate(lines, 1) if line.strip()]
    if not records or records[0][2].get("format") != FORMAT:
        raise MigrationError(f"{path} is no export", "make one with store-conformance export")
    version = records[0][2].get("version")
    if version not in READABLE:
        raise MigrationError(
            f"{path}:1: the version is {version!r}, this reads {', '.join(map(str, READABLE))}",
            "export again with this version, or import with the one that wrote it",
        )
    last, _, footer = records[-1]
    if not footer.get("end") or footer.get("items") != len(records) - 2:
        raise MigrationError(
            f"{path}:{last}: the file is cut off, or lines of it are missing or more", _AGAIN
        )
    items = _unaltered(path, records[1:-1], checked=version > 1)
    if version > 1:
        digest = hashlib.sha256("".join(line for _, line, _ in records[1:-1]).encode())
        if digest.hexdigest() != footer.get("sha256"):
            raise MigrationError(f"{path}:{last}: lines were altered or changed places", _AGAIN)
    return items


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _unaltered(
    path: Path, records: list[tuple[int, str, dict[str, Any]]], *, checked: bool
) -> list[Exported]:
    """The items of the lines; each is what its own hash says, and none is there twice."""
    items: list[Exported] = []
    first: dict[Address, int] = {}
    for number, _, record in records:
        item = _item(path, number, record)
        if checked and record.get("sha256") != content_hash(item.namespace, item.key, item.value):
            raise MigrationError(
                f"{path}:{number}: the item is not the one that was exported", _AGAIN
            )
        if first.setdefault(item.address, number) != number:
            raise MigrationError(
                f"{path}:{number}: the same item as in line {first[item.address]}", _AGAIN
            )
        items.append(item)
    return items


def _record(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
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
