"""
Memories out of one store and into another one: nothing lost, and nothing altered in silence.

Namespace, key and value travel.  What the interface of a store cannot set does not: timestamps begin
anew, times to live and ``index=`` choices are the target's, and vectors are made by its own embedder.
"""

from __future__ import annotations

import errno
import hashlib
import inspect
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from store_conformance.contract import UserError, Verdict
from store_conformance.harness.backends import causes, is_lost_connection
from store_conformance.harness.compat import GetOp, Item, PutOp, operation
from store_conformance.harness.errors import StoreRaisedError
from store_conformance.harness.lab import type_difference
from store_conformance.harness.paging import names_a_limit
from store_conformance.harness.text import shorten
from store_conformance.migration.pages import Pages
from store_conformance.oracle import answers

BATCH = 100
Address = tuple[tuple[str, ...], str]


class Readable(Protocol):
    """What an export needs: a ``BaseStore`` has it, and so has a `Subject` in either mode."""

    def list_namespaces(self, *, limit: int, offset: int) -> list[tuple[str, ...]]: ...

    def search(self, prefix: tuple[str, ...], /, *, limit: int, offset: int) -> list[Any]: ...


class Writable(Protocol):
    """What an import needs."""

    def batch(self, ops: Iterable[Any], /) -> list[Any]: ...


class MigrationError(UserError):
    """Nothing was exported or imported, for what the store would not hold or give back."""

    verdict = Verdict.FAIL


@dataclass(frozen=True)
class Refusal:
    """An item that the target cannot hold, and why."""

    namespace: tuple[str, ...]
    key: str
    reason: str

    def __str__(self) -> str:
        return f"{self.namespace!r} {shorten(repr(self.key), 80)}: {shorten(self.reason, 160)}"


class ImportRefusedError(MigrationError):
    """Items that the target cannot hold; nothing was written."""

    def __init__(self, refusals: Iterable[Refusal]) -> None:
        self.refusals = tuple(refusals)
        shown = "; ".join(str(r) for r in self.refusals[:5])
        more = f"; and {len(self.refusals) - 5} more" if len(self.refusals) > 5 else ""
        super().__init__(
            f"the store cannot hold {len(self.refusals)} item(s), nothing was written: {shown}{more}",
            "leave them out or change them, then import again",
        )


@dataclass(frozen=True)
class Exported:
    """One item; the timestamps (ISO 8601) are for the reader, an import cannot set them."""

    namespace: tuple[str, ...]
    key: str
    value: dict[str, Any]
    created_at: str | None = None
    updated_at: str | None = None

    @property
    def address(self) -> Address:
        return self.namespace, self.key


# -- out ------------------------------------------------------------------------------------------


def export_items(store: Readable) -> Iterator[Exported]:
    """
    Every item of the store once, by walking its namespaces and the pages of each.

    Write nothing meanwhile.  Where a store's pages overlap, because its order is not settled, the
    namespace is read anew in one page that holds all of it.
    """
    seen: set[Address] = set()
    pages = Pages(store)
    for root in namespace_roots(store, pages):
        for item in _under(store, pages, root):
            one = exported(item)
            if one.address not in seen:
                seen.add(one.address)
                yield one


def namespace_roots(store: Readable, pages: Pages) -> Iterator[tuple[str, ...]]:
    """The namespaces that lie below no other one: their searches find every item."""
    return _roots(_namespaces(store, pages))


def _namespaces(store: Readable, pages: Pages) -> list[tuple[str, ...]]:
    found: dict[tuple[str, ...], None] = {}
    listed = pages.all_of(lambda most, offset: store.list_namespaces(limit=most, offset=offset))
    for page in map(answers.namespaces, listed):
        fresh = [n for n in page if n not in found]
        if not fresh:
            break
        found.update(dict.fromkeys(fresh))
    return list(found)


