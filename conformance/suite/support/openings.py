"""
A store that is opened again, for cases whose rule is not about that.
"""

from __future__ import annotations

from store_conformance.contract import Capability
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject

AT = ("openings",)


def opened_again(lab: Lab, store: Subject) -> Subject | None:
    """The store after a reopening; ``None`` where it keeps nothing, or loses what it should keep, which is E4's."""
    if not lab.offers(Capability.PERSISTENCE):
        return None
    store.put(AT, "k", {"n": 1})
    again: list[Subject] = []
    refused = lab.attempt(lambda: again.append(lab.reopen(store)))
    if refused is not None or again[0].get(AT, "k") is None:
        return None
    again[0].delete(AT, "k")
    return again[0]
