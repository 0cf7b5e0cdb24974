"""
What to ask of which store, and how the answers become one: no call is made here.

Each plan is a generator.  It yields the calls that may run side by side and is sent their
results; who drives it decides whether that happens in this thread or in an event loop.  So the
synchronous and the asynchronous store cannot drift apart.
"""

from __future__ import annotations

import json
import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

from langgraph.store.base import (
    BaseStore,
    GetOp,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
)

from store_conformance.backends.hybridstore.routes import Namespace, Routing

PAGE = 1000
"""How many namespaces are read at once while a listing is gathered."""

FEW = 100
"""Up to this many matches are counted by reading them, beyond it by probing."""


@dataclass(frozen=True)
class PartCall:
    """
    One batch for one store.
    """

    store: BaseStore
    ops: tuple[Op, ...]


@dataclass(frozen=True)
class Step:
    """
    Calls that do not depend on one another; those of a writing step run in their order.
    """

    calls: tuple[PartCall, ...]
    writes: bool = False


Answers = list[list[Result]]
Plan = Generator[Step, Answers, Any]


@dataclass
class _Group:
    """
    What one store gets of a batch, with the place of each op in it.
    """

    store: BaseStore
    reads: list[tuple[int, Op]] = field(default_factory=list)
    puts: dict[tuple[Namespace, str], PutOp] = field(default_factory=dict)


def plan_batch(routing: Routing, ops: Sequence[Op]) -> Plan:
    """
    Read everything first, then write; of several writes to one key only the last is made.
    """
    groups = {id(store): _Group(store) for store in routing.stores}
    spread: list[tuple[int, SearchOp | ListNamespacesOp, list[BaseStore]]] = []
    for place, op in enumerate(ops):
        stores = concerned(routing, op)
        if isinstance(op, (SearchOp, ListNamespacesOp)) and len(stores) > 1:
            spread.append((place, op, stores))
        elif isinstance(op, PutOp):
            groups[id(stores[0])].puts[(tuple(op.namespace), op.key)] = op
        else:
            groups[id(stores[0])].reads.append((place, op))

    results: list[Result] = [None] * len(ops)
    reading = [group for group in groups.values() if group.reads]
    if reading:
        answers = yield Step(
            tuple(PartCall(group.store, tuple(op for _, op in group.reads)) for group in reading)
        )
        for group, answer in zip(reading, answers, strict=True):
            for (place, _), result in zip(group.reads, answer, strict=True):
                results[place] = result
    for place, op, stores in spread:
        if isinstance(op, SearchOp):
            results[place] = yield from plan_search(stores, op)
        else:
            results[place] = yield from plan_listing(stores, op)
    writing = [group for group in groups.values() if group.puts]
    if writing:
        yield Step(_in_order_of_risk(writing), writes=True)
    return results


def concerned(routing: Routing, op: Op) -> list[BaseStore]:
    """
    The stores that an operation has to reach.
    """
    if isinstance(op, SearchOp):
        return routing.stores_below(tuple(op.namespace_prefix))
    if isinstance(op, ListNamespacesOp):
        return routing.stores_listed(op)
    if isinstance(op, (GetOp, PutOp)):
        return [routing.store_of(tuple(op.namespace))]
    raise ValueError(f"Unknown operation type: {type(op)}")


def plan_search(stores: Sequence[BaseStore], op: SearchOp) -> Plan:
    """
    One answer out of several stores, `limit` and `offset` counted over all of them.
    """
    for name, number in (("limit", op.limit), ("offset", op.offset)):
        if not isinstance(number, int) or number < 0:
            raise ValueError(f"a search over several stores needs a {name} >= 0, not {number!r}")
    plan = _ranked(stores, op) if op.query else _one_after_another(stores, op)
    found: list[SearchItem] = yield from plan
    return found


def _one_after_another(stores: Sequence[BaseStore], op: SearchOp) -> Plan:
    # All matches of the first store, then all of the next: whatever order each of them has is
    # kept, so every page of an unchanged pair is cut from one and the same sequence.
    found: list[Any] = []
    skip = op.offset
    for store in stores:
        part = op._replace(limit=op.limit - len(found), offset=skip)
        page = yield from _search(store, part)
        found += page
        if len(found) >= op.limit:
            break
        if page:
            skip = 0
        elif skip and store is not stores[-1]:
            skip -= yield from _count(store, op, skip)
    return found


