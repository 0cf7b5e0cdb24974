"""
What ``store-conformance export`` and ``import`` do, free of the command line's parsing.

The store is the user's own, given as ``FILE.py:FUNCTION`` or ``package.module:FUNCTION``; the function
opens it where its memories are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from store_conformance.contract import Location, Mode, UserError
from store_conformance.contract.secrets import redact_text
from store_conformance.embedding import embedder_from_name, spec_of
from store_conformance.harness.errors import StoreRaisedError
from store_conformance.harness.journal import Journal
from store_conformance.harness.loops import LoopThread
from store_conformance.harness.subject import Subject
from store_conformance.harness.text import shorten
from store_conformance.migration.export_file import read_export, write_export
from store_conformance.migration.transfer import (
    MigrationError,
    export_items,
    import_items,
)

if TYPE_CHECKING:
    from langgraph.store.base import IndexConfig


@contextmanager
def opened_store(
    reference: str,
    *,
    folder: Path | None = None,
    url: str | None = None,
    name: str = "memories",
    options: Mapping[str, str] | None = None,
    embed: str | None = None,
    fields: tuple[str, ...] = (),
) -> Iterator[Subject]:
    """
    The user's store, sync or async, open for as long as the block lasts.

    ``folder``, ``url``, ``name`` and ``options`` are what the function finds in its ``at``; ``embed``
    makes the ``index`` that it is given.  Raises ``BackendError`` for a wrong reference.
    """
    from store_conformance.harness.backends import user_supplied

    index = _index(embed, fields)
    backend = user_supplied(reference, url=url, options=options)
    at = Location((folder or Path.cwd()).resolve(), url, name, dict(options or {}))
    loop_thread = LoopThread()
    backend.start()
    try:
        manager = backend.open(at, index, None, Mode.ASYNC)
        store = _Either(
            manager, at=at, mode=Mode.ASYNC, loop_thread=loop_thread, journal=Journal(), index=index
        )
        try:
            yield store
        finally:
            store.close()
    finally:
        loop_thread.close()
        backend.stop()


def _index(embed: str | None, fields: tuple[str, ...]) -> IndexConfig | None:
    if embed is None:
        if fields:
            raise MigrationError(
                "fields to embed are given, and no embedder", "give --embed too, or no --field"
            )
        return None
    embedder = embedder_from_name(embed)
    index: IndexConfig = {"dims": spec_of(embedder).dims, "embed": embedder}
    if fields:
        index["fields"] = list(fields)
    return index


class _Either(Subject):
    """A store called by its async methods, or by its sync ones where it has no others."""

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        if self.mode == Mode.ASYNC:
            try:
                return super().call(name, *args, **kwargs)
            except StoreRaisedError as error:
                if not isinstance(error.cause, NotImplementedError):
                    raise
                self.mode = Mode.SYNC
        return super().call(name, *args, **kwargs)


def export_store(reference: str, out: Path, **where: Any) -> int:
    """Write every item of the store to ``out``; gives how many.  Takes what `opened_store` takes."""
    if not out.parent.is_dir():
        raise MigrationError(f"there is no folder {out.parent}", "make it, or give another --out")
    if out.is_dir():
        raise MigrationError(f"{out} is a folder", "name a file in it with --out")
    with _explained("export"), opened_store(reference, **where) as store:
        return write_export(out, export_items(store))


def import_file(
    reference: str, path: Path, *, check: bool = True, replace: bool = False, **where: Any
) -> int:
    """Write every item of the file to the store, or none; gives how many."""
    items = read_export(path)
    with _explained("import"), opened_store(reference, **where) as store:
        return import_items(store, items, check=check, replace=replace)


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """What the store raises as one line; what we raise ourselves as it is."""
    try:
        yield
    except StoreRaisedError as error:
        if isinstance(error.cause, UserError):
            raise error.cause from None
        said = redact_text(" ".join(str(error.cause).split()))
        raise MigrationError(
            f"the {what} ended: the store raised {type(error.cause).__name__}: {shorten(said, 300)}",
            "does the store's function open it where its memories are?",
        ) from error
