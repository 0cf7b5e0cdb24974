"""
O1 to O6: batches of mixed operations.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from store_conformance.contract import Capability
from store_conformance.harness.case import case
from store_conformance.harness.compat import (
    GetOp,
    ListNamespacesOp,
    MatchCondition,
    PutOp,
    SearchOp,
    operation,
)
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.each import each
from store_conformance.suite.support.embedders import TroubledEmbeddings
from store_conformance.suite.support.lateness import refused
from store_conformance.suite.support.names import plain
from store_conformance.suite.support.openings import opened_again
from store_conformance.suite.support.ranking import (
    does_not_match,
    hits,
    in_order,
    matches,
    scores_like,
    unscored,
)
from store_conformance.suite.support.scale import by_cosine

VECTORS = (Capability.VECTORS,)
D = ("d",)

KINDS: dict[str, Callable[[list[Any]], Iterable[Any]]] = {
    "list": list,
    "tuple": tuple,
    "generator": lambda ops: (op for op in ops),
    "iterator": iter,
    "map": lambda ops: map(ops.__getitem__, range(len(ops))),
    "dict values": lambda ops: dict(enumerate(ops)).values(),
}


@case("O1")
def test_a_batch_is_any_iterable(lab: Lab) -> None:
    """
    ``batch`` takes any iterable of operations, also one that can be read only once.

    If this fails, look for an iterable that is counted first and read afterwards.
    """
    store = lab.open()
    for name, kind in KINDS.items():
        at = ("d", plain(name))
        puts = [PutOp(at, f"k{n}", {"n": n}) for n in range(4)]

        lab.equal(store.batch(kind(puts)), [None] * 4, f"one None for each put of a {name}")
        got = store.batch(kind([GetOp(at, f"k{n}") for n in (3, 1, 9, 0, 2)]))
        values = [i.value["n"] if i is not None else None for i in got]
        lab.equal(
            values, [3, 1, None, 0, 2], f"the items in the order of the operations of a {name}"
        )
        lab.equal(store.batch(kind([])), [], f"an empty {name} gives an empty list")


@case("O1")
def test_the_results_of_mixed_operations_are_in_their_order(lab: Lab) -> None:
    """
    Gets, puts, searches and lists may alternate: each result is at the place of its operation.
    """
    store = lab.open()
    store.put(("w",), "old", {"n": 200})
    for n in range(6):
        store.put(("d", "even" if n % 2 == 0 else "odd"), f"k{n}", {"n": n})
    # What is written is none of what is read: whether reads see the writes of their batch is O2's.
    below = (MatchCondition(match_type="prefix", path=D),)
    prefix = (MatchCondition(match_type="prefix", path=("d", "odd")),)
    ops = [
        SearchOp(("d", "odd"), limit=10),
        GetOp(("d", "even"), "k2"),
        PutOp(("w",), "new", {"n": 100}),
        ListNamespacesOp(match_conditions=below, max_depth=None, limit=10, offset=0),
        GetOp(("d", "odd"), "k2"),
        SearchOp(D, filter={"n": 4}, limit=10),
        PutOp(("w",), "old", None),
        GetOp(("d", "odd"), "k5"),
        ListNamespacesOp(match_conditions=prefix, max_depth=None, limit=10, offset=0),
        SearchOp(("nothing",), limit=10),
        GetOp(("d", "even"), "k0"),
        SearchOp(D, filter={"n": 5}, limit=10),
        SearchOp(D, limit=10),
    ]

    # What a filter finds is judged by group F: here it finds what it finds alone.
    four, five = (_plain(store.search(D, filter={"n": n}, limit=10)) for n in (4, 5))
    results = store.batch(ops)

    spaces = [("d", "even"), ("d", "odd")]
    expected = [
        ["k1", "k3", "k5"], "k2", None, spaces, None, four, None, "k5", spaces[1:], [], "k0",
        five, ["k0", "k1", "k2", "k3", "k4", "k5"],
    ]  # fmt: skip
    lab.true(isinstance(results, list), "batch gives a list", got=type(results).__name__)
    lab.equal([_plain(r) for r in results], expected, "results at the places of their operations")
    lab.equal(store.keys(()), ["k0", "k1", "k2", "k3", "k4", "k5", "new"], "what the batch left")


def _plain(result: Any) -> Any:
    """A result without what differs from store to store."""
    if isinstance(result, list):
        return sorted(r if isinstance(r, tuple) else r.key for r in result)
    return result if result is None else result.key


@case("O1")
def test_many_gets_from_several_namespaces_keep_their_places(lab: Lab) -> None:
    """
    Gets are answered at their places although an engine may group them by namespace.
    """
    store = lab.open()
    spots = [(("d", f"n{n % 5}"), f"k{n % 7}", n) for n in range(35)]
    store.batch([PutOp(ns, key, {"n": n}) for ns, key, n in spots])
    lab.rng.shuffle(spots)
    asked = [*spots, *((("d", "n9"), "k0", None), (("d", "n1"), "missing", None)), *spots[:10]]

    got = store.batch([GetOp(ns, key) for ns, key, _ in asked])

    values = [i.value["n"] if i is not None else None for i in got]
    lab.equal(values, [n for _, _, n in asked], "the values in the order of the gets")
    places = [(i.namespace, i.key) for i in got if i is not None]
    expected = [(ns, key) for ns, key, n in asked if n is not None]
    lab.equal(places, expected, "the namespaces and keys in the order of the gets")


@case("O1")
def test_several_searches_in_a_batch_each_get_their_own_answer(lab: Lab) -> None:
    """
    Searches of one batch do not share prefix, filter, limit or offset.
    """
    store = lab.open()
    store.batch([PutOp(("d", f"n{n % 2}"), f"k{n:02}", {"n": n % 3}) for n in range(30)])

    # What a filter finds is judged by group F: here it finds what it finds alone.
    ones = _plain(store.search(D, filter={"n": 1}, limit=100))
    twos = _plain(store.search(("d", "n1"), filter={"n": 2}, limit=100))
    results = store.batch(
        [
            SearchOp(("d", "n0"), limit=100),
            SearchOp(D, limit=3),
            SearchOp(D, filter={"n": 1}, limit=100),
            SearchOp(("d", "n1"), filter={"n": 2}, limit=100),
            SearchOp(D, limit=100, offset=25),
            SearchOp(D),
        ]
    )

    counts = [15, 3, len(ones), len(twos), 5, 10]
    lab.equal([len(r) for r in results], counts, "how many items each search found")
    lab.equal({i.namespace for i in results[0]}, {("d", "n0")}, "the prefix of the first search")
    lab.equal(_plain(results[3]), twos, "the filter of the fourth search")


@case("O2")
def test_reads_of_a_batch_see_the_state_before_it(lab: Lab) -> None:
    """
    Reads come first and puts last, wherever they stand in the batch.
    """
    store = lab.open()
    store.put(D, "old", {"n": 1})
    everything = ListNamespacesOp(match_conditions=None, max_depth=None, limit=10, offset=0)

    results = store.batch(
        [
            PutOp(D, "new", {"n": 2}),
            PutOp(D, "old", {"n": 3}),
            PutOp(("e",), "far", {"n": 4}),
            GetOp(D, "new"),
            GetOp(D, "old"),
            SearchOp((), limit=10),
            everything,
        ]
    )

    lab.equal(results[3], None, "a get of an item put earlier in the batch")
    lab.equal(results[4].value, {"n": 1}, "a get of an item overwritten earlier in the batch")
    found = [(i.key, i.value) for i in results[5]]
    lab.equal(found, [("old", {"n": 1})], "a search behind the puts of the batch")
    lab.equal(results[6], [D], "the namespaces behind the puts of the batch")
    after = store.batch([GetOp(D, "old"), PutOp(D, "old", None), GetOp(D, "old")])
    lab.equal([i and i.value for i in after], [{"n": 3}, None, {"n": 3}], "gets around a delete")
    lab.equal(store.get(D, "old"), None, "the item after the batch")


@case("O2", needs=VECTORS)
def test_a_query_of_a_batch_sees_the_vectors_before_it(lab: Lab) -> None:
    """
    A semantic search of a batch ranks what was there before, by the vectors of before.
    """
    store = lab.indexed("text")
    store.put(D, "old", {"text": "apple"})

    results = store.batch(
        [
            PutOp(D, "old", {"text": "banana"}),
            PutOp(D, "new", {"text": "apple"}),
            SearchOp(D, query="apple", limit=10),
        ]
    )

    lab.equal([i.key for i in results[2]], ["old"], "what the query of the batch finds")
    lab.equal(results[2][0].value, {"text": "apple"}, "the value that the query of the batch finds")
    scores_like(lab, results[2][0].score, 1.0, "the item as it was before the batch")
    in_order(lab, store.ranked(D, "apple"), ["new", "old"], "the ranking after the batch")


V1 = {"text": "apple", "n": 1}
V2 = {"text": "banana", "m": 2}
SEQUENCES: dict[str, list[dict[str, Any] | None]] = {
    "put put": [V1, V2],
    "put delete": [V1, None],
    "delete put": [None, V2],
    "put put put": [V2, V1, V2],
    "put delete put": [V1, None, V2],
    "put put delete": [V1, V2, None],
    "delete delete": [None, None],
    "delete put delete": [None, V1, None],
}


@case("O3", params={"new": False, "existing": True})
def test_the_last_operation_on_a_key_wins(lab: Lab, existing: bool) -> None:
    """
    Of several puts and deletes of one key in a batch the last decides.

    If this fails, look for deletes that run after all puts, or an insert of two rows with one key.
    """
    store = lab.open()

    def look(name: str) -> None:
        values, at = SEQUENCES[name], ("d", plain(name))
        if existing:
            store.put(at, "k", {"old": True})
            store.put(at, "beside", {"old": True})
        ops: list[Any] = [PutOp(at, "k", value) for value in values]
        ops.insert(1, PutOp(("e", at[1]), "k", {"other": True}))

        lab.equal(store.batch(ops), [None] * len(ops), f"the results of {name}")

        item = store.get(at, "k")
        lab.equal(item and item.value, values[-1], f"the item after {name}")
        expected = ["k"] * (values[-1] is not None) + ["beside"] * existing
        lab.equal(store.keys(at), sorted(expected), f"a search after {name}")
        lab.equal(store.value(("e", at[1]), "k"), {"other": True}, "the same key elsewhere")

    each(lab, SEQUENCES, look)


@case("O3", needs=VECTORS)
def test_nothing_of_the_loser_stays_in_the_index(lab: Lab) -> None:
    """
    The vectors of an operation that was overtaken within its batch are not found.
    """
    store = lab.indexed("text")

    def look(name: str) -> None:
        values, at = SEQUENCES[name], ("d", plain(name))
        store.batch([PutOp(at, "k", value) for value in values])

        if values[-1] is None:
            unscored(lab, store, at, "apple", "k", f"the item is gone after {name}")
        else:
            matches(lab, store, at, "banana", "k", f"the item after {name}")
            does_not_match(lab, store, at, "apple", "k", f"the item was overtaken in {name}")

    each(lab, SEQUENCES, look)
    at = ("i", "index")
    store.batch([PutOp(at, "hidden", V1), PutOp(at, "hidden", V1, index=False)])
    unscored(lab, store, at, "apple", "hidden", "the last put had index=False")
    store.batch([PutOp(at, "shown", V1, index=False), PutOp(at, "shown", V1)])
    matches(lab, store, at, "apple", "shown", "the last put was indexed")


@case("O3")
def test_repeated_reads_in_a_batch_are_all_answered(lab: Lab) -> None:
    """
    The same get or search may stand in a batch several times; each place has its answer.
    """
    store = lab.open()
    store.put(D, "a", {"n": 1})
    store.put(D, "b", {"n": 2})
    get_a, get_b = GetOp(D, "a"), GetOp(D, "b")
    search = SearchOp(D, filter={"n": 2}, limit=5)

    other_a = operation(GetOp, D, "a", refresh_ttl=False)
    got = store.batch(
        [get_a, get_b, search, other_a, GetOp(D, "none"), get_a, search, other_a, GetOp(D, "none")]
    )

    expected = ["a", "b", ["b"], "a", None, "a", ["b"], "a", None]
    lab.equal([_plain(r) for r in got], expected, "every place")


BAD: dict[str, Callable[[tuple[str, ...]], Any]] = {
    "unknown operation": lambda at: object(),
    "unknown filter operator": lambda at: SearchOp(at, filter={"n": {"$unheard": 1}}, limit=5),
    "bad namespace": lambda at: PutOp((*at, "x.y"), "k", {"n": 1}),
    "bad prefix": lambda at: SearchOp((*at, ""), limit=5),
    "value that is not JSON": lambda at: PutOp(at, "bad", {"n": object()}),
    "value that is not a mapping": lambda at: PutOp(at, "bad", 7),  # type: ignore[arg-type]
    "key with half a character": lambda at: PutOp(at, "\ud800", {"n": 1}),
    "key with NUL": lambda at: PutOp(at, "a\x00b", {"n": 1}),
    "value with NUL": lambda at: PutOp(at, "bad", {"t": "a\x00b"}),
    "value with half a character": lambda at: PutOp(at, "bad", {"t": "\ud800"}),
}
"""Operations that a store may refuse, each at another stage; what it accepts is passed over."""


@case("O4")
def test_a_failing_batch_changes_nothing(lab: Lab) -> None:
    """
    When one operation of a batch is refused, no put or delete of the batch has happened, nor has it after a reopening.

    If this fails, look for a transaction that is committed in a ``finally``, for what is counted beside it, and for a
    journal that is written before the batch is checked.
    """
    store = lab.open()
    failed: list[str] = []
    for name, bad in BAD.items():
        for place in (3, 0):
            at: tuple[str, ...] = ("d", plain(f"{name} at {place}"))
            store.batch([PutOp(at, "old", {"n": 1}), PutOp(at, "gone", {"n": 2})])
            ops: list[Any] = [
                PutOp(("e", at[1]), "new", {"n": 9}),
                PutOp(at, "new", {"n": 9}),
                PutOp(at, "old", {"n": 9}),
                PutOp(at, "gone", None),
            ]
            odd = bad(at)
            ops.insert(place and len(ops), odd)
            if lab.attempt(lambda ops=ops: store.batch(ops)) is not None:  # type: ignore[misc]
                failed.append(at[1])
                _nothing_happened(lab, store, at)
                continue
            if isinstance(odd, PutOp):
                (item,) = store.batch([GetOp(odd.namespace, odd.key)])
                lab.true(item, f"a batch that is not refused stores the {name} too", got=item)
    lab.observe("batch.refused", failed)
    if not failed:
        lab.unverified("the store accepts every operation of these, so that no batch fails")
    listed = [ns for ns in store.list_namespaces() if ns[0] == "e" and ns[-1] in failed]
    lab.equal(listed, [], "the namespaces that only refused batches name")
    store.put(D, "after", {"n": 3})
    lab.equal(store.value(D, "after"), {"n": 3}, "a put after the failed batches")
    _nothing_comes_back(lab, store, failed)


def _nothing_comes_back(lab: Lab, store: Subject, failed: list[str]) -> None:
    again = opened_again(lab, store)
    found = again.search((), limit=200) if again else []
    back = [(i.namespace, i.key) for i in found if i.namespace[-1] in failed and i.value["n"] == 9]
    lab.equal(back, [], "what failed batches have put, after a reopening")


LATE = ("value that is not JSON", "key with NUL", "value with NUL", "value with half a character")
"""What a store may refuse after the texts of the batch were embedded."""


@case("O4", needs=VECTORS)
def test_a_failing_batch_moves_no_vector(lab: Lab) -> None:
    """
    When one operation of a batch is refused, what the others would have changed is found by its own text, and by no other.

    If this fails, look at an index in memory, or of another engine, that does not go back with the transaction.
    """
    store = lab.indexed("text")
    failed = []
    for n, name in enumerate(LATE):
        at, old, gone, new = ("d", plain(name)), f"old{n}", f"gone{n}", f"new{n}"
        store.batch([PutOp(at, old, {"text": "apple"}), PutOp(at, gone, {"text": "banana"})])
        if (hits(lab, store, at, "apple").get(old) or 0.0) < 0.9 and by_cosine(lab):
            lab.unsupported("a query does not find what an accepted batch has put")
        ops: list[Any] = [
            PutOp(at, new, {"text": "cherry new"}),
            PutOp(at, old, {"text": "cherry old"}),
            PutOp(at, gone, None),
            BAD[name](at),
        ]
        if lab.attempt(lambda ops=ops: store.batch(ops)) is None:  # type: ignore[misc]
            continue
        failed.append(name)
        what = f"a batch was refused for its {name}"
        matches(lab, store, at, "apple", old, f"the item after {what}")
        matches(lab, store, at, "banana", gone, f"an item to be deleted after {what}")
        does_not_match(lab, store, at, "cherry", old, what)
        unscored(lab, store, at, "cherry", new, what)
    if not failed:
        lab.unsupported("the store accepts every operation of these, so that no batch fails")


def _nothing_happened(lab: Lab, store: Subject, at: tuple[str, ...]) -> None:
    what = f"a batch that was refused for its {at[1]}"
    lab.equal(store.get(at, "new"), None, f"a new item after {what}")
    lab.equal(store.value(at, "old"), {"n": 1}, f"an old item after {what}")
    lab.equal(store.value(at, "gone"), {"n": 2}, f"an item to be deleted after {what}")
    lab.equal(store.keys(at), ["gone", "old"], f"all items after {what}")


@case("O4", needs=VECTORS)
def test_a_batch_whose_embedding_fails_changes_nothing(lab: Lab) -> None:
    """
    Not even the operations that need no embedding happen when that of another one fails.
    """
    store = lab.indexed("text", embed=TroubledEmbeddings("raises"))
    store.put(D, "old", {"text": "apple"})
    store.put(D, "gone", {"text": "banana"})

    for place in (0, 2, 4):
        ops: list[Any] = [
            PutOp(D, "new", {"text": "cherry"}, index=False),
            PutOp(D, "old", {"text": "damson"}),
            PutOp(D, "gone", None),
            PutOp(("e",), "far", {"other": 1}),
        ]
        ops.insert(place, PutOp(D, "bad", {"text": "trouble"}))
        what = "a batch with a text that cannot be embedded"
        if not refused(lab, partial(store.batch, ops), what):
            lab.unsupported(
                "texts are embedded after the batch was acknowledged, so none fails by one"
            )

        lab.equal(store.keys(()), ["gone", "old"], "all items after the failed batch")
        lab.equal(store.value(D, "old"), {"text": "apple"}, "the old value after the failed batch")
        matches(lab, store, D, "apple", "old", "the old vector after the failed batch")
        matches(lab, store, D, "banana", "gone", "the vector of the item that was to be deleted")
        does_not_match(lab, store, D, "damson", "old", "the overwrite failed")
    with lab.refuses(Exception, "a batch with a query that cannot be embedded"):
        store.batch([SearchOp(D, query="trouble"), PutOp(D, "side", {"text": "fig"})])
    lab.equal(store.get(D, "side"), None, "a put beside the query that failed")


OPS = 20_000
STORED = range(0, OPS, 1250)
LARGE: dict[str, Callable[[int], list[Any]]] = {
    "puts": lambda count: [PutOp(D, f"k{n}", {"n": n}) for n in range(count)],
    "gets": lambda count: [GetOp(D, f"k{n}") for n in range(count)],
    "deletes": lambda count: [PutOp(D, f"k{n}", None) for n in range(count)],
    "mixed": lambda count: [
        PutOp(("m", f"n{n % 9}"), f"k{n}", {"n": n}) if n % 2 else GetOp(D, f"k{n}")
        for n in range(count)
    ],
}


@case("O5", params=LARGE, seconds=900)
def test_a_batch_of_twenty_thousand_operations(lab: Lab, make: Callable[[int], list[Any]]) -> None:
    """
    A batch of 20,000 operations works.

    If this fails, look for one statement with a parameter for each operation: engines limit them.
    """
    store = lab.open()
    store.batch([PutOp(D, f"k{n}", {"n": n}) for n in STORED])
    begin = time.monotonic()
    store.batch(make(40))
    expected = (time.monotonic() - begin) / 40 * OPS
    if expected > 600:
        lab.unverified(f"20,000 operations would take about {expected:.0f} s with this store")
    store.batch([PutOp(D, f"k{n}", {"n": n}) for n in STORED])
    ops = make(OPS)

    results = store.batch(ops)

    lab.equal(len(results), OPS, "one result for each operation")
    lab.observe("batch.20000", time.monotonic() - begin, unit="s")
    gets = [(op, item) for op, item in zip(ops, results, strict=True) if isinstance(op, GetOp)]
    found = [op.key for op, item in gets if item is not None]
    lab.equal(found, [f"k{n}" for n in STORED] if gets else [], "the gets that found an item")
    for op in ops[:3] + ops[7_000:7_003] + ops[-3:]:
        if isinstance(op, PutOp):
            item = store.get(op.namespace, op.key)
            lab.equal(item and item.value, op.value, f"the item {op.key!r} after the batch")


UNKNOWN: tuple[Any, ...] = (object(), "get", None, ("d", "k"), {"namespace": ("d",), "key": "k"})


@case("O6")
def test_an_unknown_operation_raises(lab: Lab) -> None:
    """
    Something that is no operation is refused, alone and among others, instead of being skipped.
    """
    store = lab.open()
    for unknown in UNKNOWN:
        what = type(unknown).__name__
        with lab.refuses(Exception, f"a batch of one {what}"):
            store.batch([unknown])
        with lab.refuses(Exception, f"a batch with a {what} between two gets"):
            store.batch([GetOp(D, "k"), unknown, GetOp(D, "l")])

    store.put(D, "k", {"n": 1})
    lab.equal(store.value(D, "k"), {"n": 1}, "a put after the refusals")
