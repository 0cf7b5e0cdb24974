"""
O1, O2, O4, S5, V9 and L6: many calls in one answer as one by one, and one page of everything is the sum of its pages.
"""

from __future__ import annotations

from typing import Any

from store_conformance.contract import Capability
from store_conformance.harness.case import case
from store_conformance.harness.compat import (
    GetOp,
    ListNamespacesOp,
    MatchCondition,
    PutOp,
    SearchOp,
)
from store_conformance.harness.lab import Lab
from store_conformance.suite.support.limits import (
    in_one_batch,
    limits_taken,
    listings_taken,
    page_taken,
)
from store_conformance.suite.support.names import plain
from store_conformance.suite.support.ranking import is_score
from store_conformance.suite.support.shapes import fill
from store_conformance.suite.test_batch import BAD

VECTORS = (Capability.VECTORS,)
D = ("d",)
MANY = 1_300
"""More than engines take in one statement, page or request without being asked twice."""


def _spot(n: int) -> tuple[tuple[str, ...], str]:
    return ("d", f"n{n % 13}"), f"k{n}"


def _plain(result: Any) -> Any:
    if isinstance(result, list):
        return sorted((_plain(r) for r in result), key=repr)
    return (result.namespace, result.key, result.value) if hasattr(result, "key") else result


@case("O1")
def test_a_batch_of_thousands_of_reads_answers_as_one_by_one(lab: Lab) -> None:
    """
    Gets, searches and listings of one large batch have the answers that they have alone, in their places.

    If this fails, look at a batch that is cut into parts, and at results that are matched by position.
    """
    store = lab.open()
    fill(store, [(*_spot(n), {"n": n, "odd": n % 2 == 1}) for n in range(MANY)])
    gets: list[Any] = [GetOp(*_spot(n)) for n in range(MANY)]
    gets += [GetOp(("d", "n0"), f"none{n}") for n in range(100)]
    prefix = MatchCondition(match_type="prefix", path=("d",))
    reads: list[Any] = [
        *(SearchOp(("d", f"n{n}"), filter={"odd": n % 2 == 1}, limit=100) for n in range(13)),
        *(SearchOp(D, filter={"n": {"$gte": MANY - n}}, limit=n + 1) for n in range(1, 10)),
        *(
            ListNamespacesOp(match_conditions=(prefix,), max_depth=depth, limit=100, offset=0)
            for depth in (None, 1, 2)
        ),
    ]
    ops = [*gets, *reads, *reversed(gets[:200])]
    order = list(range(len(ops)))
    lab.rng.shuffle(order)

    results = in_one_batch(lab, store, [ops[place] for place in order])

    lab.equal(len(results), len(ops), "one result for each operation")
    answers = dict(zip(order, results, strict=True))
    values = [r and r.value["n"] for r in (answers[n] for n in range(len(gets)))]
    expected: list[Any] = [*range(MANY), *([None] * 100)]
    lab.equal(values, expected, "what the gets of the batch found, each at its place")
    for place in range(len(gets), len(gets) + len(reads)):
        (alone,) = store.batch([ops[place]])
        lab.equal(_plain(answers[place]), _plain(alone), f"{ops[place]!r} in the batch and alone")


@case("O1")
def test_each_get_of_a_large_batch_answers_for_its_own_key(lab: Lab) -> None:
    """
    A get beside a put of its key finds the old value or the new one, never that of another key.

    If this fails, look at answers that are matched with operations by their position.
    """
    store = lab.open()
    fill(store, [(*_spot(n), {"n": n, "turn": 1}) for n in range(0, MANY, 2)])
    ops: list[Any] = []
    for n in range(MANY):
        ops += [GetOp(*_spot(n)), PutOp(*_spot(n), {"n": n, "turn": 2}), GetOp(*_spot(n))]

    results = in_one_batch(lab, store, ops)

    lab.equal(len(results), len(ops), "one result for each operation")
    wrong = []
    for n in range(MANY):
        old = {"n": n, "turn": 1} if n % 2 == 0 else None
        first, put, last = (r if r is None else r.value for r in results[3 * n : 3 * n + 3])
        if (
            put is not None
            or first not in (old, {"n": n, "turn": 2})
            or last
            not in (
                old,
                {"n": n, "turn": 2},
            )
        ):
            wrong.append((n, first, put, last))
    lab.equal(wrong[:3], [], "the gets that found something else than their own item")
    found = store.walk(D, page=1_000)
    lab.equal(len(found), MANY, "the items after the batch")
    turns = {i.value["turn"] for i in found}
    lab.equal(turns, {2}, "every put of the batch has happened")


