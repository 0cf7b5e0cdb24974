"""
What a vector database has to do for the store, and nothing about what a store means.

A driver moves rows.  It never looks inside ``body`` or ``head``, never decides what matches a user's
filter, and never embeds: those live once, in the store.  A row has at most one vector; an item with
several vectors is one ``item`` row (with the first of them) and one ``vector`` row for each further one.

Every text a driver is given is valid UTF-8 without NUL, and every id is a UUID in its usual text form,
so that no engine has to be talked into taking anything.  The one text with a meaning is equality: two
different ``space``, prefix or token texts must never be taken for the same one (they are made of
``[a-z0-9]`` only, so there is nothing in them that an engine trims, splits or folds).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

Kind = Literal["item", "vector", "namespace"]

NEVER = 2**53 - 1
"""The expiry of what does not expire: a plain number, so that every engine can compare it."""

OVERFLOW = "overflow"
"""The token of a row that has more fields than were indexed: it may match any condition."""


@dataclass(frozen=True)
class Record:
    """
    A row to be written; writing it replaces everything the engine holds under its id.

    ``id`` is ``parent`` for an item; a ``vector`` row names its item in ``parent`` and has an empty
    body; a ``namespace`` row (a registry entry, only where the engine cannot list namespaces) has
    neither vector nor tokens.  ``expires_at`` is in microseconds since 1970 and ``NEVER`` if none.
    """

    id: str
    kind: Kind
    parent: str
    space: str
    """The namespace as one reversible text of ``[a-v0-9]``: equal only for equal namespaces."""
    prefixes: tuple[str, ...]
    """The tokens of the namespace itself and of each of its ancestors; never empty for an item."""
    tokens: tuple[str, ...]
    """One token for each field and value; may be empty."""
    numbers: Mapping[str, float]
    """Numeric fields for ranges: names match ``n[0-9a-f]{16}``, values are finite."""
    expires_at: int
    head: str
    """A short text the store reads back: before an overwrite, or of a ``namespace`` row an item's id."""
    body: str
    """The truth: namespace, key and value as one text."""
    vector: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Head:
    """The little that an overwrite has to know; ``extra`` is the driver's own, handed back to ``upsert``."""

    head: str
    expires_at: int
    extra: Any = None


@dataclass(frozen=True)
class StoredRow:
    """A row as it was read, without its vector and its index fields."""

    id: str
    kind: Kind
    parent: str
    head: str
    body: str
    expires_at: int


@dataclass(frozen=True)
class Hit:
    """A row found by its vector; ``score`` is the cosine similarity, -1 to 1, higher is better."""

    row: StoredRow
    score: float


@dataclass(frozen=True)
class Page:
    """Some rows, and the cursor of the next page (any driver-made value) or None after the last."""

    rows: Sequence[StoredRow]
    cursor: Any = None


@dataclass(frozen=True)
class Touch:
    """A new expiry for a row that must still be the one whose ``head`` was read, if the engine can tell."""

    id: str
    head: str
    expires_at: int


@dataclass(frozen=True)
class HasToken:
    """The row carries this token, or ``OVERFLOW``."""

    token: str


@dataclass(frozen=True)
class LacksToken:
    """The row does not carry this token (whether or not it carries ``OVERFLOW``)."""

    token: str


@dataclass(frozen=True)
class NumberIn:
    """The row has this number between ``low`` and ``high``, both inclusive, or carries ``OVERFLOW``."""

    name: str
    low: float | None = None
    high: float | None = None


Condition = HasToken | LacksToken | NumberIn


@dataclass(frozen=True)
class Where:
    """
    Which rows: every part that is given must hold.

    ``kinds``, ``prefix``, ``spaces``, ``alive_at`` and ``expired_at`` are the driver's to honour
    exactly.  ``conditions`` it may widen or leave out, never narrow: the store looks at each row
    again, so a condition that was left out costs reading, and one that hides a row loses it.
    """

    kinds: frozenset[Kind] = frozenset({"item"})
    prefix: str | None = None
    """One of the row's ``prefixes``."""
    spaces: tuple[str, ...] = ()
    """One of these namespaces, exactly; empty: any."""
    alive_at: int | None = None
    """Only rows with ``expires_at`` > this."""
    expired_at: int | None = None
    """Only rows with ``expires_at`` <= this."""
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Limits:
    """What one request may hold; the store cuts its work to fit and refuses what cannot be cut."""

    rows_per_write: int = 1000
    bytes_per_write: int = 16_000_000
    """Counted by ``size_of``; a request is cut before it gets bigger."""
    bytes_per_row: int = 16_000_000
    """A row above this is refused with ``LimitExceededError`` before anything is written."""
    ids_per_fetch: int = 1000
    rows_per_page: int = 1000
    rows_per_query: int | None = None
    """The most that ``query`` can return (10,000 in some services); None if there is no such limit."""


