"""
V9, V10, V17 and V18: a ranking reaches every item, within its filter and its namespace, and lasts.
"""

from __future__ import annotations

import time

from store_conformance.contract import Capability
from store_conformance.embedding.exact import WORDS, ExactEmbeddings
from store_conformance.harness.case import case
from store_conformance.harness.compat import PutOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.accepted import spaces_taken
from store_conformance.suite.support.embedders import TableEmbeddings
from store_conformance.suite.support.ranking import descend, hits, in_order, matches, scores_like
from store_conformance.suite.support.shapes import fill

VECTORS = (Capability.VECTORS,)
LASTING = (Capability.VECTORS, Capability.PERSISTENCE)
D = ("d",)
MANY = 2400
SETTLING = 2.5
"""Seconds in which an engine may change its plan, because it has learned what it holds."""
LOOKS = 4
"""Looks within that time; each costs four searches through all items."""


def _mixed(lab: Lab, number: int) -> str:
    """A text of a few words with weights, so that directions are diverse."""
    words = lab.rng.sample(WORDS, 4)
    return f"item {number}: " + " ".join(f"{w}*{lab.rng.randint(1, 40)}" for w in words)


def _walk_once(lab: Lab, keys: list[str], expected: set[str], what: str) -> None:
    missing = sorted(expected - set(keys))
    lab.equal(missing, [], f"no item is left out by {what}")
    lab.equal(sorted(keys), sorted(expected), f"each item comes exactly once by {what}")


@case("V9", needs=VECTORS)
def test_paging_over_a_query_reaches_every_item_once(lab: Lab) -> None:
    """
    Walking a ranking by offset and limit gives every indexed item once, in descending order.

    If this fails, look for an inner limit that does not grow with the offset.
    """
    store = lab.indexed("text")
    for count, page in ((13, 1), (40, 3), (95, 10), (130, 50)):
        at = ("d", f"pages_of_{page}")
        store.batch([PutOp(at, f"k{n:03}", {"text": _mixed(lab, n)}) for n in range(count)])

        found = store.walk(at, page=page, query="apple banana*2 cherry*3")

        _walk_once(lab, [i.key for i in found], {f"k{n:03}" for n in range(count)}, at[1])
        descend(lab, found, f"the pages of {page} taken together")


DIRECTIONS = {"one": (1, 0), "near": (1, 1), "aside": (0, 1), "away": (-1, 2), "opposite": (-1, 0)}
"""Vectors on either side of a right angle to "one": two cosines are below zero, as those of real models are, too."""


def _all_around(lab: Lab) -> Subject:
    """An item for each direction, named for it."""
    store = lab.indexed("text", embed=TableEmbeddings(DIRECTIONS))
    fill(store, [(D, name, {"text": name, "kind": name}) for name in DIRECTIONS])
    return store


@case("V9", needs=VECTORS)
def test_a_query_reaches_what_is_unlike_it(lab: Lab) -> None:
    """
    A page that is large enough holds the items that point away from the query too, whose cosine is zero or below.

    If this fails, look for a least score that nobody asked for, and for a score of 0 that is taken for none.
    """
    store = _all_around(lab)
    for limit in (len(DIRECTIONS), 50):
        found = store.ranked(D, "one", limit=limit)
        _walk_once(lab, found, set(DIRECTIONS), f"a page of {limit}")


@case("V10", needs=VECTORS)
def test_a_filter_finds_matches_that_are_unlike_the_query(lab: Lab) -> None:
    """
    With filter and query a match is found also where it points away from the query.

    If this fails, look for a least score that nobody asked for, and for a score of 0 that is taken for none.
    """
    store = _all_around(lab)
    for name in DIRECTIONS:
        found = store.ranked(D, "one", filter={"kind": name})
        lab.equal(found, [name], f"the one match of the filter, {name!r}")
    others = store.ranked(D, "one", filter={"kind": {"$ne": "near"}})
    lab.equal(sorted(others), sorted(set(DIRECTIONS) - {"near"}), "all matches but one")


@case("V9", needs=VECTORS)
def test_one_large_page_holds_every_item(lab: Lab) -> None:
    """
    A limit of a hundred and more is honoured by a query as it is by a plain search.
    """
    store = lab.indexed("text")
    keys = [f"k{n:03}" for n in range(130)]
    store.batch([PutOp(D, key, {"text": _mixed(lab, n)}) for n, key in enumerate(keys)])

    for limit in (99, 101, 130, 1000):
        found = store.search(D, query="apple fig", limit=limit)
        lab.equal(len(found), min(limit, 130), f"items for limit={limit}")
        lab.equal(len({i.key for i in found}), len(found), "each item once")
        descend(lab, found, "the large page")


