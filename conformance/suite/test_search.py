"""
Group S: search without a query: which items it finds, how many of them, and page by page.
"""

from __future__ import annotations

from typing import Any

from conformance.case import case
from conformance.compat import SearchItem, SearchOp
from conformance.contract import Capability
from conformance.lab import Lab
from conformance.subject import Subject
from conformance.suite.shapes import SEPARATORS, Namespace, every_lookalike, fill

NS = ("users", "u1")


def _addresses(items: list[Any]) -> list[tuple[Namespace, str]]:
    return [(tuple(i.namespace), i.key) for i in items]


# -- S1, S2, S3: the prefix -----------------------------------------------------------------------


@case("S1")
def test_a_prefix_matches_whole_labels_only(lab: Lab) -> None:
    """
    A search under ("a",) never gives items of ("ab",), nor the other way round.

    If this fails, look at how the store turns a prefix into a condition (LIKE, startswith).
    """
    store = lab.open()
    store.put(("a",), "in a", {"n": 1})
    store.put(("ab",), "in ab", {"n": 2})
    store.put(("ab", "c"), "in ab c", {"n": 3})
    store.put(("b", "a"), "in b a", {"n": 4})

    lab.equal(store.keys(("a",)), ["in a"], "items under the prefix ('a',)")
    lab.equal(store.keys(("ab",)), ["in ab", "in ab c"], "items under the prefix ('ab',)")
    lab.equal(store.keys(("b",)), ["in b a"], "items under the prefix ('b',)")
    lab.equal(store.keys(("abc",)), [], "items under a prefix that no namespace has")


@case("S1")
def test_a_prefix_matches_the_namespace_and_all_below_it(lab: Lab) -> None:
    """
    A search gives the items of the namespace itself and of every namespace below it, however deep.

    If this fails, look at a search that compares the whole namespace, or only one level.
    """
    store = lab.open()
    spaces: list[Namespace] = [(), ("x",), ("y",)]
    for _ in range(4):
        spaces += [(*ns, label) for ns in spaces for label in ("x", "y", "xy")]
    spaces = [ns for ns in dict.fromkeys(spaces) if ns and len(ns) < 5]
    fill(store, [(ns, "/".join(ns), {"depth": len(ns)}) for ns in spaces])

    for prefix in [*spaces[:60], ("x", "y", "x", "y"), ("y", "xy", "x"), ("x", "z"), ("x",) * 6]:
        expected = sorted("/".join(ns) for ns in spaces if ns[: len(prefix)] == prefix)
        lab.equal(store.keys(prefix), expected, f"items under the prefix {prefix}")


@case("S1")
def test_siblings_that_sort_beside_a_prefix_stay_out(lab: Lab) -> None:
    """
    Namespaces whose first label is the prefix and one more character are never found under it.

    If this fails, look at a range scan whose ends are not at the separator.
    """
    store = lab.open()
    extra = [chr(c) for c in range(33, 127) if chr(c) != "."] + [*SEPARATORS, "\x01", "\x7f", "\U0010ffff", "é", "\u0301"]
    siblings = list(dict.fromkeys(f"a{e}" for e in extra))
    fill(store, [((label,), "k", {"n": 1}) for label in siblings])
    fill(store, [((label, "sub"), "k", {"n": 1}) for label in siblings])
    fill(store, [(("a",), "own", {"n": 1}), (("a", "sub"), "own", {"n": 1})])

    lab.equal(sorted(_addresses(store.search(("a",), limit=1000))), [(("a",), "own"), (("a", "sub"), "own")],
              "items under the prefix ('a',)")  # fmt: skip
    for label in siblings:
        expected = [((label,), "k"), ((label, "sub"), "k")]
        found = sorted(_addresses(store.search((label,), limit=1000)))
        lab.equal(found, expected, f"items under the prefix {(label,)!r}")


