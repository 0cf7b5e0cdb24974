"""
``store-conformance migrate FROM TO``: two URLs, opened so that the source is read alone.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from store_conformance.contract.errors import EXIT_USAGE
from store_conformance.factory import create_store
from store_conformance.factory.creating import index_of_environment
from store_conformance.factory.environment import load_files
from store_conformance.harness.backends import open_address, parse_address
from store_conformance.migration.carrying import Carrying, KnownVectors, agreed
from store_conformance.migration.journal import Journal
from store_conformance.migration.moving import Migration, Progress, Report
from store_conformance.migration.preflight import both_the_same
from store_conformance.migration.transfer import MigrationError

_LEAST_FREE = 50_000_000
"""Bytes that the journal's disk must have, so that a migration does not end at once."""


def migrate(
    source: str | Any,
    target: str | Any,
    *,
    journal: Path | None = None,
    add: bool = False,
    vectors: str = "embed",
    tell: Callable[[Progress], None] = lambda _: None,
) -> Report:
    """
    Move every memory of one store into another, empty one.

    Each side is a URL as ``create_store`` takes it, or a store of yours that is open.  The target's
    vectors are made by ``EMBEDDINGS``; with ``vectors="carry"`` they are the source's, if those are of
    the same model.  Started again with the same ``journal`` (a folder) it goes on where it was ended.
    Raises ``MigrationError``.
    """
    load_files(given=True)
    _lasts(target)
    folder = journal or Path(f"store-migration-{_fingerprint(source, target)}")
    _same_text(source, target)
    index = _to_carry(source, target) if _carries(vectors) else None
    with ExitStack() as stack:
        from_store = (
            stack.enter_context(_source(source, index)) if isinstance(source, str) else source
        )
        kept = stack.enter_context(closing(Journal(folder)))
        _enough_space(folder)
        to_store = (
            stack.enter_context(create_store(target, index=index))
            if isinstance(target, str)
            else target
        )
        if from_store is to_store:
            raise both_the_same()
        carrying = None if index is None else _carrying(from_store, index)
        return Migration(from_store, to_store, kept, add, tell, carrying).run()


def _lasts(target: str | Any) -> None:
    if isinstance(target, str) and parse_address(target).scheme == "memory":
        raise MigrationError(
            "a store in memory ends with the process that made it, and the memories with it",
            "call store_conformance.migration.urls.migrate(URL, store) where the store is",
            EXIT_USAGE,
        )


def _carries(vectors: str) -> bool:
    if vectors not in ("carry", "embed"):
        raise MigrationError(f"vectors is {vectors!r}", 'write "carry" or "embed"', EXIT_USAGE)
    return vectors == "carry"


def _to_carry(source: str | Any, target: str | Any) -> Any:
    """The target's index with an embedder that can be told vectors, once both sides are seen to agree."""
    if not isinstance(target, str):
        raise MigrationError(
            "vectors are carried into a target that is given by its URL alone",
            'give its URL, or leave vectors="carry" out: its own embedder makes them anew',
            EXIT_USAGE,
        )
    index: Any = index_of_environment(target)
    if index is None:
        raise MigrationError(
            "EMBEDDINGS is not set, and the target would have no vectors",
            "set it to the embedder of the source",
            EXIT_USAGE,
        )
    with _source(source) if isinstance(source, str) else nullcontext(source) as store:
        agreed(store, index)
    return {**index, "embed": KnownVectors(index["embed"])}


def _carrying(source: Any, index: Any) -> Carrying:
    return Carrying(agreed(source, index), index["embed"], tuple(index.get("fields") or ("$",)))


@contextmanager
def _source(url: str, index: Any = None) -> Iterator[Any]:
    """The source as it is: what is not there is not made, nor is what is old migrated."""
    address = parse_address(url)
    if address.scheme == "memory":
        raise MigrationError(
            "a store in memory belongs to the process that made it",
            "call store_conformance.migration.urls.migrate(store, URL) there",
            EXIT_USAGE,
        )
    with open_address(url, index, None, reading=True) as store:
        yield store


def _fingerprint(source: object, target: object) -> str:
    """A name for the pair, by which a second start finds the journal; passwords may change."""
    texts = [
        _without_password(one) if isinstance(one, str) else "store" for one in (source, target)
    ]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:10]


def _without_password(url: str) -> str:
    address = parse_address(url)
    return (
        f"{address.scheme}:{address.rest.rpartition('@')[2]}?{sorted(address.parameters.items())}"
    )


def _same_text(source: object, target: object) -> None:
    if not (isinstance(source, str) and isinstance(target, str)):
        return
    one, other = parse_address(source), parse_address(target)
    where = [(a.rest.rpartition("@")[2].rstrip("/"), _place(a)) for a in (one, other)]
    if where[0] == where[1] and one.scheme.startswith(other.scheme[:8]):
        raise both_the_same()
    if one.scheme == other.scheme == "sqlite":
        paths = [Path(a.rest[3:]) for a in (one, other)]
        if all(p.exists() for p in paths) and paths[0].samefile(paths[1]):
            raise both_the_same()


def _place(address: Any) -> tuple[str, ...]:
    names = ("schema", "collection", "namespace", "dbname", "host", "port", "options")
    return tuple(address.parameters.get(name, "") for name in names)


def _enough_space(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < _LEAST_FREE:
        raise MigrationError(
            f"the disk of {folder} has {free // 1_000_000} MB left, and the journal holds every item once",
            "make room, or give a folder on another disk with --journal",
            EXIT_USAGE,
        )
