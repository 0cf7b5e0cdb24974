"""
Whether one user ever sees or touches what is another's: attacks are drawn and carried out.

Two things are judged, and nothing else: what the intruder is given lies in the namespace that was asked for and is
what the intruder wrote there; and what the victim has is afterwards what it was: values, timestamps, what searches
and queries find, the namespaces.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

from store_conformance.harness.compat import (
    GetOp,
    Item,
    ListNamespacesOp,
    MatchCondition,
    PutOp,
    SearchOp,
)
from store_conformance.harness.errors import CheckFailedError, StoreRaisedError, UnsupportedError
from store_conformance.harness.journal import Journal
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.oracle.intrusion import Attack, Probe, attacks, plain_attacks
from store_conformance.oracle.model import Namespace

SMALLER_SECONDS = 4.0
"""How long an attack that came through is made smaller."""
LIMIT = 50
FEWEST = 3
"""Attacks that are made however long they take: fewer tell nothing."""


@dataclass(frozen=True)
class Tally:
    """How many attacks were carried out, and how many had a name that the store does not take."""

    made: int
    refused: int
    success: Attack | None = None
    """The smallest known attack that came through."""
    error: Exception | None = None
    """How it showed, where it does so only after the attacks before it."""


def explore(lab: Lab, *, vectors: bool, most: int, seed: int, until: float) -> Tally:
    """
    Carry out up to ``most`` attacks before the time ``until`` (`FEWEST` at least), and no more after a success.

    They share a store, as opening one takes longer than an attack; a success is tried again on a fresh one.  A store
    that refuses nearly all names is attacked by plain ones.
    """
    with _store_of_its_own(lab, vectors) as store:
        tally = Tally(0, 0)
        for drawn in (attacks(seed), plain_attacks(seed)):
            if tally.success is None and tally.made < FEWEST:
                work = partial(_carried_out, lab, store, vectors=vectors, until=until)
                tally = work(islice(drawn, most), tally)
        return tally if tally.success is None else _success(lab, tally, vectors)


def _carried_out(
    lab: Lab, store: Subject, drawn: Iterator[Attack], tally: Tally, *, vectors: bool, until: float
) -> Tally:
    """Carry out attacks until one comes through, they end or the time is over."""
    made, refused = tally.made, tally.refused
    for attack in drawn:
        if made >= FEWEST and time.monotonic() > until:
            break
        try:
            carried_out = carry_out(lab, store, attack, vectors=vectors)
        except (CheckFailedError, StoreRaisedError) as error:
            return Tally(made + 1, refused, attack, error)
        _clear(lab, store, attack)
        made += carried_out
        refused += not carried_out
    return Tally(made, refused)


def _clear(lab: Lab, store: Subject, attack: Attack) -> None:
    """Delete what an attack put: what stays would be taken for another's in the attacks after it."""
    spaces = (attack.victim, *attack.intruders)
    ops = [PutOp(space, key, None) for space in spaces for key, _ in attack.items]
    if _asked(lab, lambda: store.batch(ops)) is None:  # a name is refused, and the batch with it
        for op in ops:
            _asked(lab, partial(store.delete, op.namespace, op.key))


def _success(lab: Lab, tally: Tally, vectors: bool) -> Tally:
    """The attack without what it does not need, as far as there is time, if it comes through alone."""
    until = time.monotonic() + SMALLER_SECONDS
    found = tally.success
    if found is None or not _comes_through(lab, found, vectors):
        return tally
    smallest = found
    while found is not None:
        smallest = found
        less = (a for a in smallest.smaller() if time.monotonic() < until)
        found = next((a for a in less if _comes_through(lab, a, vectors)), None)
    return replace(tally, success=smallest, error=None)


def _comes_through(lab: Lab, attack: Attack, vectors: bool) -> bool:
    with _store_of_its_own(lab, vectors) as store:
        try:
            carry_out(lab, store, attack, vectors=vectors)
        except (CheckFailedError, StoreRaisedError):
            return True
    return False


@contextmanager
def _store_of_its_own(lab: Lab, vectors: bool) -> Iterator[Subject]:
    lab.journal = Journal(seconds=lab.journal.seconds)
    store = lab.indexed("text") if vectors else lab.open()
    try:
        yield store
    finally:
        lab.forget(store)


# -- one attack -----------------------------------------------------------------------------------


def carry_out(lab: Lab, store: Subject, attack: Attack, *, vectors: bool) -> bool:
    """
    The victim's puts, then the intruder's calls; whether there was anything to attack.

    A name that the store refuses ends the attack: whether it may is judged by other rules.
    """
    at = attack.victim
    if _asked(lab, lambda: _inhabit(store, attack)) is None:
        return False
    before = _asked(lab, lambda: _possessions(store, attack, vectors))
    if before is None or any(f"get {key!r}" not in before for key, _ in attack.items):
        return False  # it does not give back what it took, which other rules judge
    for intruder in attack.intruders:
        _intrude(lab, store, attack, intruder, f"the intruder {intruder} beside {at}", vectors)
    after = _possessions(store, attack, vectors)
    lab.equal(after, before, f"what {at} has after the calls of others in {attack.intruders}")
    return True