@case("S1")
def test_children_of_any_spelling_are_found_below_a_prefix(lab: Lab) -> None:
    """
    A search finds children whose labels start with any character, the last ones of Unicode too.

    If this fails, look at a range scan with an upper end that is too low.
    """
    store = lab.open()
    labels = list(dict.fromkeys([*every_lookalike(), "~", "\x7f", "\u00ff", "\uffff", "\U0010ffff\U0010ffff", "!"]))
    fill(store, [(("p", label), "k", {"n": 1}) for label in labels])
    fill(store, [(("p", label, "x"), "k", {"n": 1}) for label in labels])

    found = _addresses(store.search(("p",), limit=1000))
    expected = [(("p", label, *more), "k") for label in labels for more in ((), ("x",))]
    lab.equal(sorted(found), sorted(expected), "items under ('p',)")


@case("S1")
def test_prefixes_with_wildcards_are_literal(lab: Lab) -> None:
    """
    A prefix with ``%``, ``_``, ``?`` or a bracket matches that label only.

    If this fails, escape the prefix before LIKE, GLOB or a regular expression sees it.
    """
    store = lab.open()
    labels = ["abc", "a%", "a_c", "a?c", "a[b]c", "[a]bc", "a*", "a+", "^abc", "abc$", "ABC", "a\\c"]
    fill(store, [((label, sub), "k", {"n": 1}) for label in labels for sub in ("x", "%", "_")])

    for prefix in [*labels, "%", "_", "___", "a%c", "a__", "[a-c]bc", "*bc", "?bc", "%bc", "(abc)", "a|b", "\\"]:
        expected = [((prefix, sub), "k") for sub in ("%", "_", "x")] if prefix in labels else []
        found = sorted(_addresses(store.search((prefix,), limit=1000)))
        lab.equal(found, expected, f"items under the prefix {(prefix,)!r}")
    for sub in ("%", "_", "x", "?", "*"):
        expected = [(("abc", sub), "k")] if sub in ("%", "_", "x") else []
        lab.equal(_addresses(store.search(("abc", sub))), expected, f"items under ('abc', {sub!r})")


@case("S2")
def test_the_empty_prefix_finds_everything(lab: Lab) -> None:
    """
    A search under () gives the items of every namespace.

    If this fails, look at a prefix condition that is empty and so matches nothing.
    """
    store = lab.open()
    lab.equal(store.search(()), [], "the items of a store that holds nothing")
    places = [((f"n{i % 17}", *("d",) * (i % 5)), f"k{i:03}") for i in range(160)]
    fill(store, [(ns, key, {"n": i, "even": i % 2 == 0}) for i, (ns, key) in enumerate(places)])

    lab.equal(sorted(_addresses(store.search((), limit=1000))), sorted(places), "all items under ()")
    evens = _addresses(store.search((), limit=1000, filter={"even": True}))
    lab.equal(sorted(evens), sorted(places[::2]), "items under () by a filter")
    lab.equal(len(store.search(())), 10, "items under () with the default limit")


@case("S3")
def test_a_star_in_a_prefix_is_a_label(lab: Lab) -> None:
    """
    In a search, ``*`` is a label like any other and no wildcard.

    If this fails, the matching of list_namespaces is used for search too.
    """
    store = lab.open()
    spaces: list[Namespace] = [("*",), ("a",), ("*", "x"), ("a", "*"), ("a", "b"), ("a", "*", "c"), ("a", "b", "c"), ("**",)]
    fill(store, [(ns, "k", {"n": 1}) for ns in spaces])
    prefixes: list[Namespace] = [("*",), ("a", "*"), ("*", "x"), ("*", "b"), ("a", "*", "c"), ("**",), ("a", "**")]

    for prefix in prefixes:
        expected = sorted(ns for ns in spaces if ns[: len(prefix)] == prefix)
        found = sorted(tuple(i.namespace) for i in store.search(prefix))
        lab.equal(found, expected, f"the namespaces found under {prefix}")


# -- S4, S5: pages --------------------------------------------------------------------------------


