"""
Batches of a store that takes only so many operations, or so large a page, at once, and says so.

As with pages (``paging.py``): the docs name no most and promise no absence of one, so a batch that is refused by name
is put together from smaller ones where nothing in it can tell the difference: puts of different keys, or reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from store_conformance.harness.compat import ListNamespacesOp, PutOp, SearchOp
from store_conformance.harness.errors import StoreRaisedError, UnsupportedError
from store_conformance.harness.paging import MOST as LARGEST_PAGE
from store_conformance.harness.paging import Pages, names_a_limit
from store_conformance.harness.text import message_of

LEAST = 25
"""A batch of so many is asked of every store: the smallest that an engine in use is known to take."""
MOST = 500
"""A batch above this is handed over by cases about large batches alone, which see the refusal."""
_WORDS = ("batch", "operation", "ops", "request", "transaction")

Batch = Callable[[Any], list[Any]]
Operations = Sequence[Any]


class Batches:
    """The batch that one store takes, as far as it is known."""

    def __init__(self, found: Pages, listed: Pages) -> None:
        self.size = MOST
        self._found = found
        self._listed = listed

    def ask(self, batch: Batch, ops: Iterable[object]) -> list[Any]:
        """The answers to these operations, put together from smaller batches or pages where they must be."""
        if not isinstance(ops, list | tuple) or len(ops) > MOST:
            return batch(ops)
        if len(ops) > self.size:
            return self._in_parts(batch, ops)
        try:
            return batch(ops)
        except StoreRaisedError as error:
            if not names_a_limit(error.cause):
                raise
            refused = error
        if len(ops) > LEAST and _speaks_of_batches(refused.cause) and _separable(ops):
            self.size = max(LEAST, len(ops) // 2)
            return self._in_parts(batch, ops)
        if any(self._pages(op) is not None for op in ops):
            return self._in_smaller_pages(batch, ops, refused)
        if len(ops) > LEAST and _speaks_of_batches(refused.cause):
            raise _not_in_parts(ops, refused) from refused
        raise refused

    # -- fewer operations ---------------------------------------------------------------------

    def _in_parts(self, batch: Batch, ops: Operations) -> list[Any]:
        if not _separable(ops):
            raise _not_in_parts(ops, None)
        answers: list[Any] = []
        size = self.size  # a part that is refused shrinks it for later batches
        for start in range(0, len(ops), size):
            part = self.ask(batch, ops[start : start + size])
            if not isinstance(part, list):
                return part  # for whoever asked to judge
            answers += part
        return answers

    # -- smaller pages ------------------------------------------------------------------------

    def _pages(self, op: object) -> Pages | None:
        """What is known of the pages of an operation whose limit may be too large, or too small, for a store."""
        if not isinstance(op, (SearchOp, ListNamespacesOp)) or type(op.limit) is not int:
            return None
        pages = self._found if isinstance(op, SearchOp) else self._listed
        return pages if op.limit == 0 or pages.least < op.limit <= LARGEST_PAGE else None

    def _in_smaller_pages(
        self, batch: Batch, ops: Operations, error: StoreRaisedError
    ) -> list[Any]:
        """Answers of smaller pages; the error where these do not help, or do not say what one page would have."""
        if all(self._fitted(op) is op for op in ops):
            self._shrink(ops, error)
        while True:
            asked = [self._fitted(op) for op in ops]
            try:
                answers = batch([op for op in asked if op is not None])
                break
            except StoreRaisedError as again:
                self._shrink(ops, again)
        if not isinstance(answers, list) or len(answers) != len(asked) - asked.count(None):
            return answers  # for whoever asked to judge
        left = iter(answers)
        given = [[] if op is None else next(left) for op in asked]
        for place, (op, fitted) in enumerate(zip(ops, asked, strict=True)):
            if fitted is None or fitted is op:
                continue
            if len(given[place]) == fitted.limit:
                if any(isinstance(other, PutOp) for other in ops):
                    raise error  # the rest would be that of another state
                given[place] = self._whole(batch, op, given[place])
        return given

    def _whole(self, batch: Batch, op: Any, found: list[Any]) -> list[Any]:
        """The page of an operation of which a first part was found."""
        pages = self._pages(op)
        assert pages is not None
        while len(found) < op.limit:
            size = min(pages.page, op.limit - len(found))
            (part,) = batch([op._replace(limit=size, offset=op.offset + len(found))])
            found = [*found, *part]
            if len(part) < size:
                break
        return found

    def _fitted(self, op: Any) -> Any:
        """The operation with a page that the store takes; none where it asks for no item and is refused for that."""
        pages = self._pages(op)
        if pages is None or 0 < op.limit <= pages.page:
            return op
        if op.limit == 0:
            return None if pages.none_refused else op
        return op._replace(limit=pages.page)

    def _shrink(self, ops: Operations, error: StoreRaisedError) -> None:
        """What is asked for less next: no page of nothing, then smaller pages; the error when neither is left."""
        if not names_a_limit(error.cause):
            raise error
        known = [(op, pages) for op in ops if (pages := self._pages(op)) is not None]
        nothing = [pages for op, pages in known if op.limit == 0 and not pages.none_refused]
        if nothing:
            nothing[0].none_refused = True
            return
        shrunk = False
        for pages in (self._found, self._listed):
            most = max((min(op.limit, pages.page) for op, its in known if its is pages), default=0)
            if most > pages.least:
                pages.page = max(pages.least, most // 2)
                shrunk = True
        if not shrunk:
            raise error


def _speaks_of_batches(error: BaseException) -> bool:
    text = message_of(error).lower()
    return any(word in text for word in _WORDS)


def _separable(ops: Operations) -> bool:
    """Whether the answers, and what is stored afterwards, are the same if these run in several batches."""
    puts = [(op.namespace, op.key) for op in ops if isinstance(op, PutOp)]
    if not puts:
        return True
    return len(puts) == len(ops) and len({repr(place) for place in puts}) == len(ops)


def _not_in_parts(ops: Operations, refused: StoreRaisedError | None) -> UnsupportedError:
    why = f": {str(refused.cause)[:160]}" if refused is not None else ""
    return UnsupportedError(f"a batch of {len(ops)} operations is refused by name{why}")