def _roots(namespaces: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """The namespaces that lie below no other one: a search finds what is below as well."""
    every = set(namespaces)
    for namespace in sorted(every):
        if not any(namespace[:depth] in every for depth in range(len(namespace))):
            yield namespace


def _under(store: Readable, pages: Pages, prefix: tuple[str, ...]) -> list[Any]:
    found: list[Any] = []
    seen: set[Address] = set()
    for page in search_pages(store, pages, prefix):
        addresses = {(tuple(i.namespace), i.key) for i in page}
        if addresses & seen or len(addresses) < len(page):
            return search_whole(store, prefix, len(found) + len(page))
        seen |= addresses
        found += page
    return found


def search_pages(store: Readable, pages: Pages, prefix: tuple[str, ...]) -> Iterator[list[Any]]:
    """Page after page of what lies below a prefix."""

    def ask(most: int, offset: int) -> list[Any]:
        return search_page(store, prefix, limit=most, offset=offset)

    return pages.all_of(ask)


def search_whole(store: Readable, prefix: tuple[str, ...], size: int) -> list[Any]:
    """
    All that lies below a prefix in one answer, where its pages have brought ``size`` items, some of them twice.

    Raises ``MigrationError`` where the store does not give so many at once.
    """
    least = size
    for _ in range(12):
        size *= 2
        try:
            page = search_page(store, prefix, limit=size, offset=0)
        except Exception as error:
            cause = error.cause if isinstance(error, StoreRaisedError) else error
            if is_lost_connection(cause) or not names_a_limit(cause):
                raise
            raise _in_pieces(prefix) from error
        if len(page) < size:
            if len(page) < least and search_page(store, prefix, limit=1, offset=len(page)):
                raise _in_pieces(prefix)
            return page
    raise MigrationError(
        f"the search under {prefix!r} never ends", "is the store being written to?"
    )


def _in_pieces(prefix: tuple[str, ...]) -> MigrationError:
    return MigrationError(
        f"the pages of the search under {prefix!r} bring items twice, and the store does not give all of them at once",
        "stop what writes to the store; if its pages overlap nevertheless, its order is not settled, and items"
        " may be lost between them",
    )


def search_page(
    store: Readable, prefix: tuple[str, ...], *, limit: int, offset: int, query: str | None = None
) -> list[Any]:
    """One page of what lies below a prefix, without prolonging anybody's life."""
    more: dict[str, Any] = {} if query is None else {"query": query}
    raw = getattr(store, "raw", store)
    if getattr(raw, "supports_ttl", False) and "refresh_ttl" in _parameters(type(raw).search):
        more["refresh_ttl"] = False  # reading for an export is no use of a memory
    return answers.items(store.search(prefix, limit=limit, offset=offset, **more), "search")


def _held(store: Writable, places: Sequence[Address]) -> list[Item | None]:
    """What the store holds at each of the places."""
    found = store.batch([GetOp(namespace, key) for namespace, key in places])
    return [answers.item(one, "a GetOp in a batch") for one in answers.results(found, len(places))]


def _parameters(function: Any) -> Mapping[str, Any]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}


def exported(item: Any) -> Exported:
    """What travels of an item that a store gave."""
    return Exported(
        tuple(item.namespace), item.key, item.value, _iso(item.created_at), _iso(item.updated_at)
    )


def _iso(moment: Any) -> str | None:
    return None if moment is None else str(getattr(moment, "isoformat", lambda: moment)())


# -- in -------------------------------------------------------------------------------------------


def import_items(
    store: Writable, items: Iterable[Exported], *, check: bool = True, replace: bool = False
) -> int:
    """
    Write all the items, or none; gives how many.

    Everything is validated before anything is written.  ``check`` also tries what the store itself
    refuses or would alter: each item is put under a namespace of the import's own, unindexed, read
    back, compared and deleted.  An item that is there already with another value is refused unless
    ``replace``.  Raises `ImportRefusedError`, which names the items.
    """
    every = list(items)
    refusals = [r for r in (invalid(item) for item in every) if r is not None]
    refusals += _twice(every)
    if not refusals and not replace:
        refusals = taken(store, every)
    if not refusals and check:
        refusals = _tried(store, every)
    if refusals:
        raise ImportRefusedError(refusals)
    for part in _parts(every):
        store.batch([PutOp(item.namespace, item.key, item.value) for item in part])
    return len(every)