@case("S4")
def test_the_default_limit_is_ten(lab: Lab) -> None:
    """
    Without a limit a search gives ten items, or all if there are fewer.

    If this fails, look at the default of limit, in the method and in the operation.
    """
    store = lab.open()
    for count in range(1, 13):
        store.put(NS, f"k{count:02}", {"n": count})
        lab.equal(len(store.search(NS)), min(count, 10), f"items found of {count} without a limit")
    lab.equal(len(store.batch([SearchOp(NS)])[0]), 10, "items found by an operation without a limit")
    lab.equal(len(store.search(NS, offset=5)), 7, "items found of 12 from the sixth on")


@case("S4")
def test_every_page_is_a_slice_of_the_whole(lab: Lab) -> None:
    """
    For every offset and limit the answer is matches[offset:offset+limit], in one order.

    If this fails, look for an order that ties leave open, pages by number, or a limit applied early.
    """
    store = lab.open()
    count = 23
    fill(store, [(NS if i % 3 else (*NS, "sub"), f"k{i:02}", {"n": i}) for i in range(count)])
    whole = _addresses(store.search(NS, limit=count))
    lab.equal(len(set(whole)), count, "different items in a page as large as their number")

    for limit in (0, 1, 2, 3, 5, 7, 10, 11, count - 1, count, count + 1, 100):
        for offset in range(count + 2):
            page = _addresses(store.search(NS, limit=limit, offset=offset))
            lab.equal(page, whole[offset : offset + limit], f"the page with limit {limit} and offset {offset}")


@case("S4")
def test_pages_of_items_put_one_after_another(lab: Lab) -> None:
    """
    Also of items that were put one by one, every page is a slice of the whole.

    If this fails, look at the order by time where several items have the same.
    """
    store = lab.open()
    for i in range(31):
        store.put(NS, f"k{(i * 7) % 31:02}", {"n": i})
    whole = _addresses(store.search(NS, limit=100))
    lab.equal(len(set(whole)), 31, "different items in one page")

    for limit, offset in [(1, n) for n in range(33)] + [(4, n) for n in range(0, 33, 3)] + [(10, 25), (30, 1)]:
        page = _addresses(store.search(NS, limit=limit, offset=offset))
        lab.equal(page, whole[offset : offset + limit], f"the page with limit {limit} and offset {offset}")
        store.get(NS, f"k{offset % 31:02}")


@case("S4")
def test_pages_beyond_a_hundred_are_full(lab: Lab) -> None:
    """
    A limit above 100 or above 1,000 is honoured, and so is an offset beyond.

    If this fails, look for a cap on results, or an engine's own page that is not continued.
    """
    store = lab.open()
    fill(store, [(NS, f"k{i:04}", {"n": i}) for i in range(1250)])
    for limit in (99, 100, 101, 128, 250, 500, 999, 1000, 1001, 1249, 1250, 1251, 5000):
        found = store.search(NS, limit=limit)
        lab.equal(len(found), min(limit, 1250), f"items found of 1250 with limit {limit}")
        lab.equal(len({i.key for i in found}), min(limit, 1250), f"different items with limit {limit}")


@case("S4")
def test_pages_far_into_many_items_are_slices(lab: Lab) -> None:
    """
    Pages at offsets around 100 and 1,000 are slices of the whole, in one order.

    If this fails, look for a window of results, and for an order with ties.
    """
    store = lab.open()
    fill(store, [(NS, f"k{i:04}", {"n": i}) for i in range(1250)])
    whole = _addresses(store.search(NS, limit=2000))
    for limit, offset in ((10, 995), (10, 1000), (300, 1001), (200, 99), (1000, 250), (7, 1249), (7, 1250), (100, 3000)):
        page = _addresses(store.search(NS, limit=limit, offset=offset))
        lab.equal(page, whole[offset : offset + limit], f"the page with limit {limit} and offset {offset}")