@case("V9", needs=VECTORS)
def test_every_offset_gives_its_part_of_the_ranking(lab: Lab) -> None:
    """
    For scores that all differ a page is exactly its part of the whole ranking, at every offset.
    """
    store = lab.indexed("text")
    expected = [f"k{n:02}" for n in range(21)]
    items = [PutOp(D, key, {"text": f"apple*{40 - n} fig*{n}"}) for n, key in enumerate(expected)]
    lab.rng.shuffle(items)
    store.batch(items)

    in_order(lab, store.ranked(D, "apple", limit=100), expected, "the whole ranking")
    for limit, offset in (
        (1, 0),
        (1, 3),
        (1, 20),
        (2, 7),
        (5, 11),
        (3, 19),
        (10, 20),
        (4, 21),
        (7, 500),
    ):
        got = store.ranked(D, "apple", limit=limit, offset=offset)
        what = f"limit={limit}, offset={offset}"
        in_order(lab, got, expected, f"the part for {what}", limit=limit, offset=offset)


@case("V9", needs=VECTORS)
def test_paging_through_equal_scores_reaches_every_item_once(lab: Lab) -> None:
    """
    Items with equal scores come in any order, but each of them once.

    If this fails, look for an ORDER BY without a tie-breaker.
    """
    store = lab.indexed("text")
    keys = {f"k{n:02}" for n in range(35)}
    store.batch(
        [PutOp(("d", f"n{n % 3}"), k, {"text": f"apple, {k}"}) for n, k in enumerate(sorted(keys))]
    )

    for query in ("apple", "banana"):
        found = store.walk(D, page=4, query=query)
        _walk_once(lab, [i.key for i in found], keys, f"pages of 4 for the query {query!r}")


@case("V9", needs=VECTORS)
def test_paging_counts_items_where_items_have_several_vectors(lab: Lab) -> None:
    """
    Offsets count items, not vectors.
    """
    store = lab.indexed("tags[*]")
    keys = {f"k{n:02}" for n in range(34)}
    for k in sorted(keys):
        store.put(D, k, {"tags": [_mixed(lab, n) for n in range(5)]}, index=["tags[*]"])

    found = store.walk(D, page=5, query="grape hazel")

    _walk_once(lab, [i.key for i in found], keys, "pages of 5")
    descend(lab, found, "the pages taken together")


@case("V10", needs=VECTORS)
def test_a_filter_finds_matches_that_are_the_farthest(lab: Lab) -> None:
    """
    With filter and query every match is found, although three hundred other items are nearer.

    If this fails, look for a filter that is applied after the nearest were taken.
    """
    store = lab.indexed("text")
    ops = [
        PutOp(D, f"near{n:03}", {"text": f"apple*{n + 1} {_mixed(lab, n)}", "rare": False})
        for n in range(300)
    ]
    far = [
        PutOp(D, f"far{n}", {"text": f"apple banana*{90 + n * 90}", "rare": True}) for n in range(3)
    ]
    store.batch([*ops[:150], *far, *ops[150:]])

    for limit in (1, 2, 3, 10):
        found = store.search(D, query="apple", filter={"rare": True}, limit=limit)
        keys = [i.key for i in found]
        in_order(lab, keys, ["far0", "far1", "far2"], "the matches, best first", limit=limit)
        descend(lab, found, "the filtered ranking")


@case("V10", needs=VECTORS)
def test_filters_of_every_kind_narrow_a_ranking(lab: Lab) -> None:
    """
    Whatever a filter says, the ranking holds exactly its matches.
    """
    store = lab.indexed("text")
    for n in range(10, 30):
        value = {"text": f"apple*{n} kiwi*20", "n": n, "kind": "even" if n % 2 == 0 else "odd"}
        store.put(D, f"k{n}", value)

    def expect(keep: list[int], **filter_: object) -> None:
        best_first = [f"k{n}" for n in sorted(keep, reverse=True)]
        got = store.ranked(D, "apple", limit=50, filter=dict(filter_))
        in_order(lab, got, best_first, f"the ranking with filter={filter_}")

    expect(list(range(10, 30, 2)), kind="even")
    expect([17], n=17)
    expect([10, 11, 12], n={"$lt": 13})
    expect([28, 29], n={"$gte": 28})
    expect([11, 13], kind="odd", n={"$lte": 14})
    expect([n for n in range(10, 30) if n != 15], n={"$ne": 15})
    expect([], kind="neither")


