"""
What can go wrong between the store and its engine, each said in one line with a hint.

The messages never hold a URL with a password, a key, or an exception text of a client library that
was not cleaned first (``clean``).  The classes are dataclasses but not frozen: Python itself sets
attributes of an exception while it travels.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
_SECRETS = re.compile(
    r"(?i)((?:api[-_ ]?key|authorization|password|token|secret)[\"']?\s*[:=]\s*[\"']?(?:bearer\s+)?|bearer\s+)"
    r"([^\s\"',;&)]+)"
)


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


def clean(text: object, *secrets: str | None) -> str:
    """One line of a foreign error text, without credentials and the secrets that are known."""
    line = " ".join(str(text).split())
    for secret in secrets:
        if secret:
            line = line.replace(secret, "***")
    line = _SECRETS.sub(r"\1***", _CREDENTIALS.sub("***@", line))
    return line if len(line) <= 300 else line[:297] + "..."