@case("S4")
def test_no_page_and_a_page_past_the_end_are_empty(lab: Lab) -> None:
    """
    ``limit=0`` and an offset past the end give an empty list.

    If this fails, look for ``limit or default``, and at engines that take 0 for no limit.
    """
    store = lab.open()
    fill(store, [(NS, f"k{i:02}", {"n": i % 2}) for i in range(15)])
    shapes: list[dict[str, Any]] = [{"limit": 0}, {"limit": 0, "offset": 3}, {"offset": 15}, {"offset": 16}, {"offset": 1000}]
    for shape in [*shapes, *({**s, "filter": {"n": 1}} for s in shapes), {"offset": 7, "filter": {"n": 1}}]:
        lab.equal(store.search(NS, **shape), [], f"the answer to {shape}")
    ops = [SearchOp(NS, limit=0), SearchOp(NS, offset=15), SearchOp(NS, None, 5, 14)]
    lab.equal([len(found) for found in store.batch(ops)], [0, 0, 1], "items found by operations of a batch")


@case("S4")
def test_searches_of_one_batch_have_their_own_pages(lab: Lab) -> None:
    """
    Searches in one batch each have their own prefix, filter, limit and offset.

    If this fails, look at how several searches are run together.
    """
    store = lab.open()
    fill(store, [((f"n{i % 2}",), f"k{i:02}", {"n": i, "odd": i % 2}) for i in range(40)])
    shapes: list[dict[str, Any]] = [
        {"namespace_prefix": ("n0",), "limit": 3},
        {"namespace_prefix": ("n1",), "limit": 5, "offset": 2},
        {"namespace_prefix": (), "filter": {"odd": 1}, "limit": 7, "offset": 15},
        {"namespace_prefix": ("n0",), "filter": {"odd": 1}},
        {"namespace_prefix": (), "limit": 40},
        {"namespace_prefix": ("n0",), "limit": 3},
    ]
    found = store.batch([SearchOp(**shape) for shape in shapes])
    for shape, items in zip(shapes, found):
        alone = store.search(shape["namespace_prefix"], **{k: v for k, v in shape.items() if k != "namespace_prefix"})
        lab.equal(_addresses(items), _addresses(alone), f"the answer to {shape} in a batch, as alone")
    lab.equal([len(items) for items in found], [3, 5, 5, 0, 40, 3], "the number of items found by each")


POPULATIONS: dict[str, tuple[int, tuple[int, ...]]] = {
    "few": (13, (1, 2, 3, 5, 12, 13, 14)),
    "some": (53, (1, 3, 7, 10, 26, 50, 53)),
    "hundreds": (330, (9, 100, 110, 329)),
    "thousand": (1203, (100, 200, 601)),
}


@case("S5", params=POPULATIONS)
def test_walking_finds_every_item_once(lab: Lab, shape: tuple[int, tuple[int, ...]]) -> None:
    """
    Walking offset by limit over an unchanged store gives every item exactly once.

    If this fails, the order has ties (all of a batch have one time) and the engine breaks them at will.
    """
    count, pages = shape
    store = lab.open()
    places = [((f"n{i % 3}", *("x",) * (i % 2)), f"k{i:04}") for i in range(count)]
    fill(store, [(ns, key, {"n": i}) for i, (ns, key) in enumerate(places)])
    for page in pages:
        _check_walk(lab, store, (), page, places)
    under = [p for p in places if p[0][0] == "n1"]
    _check_walk(lab, store, ("n1",), pages[0], under)


@case("S5")
def test_walking_items_put_one_by_one(lab: Lab) -> None:
    """
    A walk over items that were put one by one, with reads between the pages, gives each once.

    If this fails, look at times in whole seconds as the only order, and at reads that move items.
    """
    store = lab.open()
    places = [(NS, f"k{(i * 5) % 41:02}") for i in range(41)]
    for i, (ns, key) in enumerate(places):
        store.put(ns, key, {"n": i})
    for page in (1, 4, 10):
        _check_walk(lab, store, NS, page, places)
    seen = []
    for offset in range(0, 41, 3):
        seen += _addresses(store.search(NS, limit=3, offset=offset))
        store.get(*places[offset])
        store.search(NS, filter={"n": offset})
        store.list_namespaces()
    lab.equal(sorted(seen), sorted(places), "the items of a walk with reads between its pages")


