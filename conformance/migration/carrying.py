"""
Vectors taken along, so that the target's embedder need not make them anew.

The target embeds as always, by its own ``put``; what it asks is an embedder that knows the vectors of the
source by their texts.  Nobody's tables are written past a store, and what cannot be carried is embedded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.embeddings import Embeddings

from store_conformance.contract.errors import EXIT_USAGE
from store_conformance.embedding.wrapping import Wrapper
from store_conformance.harness.backends import ItemVectors, VectorSource, vectors_of
from store_conformance.harness.compat import get_text_at_path, tokenize_path
from store_conformance.migration.journal import Entry
from store_conformance.migration.transfer import Exported, MigrationError, Readable, search_page

Vector = tuple[float, ...]
TEXTS = 16
"""So many texts are embedded beforehand, to see whether the vectors are of the same model and fields."""
SAME = 0.999
"""The least cosine of two vectors of one text by one model, however it rounds."""
QUERIES, NEAREST = 10, 10
CLOSE = 1e-3
"""What two engines may differ by in the score of the same vectors."""


class KnownVectors(Wrapper):
    """An embedder that answers what it was told, and asks the one within for the rest."""

    def __init__(self, inner: Embeddings) -> None:
        super().__init__(inner)
        self._known: Mapping[str, Vector] = {}
        self.asked = 0
        """How many texts were not known."""

    def know(self, vectors: Mapping[str, Vector]) -> None:
        """Of these texts from now on, and of no others."""
        self._known = vectors

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        unknown = list(dict.fromkeys(text for text in texts if text not in self._known))
        made = self.inner.embed_documents(unknown) if unknown else []
        self.asked += len(unknown)
        found = {**self._known, **dict(zip(unknown, made, strict=True))}
        return [list(found[text]) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        known = self._known.get(text)
        return self.inner.embed_query(text) if known is None else list(known)


@dataclass
class Carried:
    """What became of the vectors, and what a search by meaning said afterwards."""

    items: int = 0
    """Items whose vectors are those of the source."""
    bare: int = 0
    """Items that had none and have none."""
    anew: int = 0
    """Items that were embedded after all, as theirs are not of the target's fields."""
    searches: int = 0
    neighbours: int = 0
    """Found by both sides, with the same score."""
    missed: int = 0
    """Found by one side alone, which an approximate index may do."""

    def __str__(self) -> str:
        told = f"vectors of {self.items} items carried"
        told += f", {self.bare} items have none as before" if self.bare else ""
        if self.searches:
            told += f"; {self.searches} searches by meaning find the same {self.neighbours} items"
            told += " with the same scores on both sides"
        if self.missed:
            told += f", and {self.missed} that one side alone finds (an approximate index)"
        return told


@dataclass
class Carrying:
    """Teaches the target's embedder what the source's vectors are, batch by batch."""

    source: VectorSource
    known: KnownVectors
    fields: tuple[str, ...] = ("$",)
    done: Carried = field(default_factory=Carried)

    def check(self, sample: Sequence[Entry]) -> None:
        """Embed a few texts anew; raises ``MigrationError`` unless that gives the vectors that are there."""
        held = self.source.read([entry.item.address for entry in sample])
        if not held:
            raise _refused("none of the items that were looked at has a vector")
        pairs: dict[str, Vector] = {}
        for entry in sample:
            pairs.update(self._fitting(entry.item, held.get(entry.item.address)) or {})
        some = dict(list(pairs.items())[:TEXTS])
        if not some:
            raise _refused(
                f"the source's vectors are not of the fields {', '.join(self.fields)}{_named(held)}"
            )
        made = self.known.inner.embed_documents(list(some))
        cosines = [_cosine(a, b) for a, b in zip(some.values(), made, strict=True)]
        other = [one for one in cosines if one < SAME]
        if other:
            raise _refused(
                f"the source's vectors are of another model or of other fields: EMBEDDINGS makes others of"
                f" {len(other)} of {len(some)} texts (cosine {min(other):.3f})"
            )

    def taught(self, entries: Sequence[Entry]) -> Iterator[tuple[Entry, Any]]:
        """Each with the ``index`` of its put; the embedder knows their texts when this ends."""
        held = self.source.read([entry.item.address for entry in entries])
        known: dict[str, Vector] = {}
        every = []
        for entry in entries:
            own = held.get(entry.item.address)
            fitting = self._fitting(entry.item, own)
            if own is None:
                self.done.bare += 1
            elif fitting is None:
                self.done.anew += 1
            else:
                self.done.items += 1
                _learn(known, fitting, entry.item)
            every.append((entry, False if own is None else None))
        self.known.know(known)
        return iter(every)

    def _fitting(self, item: Exported, held: ItemVectors | None) -> dict[str, Vector] | None:
        """The vectors by the texts that the target will embed; None if they are not of these."""
        if held is None:
            return None
        names = texts_of(item.value, self.fields)
        if held.named:
            if not names or not names.keys() <= held.named.keys():
                return None
            return {text: held.named[name] for name, text in names.items()}
        texts = list(dict.fromkeys(names.values()))
        if len(texts) != len(held.ordered):
            return None
        return dict(zip(texts, held.ordered, strict=True))

    def compare(self, source: Any, target: Readable, sample: Sequence[Entry]) -> None:
        """Search both by the meaning of a few items; raises ``MigrationError`` where a score differs."""
        if getattr(source, "embeddings", None) is None:
            return  # an open store without an index ranks nothing
        held = self.source.read([entry.item.address for entry in sample])
        queries: dict[str, Vector] = {}
        for entry in sample:
            queries.update(self._fitting(entry.item, held.get(entry.item.address)) or {})
        for text, vector in list(queries.items())[:QUERIES]:
            self.known.know({text: vector})
            if source.embeddings is not self.known:
                self.known.know({text: tuple(source.embeddings.embed_query(text))})
            self._alike(_scores(source, text), _scores(target, text))
            self.done.searches += 1
        if self.done.missed > self.done.neighbours:
            raise _differs(f"one side alone finds {self.done.missed} of the nearest items")

    def _alike(self, one: Mapping[Any, float], other: Mapping[Any, float]) -> None:
        both = [place for place in one if place in other]
        for place in both:
            if abs(one[place] - other[place]) > CLOSE:
                namespace, key = place
                raise _differs(
                    f"{namespace!r} {key!r} scores {one[place]:.4f} in the source and {other[place]:.4f}"
                )
        self.done.neighbours += len(both)
        for mine, theirs in ((one, other), (other, one)):
            # Among equals at the end of a page each side may choose.
            last = min(theirs.values(), default=-1.0) if len(theirs) >= NEAREST else -1.0
            alone = [score for place, score in mine.items() if place not in theirs]
            self.done.missed += sum(score > last + CLOSE for score in alone)