@dataclass(frozen=True)
class Abilities:
    """What the engine can push down; what it cannot is finished by the store."""

    offset: bool = False
    """``scan`` can skip rows by number (``skip=``) when the caller gives no cursor."""
    namespaces: bool = False
    """``namespaces`` answers without reading the rows.  If not, the store keeps ``namespace`` rows."""
    zero_vectors: bool = True
    """A vector of zeros can be stored and asked for (its cosine counts as 0)."""
    pushes: frozenset[type] = field(default_factory=frozenset)
    """Which conditions (HasToken, LacksToken, NumberIn) the engine evaluates itself."""


@runtime_checkable
class Driver(Protocol):
    """
    One database's API, called from many threads at once.

    Calls return when the engine has acknowledged, and what was acknowledged is seen by the next call
    of any client.  An engine that does not answer raises ``EngineError``; a driver does not retry
    writes.  Empty input is answered without a request.

    A vector is a sequence of ``dims`` finite floats, of any length but never empty; times are microseconds
    since 1970 (UTC).  tests/driver_checks.py checks each driver for all of this.
    """

    engine: str
    """The engine's name as a person would write it: ``Qdrant``."""

    limits: Limits
    abilities: Abilities

    def ensure_schema(self, dims: int | None) -> int | None:
        """
        Create what is missing and return the dimensions that the engine's index has (None: no vectors).

        Idempotent, and safe when several processes do it at once.  A collection of the same name that
        this package did not make raises ``ForeignCollectionError``.  If the existing index has other
        dimensions than asked for, leave it and return what it has.  If it has none and ``dims`` is
        given, vectors are added and the rows are kept.
        """

    def upsert(self, records: Sequence[Record], heads: Mapping[str, Head]) -> None:
        """Write whole rows, ids distinct, at most ``limits`` big; ``heads`` holds those that existed."""

    def heads(self, ids: Sequence[str]) -> dict[str, Head]:
        """The heads of the rows that exist, by id; at most ``limits.ids_per_fetch`` are asked for."""

    def fetch(self, ids: Sequence[str]) -> dict[str, StoredRow]:
        """The rows that exist, by id; at most ``limits.ids_per_fetch`` are asked for."""

    def vectors(self, ids: Sequence[str]) -> dict[str, tuple[float, ...]]:
        """
        The vectors of the rows that have one, by id; at most ``limits.ids_per_fetch`` are asked for.

        As the engine keeps them: in single precision, and where it keeps directions alone, of length one.
        """

    def delete(self, ids: Sequence[str]) -> None:
        """Remove rows with their vectors; an id that does not exist is fine."""

    def touch(self, touches: Sequence[Touch]) -> None:
        """Set ``expires_at`` alone; a row that is gone stays gone."""

    def scan(self, where: Where, limit: int, cursor: Any = None, skip: int = 0) -> Page:
        """
        Up to ``limit`` rows in one fixed order, each once over all pages.

        ``cursor`` is what the page before returned.  ``skip`` is only used when
        ``abilities.offset`` is True, and only without a cursor.
        """

    def query(self, vector: Sequence[float], where: Where, limit: int) -> list[Hit]:
        """
        The nearest rows that have a vector, best first by cosine similarity; ``limit`` of them if there are.

        ``where`` is applied before the nearest are chosen, ``where.conditions`` as far as pushed down.
        To see more, the store asks again with a larger ``limit``.
        """

    def namespaces(self, where: Where) -> list[str]:
        """The distinct ``space`` texts of the rows; only called if ``abilities.namespaces``."""

    def close(self) -> None:
        """Let go of the client; called once, never raises."""


def size_of(record: Record) -> int:
    """How many bytes a row takes in a request, estimated from above for the usual JSON wire format."""
    body = record.body
    # The body is JSON already, so there is nothing in it to be escaped but these two.
    escapes = body.count('"') + body.count("\\")
    texts = len(body.encode()) + escapes + len(record.head) + len(record.space)
    lists = sum(len(t) + 4 for t in (*record.prefixes, *record.tokens)) + 40 * len(record.numbers)
    return int(texts + lists + 22 * len(record.vector or ()) + 400)