def _check_walk(lab: Lab, store: Subject, prefix: Namespace, page: int, places: list[tuple[Namespace, str]]) -> None:
    seen = _addresses(store.walk(prefix, page=page))
    repeated = len(seen) - len(set(seen))
    lost = set(places) - set(seen)
    lab.true(not repeated and not lost and len(seen) == len(places),
             f"each of {len(places)} items once when walking {prefix} in pages of {page}:"
             f" {repeated} came twice, {len(lost)} never",
             expected=f"{len(places)} items", got=f"{len(seen)} items, lost {sorted(lost)[:3]}")  # fmt: skip


@case("S5")
def test_walking_a_batch_through_a_filter(lab: Lab) -> None:
    """
    A walk with a filter over items of one batch gives every match exactly once.

    If this fails, the order has ties (all of a batch have one time) and the engine breaks them at will.
    """
    store = lab.open()
    fill(store, [(NS, f"k{i:03}", {"third": i % 3 == 0, "n": i}) for i in range(240)])
    expected = [f"k{i:03}" for i in range(0, 240, 3)]
    for page in (1, 7, 10, 79):
        found = sorted(i.key for i in store.walk(NS, page=page, filter={"third": True}))
        repeated, lost = len(found) - len(set(found)), len(set(expected) - set(found))
        lab.true(found == expected, f"each of 80 matches once in pages of {page}: {repeated} came twice, {lost} never",
                 expected="80 matches", got=f"{len(found)} items")  # fmt: skip


@case("S6")
def test_the_order_without_a_query(lab: Lab) -> None:
    """
    The order of a plain search is the backend's own: recorded only.

    If this fails, the store cannot search at all.
    """
    store = lab.open()
    for n, key in enumerate(("m", "b", "z", "a", "y")):
        store.put((f"n{n % 2}",), key, {"n": n})
    store.put(("n1",), "b", {"n": 9})
    order = [i.key for i in store.search(())]
    known = {
        "mbzay": "first put first", "bayzm": "last updated first", "byazm": "last updated first",
        "yazbm": "last created first", "abmyz": "by key", "mzyba": "by namespace, then first put",
        "myzab": "by namespace, then key",
    }  # fmt: skip
    lab.observe("search.order", known.get("".join(order), "another order"), keys=order)


# -- S7 to S10 ------------------------------------------------------------------------------------


@case("S7")
def test_results_are_search_items_without_score(lab: Lab) -> None:
    """
    A plain search gives SearchItems whose score is None.

    If this fails, look at rows turned into plain Items, or a score of 0 for no score.
    """
    store = lab.open()
    fill(store, [(NS, f"k{i}", {"n": i}) for i in range(5)])
    answers = {
        "search": store.search(NS),
        "search with a filter": store.search(NS, filter={"n": {"$gte": 0}}),
        "search under ()": store.search(()),
        "search in a batch": store.batch([SearchOp(NS)])[0],
    }
    for name, items in answers.items():
        lab.equal(len(items), 5, f"items found by {name}")
        for item in items:
            lab.true(isinstance(item, SearchItem), f"{name} gives SearchItems", got=type(item).__name__)
            lab.true(item.score is None, f"the score in {name} is None", got=item.score)


