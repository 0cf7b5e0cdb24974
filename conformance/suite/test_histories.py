"""
E9: random histories against the reference model.

Hypothesis is imported when a history is run: a run of other rules does not wait for it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from store_conformance.contract import Capability, Level, Mode, rule
from store_conformance.harness.case import case
from store_conformance.harness.lab import Lab
from store_conformance.oracle.features import FEATURES
from store_conformance.suite.support.accepted import keys_taken, labels_taken
from store_conformance.suite.support.scale import by_cosine

if TYPE_CHECKING:
    from hypothesis.database import DirectoryBasedExampleDatabase

    from store_conformance.oracle.comparison import Divergence
    from store_conformance.oracle.strategies import Vocabulary

BUDGET_SECONDS = 14.0
CHUNK = 5
ROUNDS = 4


def _beyond(lab: Lab, *, vectors: bool) -> set[str]:
    """The features that the store does not offer, or does not promise in this way."""
    left = set() if lab.offers(Capability.PERSISTENCE) else {"reopen"}
    left |= {"floats"} if lab.offers(Capability.JSONB) else set()
    return left | ({"score", "nearest"} if vectors and not by_cosine(lab) else set())


def _explore(lab: Lab, *, vectors: bool) -> None:
    """Find divergences one after the other, each time without the features of those before."""
    from hypothesis.database import DirectoryBasedExampleDatabase

    from store_conformance.oracle.comparison import text_of
    from store_conformance.oracle.strategies import Vocabulary

    if lab.settings.histories == 0:
        lab.unverified("no histories asked for (--histories 0)")
    on = frozenset(FEATURES) - lab.avoid - _beyond(lab, vectors=vectors)
    vocabulary = Vocabulary(
        tuple(labels_taken(lab, Vocabulary().labels)), tuple(keys_taken(lab, Vocabulary().keys))
    )
    folder = Path(os.environ.get("CONFORMANCE_HISTORIES", ".hypothesis/conformance"))
    kept = DirectoryBasedExampleDatabase(folder / f"{lab.backend.name}-{lab.mode}-{int(vectors)}")
    begin = time.monotonic()
    found: list[Divergence] = []
    for _ in range(ROUNDS):
        divergence = _search(lab, on, vectors, kept, begin + BUDGET_SECONDS, vocabulary)
        if divergence is None or divergence.feature not in on:
            found += [divergence] if divergence else []
            break
        found.append(divergence)
        on -= {divergence.feature}
        if time.monotonic() - begin > BUDGET_SECONDS:
            break
    for divergence in found:
        lab.finding(
            divergence.rule_id,
            f"random history: {text_of(divergence)}",
            expected=divergence.expected,
            got=divergence.got,
            history=divergence.history,
        )
    _conclude(lab, found)


def _search(
    lab: Lab,
    on: frozenset[str],
    vectors: bool,
    kept: DirectoryBasedExampleDatabase,
    until: float,
    vocabulary: Vocabulary,
) -> Divergence | None:
    """The histories in portions, so that a slow store ends them early; there is always one portion."""
    from store_conformance.oracle.histories import explore

    for start in _portions(lab):
        divergence = explore(
            lab,
            on,
            vectors=vectors,
            examples=min(CHUNK, lab.settings.histories - start),
            steps=lab.settings.steps,
            seed=lab.settings.seed + 1_000_003 * start,
            database=kept,
            vocabulary=vocabulary,
        )
        if divergence is not None or time.monotonic() > until:
            return divergence
    return None


def _portions(lab: Lab) -> Sequence[int]:
    """
    The numbers of the histories with which this mode's portions begin.

    Two modes of one backend take turns at them: each history is new, and all of them are run by one of the two.
    """
    every = range(0, lab.settings.histories, CHUNK)
    if not {Capability.SYNC, Capability.ASYNC} <= lab.capabilities:
        return every
    return every[list(Mode).index(lab.mode) :: 2] or every[:1]


def _conclude(lab: Lab, found: list[Divergence]) -> None:
    """
    Fail where a MUST is broken; what weaker rules explain is reported under those alone.
    """
    from store_conformance.oracle.comparison import text_of

    lab.observe(
        "histories",
        len(found),
        found=sorted({f"{d.rule_id}: {d.feature}" for d in found}),
        avoided=sorted(lab.avoid),
        histories=sum(min(CHUNK, lab.settings.histories - start) for start in _portions(lab)),
        steps=lab.settings.steps,
    )
    broken = [d for d in found if rule(d.rule_id).level is Level.MUST]
    if broken:
        rules = ", ".join(dict.fromkeys(d.rule_id for d in broken))
        lab.fail(
            f"{len(broken)} divergence(s) from the model, reported under {rules}; first: {text_of(broken[0])}",
            expected=broken[0].expected,
            got=broken[0].got,
        )


@case("E9", seconds=300)
def test_any_history_answers_as_the_model_does(lab: Lab) -> None:
    """
    Put, overwrite, delete, batch, get, search, list_namespaces and reopen in any order answer rightly.
    """
    _explore(lab, vectors=False)


@case("E9", needs=(Capability.VECTORS,), seconds=300)
def test_any_history_with_vectors_answers_as_the_model_does(lab: Lab) -> None:
    """
    The same with a vector index: queries, ``index=`` overrides and filters over them answer rightly.
    """
    _explore(lab, vectors=True)
