"""
What is to be seen of a folder with an engine's data in it: Qdrant's local mode, Qdrant Edge, and Chroma.

The engine is never opened: that would lock the folder, and make files in it.  Its own files are read, and nothing else
is done.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from store_conformance.backends.base import BackendError
from store_conformance.backends.inspection.gathering import Gathered
from store_conformance.backends.inspection.mounts import is_network
from store_conformance.backends.opening.address import Address, path_of
from store_conformance.backends.opening.names import named
from store_conformance.backends.opening.settings import read
from store_conformance.backends.opening.vectors import SCHEMES
from store_conformance.backends.sqlite import driver

EDGE, LOCAL, CHROMA = "qdrant edge", "qdrant folder", "chroma folder"
ENGINES = {"qdrant+edge": EDGE, "qdrant": LOCAL, "chroma": CHROMA}
"""What a scheme's folder is called in the checklist."""
_MADE_BY = "langgraph-vector-store"
_MOST_FILES = 20_000
_CHECKED_BYTES = 500_000_000
_NAMED = 5

_Found = tuple[bool, str]


def inspect(address: Address) -> Gathered:
    """Raises ``BackendError`` where there is no such folder, or it may not be read."""
    engine = ENGINES[address.scheme]
    scheme = SCHEMES[address.scheme]
    values = read(address.scheme, scheme.settings, address.parameters)
    path = path_of(address.scheme, address, example=f"{address.scheme}:///folder")
    named(address.scheme, values)
    _must_be_folder(address.scheme, path)
    seen = Gathered(engine, f"{address.scheme}:///{path}")
    seen.facts["password"] = ""
    seen.facts["flush"] = values.get("flush", True)
    seen.hidden["folder_copied"] = "whether the folder is copied is not to be seen in it"
    _files(seen, path)
    collection = str(values["collection"] or "langgraph_store")
    {EDGE: _edge, LOCAL: _local, CHROMA: _chroma}[engine](seen, path, collection)
    return seen


def _must_be_folder(scheme: str, path: Path) -> None:
    if path.is_dir():
        if not os.access(path, os.R_OK | os.X_OK):
            raise BackendError(scheme, f"the folder {path} may not be read.", "may this user?")
        return
    what = "is a file" if path.exists() else "is not there"
    raise BackendError(
        scheme, f"{path} {what}.", "give the folder of the store: three slashes are relative"
    )


# -- the files ---------------------------------------------------------------------------------------------


def _every(path: Path) -> Iterator[os.stat_result]:
    count = 0
    for folder, _, names in os.walk(path):
        for name in names:
            count += 1
            if count > _MOST_FILES:
                raise LookupError(f"there are more than {_MOST_FILES} files")
            try:
                yield os.lstat(Path(folder) / name)
            except FileNotFoundError:  # the engine is at work
                continue


def _files(seen: Gathered, path: Path) -> None:
    seen.see("file_mode bytes", lambda: _modes_and_size(path))
    # Who may not enter the folder reads nothing in it, whatever the files' own modes are.
    seen.see("folder_mode", lambda: stat.S_IMODE(path.stat().st_mode))
    seen.see("folder_writable", lambda: os.access(path, os.W_OK | os.X_OK))
    seen.see("free_bytes", lambda: shutil.disk_usage(path).free)
    seen.see("network_file_system", lambda: is_network(path.absolute()))