@case("O2")
def test_reads_of_a_large_batch_see_the_state_before_it(lab: Lab) -> None:
    """
    Also in a batch of thousands reads come first: the last ones see nothing of the first puts.

    If this fails, look at a batch that is cut into parts which run one after the other.
    """
    store = lab.open()
    puts: list[Any] = [PutOp(*_spot(n), {"n": n}) for n in range(MANY)]
    reads: list[Any] = [GetOp(*_spot(n)) for n in range(0, MANY, 50)]
    results = in_one_batch(lab, store, [*puts, *reads, SearchOp(D, limit=5)])

    seen = [i for i in results[MANY:-1] if i is not None]
    lab.equal(seen, [], "what gets behind the puts of a large batch find of them")
    lab.equal(results[-1], [], "what a search behind the puts of a large batch finds")
    lab.equal(len(store.walk(D, page=1_000)), MANY, "the items after the batch")


@case("O3")
def test_the_last_operation_of_a_large_batch_wins(lab: Lab) -> None:
    """
    Of a hundred puts and deletes of one key, far apart in a batch, the last decides.

    If this fails, look at a batch that is cut into parts which run side by side.
    """
    store = lab.open()
    store.put(D, "gone0", {"turn": "old"})
    ops: list[Any] = []
    for turn in range(MANY // 13):
        for n in range(6):
            deleted = turn % 2 == 0
            ops.append(PutOp(D, f"stays{n}", None if deleted else {"turn": turn}))
            ops.append(PutOp(D, f"gone{n}", {"turn": turn} if deleted else None))

    in_one_batch(lab, store, ops)

    last = {f"stays{n}": {"turn": MANY // 13 - 1} for n in range(6)}
    found = {i.key: i.value for i in store.search(D, limit=50)}
    lab.equal(found, last, "the items after the batch")


@case("O4")
def test_a_large_batch_that_fails_changes_nothing(lab: Lab) -> None:
    """
    When the last of a thousand operations is refused, none of them has happened.

    If this fails, look at a batch that is written in parts.
    """
    store = lab.open()
    failed = []
    for name in ("value that is not JSON", "key with NUL", "bad namespace"):
        at: tuple[str, ...] = ("d", plain(name))
        store.batch([PutOp(at, "k0", {"n": "old"})])
        ops: list[Any] = [PutOp(at, f"k{n}", {"n": n}) for n in range(MANY)]
        ops.append(BAD[name](at))
        if lab.attempt(lambda ops=ops: store.batch(ops)) is None:  # type: ignore[misc]
            continue
        failed.append(name)
        lab.equal(store.keys(at, limit=5), ["k0"], f"the items after a large batch with a {name}")
        lab.equal(store.value(at, "k0"), {"n": "old"}, "the old value after the batch")
    lab.observe("batch.refused large", failed)
    if not failed:
        lab.unverified("the store accepts every operation of these, so that no batch fails")


@case("S5")
def test_one_page_of_everything_is_the_sum_of_its_pages(lab: Lab) -> None:
    """
    A page larger than everything holds each item once, and the pages walked hold the same items.

    If this fails, look at a limit of the engine's own behind a larger one.
    """
    store = lab.open()
    fill(store, [(*_spot(n), {"n": n, "odd": n % 2 == 1}) for n in range(2 * MANY)])

    limit = page_taken(lab, store, 10_000)
    for wanted, count in ((None, 2 * MANY), ({"odd": True}, MANY)):
        whole = [i.key for i in store.search(D, filter=wanted, limit=limit)]
        lab.equal(len(whole), count, f"the items of one page with filter={wanted}")
        lab.equal(len(set(whole)), count, "each item once in one page")
        walked = [i.key for i in store.walk(D, page=1_100, filter=wanted)]
        lab.equal(sorted(walked), sorted(whole), f"the pages of 1,100 together, filter={wanted}")


@case("V9", needs=VECTORS)
def test_one_page_of_a_query_holds_more_than_a_thousand(lab: Lab) -> None:
    """
    A limit above 1,000 is honoured by a query: the page holds every item once, best first.

    If this fails, look at a limit of the engine's own, of candidates or of results.
    """
    store = lab.indexed("text")
    texts = ("apple*{} banana, {}", "apple banana*{}, {}", "cherry*{} apple, {}")
    ops = [
        PutOp(*_spot(n), {"text": texts[n % 3].format(2 + n % 40, n), "n": n}) for n in range(MANY)
    ]
    for start in range(0, MANY, 325):
        store.batch(ops[start : start + 325])

    for limit in limits_taken(lab, store, (1_000, 1_200, 5_000), query="apple"):
        count = min(limit, MANY)
        items = store.search(D, query="apple", limit=limit)
        found = {i.key for i in items}
        lab.equal(len(items), count, f"the items of a query with limit={limit}")
        lab.equal(len(found), count, "each item once")
        bare = [i.key for i in items if not is_score(i.score)]
        lab.equal(bare[:5], [], "indexed items that a query gives without a score")


@case("V9", needs=VECTORS, params={"some": 12, "none": 0})
def test_pages_of_a_query_end_where_items_have_no_vector(lab: Lab, indexed: int) -> None:
    """
    Whether or not a query gives items without a vector too, its pages end and hold no item twice.

    If this fails, look at the offset of what fills the page behind the scored items.
    """
    store = lab.indexed("text")
    scored = [f"scored{n:02}" for n in range(indexed)]
    for n, key in enumerate(scored):
        store.put(D, key, {"text": f"apple*{n + 2} banana, {key}"})
    bare = [f"bare{n:02}" for n in range(14)]
    for key in bare:
        store.put(D, key, {"text": "apple"}, index=False)

    for page in (5, 26):
        keys: list[str] = []
        for number in range(10):
            found = store.search(D, query="apple", limit=page, offset=number * page)
            keys += [i.key for i in found]
            if not found:
                break
        else:
            lab.fail(f"the pages of {page} do not end", got=keys, expected="an empty page")
        lab.equal(len(keys), len(set(keys)), f"each item once by pages of {page}")
        lab.equal(sorted(set(scored) - set(keys)), [], "the scored items that no page holds")
        whole = {i.key for i in store.search(D, query="apple", limit=100)}
        lab.equal(set(keys), whole, f"the pages of {page} together and one page of everything")


@case("L6")
def test_a_listing_of_more_than_a_thousand_is_whole(lab: Lab) -> None:
    """
    A limit above 1,000 is honoured by a listing, and pages beyond the thousandth go on.
    """
    store = lab.open()
    names = [("d", f"n{n:04}") for n in range(MANY)]
    fill(store, [(name, "k", {"n": 1}) for name in names])

    for limit in listings_taken(lab, store, (1_000, 5_000)):
        listed = store.list_namespaces(prefix=D, limit=limit)
        lab.equal(len(set(listed)), min(limit, MANY), f"the namespaces of a page of {limit}")
        lab.equal(sorted(set(listed) - set(names)), [], "namespaces that nobody has put")
    pages: list[tuple[str, ...]] = []
    for offset in range(0, MANY + 200, 500):
        pages += store.list_namespaces(prefix=D, limit=500, offset=offset)
    lab.equal(sorted(pages), names, "the namespaces of pages of 500")
    lab.equal(store.list_namespaces(max_depth=1, limit=1_000), [D], "the listing to depth 1")


@case("S1")
def test_a_search_looks_into_more_than_a_thousand_namespaces(lab: Lab) -> None:
    """
    Items of more than a thousand namespaces below a prefix are all found, in whichever of them they are.
    """
    store = lab.open()
    fill(store, [(("d", f"n{n:04}"), "k", {"n": n, "late": n >= MANY // 2}) for n in range(MANY)])

    half = MANY // 2
    for late, wanted in ((False, range(half)), (True, range(half, MANY))):
        found = store.search(D, filter={"late": late}, limit=1_000)
        numbers = sorted(i.value["n"] for i in found)
        lab.equal(numbers, list(wanted), f"the items of one half of the namespaces, late={late}")
    for n in (0, 999, 1_000, MANY - 1):
        lab.equal(store.keys(D, filter={"n": n}), ["k"], f"a filter for the item of namespace {n}")
