"""
Every item of a store, page by page, with no more of them in memory than a page.

A store whose pages overlap, because its order is not settled, loses items between them.  That is seen by
counting: where a page brings what was there before, the whole prefix is read again in one answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

from store_conformance.harness.backends import pages_of
from store_conformance.migration.pages import PAGE, Pages
from store_conformance.migration.transfer import (
    Address,
    Exported,
    Readable,
    exported,
    namespace_roots,
    search_pages,
    search_whole,
)

Keep = Callable[[list[Exported]], int]
"""Takes a page and says how many of its items are new; it is what remembers them."""


def walk(store: Readable, keep: Keep) -> Iterator[int]:
    """Hand every item of the store to ``keep``; gives how many new ones each page brought."""
    pages = Pages(store)
    yield from _by_cursor(store, keep) or chain.from_iterable(
        _below(store, pages, root, keep) for root in namespace_roots(store, pages)
    )


def walk_from_the_top(store: Readable, keep: Keep) -> Iterator[int]:
    """The same by one search over all namespaces, for what a listing of them may not name."""
    yield from _by_cursor(store, keep) or _below(store, Pages(store), (), keep)


def _by_cursor(store: Readable, keep: Keep) -> Iterator[int] | None:
    """Where the engine has a cursor: neither listing nor offset is needed."""
    pages = pages_of(store, PAGE)
    return None if pages is None else (keep([exported(item) for item in page]) for page in pages)


def _below(store: Readable, pages: Pages, prefix: tuple[str, ...], keep: Keep) -> Iterator[int]:
    before: set[Address] = set()
    total = 0
    for page in search_pages(store, pages, prefix):
        total += len(page)
        new = keep([exported(item) for item in page])
        yield new
        addresses = {(tuple(item.namespace), item.key) for item in page}
        overlaps = len(addresses) < len(page) or bool(addresses & before) or new < len(page)
        if overlaps:
            yield keep([exported(item) for item in search_whole(store, prefix, total)])
            return
        before = addresses