def _count(store: BaseStore, op: SearchOp, most: int) -> Plan:
    # Matches of a store known to have at most `most`, without a refresh of what is only counted.
    probe = op._replace(refresh_ttl=False)
    few = yield from _search(store, probe._replace(limit=min(most, FEW), offset=0))
    if most <= FEW or len(few) < FEW:
        return len(few)
    low, high = FEW, most
    while low < high:
        middle = (low + high) // 2
        beyond = yield from _search(store, probe._replace(limit=1, offset=middle))
        low, high = (middle + 1, high) if beyond else (low, middle)
    return low


def _ranked(stores: Sequence[BaseStore], op: SearchOp) -> Plan:
    # Any of the first offset + limit may come from any store.  More is read than is returned, so
    # the reading refreshes nothing and the items returned are touched afterwards.
    first = op._replace(limit=op.offset + op.limit, offset=0, refresh_ttl=False)
    answers = yield Step(tuple(PartCall(store, (first,)) for store in stores))
    ranked = [
        (store, item)
        for store, answer in zip(stores, answers, strict=True)
        for item in _items(answer[0])
    ]
    ranked.sort(key=lambda found: _rank(found[1].score))
    kept = ranked[op.offset : op.offset + op.limit]
    if op.refresh_ttl:
        touched = [
            PartCall(store, touches)
            for store in stores
            if supports_ttl(store)
            and (
                touches := tuple(
                    GetOp(item.namespace, item.key, True) for owner, item in kept if owner is store
                )
            )
        ]
        if touched:
            yield Step(tuple(touched))
    return [item for _, item in kept]


def _rank(score: float | None) -> tuple[int, float]:
    if score is None:
        return (2, 0.0)
    return (1, 0.0) if math.isnan(score) else (0, -score)


def supports_ttl(store: BaseStore) -> bool:
    """
    What the store says for itself, not what BaseStore says for it.

    AsyncSqliteStore inherits the answer from a class that comes after BaseStore, which hides it.
    """
    if store.supports_ttl:
        return True
    classes = [kind for kind in type(store).__mro__ if kind is not BaseStore]
    said = [vars(kind)["supports_ttl"] for kind in classes if "supports_ttl" in vars(kind)]
    return bool(said and said[0])


def plan_listing(stores: Sequence[BaseStore], op: ListNamespacesOp) -> Plan:
    """
    The namespaces of several stores, each once, sorted label by label.

    Every store is read to its end: each sorts by its own collation, and from the first names by
    one collation nothing follows about the first by another.
    """
    every: set[Namespace] = set()
    for store in stores:
        offset = 0
        while True:
            asked = op._replace(limit=PAGE, offset=offset)
            answers = yield Step((PartCall(store, (asked,)),))
            page = [tuple(namespace) for namespace in _items(answers[0][0])]
            if len(page) > PAGE or (offset and page and every.issuperset(page)):
                raise RuntimeError(
                    f"{type(store).__name__}.list_namespaces ignores its limit or its offset"
                )
            every.update(page)
            offset += len(page)
            if len(page) < PAGE:
                break
    return sorted(every)[op.offset : op.offset + op.limit]


def _search(store: BaseStore, op: SearchOp) -> Plan:
    answers = yield Step((PartCall(store, (op,)),))
    return _items(answers[0][0])


def _items(result: Result) -> list[Any]:
    return result if isinstance(result, list) else []


def _in_order_of_risk(writing: Sequence[_Group]) -> tuple[PartCall, ...]:
    calls = [PartCall(group.store, tuple(group.puts.values())) for group in writing]
    if len(calls) > 1:
        # What fails in the first store has changed nothing in the second.
        calls.sort(key=_risk, reverse=True)
    return tuple(calls)


def _risk(call: PartCall) -> tuple[bool, bool, int]:
    puts = [op for op in call.ops if isinstance(op, PutOp) and op.value is not None]
    indexed = getattr(call.store, "index_config", None) is not None
    embeds = indexed and any(op.index is not False for op in puts)
    return (not all(_plain(op.value) for op in puts), embeds, len(puts))


def _plain(value: object) -> bool:
    """
    Tell whether every store could hold the value: JSON, and text that can be encoded.
    """
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()
    except (TypeError, ValueError, RecursionError):
        return False
    return "\\u0000" not in text