@case("V9", needs=VECTORS)
def test_paging_over_a_filtered_ranking_reaches_every_match_once(lab: Lab) -> None:
    """
    Offset and limit count the matches of the filter.
    """
    store = lab.indexed("text")
    store.batch([PutOp(D, f"k{n:03}", {"text": _mixed(lab, n), "n": n % 4}) for n in range(120)])

    found = store.walk(D, page=4, query="elder fig", filter={"n": 3})

    _walk_once(lab, [i.key for i in found], {f"k{n:03}" for n in range(3, 120, 4)}, "pages of 4")
    descend(lab, found, "the filtered pages taken together")


@case("V17", needs=LASTING)
def test_a_ranking_is_the_same_after_reopening(lab: Lab) -> None:
    """
    Vectors survive: a store that is opened again ranks as before; what it embeds anew is recorded.
    """
    store = lab.indexed("text", "tags[*]")
    for n in range(25):
        store.put(
            D, f"k{n:02}", {"text": _mixed(lab, n), "tags": [f"fig*{n + 2}", f"fig iris*{n}"]}
        )
    store.put(D, "hidden", {"text": "apple"}, index=False)
    before = hits(lab, store, D, "apple kiwi")

    embed = ExactEmbeddings()
    again = lab.reopen(store, index=lab.index("text", "tags[*]", embed=embed))
    after = hits(lab, again, D, "apple kiwi")

    lab.equal(sorted(after), sorted(before), "the items found after reopening")
    for key, score in before.items():
        if score is not None:
            scores_like(lab, after[key], score, f"the item {key} after reopening")
    # No sentence forbids to build an index anew; whoever pays for the embedder wants to know.
    again_embedded = sum("item" in text for text in embed.documents)
    lab.observe("vectors.embedded_again_at_opening", again_embedded)


@case("V17", needs=LASTING)
def test_a_store_reopened_without_an_index_still_reads_its_items(lab: Lab) -> None:
    """
    Without ``index`` the items are read and searched; with it again the vectors are back.
    """
    store = lab.indexed("text")
    store.put(D, "a", {"text": "apple"})
    store.put(D, "b", {"text": "banana"})

    plain = lab.reopen(store, index=None)
    lab.equal(plain.value(D, "a"), {"text": "apple"}, "an indexed item read without index")
    found = plain.search(D)
    lab.equal(sorted(i.key for i in found), ["a", "b"], "a search without index finds all")
    lab.equal([i.score for i in found], [None, None], "no item has a score without index")
    plain.put(D, "c", {"text": "cherry"})

    again = lab.reopen(plain, index=lab.index("text"))
    matches(lab, again, D, "apple", "a", "an old item after index came back")
    matches(lab, again, D, "banana", "b", "another old item after index came back")
    lab.equal(again.value(D, "c"), {"text": "cherry"}, "the item that was put without index")


@case("V17", needs=LASTING, serial=True)
def test_another_process_ranks_the_same(lab: Lab) -> None:
    """
    A new process that opens the location finds the vectors.
    """
    store = lab.indexed("text")
    expected = [f"k{n}" for n in range(6)]
    for n, key in enumerate(expected):
        store.put(D, key, {"text": f"apple*{9 - n} banana*{n}"})
    store.close()

    child = lab.child(store.at, embed="exact", fields=("text",))
    found = child.call("search", D, query="apple")

    in_order(lab, [i["key"] for i in found], expected, "the ranking in another process")
    scores_like(lab, found[0]["score"], 1.0, "the best match in another process")


@case("V18", needs=VECTORS)
def test_nearer_items_elsewhere_do_not_hide_those_of_the_prefix(lab: Lab) -> None:
    """
    A query under a prefix gives that prefix's nearest items, though 300 elsewhere are nearer.

    If this fails, look for a namespace condition that is applied after the nearest were taken.
    """
    store = lab.indexed("text")
    elsewhere = [
        PutOp(("users", f"u{n % 30}"), f"k{n}", {"text": f"apple*{n + 90} {_mixed(lab, n)}"})
        for n in range(300)
    ]
    mine = [PutOp(("users", "me"), f"mine{n}", {"text": f"apple banana*{n + 2}"}) for n in range(8)]
    store.batch([*elsewhere[:200], *mine, *elsewhere[200:]])

    expected = [f"mine{n}" for n in range(8)]
    for limit in (1, 5, 8, 10):
        got = store.ranked(("users", "me"), "apple", limit=limit)
        in_order(lab, got, expected, f"the prefix's own items, for limit={limit}", limit=limit)


