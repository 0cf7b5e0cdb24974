"""
What can go wrong between the store and its engine, each said in one line with a hint.

The messages never hold a URL with a password, a key, or an exception text of a client library that
was not cleaned first (``one_line``).  The classes are dataclasses but not frozen: Python itself sets
attributes of an exception while it travels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from store_conformance.contract.secrets import one_line


class VectorStoreError(Exception):
    """Anything these stores raise about their engine."""


@dataclass(eq=False)
class EngineError(VectorStoreError):
    """The engine did not do what it was asked: unreachable, refused, or broke off in the middle."""

    engine: str
    what: str
    hint: str

    def __str__(self) -> str:
        return f"{self.engine}: {self.what}. Hint: {self.hint}."


@dataclass(eq=False)
class LimitExceededError(VectorStoreError, ValueError):
    """A value that the engine cannot hold; nothing was written."""

    engine: str
    limit: str
    allowed: float
    value: float

    def __str__(self) -> str:
        return (
            f"{self.engine}: {self.limit} is limited to {self.allowed:,.10g}, got {self.value:,.10g}; "
            "nothing was written."
        )


@dataclass(eq=False)
class DimensionMismatchError(VectorStoreError, ValueError):
    """The collection holds vectors of another size than the index configuration says."""

    engine: str
    collection: str
    existing: int
    asked: int

    def __str__(self) -> str:
        return (
            f"{self.engine}: collection {self.collection!r} holds vectors of {self.existing} "
            f"dimensions, the index configuration says {self.asked}. Hint: use the embedder the "
            "collection was made with, or another collection name."
        )


@dataclass(eq=False)
class ForeignCollectionError(VectorStoreError):
    """A collection of this name exists and was made by something else; it was left untouched."""

    engine: str
    collection: str
    why: str

    def __str__(self) -> str:
        return (
            f"{self.engine}: collection {self.collection!r} was not made by this store "
            f"({self.why}) and was left untouched. Hint: choose another collection name."
        )


@dataclass(frozen=True)
class Asking:
    """
    What a client library raises, as an ``EngineError``: ``with asking("write"): client.upsert(...)``.

    ``hint`` says what to do about an exception; ``secrets`` are kept out of the message.  The errors of
    this module pass as they are.
    """

    engine: str
    hint: Callable[[Exception], str]
    secrets: tuple[str | None, ...] = ()

    @contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        try:
            yield
        except VectorStoreError:
            raise
        except Exception as error:  # noqa: BLE001  (whatever the client raises)
            cause = one_line(error, self.secrets) or type(error).__name__
            raise EngineError(self.engine, f"could not {what}: {cause}", self.hint(error)) from None