@case("S7", needs=(Capability.VECTORS,))
def test_an_index_gives_a_plain_search_no_score(lab: Lab) -> None:
    """
    Also in a store with an index, a search without a query gives items without score.

    If this fails, look at the branch that is taken when an index is configured.
    """
    store = lab.indexed("text")
    store.put(NS, "a", {"text": "apple"})
    store.put(NS, "b", {"text": "banana"}, index=False)
    for name, items in (("search", store.search(NS)), ("filter", store.search(NS, filter={"text": {"$ne": "x"}}))):
        lab.equal(sorted(i.key for i in items), ["a", "b"], f"keys by {name} without a query")
        lab.equal([i.score for i in items], [None, None], f"scores by {name} without a query")


@case("S7")
def test_nothing_found_is_an_empty_list(lab: Lab) -> None:
    """
    A search without a match gives [], whatever the reason.

    If this fails, look for None, or an exception about an unknown namespace.
    """
    store = lab.open()
    lab.equal(store.search(("nowhere",)), [], "search in a store that holds nothing")
    store.put(NS, "k", {"n": 1})
    for name, answer in (
        ("an unknown namespace", store.search(("nowhere",))),
        ("a namespace below", store.search((*NS, "sub"))),
        ("a filter that none fits", store.search(NS, filter={"n": 2})),
        ("a filter on a missing field", store.search(NS, filter={"m": 1})),
        ("an offset past the end", store.search(NS, offset=5)),
        ("an operation", store.batch([SearchOp(("nowhere",), filter={"n": 1})])[0]),
    ):
        lab.equal(answer, [], f"the answer for {name}")


@case("S8")
def test_the_filter_comes_before_the_limit(lab: Lab) -> None:
    """
    Limit and offset count the items that pass the filter, not those before it.

    If this fails, a page is read first and filtered then: matches at the end are lost.
    """
    store = lab.open()
    count = 120
    kinds = ["first" if i < 12 else "last" if i >= 108 else "rare" if i % 37 == 0 else "common" for i in range(count)]
    fill(store, [(NS, f"k{i:03}", {"kind": kind, "n": i}) for i, kind in enumerate(kinds)])

    for kind in ("first", "last", "rare", "common"):
        expected = [f"k{i:03}" for i in range(count) if kinds[i] == kind]
        wanted = {"kind": kind}
        lab.equal(store.keys(NS, filter=wanted), expected, f"all items of the kind {kind!r}")
        lab.equal(len(store.search(NS, filter=wanted)), min(10, len(expected)), f"items of {kind!r}, default limit")
        for limit, offset in ((1, 0), (2, 0), (2, 1), (5, 0), (5, 3), (5, 10), (7, 7), (12, 0), (100, 1), (3, 200)):
            page = {i.key for i in store.search(NS, filter=wanted, limit=limit, offset=offset)}
            many = max(0, min(limit, len(expected) - offset))
            lab.equal(len(page), many, f"items of {kind!r} with limit {limit} and offset {offset}")
            lab.true(page <= set(expected), f"only items of {kind!r} in the page", got=sorted(page))


@case("S8")
def test_walking_through_a_filter_finds_every_match_once(lab: Lab) -> None:
    """
    A walk with a filter gives every match exactly once, by equality and by range.

    If this fails, look at pages counted before the filter, and at ties in the order.
    """
    store = lab.open()
    for i in range(100, 190):  # one by one: items of one batch may have one time, which is for S5
        store.put(NS, f"k{i}", {"third": i % 3 == 0, "n": i})
    for wanted, expected in (
        ({"third": True}, [f"k{i}" for i in range(102, 190, 3)]),
        ({"n": {"$gte": 145}}, [f"k{i}" for i in range(145, 190)]),
        ({"third": True, "n": {"$lt": 145}}, [f"k{i}" for i in range(102, 145, 3)]),
    ):
        for page in (1, 4, 10, 44):
            found = [i.key for i in store.walk(NS, page=page, filter=wanted)]
            lab.equal(sorted(found), expected, f"the items of a walk in pages of {page} with {wanted}")