def texts_of(value: Mapping[str, Any], fields: Sequence[str]) -> dict[str, str]:
    """What is embedded of a value, by the name under which the official stores keep its vector."""
    found = {}
    for path in fields:
        texts = get_text_at_path(value, "$" if path == "$" else tokenize_path(path))
        for number, text in enumerate(texts):
            found[f"{path}.{number}" if len(texts) > 1 else path] = text
    return found


def agreed(store: Any, index: Mapping[str, Any]) -> VectorSource:
    """
    The reader of a store's vectors, which are as long as the target's and compared alike.

    Raises ``MigrationError`` with the difference.
    """
    source = vectors_of(store)
    if source is None:
        raise _refused(f"the vectors of {type(store).__name__} cannot be read")
    kept = source.kept()
    if kept.dims is None:
        raise _refused("the source has no vectors")
    if kept.dims != index["dims"]:
        raise _refused(
            f"the source's vectors have {kept.dims} dimensions, and EMBEDDINGS {index['dims']}"
        )
    theirs = str(index.get("distance_type", "cosine"))
    if kept.distance != theirs:
        raise _refused(f"the source compares vectors by {kept.distance}, the target by {theirs}")
    return source


def _learn(known: dict[str, Vector], more: Mapping[str, Vector], item: Exported) -> None:
    for text, vector in more.items():
        if _cosine(known.setdefault(text, vector), vector) < SAME:
            raise MigrationError(
                f"the source has two different vectors of the text of {item.namespace!r} {item.key!r}:"
                " its items were embedded by more than one model",
                "empty the target, remove the journal, and migrate with --vectors embed",
            )


def _scores(store: Readable, query: str) -> dict[Any, float]:
    page = search_page(store, (), limit=NEAREST, offset=0, query=query)
    found = {(tuple(item.namespace), item.key): item.score for item in page}
    return {place: float(score) for place, score in found.items() if score is not None}


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    lengths = math.sqrt(sum(a * a for a in one)) * math.sqrt(sum(b * b for b in other))
    if not lengths:
        return 1.0 if not any(one) and not any(other) else 0.0
    return sum(a * b for a, b in zip(one, other, strict=True)) / lengths


def _named(held: Mapping[Any, ItemVectors]) -> str:
    names = sorted({name for one in held.values() for name in one.named})
    return f" but of {', '.join(names[:5])}" if names else ""


def _refused(problem: str) -> MigrationError:
    return MigrationError(
        f"the vectors cannot be carried: {problem}",
        "set EMBEDDINGS and EMBEDDINGS_FIELDS as the source had them, or make the vectors anew with --vectors embed",
        EXIT_USAGE,
    )


def _differs(problem: str) -> MigrationError:
    return MigrationError(
        f"a search by meaning differs after the vectors were carried: {problem}",
        "empty the target, remove the journal, and migrate with --vectors embed",
    )