def _parts(items: list[Exported]) -> Iterator[list[Exported]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]


def invalid(item: Exported) -> Refusal | None:
    """What no store takes by the contract, whatever its engine."""
    reason = _bad_namespace(item.namespace)
    if reason is None and not isinstance(item.key, str):
        reason = f"the key is a {type(item.key).__name__}, not a str"
    if reason is None:
        reason = (
            "the value is not a dict" if not isinstance(item.value, dict) else no_json(item.value)
        )
    return None if reason is None else Refusal(item.namespace, str(item.key), reason)


def _bad_namespace(namespace: Any) -> str | None:
    if not isinstance(namespace, tuple) or not namespace:
        return "the namespace is no tuple with a label"
    for label in namespace:
        if not isinstance(label, str) or not label or "." in label or "\x00" in label:
            return f"the namespace has the label {label!r}"
    return (
        "the namespace begins with the reserved label 'langgraph'"
        if namespace[0] == "langgraph"
        else None
    )


def no_json(value: Any) -> str | None:
    """Why a value is not JSON; numbers that JSON has no word for are left to the store to judge."""
    waiting: list[tuple[Any, str]] = [(value, "value")]
    while waiting:
        part, where = waiting.pop()
        if isinstance(part, dict):
            odd = next((k for k in part if not isinstance(k, str)), None)
            if odd is not None:
                return f"{where} has the key {odd!r}, which is no str"
            waiting += [(inner, f"{where}[{key!r}]") for key, inner in part.items()]
        elif isinstance(part, (list, tuple)):
            waiting += [(inner, f"{where}[{n}]") for n, inner in enumerate(part)]
        elif part is not None and not isinstance(part, (str, int, float, bool)):
            return f"{where} is a {type(part).__name__}, which is not JSON"
    return None


def _twice(items: list[Exported]) -> list[Refusal]:
    seen: set[Address] = set()
    found = []
    for item in items:
        if item.address in seen:
            found.append(Refusal(*item.address, "it is in the import twice"))
        seen.add(item.address)
    return found


def taken(store: Writable, items: list[Exported]) -> list[Refusal]:
    """Those that the store holds already, with another value."""
    found = []
    for part in _parts(items):
        there = _held(store, [item.address for item in part])
        for item, old in zip(part, there, strict=True):
            if old is not None and type_difference(old.value, item.value):
                found.append(Refusal(*item.address, "the store holds another value there"))
    return found


LABEL = "_check_"
"""What the label of a namespace says in which something is tried."""
ENOUGH = 31
"""Letters of a label that every store takes that takes any of some length."""


def _tried(store: Writable, items: list[Exported]) -> list[Refusal]:
    """
    Put everything aside, look at it, and take it away again.

    The label is of the items: one that was killed meanwhile leaves nothing that the same import does not take away.
    """
    every = "\0".join(repr(item.address) for item in items)
    aside = f"import-check-{hashlib.sha256(every.encode(errors='replace')).hexdigest()[:16]}"
    found: list[Refusal] = []
    for part in _parts(items):
        try:
            found += tried_part(store, aside, part)
        finally:
            take_away(store, [(beside(item, aside), item.key) for item in part])
    return found


def beside(item: Exported, aside: str) -> tuple[str, ...]:
    """
    A namespace of nobody's, beside the item's own: as long and with the same labels before the last.

    A store over several others may route by either, and what is tried must meet the same one.  The last label says
    `LABEL` and what is unusual in the item's own, and is no longer than that or `ENOUGH`: a store may limit both.
    """
    *above, last = item.namespace
    own = hashlib.sha256(f"{aside}/{last}".encode(errors="surrogatepass")).hexdigest()[:12]
    room = max(len(last), ENOUGH) - len(LABEL) - len(own)
    unusual = "".join(c for c in last if not (c.isascii() and c.isalnum()))
    kept = last if len(last) <= room else (unusual + last)[:room]
    return (*above, f"{kept}{LABEL}{own}")