@case("S8")
def test_a_few_matches_among_many_are_found(lab: Lab) -> None:
    """
    A filter finds its few matches among 1,500 items, wherever they stand.

    If this fails, look for a fixed number of candidates that is filtered afterwards.
    """
    store = lab.open()
    rare = {0, 1, 77, 749, 750, 1111, 1498, 1499}
    fill(store, [(NS, f"k{i:04}", {"rare": i in rare, "n": i}) for i in range(1500)])
    expected = [f"k{i:04}" for i in sorted(rare)]

    lab.equal(sorted(i.key for i in store.search(NS, filter={"rare": True})), expected, "matches with limit 10")
    lab.equal(len(store.search(NS, filter={"rare": True}, limit=3)), 3, "matches with limit 3")
    lab.equal(len(store.search(NS, filter={"rare": True}, limit=5, offset=5)), 3, "matches from the sixth on")
    for i in (0, 750, 1499):
        lab.equal([x.key for x in store.search(NS, filter={"n": i}, limit=1)], [f"k{i:04}"], f"the item with n {i}")


@case("S9")
def test_what_odd_limits_do(lab: Lab) -> None:
    """
    Negative, missing and huge limits and offsets are the store's choice: recorded only.

    If this fails, the store does not work after such a search was tried.
    """
    store = lab.open()
    fill(store, [(NS, f"k{i:02}", {"n": i}) for i in range(15)])
    shapes: dict[str, dict[str, Any]] = {
        "limit=-1": {"limit": -1}, "limit=-5": {"limit": -5}, "limit=None": {"limit": None},
        "offset=-1": {"offset": -1}, "offset=None": {"offset": None}, "limit=2**31": {"limit": 2**31},
        "limit=2**63": {"limit": 2**63}, "offset=2**31": {"offset": 2**31}, "offset=2**63": {"offset": 2**63},
        "limit=2.5": {"limit": 2.5},
    }  # fmt: skip
    for name, shape in shapes.items():
        answer: list[Any] = []
        error = lab.attempt(lambda shape=shape: answer.extend(store.search(NS, **shape)))  # type: ignore[misc]
        lab.observe(f"search.{name}", type(error).__name__ if error else len(answer))
    lab.equal(len(store.search(NS)), 10, "items found by a plain search after these")


@case("S10")
def test_an_empty_query_is_no_query(lab: Lab) -> None:
    """
    ``query=""`` and ``query=None`` give what a search without a query gives.

    If this fails, look for ``query is not None`` where ``if query`` belongs.
    """
    _check_empty_query(lab, lab.open())


@case("S10", needs=(Capability.VECTORS,))
def test_an_empty_query_is_no_query_with_an_index(lab: Lab) -> None:
    """
    Also in a store with an index, an empty query is no query: all items, without score.

    If this fails, the empty text is embedded and ranked by.
    """
    _check_empty_query(lab, lab.indexed("text"))


def _check_empty_query(lab: Lab, store: Subject) -> None:
    for n, text in enumerate(("apple", "banana", "cherry apple", "")):
        store.put(NS, f"k{n}", {"text": text, "n": n})
    store.put(NS, "k4", {"other": 1, "n": 4})
    store.put(NS, "k5", {"text": "apple", "n": 5}, index=False)
    whole = _addresses(store.search(NS))
    lab.equal(sorted(key for _, key in whole), [f"k{n}" for n in range(6)], "items found without a query")

    for query in ("", None):
        found = store.search(NS, query=query)
        lab.equal(_addresses(found), whole, f"items found with query={query!r}, in the order without")
        lab.equal([i.score for i in found], [None] * 6, f"the scores with query={query!r}")
        some = store.search(NS, query=query, filter={"n": {"$gte": 2}}, limit=2, offset=1)
        plain = store.search(NS, filter={"n": {"$gte": 2}}, limit=2, offset=1)
        lab.equal(_addresses(some), _addresses(plain), f"a filtered page with query={query!r}")
        op = SearchOp(NS, query=query)
        lab.equal(_addresses(store.batch([op])[0]), whole, f"an operation with query={query!r}")