def _modes_and_size(path: Path) -> tuple[int, int]:
    """All rights that anybody has to any file, and what they take of the disk, not what they are promised."""
    mode = size = 0
    for found in _every(path):
        mode |= stat.S_IMODE(found.st_mode)
        size += getattr(found, "st_blocks", -(-found.st_size // 512)) * 512
    return mode, size


# -- Qdrant Edge -------------------------------------------------------------------------------------------


def _edge(seen: Gathered, path: Path, collection: str) -> None:
    place = path / collection
    seen.see("has_store store_said", lambda: _marked(path, place, collection))
    if not seen.facts.get("has_store"):
        return
    seen.see("has_vectors dims", lambda: _dims_of(_json(place / "langgraph.json").get("dims") or 0))
    from store_conformance.backends.vector.qdrant_rows import payload_indexes

    seen.see("needed_fields", lambda: sorted(payload_indexes()))
    seen.see("indexed_fields", lambda: _indexed_everywhere(place))


def _marked(path: Path, place: Path, collection: str) -> _Found:
    mark = place / "langgraph.json"
    if mark.is_file():
        return _ours(_json(mark).get("made_by"), collection)
    others = [one.name for one in path.iterdir() if (one / "langgraph.json").is_file()]
    return _none(collection, others)


def _indexed_everywhere(place: Path) -> list[str]:
    """The fields that every segment has an index of."""
    found = [
        set(_json(config).get("indexed_fields") or ())
        for config in (place / "shard" / "segments").glob("*/payload_index/config.json")
    ]
    if not found:
        raise LookupError("no segment says what it has indexed")
    return sorted(set.intersection(*found))


def _json(path: Path) -> Mapping[str, Any]:
    told = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(told, dict):
        raise ValueError(f"{path.name} is no JSON object")
    return told


def _ours(made_by: object, collection: str) -> _Found:
    if made_by == _MADE_BY:
        return True, f"there is a collection {collection}"
    return False, f"{collection} was made by something else than this package's stores"


def _none(collection: str, others: Iterable[str]) -> _Found:
    named = sorted(others)[:_NAMED]
    return False, f"there is no collection {collection}" + (
        f"; there is {', '.join(named)}, which collection= would name" if named else ""
    )


def _dims_of(size: int) -> tuple[bool, list[int]]:
    return bool(size), [int(size)] if size else []


# -- Qdrant's local mode -----------------------------------------------------------------------------------


def _local(seen: Gathered, path: Path, collection: str) -> None:
    seen.see("has_store store_said", lambda: _in_meta(path, collection))
    if not seen.facts.get("has_store"):
        return
    seen.see("has_vectors dims", lambda: _dims_of(_local_dims(path, collection)))
    file = path / "collection" / collection / "storage.sqlite"
    seen.see("integrity", lambda: _asked(file, "PRAGMA quick_check(1)"))
    seen.see("points", lambda: int(_asked(file, "SELECT count(*) FROM points")))


def _in_meta(path: Path, collection: str) -> _Found:
    meta = path / "meta.json"
    every = _json(meta)["collections"] if meta.is_file() else {}
    if collection not in every:
        return _none(collection, every)
    return _ours((every[collection].get("metadata") or {}).get("made_by"), collection)


def _local_dims(path: Path, collection: str) -> int:
    vectors = _json(path / "meta.json")["collections"][collection].get("vectors") or {}
    return int((vectors.get("text") or {}).get("size") or 0)


# -- Chroma ------------------------------------------------------------------------------------------------


def _chroma(seen: Gathered, path: Path, collection: str) -> None:
    file = path / "chroma.sqlite3"
    seen.see("has_store store_said", lambda: _in_chroma(file, collection))
    seen.see("integrity", lambda: _asked(file, "PRAGMA quick_check(1)"))
    if seen.facts.get("has_store"):
        query = _METADATA.format(kind="int_value")
        seen.see(
            "has_vectors dims",
            lambda: _dims_of(int(_asked(file, query, collection, "dims") or 0)),
        )


_METADATA = (
    "SELECT m.{kind} FROM collections c JOIN collection_metadata m ON m.collection_id = c.id"
    " WHERE c.name = ? AND m.key = ?"
)


def _in_chroma(file: Path, collection: str) -> _Found:
    if not file.is_file():
        return (
            False,
            "there is no chroma.sqlite3 in the folder: no client of Chroma has worked there",
        )
    names = str(_asked(file, "SELECT json_group_array(name) FROM collections"))
    every = json.loads(names)
    if collection not in every:
        return _none(collection, every)
    return _ours(
        _asked(file, _METADATA.format(kind="str_value"), collection, "made_by"), collection
    )


# -- SQLite, in the folders of the last two ----------------------------------------------------------------


def _asked(file: Path, query: str, *values: str) -> Any:
    """
    The first value of a query, read without a lock and without a file beside.

    What is written meanwhile may look broken; then nothing is said of it.
    """
    kinds = driver()[0]
    if any(file.with_name(file.name + end).exists() for end in ("-journal", "-wal")):
        raise LookupError("somebody is writing there")
    before = file.stat()
    if before.st_size > _CHECKED_BYTES and "quick_check" in query:
        raise LookupError("the file is too large for a quick look")
    found, error = None, None
    try:
        found = _first(kinds, file, query, values)
    except kinds.DatabaseError as raised:
        error = raised
    after = file.stat()
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        raise LookupError("somebody is writing there")
    if error is None:
        return found
    if "quick_check" in query:
        return str(error)
    raise error


def _first(kinds: Any, file: Path, query: str, values: Iterable[str]) -> Any:
    uri = f"file:{quote(str(file.absolute()))}?mode=ro&immutable=1"
    with closing(kinds.connect(uri, uri=True, timeout=1)) as conn:
        row = conn.execute(query, tuple(values)).fetchone()
    return None if row is None else row[0]