@case("V10", needs=VECTORS)
def test_nearer_items_elsewhere_hide_none_that_a_filter_asks_for(lab: Lab) -> None:
    """
    With a filter, too, a deeper prefix gives its own items, though 300 that the filter passes are nearer elsewhere.

    If this fails, look for a namespace condition or a filter that is applied after the nearest were taken.
    """
    store = lab.indexed("text")
    elsewhere = [
        PutOp(("users", f"u{n % 3}", "notes"), f"k{n}", {"text": f"apple*{n + 9} fig", "n": n % 2})
        for n in range(300)
    ]
    at = ("users", "me", "notes")
    mine = [PutOp(at, f"mine{n}", {"text": f"apple banana*{n + 2}", "n": n % 2}) for n in range(8)]
    store.batch([*mine, *elsewhere])
    for wanted, expected in (({"n": 1}, range(1, 8, 2)), ({"n": {"$lt": 1}}, range(0, 8, 2))):
        for prefix in (at, at[:2]):
            got = store.ranked(prefix, "apple", limit=4, filter=wanted)
            in_order(lab, got, [f"mine{n}" for n in expected], f"{wanted} under {prefix}", limit=4)


@case("V18", needs=VECTORS, seconds=120, waits=True)
def test_pages_are_full_in_an_index_of_thousands(lab: Lab) -> None:
    """
    A user with 480 of 2,400 items gets full pages from a query, also once the engine knows its data.

    If this fails, look at an approximate index that offers only so many candidates (pgvector's
    ``hnsw.ef_search`` is 40), and at a namespace condition that is applied to those.
    """
    store = lab.open(index=lab.index("text", dims=64))
    for begin in range(0, MANY, 500):
        store.batch(
            [
                PutOp(("users", f"u{n % 5}"), f"k{n}", {"text": _mixed(lab, n)})
                for n in range(begin, begin + 500)
            ]
        )
    end = time.monotonic() + SETTLING
    while True:
        late = time.monotonic() > end
        for limit in (10, 20, 50, 100):
            found = store.search(("users", "u1"), query="apple banana", limit=limit)
            lab.equal(
                len(found), limit, f"the size of a page with limit={limit} out of {MANY // 5} items"
            )
            lab.equal({i.namespace for i in found}, {("users", "u1")}, "the namespaces of a page")
        if late:
            break
        lab.sleep(SETTLING / (LOOKS - 1))


@case("V18", needs=VECTORS)
def test_a_query_keeps_to_whole_labels_of_its_prefix(lab: Lab) -> None:
    """
    A query sees the namespace and what is below it, and no sibling that merely begins alike.
    """
    store = lab.indexed("text")
    inside = [("a", "b"), ("a", "b", "c"), ("a", "b", "c", "d")]
    outside = [
        ("a", "bc"),
        ("a", "B"),
        ("a",),
        ("ab",),
        ("b",),
        ("x", "a", "b"),
        ("a", "b%"),
        ("a", "_"),
    ]
    spaces = spaces_taken(lab, [*inside, *outside])
    for n, namespace in enumerate(spaces):
        store.put(namespace, f"k{n}", {"text": f"apple*{20 - n} fig"})

    found = [i.namespace for i in store.search(("a", "b"), query="apple", limit=50)]
    lab.equal(sorted(found), sorted(inside), "the namespaces found below ('a', 'b')")
    found = [i.namespace for i in store.search(("a", "_"), query="apple", limit=50)]
    lab.equal(
        found, [("a", "_")] if ("a", "_") in spaces else [], "the namespaces found below ('a', '_')"
    )


@case("V18", needs=VECTORS)
def test_many_small_namespaces_each_rank_their_own(lab: Lab) -> None:
    """
    Among many users each finds the own best item first.
    """
    store = lab.indexed("text")
    store.batch(
        [
            PutOp(("u", f"user{n:02}"), key, {"text": text, "owner": n})
            for n in range(40)
            for key, text in (("good", f"apple*50 kiwi*{n + 1}"), ("poor", f"apple kiwi*{20 + n}"))
        ]
    )

    for n in (0, 1, 17, 39):
        found = store.search(("u", f"user{n:02}"), query="apple", limit=5)
        in_order(lab, [i.key for i in found], ["good", "poor"], f"what user{n:02} finds")
        lab.equal({i.value["owner"] for i in found}, {n}, f"whose items user{n:02} finds")