def _inhabit(store: Subject, attack: Attack) -> bool:
    for key, text in attack.items:
        store.put(attack.victim, key, _value(attack.victim, text))
    return True


def _value(home: Namespace, text: str) -> dict[str, Any]:
    return {"home": list(home), "text": text, "s": "red", "n": 1}


def _asked(lab: Lab, work: Any) -> Any:
    """What the store gives; ``None`` where it refuses, or its release has no such argument."""
    answers: list[Any] = []
    try:
        refused = lab.attempt(lambda: answers.append(work()))
    except UnsupportedError:
        return None
    return answers[0] if refused is None else None


def _possessions(store: Subject, attack: Attack, vectors: bool) -> dict[str, Any]:
    """What the victim has, by every way of looking: nobody else's calls may change it."""
    at = attack.victim
    found: dict[str, Any] = {}
    for key, _ in attack.items:
        item = store.get(at, key)
        if item is not None:
            found[f"get {key!r}"] = (item.value, item.created_at, item.updated_at)
    searched = store.search(at, limit=LIMIT)
    found["search"] = sorted((i.namespace, i.key, repr(i.value)) for i in searched)
    if vectors:
        ranked = store.search(at, query="apple", filter={"s": "red"}, limit=LIMIT)
        found["query"] = sorted((i.namespace, i.key) for i in ranked)
    if "*" not in at:
        found["list"] = sorted(store.list_namespaces(prefix=at, limit=LIMIT))
    return found


# -- the intruder's calls -------------------------------------------------------------------------


def _intrude(
    lab: Lab, store: Subject, attack: Attack, at: Namespace, who: str, vectors: bool
) -> None:
    """Everything that one intruder does; whatever is refused shows nothing."""
    keys = [key for key, _ in attack.items]
    if "put" in attack.kinds:
        _asked(lab, lambda: store.put(at, keys[0], _value(at, "banana")))
    reads: list[Any] = [GetOp(at, key) for key in keys if "get" in attack.kinds]
    reads += [_search(at, probe, vectors) for probe in attack.probes]
    reads += _listings(at) if "list" in attack.kinds else []
    for number, op in enumerate(reads):
        if "batch" in attack.kinds and number % 2:
            given = _asked(lab, partial(store.batch, [op]))
            _judged(lab, op, given[0] if isinstance(given, list) and given else None, who)
        else:
            _judged(lab, op, _asked(lab, partial(_by_method, store, op)), who)
    if "delete" in attack.kinds:
        _asked(lab, lambda: store.delete(at, keys[0]))
        _asked(lab, lambda: store.batch([PutOp(at, key, None) for key in keys]))


def _search(at: Namespace, probe: Probe, vectors: bool) -> SearchOp:
    query: dict[str, Any] = {"query": probe.query} if vectors and probe.query is not None else {}
    return SearchOp(at, filter=probe.conditions, limit=LIMIT, **query)


def _listings(at: Namespace) -> list[ListNamespacesOp]:
    """By the own labels, from the beginning and from the end; a star is a wildcard there."""
    kinds: tuple[Any, ...] = () if "*" in at else ("prefix", "suffix")
    return [
        ListNamespacesOp((MatchCondition(match_type=kind, path=at),), None, LIMIT, 0)
        for kind in kinds
    ]


def _condition(op: ListNamespacesOp) -> MatchCondition:
    return next(iter(op.match_conditions or ()))


def _by_method(store: Subject, op: Any) -> Any:
    if isinstance(op, GetOp):
        return store.get(op.namespace, op.key)
    if isinstance(op, ListNamespacesOp):
        match = _condition(op)
        return store.list_namespaces(**{match.match_type: match.path}, limit=op.limit)
    query = {"query": op.query} if getattr(op, "query", None) is not None else {}
    return store.search(op.namespace_prefix, filter=op.filter, limit=op.limit, **query)


def _judged(lab: Lab, op: Any, answer: Any, who: str) -> None:
    """Whether the answer lies in the namespace that was asked for, and is what was put there."""
    if isinstance(op, ListNamespacesOp):
        match = _condition(op)
        at = tuple(match.path)
        part = slice(-len(at), None) if match.match_type == "suffix" else slice(0, len(at))
        foreign = [name for name in answer or () if tuple(name)[part] != at]
        lab.equal(foreign, [], f"namespaces of others, listed for {who}")
        return
    at = op.namespace if isinstance(op, GetOp) else op.namespace_prefix
    found = [i for i in (answer if isinstance(answer, list) else [answer]) if isinstance(i, Item)]
    foreign = [
        (i.namespace, i.key, i.value)
        for i in found
        if tuple(i.namespace) != at or i.value.get("home") != list(at)
    ]
    lab.equal(foreign, [], f"items of others, given to {who}")