def tried_part(store: Writable, aside: str, part: list[Exported]) -> list[Refusal]:
    """What the store refuses or would alter of these, put under the labels of ``aside``; they stay there."""
    try:
        store.batch(
            [
                operation(PutOp, beside(item, aside), item.key, item.value, index=False)
                for item in part
            ]
        )
        back = _held(store, [(beside(item, aside), item.key) for item in part])
    except answers.WrongAnswerError:
        raise
    except Exception as error:
        if _is_out_of_reach(error):
            raise  # whatever else the store raises is its refusal
        if len(part) == 1:
            if _takes_nothing(store, aside):
                raise
            return [Refusal(*part[0].address, _said(error))]
        half = len(part) // 2
        take_away(store, [(beside(item, aside), item.key) for item in part])
        return tried_part(store, aside, part[:half]) + tried_part(store, aside, part[half:])
    found = []
    for item, other in zip(part, back, strict=True):
        difference = (
            "it is not there after a put"
            if other is None
            else type_difference(other.value, item.value)
        )
        if difference:
            found.append(Refusal(*item.address, f"the store would alter it: {difference}"))
    return found


def _takes_nothing(store: Writable, aside: str) -> bool:
    """
    Whether the store refuses a put of anybody's: then it was no fault of an item (it is full, or read-only).

    An error of the kind by which stores refuse what they were given does not tell; their names may be subject to rules.
    """
    place = ((aside,), "plain")
    try:
        store.batch([operation(PutOp, *place, {"n": 1}, index=False)])
        store.batch([PutOp(*place, None)])
    except Exception as error:  # noqa: BLE001 - of any kind, by the store's own word
        cause = error.cause if isinstance(error, StoreRaisedError) else error
        return not isinstance(cause, (ValueError, TypeError, KeyError, NotImplementedError))
    return False


def _said(error: Exception) -> str:
    cause = error.cause if isinstance(error, StoreRaisedError) else error
    return " ".join(f"{type(cause).__name__}: {cause}".split())


def take_away(store: Writable, places: Sequence[Address]) -> None:
    """
    Delete what was put aside; keys that the store cannot even name were never put.

    Raises what tells that the store is out of reach: then something may be left.
    """
    deletes = [PutOp(namespace, key, None) for namespace, key in places]
    try:
        store.batch(deletes)
    except Exception as all_of_them:
        if _is_out_of_reach(all_of_them):
            raise
        for delete in deletes:  # one by one then, so that one bad key keeps no other
            try:
                store.batch([delete])
            except Exception as error:
                if _is_out_of_reach(error) or _is_there(store, delete):
                    raise


def _is_there(store: Writable, delete: PutOp) -> bool:
    try:
        return _held(store, [(delete.namespace, delete.key)])[0] is not None
    except Exception:  # noqa: BLE001 - a name that the store cannot even read by
        return False


_FULL = {errno.ENOSPC, errno.EROFS, getattr(errno, "EDQUOT", errno.ENOSPC)}
_OUT_OF_REACH = ("is locked", "is full", "disk I/O", "readonly", "unable to open")
"""What SQLite says in errors that are no refusal of an item."""


def _is_out_of_reach(error: Exception) -> bool:
    """Whether it says that the store cannot be reached or written to, whatever the item."""
    cause = error.cause if isinstance(error, StoreRaisedError) else error
    full = any(isinstance(e, OSError) and e.errno in _FULL for e in causes(cause))
    shut = isinstance(cause, sqlite3.OperationalError) and any(
        word in str(cause) for word in _OUT_OF_REACH
    )
    return is_lost_connection(cause) or full or shut
