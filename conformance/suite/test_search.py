"""
Group S, the pages: how many items a search without a query gives, and in which order.
"""

from __future__ import annotations

from typing import Any

from store_conformance.harness.case import case
from store_conformance.harness.compat import SearchOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.limits import limits_taken
from store_conformance.suite.support.shapes import Namespace, fill

NS = ("users", "u1")


def _addresses(items: list[Any]) -> list[tuple[Namespace, str]]:
    return [(tuple(i.namespace), i.key) for i in items]


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
    lab.equal(
        len(store.batch([SearchOp(NS)])[0]), 10, "items found by an operation without a limit"
    )
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
            lab.equal(
                page,
                whole[offset : offset + limit],
                f"the page with limit {limit} and offset {offset}",
            )


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

    for limit, offset in (
        [(1, n) for n in range(33)] + [(4, n) for n in range(0, 33, 3)] + [(10, 25), (30, 1)]
    ):
        page = _addresses(store.search(NS, limit=limit, offset=offset))
        lab.equal(
            page, whole[offset : offset + limit], f"the page with limit {limit} and offset {offset}"
        )
        store.get(NS, f"k{offset % 31:02}")


@case("S4")
def test_pages_beyond_a_hundred_are_full(lab: Lab) -> None:
    """
    A limit above 100 or above 1,000 is honoured, and so is an offset beyond.

    If this fails, look for a cap on results, or an engine's own page that is not continued.
    """
    store = lab.open()
    fill(store, [(NS, f"k{i:04}", {"n": i}) for i in range(1250)])
    fill(store, [((*NS[:1], "few"), key, {"n": 1}) for key in "ab"])
    limits = (99, 100, 101, 128, 250, 500, 999, 1000, 1001, 1249, 1250, 1251, 5000)
    for limit in limits_taken(lab, store, limits):
        found = store.search(NS, limit=limit)
        lab.equal(len(found), min(limit, 1250), f"items found of 1250 with limit {limit}")
        lab.equal(
            len({i.key for i in found}), min(limit, 1250), f"different items with limit {limit}"
        )
    for limit in (10**6, 2**31 - 1, 2**31, 2**63 - 1):  # people ask for everything so
        page: list[Any] = []
        error = lab.attempt(
            lambda n=limit: page.extend(store.search((*NS[:1], "few"), limit=n, offset=1))  # type: ignore[misc]
        )
        if error is not None:
            lab.observe("limit.refused", limit, error=str(error)[:160])
        else:
            lab.equal(len(page), 1, f"items found from the second of two on, with limit {limit}")
    if store.largest_page < 1000:
        lab.observe("limit.refused", f"above {store.largest_page}")


@case("S4")
def test_pages_far_into_many_items_are_slices(lab: Lab) -> None:
    """
    Pages at offsets around 100 and 1,000 are slices of the whole, in one order.

    If this fails, look for a window of results, and for an order with ties.
    """
    store = lab.open()
    fill(store, [(NS, f"k{i:04}", {"n": i}) for i in range(1250)])
    whole = _addresses(store.walk(NS, page=(limits_taken(lab, store, [2000]) or [1000])[0]))
    for limit, offset in (
        (10, 995),
        (10, 1000),
        (300, 1001),
        (200, 99),
        (1000, 250),
        (7, 1249),
        (7, 1250),
        (100, 3000),
    ):
        page = _addresses(store.search(NS, limit=limit, offset=offset))
        lab.equal(
            page, whole[offset : offset + limit], f"the page with limit {limit} and offset {offset}"
        )


@case("S4")
def test_no_page_and_a_page_past_the_end_are_empty(lab: Lab) -> None:
    """
    ``limit=0`` and an offset past the end give an empty list.

    If this fails, look for ``limit or default``, and at engines that take 0 for no limit.
    """
    store = lab.open()
    fill(store, [(NS, f"k{i:02}", {"n": i % 2}) for i in range(15)])
    shapes: list[dict[str, Any]] = [
        {"limit": 0},
        {"limit": 0, "offset": 3},
        {"offset": 15},
        {"offset": 16},
        {"offset": 1000},
    ]
    for shape in [
        *shapes,
        *({**s, "filter": {"n": 1}} for s in shapes),
        {"offset": 7, "filter": {"n": 1}},
    ]:
        lab.equal(store.search(NS, **shape), [], f"the answer to {shape}")
    ops = [SearchOp(NS, limit=0), SearchOp(NS, offset=15), SearchOp(NS, None, 5, 14)]
    lab.equal(
        [len(found) for found in store.batch(ops)],
        [0, 0, 1],
        "items found by operations of a batch",
    )


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
        alone = store.search(
            shape["namespace_prefix"], **{k: v for k, v in shape.items() if k != "namespace_prefix"}
        )
        lab.equal(
            _addresses(items), _addresses(alone), f"the answer to {shape} in a batch, as alone"
        )
    lab.equal(
        [len(items) for items in found], [3, 5, 5, 0, 40, 3], "the number of items found by each"
    )


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
    places: list[tuple[Namespace, str]] = [(NS, f"k{(i * 5) % 41:02}") for i in range(41)]
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


def _check_walk(
    lab: Lab, store: Subject, prefix: Namespace, page: int, places: list[tuple[Namespace, str]]
) -> None:
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
