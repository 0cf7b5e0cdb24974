"""
N9: nothing of one user is ever seen or touched by another, whatever names, filters and queries they use.
"""

from __future__ import annotations

import time

from store_conformance.contract import Capability, Mode
from store_conformance.harness.case import case
from store_conformance.harness.journal import Journal
from store_conformance.harness.lab import Lab
from store_conformance.oracle.isolation import FEWEST, carry_out, explore

ATTACKS = 4
"""Attacks for each random history that the run asks for; two modes of one backend share them."""
SPAN = 3.0
"""Seconds after which no new attack begins."""


def _attacked(lab: Lab, *, vectors: bool) -> None:
    if lab.settings.histories == 0:
        lab.unverified("no random attacks asked for (--histories 0)")
    shared = lab.capabilities >= {Capability.SYNC, Capability.ASYNC}
    most = lab.settings.histories * ATTACKS // (2 if shared else 1)
    # Others in each mode, and others beside an index: each attack is a new one.
    seed = lab.settings.seed + 1_000_003 * (2 * list(Mode).index(lab.mode) + vectors)
    until = time.monotonic() + SPAN
    tally = explore(lab, vectors=vectors, most=most, seed=seed, until=until)
    lab.observe("isolation.attacks", tally.made, refused=tally.refused, seed=seed)
    if tally.error is not None:
        raise tally.error
    if tally.success is not None:
        # Once more, alone and in a store of its own: these calls are the evidence.
        lab.journal = Journal(seconds=lab.journal.seconds)
        store = lab.indexed("text") if vectors else lab.open()
        carry_out(lab, store, tally.success, vectors=vectors)
        lab.unverified(f"an attack came through, and not when it was repeated: {tally.success}")
    if tally.made < FEWEST:
        lab.unverified(
            f"only {tally.made} attacks could be made: the store refuses the names of {tally.refused}"
        )


@case("N9", seconds=90)
def test_no_user_sees_or_touches_what_is_anothers(lab: Lab) -> None:
    """
    Reads, searches with a filter, listings, puts and deletes in one namespace neither show nor change what is in
    another one, however alike the names are and whatever the filters say.

    If this fails, look at labels that are joined, compared by LIKE or folded, and at filters that become text of a query.
    """
    _attacked(lab, vectors=False)


@case("N9", needs=(Capability.VECTORS,), seconds=90)
def test_no_query_shows_what_is_anothers(lab: Lab) -> None:
    """
    The same with an index: searches by meaning, with and without a filter, stay in their namespace.
    """
    _attacked(lab, vectors=True)
