"""
Batches beside what resembles them: other keys in the same namespaces, the same keys elsewhere, reads of what they delete.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from store_conformance.contract import Capability
from store_conformance.harness.case import case
from store_conformance.harness.compat import GetOp, ListNamespacesOp, PutOp, SearchOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.expiry import SOON, TTL, expiring, grace, says_ttl, sweep
from store_conformance.suite.support.openings import opened_again
from store_conformance.suite.support.ranking import does_not_match, unscored
from store_conformance.suite.support.shapes import DELETERS, Namespace, fill, values_of

NS = ("users", "u1")
VECTORS = (Capability.VECTORS,)
SPACES: list[Namespace] = [("a",), ("a", "b"), ("b",), ("b", "a"), ("a", "b", "c")]
GRID = [(space, f"k{n}") for space in SPACES for n in range(len(SPACES))]
"""Each key in each namespace."""
DIAGONAL = [GRID[n * len(SPACES) + n] for n in range(len(SPACES))]
"""One key of each namespace, another one each time."""

# -- X7: what a batch does not name -----------------------------------------------------------------


@case("X7", params={"deletes": True, "overwrites": False})
def test_a_batch_reaches_what_it_names_and_no_more(lab: Lab, deletes: bool) -> None:
    """
    A batch over several namespaces changes each key in its own namespace, not each of its keys in each of them.

    If this fails, look for one statement with a list of namespaces and a list of keys.
    """
    store = lab.open()
    fill(store, [(space, key, {"at": [*space, key]}) for space, key in GRID])
    new = None if deletes else {"new": True}
    store.batch([PutOp(space, key, new) for space, key in DIAGONAL])

    got = values_of(store, GRID)
    expected = [new if at in DIAGONAL else {"at": [*at[0], at[1]]} for at in GRID]
    lab.equal(got, expected, "the values after a batch that names five of them")


@case("X7", needs=VECTORS, params={"deletes": True, "overwrites": False})
def test_a_batch_leaves_the_vectors_of_what_it_does_not_name(lab: Lab, deletes: bool) -> None:
    """
    After a batch over several namespaces a query still finds every item that the batch did not name.

    If this fails, look at how the old vectors of a batch are removed: by pairs of namespace and key.
    """
    store = lab.indexed("text")
    fill(store, [(space, key, {"text": f"apple {n}"}) for n, (space, key) in enumerate(GRID)])
    fill(store, [(("far",), key, {"text": f"cherry {key}"}) for _, key in DIAGONAL])
    new = [None if deletes else {"text": f"cherry {n}"} for n in range(len(DIAGONAL))]
    store.batch([PutOp(*at, value) for at, value in zip(DIAGONAL, new)])

    # What has lost its vector comes after the far ones, if it comes at all.
    found = store.search((), query="apple", limit=len(GRID) - len(DIAGONAL))
    near = sorted((tuple(i.namespace), i.key) for i in found)
    lab.equal(near, sorted(set(GRID) - set(DIAGONAL)), "the items that the text still finds")


# -- X1, X3: deletes in company ---------------------------------------------------------------------

_READS = (GetOp(NS, "k"), SearchOp(NS), ListNamespacesOp(), GetOp(NS, "none"))
BESIDE: dict[str, list[Any]] = {
    "after reads": [*_READS, PutOp(NS, "k", None)],
    "before reads": [PutOp(NS, "k", None), *_READS],
    "among puts": [PutOp(NS, "new", {"n": 2}), PutOp(NS, "k", None), PutOp(("x",), "k", {"n": 3})],
    "among all": [GetOp(NS, "k"), PutOp(NS, "k", None), GetOp(NS, "k"), PutOp(NS, "new", {"n": 2})],
}


@case("X1", params=BESIDE)
def test_a_delete_in_company_is_a_delete(lab: Lab, ops: list[Any]) -> None:
    """
    A delete in a batch takes its item, whatever else the batch does, reads of that very item included.

    If this fails, look at how the operations of a batch are sorted by what they are about.
    """
    store = lab.open()
    for again in ("first", "second"):
        store.put(NS, "k", {"n": 1})
        store.put(NS, "stays", {"n": 1})
        store.batch(ops)
        lab.equal(store.get(NS, "k"), None, f"get after the {again} batch")
        lab.true("k" not in store.keys(NS), f"search after the {again} batch", got=store.keys(NS))
        lab.equal(store.value(NS, "stays"), {"n": 1}, "the item that the batch does not name")


@case("X1", needs=(Capability.PERSISTENCE,), params=DELETERS)
def test_what_an_earlier_opening_put_is_deleted(lab: Lab, delete: Callable[..., Any]) -> None:
    """
    A delete takes an item that was put before the store was opened, read since then or not.

    If this fails, look for a register of keys that knows what this opening has put.
    """
    first = lab.open()
    fill(first, [(NS, key, {"n": 1}) for key in ("unread", "read", "stays")])
    store = opened_again(lab, first)
    if store is None:
        lab.unsupported("nothing survives a reopening, which E4 judges")
        return
    store.get(NS, "read")
    for key in ("unread", "read"):
        delete(store, NS, key)
    lab.equal(store.keys(NS), ["stays"], "the keys after the deletes")
    for key in ("unread", "read"):
        lab.equal(store.get(NS, key), None, f"get of the {key} item after its delete")


WRITES: dict[str, list[Any]] = {
    "one delete": [PutOp(NS, "a", None)],
    "two deletes": [PutOp(NS, "a", None), PutOp(NS, "b", None)],
    "delete and put": [PutOp(NS, "a", None), PutOp(NS, "new", {"text": "apple 9", "n": 1})],
    "overwrites": [PutOp(NS, key, {"text": f"cherry {key}", "n": 2}) for key in ("a", "b")],
}


@case("X1", needs=VECTORS, params=WRITES)
def test_a_query_asked_again_knows_what_a_batch_wrote(lab: Lab, ops: list[Any]) -> None:
    """
    The same query, filter or search finds after a batch no item that the batch deleted, and each as it is now.

    If this fails, look at a cache of answers that single puts clear and batches do not.
    """
    store = lab.indexed("text")
    asked: list[dict[str, Any]] = [
        {"query": "apple"}, {"query": "apple", "filter": {"n": 1}}, {"filter": {"n": 1}}, {}
    ]  # fmt: skip
    for key in ("a", "b", "c"):
        store.put(NS, key, {"text": f"apple {key}", "n": 1})
    for how in asked:
        before = sorted(item.key for item in store.search(NS, limit=50, **how))
        lab.equal(before, ["a", "b", "c"], f"what {how} finds before the batch")
    store.batch(ops)
    now = {key: {"text": f"apple {key}", "n": 1} for key in ("a", "b", "c")}
    now = {**now, **{op.key: op.value for op in ops}}
    for how in asked:
        wanted = how.get("filter", {}).get("n")
        expected = {k: v for k, v in now.items() if v is not None and wanted in (None, v["n"])}
        found = {item.key: item.value for item in store.search(NS, limit=50, **how)}
        lab.equal(found, expected, f"what {how} finds after the batch")


@case("X2", params={"all": 0, "all but one": 1})
def test_a_batch_of_deletes_of_what_is_missing_does_nothing(lab: Lab, there: int) -> None:
    """
    A batch of deletes of which all, or all but one, are of missing items raises nothing and takes that one alone.

    If this fails, look at a count of rows that a batch of deletes expects.
    """
    store = lab.open()
    store.put(NS, "stays", {"n": 1})
    for many in (1, 2, 3, 30):
        keys = [f"k{n}" for n in range(many)]
        for key in keys[:there]:
            store.put(NS, key, {"n": 1})
        got = store.batch([PutOp(NS, key, None) for key in keys])
        lab.equal(got, [None] * many, f"what a batch of {many} deletes gives")
        lab.equal(store.keys(()), ["stays"], f"the keys after a batch of {many} deletes")


NONE: dict[str, Callable[[Subject], Any]] = {
    "put unindexed": lambda s: s.put(NS, "k", None, index=False),
    "put with paths": lambda s: s.put(NS, "k", None, index=["text"]),
    "op unindexed": lambda s: s.batch([PutOp(NS, "k", None, False)]),
    "op with paths": lambda s: s.batch([PutOp(NS, "k", None, ["text"])]),
}


@case("X3", params=NONE)
def test_a_put_of_none_deletes_whatever_it_says_of_the_index(
    lab: Lab, delete: Callable[[Subject], Any]
) -> None:
    """
    A put of None is a delete with ``index=False`` and with paths, too.

    If this fails, look at how puts are told from deletes: by the value, and by nothing else.
    """
    store = lab.open(index=lab.index("text") if lab.offers(Capability.VECTORS) else None)
    store.put(NS, "k", {"text": "apple"})
    store.put(NS, "stays", {"text": "apple fig"})
    delete(store)
    lab.equal(store.get(NS, "k"), None, "get after the put of None")
    lab.equal(store.keys(NS), ["stays"], "the keys in search")
    if store.index is not None:
        lab.equal(store.ranked(NS, "apple"), ["stays"], "what a query finds")


@case("X3", needs=TTL, params={"put": False, "op": True})
def test_a_put_of_none_deletes_whatever_its_ttl(lab: Lab, batched: bool) -> None:
    """
    A put of None with a ttl is a delete at once, of items with a ttl and without.

    If this fails, look for an update of the expiry that comes before the value is looked at.
    """
    store = lab.open()
    if not says_ttl(store):
        lab.unsupported("supports_ttl is False")
    for key, ttl in (("limited", 60.0), ("lasting", None)):
        store.put(NS, key, {"n": 1}, ttl=ttl)
        if batched:
            store.batch([PutOp(NS, key, None, None, 5.0)])
        else:
            store.put(NS, key, None, ttl=5.0)
        lab.equal(store.get(NS, key), None, f"get of the {key} item after the put of None")
    lab.equal(store.search(NS), [], "search after the puts of None")


# -- X4, V11: vectors ------------------------------------------------------------------------------------


@case("X4", needs=VECTORS, params={"new": False, "indexed before": True})
def test_what_a_batch_puts_and_deletes_leaves_no_vector(lab: Lab, before: bool) -> None:
    """
    A key that one batch puts and deletes has no vector, neither that of the batch nor an earlier one.

    If this fails, look at which of the two operations decides about the vectors.
    """
    store = lab.indexed("text")
    if before:
        store.put(NS, "k", {"text": "apple"})
    ops = [
        PutOp(NS, "beside", {"text": "fig"}),
        PutOp(NS, "k", {"text": "banana"}),
        PutOp(NS, "k", None),
    ]
    refused = lab.attempt(lambda: store.batch(ops))
    if refused is not None:
        lab.unsupported(f"a batch with one key twice is refused, which O3 judges: {refused}"[:200])
    store.put(NS, "k", {"text": "cherry"}, index=False)
    for word in ("apple", "banana", "cherry"):
        unscored(lab, store, NS, word, "k", "the key was deleted, and put again with index=False")


LENGTHS = [(before, after) for before in range(4) for after in range(4)]


@case("V11", needs=VECTORS, params={"put": False, "op": True})
def test_a_list_that_changes_its_length_keeps_no_old_vector(lab: Lab, batched: bool) -> None:
    """
    An overwrite by a list of another length leaves no vector of an element of the old one.

    If this fails, look at the names of vectors, which differ where a path finds one text or several.
    """
    store = lab.indexed("l[*]")
    words = ("apple", "banana", "cherry", "damson", "elder", "fig")
    ops = [
        PutOp(NS, f"k{before}{after}", {"l": [f"{word} {before}{after}" for word in part]})
        for turn in (0, 1)
        for before, after in LENGTHS
        for part in [words[3:][:after] if turn else words[:before]]
    ]
    for op in [] if batched else ops:
        store.put(op.namespace, op.key, op.value)
    for part in (ops[: len(LENGTHS)], ops[len(LENGTHS) :]) if batched else ():
        store.batch(part)
    for word in words[:3]:
        for before, after in LENGTHS:
            what = f"a list of {before} became another of {after}"
            does_not_match(lab, store, NS, word, f"k{before}{after}", what)


# -- X5: namespaces that a sweep empties --------------------------------------------------------------


@case("X5", needs=TTL, waits=True)
def test_a_namespace_that_a_sweep_empties_is_not_listed(lab: Lab) -> None:
    """
    When its last item has expired and was swept, a namespace is no longer listed.

    If this fails, look for a register of namespaces that deletes know and the sweep does not.
    """
    store = expiring(lab, refresh_on_read=False, default_ttl=600.0)
    for space in SPACES:
        store.put(space, "soon", {"n": 1}, ttl=SOON)
    store.put(SPACES[0], "stays", {"n": 1})
    lab.sleep(grace(lab))
    sweep(store)
    lab.equal(store.list_namespaces(), [SPACES[0]], "the namespaces after a sweep")
    lab.equal(store.list_namespaces(max_depth=1), [SPACES[0][:1]], "the same cut off at one label")


# -- O1: equal operations -----------------------------------------------------------------------------


@case("O1")
def test_equal_operations_have_equal_answers(lab: Lab) -> None:
    """
    Operations that a batch asks for twice are answered twice, each in its place.

    If this fails, look for answers that are kept by the operation, or for operations that are made into a set.
    """
    store = lab.open()
    fill(store, [(space, key, {"n": n}) for n, (space, key) in enumerate(GRID)])
    asked: list[Any] = [
        GetOp(*GRID[3]),
        GetOp(GRID[3][0], "none"),
        SearchOp(("a",), limit=50),
        SearchOp(("a",), filter={"n": 7}),
        ListNamespacesOp(),
        ListNamespacesOp(max_depth=1),
    ]
    once = store.batch(asked)
    for ops in ([*asked, *asked], [op for op in asked for _ in (1, 2)]):
        got = store.batch(ops)
        lab.equal(len(got), len(ops), "one answer for each operation")
        for op, answer in zip(ops, got):
            expected = once[asked.index(op)]
            lab.equal(_shown(answer), _shown(expected), f"the answer of {op}")


def _shown(answer: Any) -> Any:
    if isinstance(answer, list):
        return sorted(repr(_shown(one)) for one in answer)  # the order is S5's and L3's
    return (answer.namespace, answer.key, answer.value) if hasattr(answer, "key") else answer
