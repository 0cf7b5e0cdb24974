"""
Group L, depth and pages: how deep a listing is cut off, in which order and how many.
"""

from __future__ import annotations

from itertools import product
from typing import Any

from store_conformance.harness.case import case
from store_conformance.harness.compat import ListNamespacesOp
from store_conformance.harness.lab import Lab
from store_conformance.suite.support.accepted import spaces_taken
from store_conformance.suite.support.limits import listings_taken
from store_conformance.suite.support.shapes import Namespace, every_lookalike, fill
from store_conformance.suite.test_list_namespaces import expected_of, populate

DOCS: list[Namespace] = [
    ("a", "b", "c"),
    ("a", "b", "d", "e"),
    ("a", "b", "d", "i"),
    ("a", "b", "f"),
    ("a", "c", "f"),
]


# -- L2: depth -------------------------------------------------------------------------------------


@case("L2")
def test_the_example_of_the_docs(lab: Lab) -> None:
    """
    The example of the docs: five namespaces, cut off at three labels, are three.

    If this fails, look at the order of cutting off and taking each once.
    """
    store = lab.open()
    populate(store, DOCS)
    got = store.list_namespaces(prefix=("a", "b"), max_depth=3)
    lab.equal(
        sorted(got),
        [("a", "b", "c"), ("a", "b", "d"), ("a", "b", "f")],
        "prefix ('a', 'b'), max_depth 3",
    )


@case("L2")
def test_depth_cuts_off_and_takes_each_once(lab: Lab) -> None:
    """
    ``max_depth`` cuts namespaces off and gives each result once; shorter ones stay as they are.

    If this fails, look at duplicates after the cut, or at short namespaces that are dropped.
    """
    store = lab.open()
    spaces = [ns for depth in (1, 2, 3, 4) for ns in product(("a", "b", "ab"), repeat=depth)]
    spaces += spaces_taken(lab, [("a b", "x,y", "z/"), ("a b", "x,y", "z|")])
    populate(store, spaces)
    for depth in (1, 2, 3, 4, 5, 50):
        expected = sorted({ns[:depth] for ns in spaces})
        got = store.list_namespaces(max_depth=depth, limit=1000)
        lab.equal(sorted(got), expected, f"the namespaces with max_depth {depth}")


@case("L2")
def test_conditions_apply_before_depth(lab: Lab) -> None:
    """
    Prefix and suffix are compared with the full namespace, before it is cut off.

    If this fails, the cut namespace is compared: a suffix then matches the wrong ones.
    """
    store = lab.open()
    spaces = [ns for depth in (2, 3, 4) for ns in product(("a", "b", "c"), repeat=depth)] + DOCS
    spaces = list(dict.fromkeys(spaces))
    populate(store, spaces)
    for prefix, suffix in (
        ((), ("c",)),
        ((), ("b", "c")),
        (("a",), ("c",)),
        (("a", "b", "c"), ()),
        (("*", "c"), ("a",)),
        ((), ("*", "f")),
    ):
        for depth in (1, 2, 3):
            expected = sorted({ns[:depth] for ns in expected_of(spaces, prefix, suffix)})
            got = store.list_namespaces(prefix=prefix, suffix=suffix, max_depth=depth, limit=1000)
            lab.equal(sorted(got), expected, f"prefix {prefix}, suffix {suffix}, max_depth {depth}")


@case("L2")
def test_limit_counts_what_is_left_after_depth(lab: Lab) -> None:
    """
    Limit and offset count the namespaces after they were cut off and taken once each.

    If this fails, the limit is applied to the full namespaces, and pages come out short.
    """
    store = lab.open()
    spaces = [(f"u{i:02}", f"s{j}", f"t{k}") for i in range(30) for j in range(3) for k in range(3)]
    populate(store, spaces)
    for depth, count in ((1, 30), (2, 90)):
        whole = store.list_namespaces(max_depth=depth, limit=1000)
        lab.equal(
            sorted(whole),
            sorted({ns[:depth] for ns in spaces}),
            f"the namespaces with max_depth {depth}",
        )
        for limit, offset in (
            (5, 0),
            (10, 0),
            (10, 7),
            (29, 1),
            (30, 0),
            (100, 0),
            (100, 25),
            (7, 28),
            (0, 0),
            (5, 200),
        ):
            got = store.list_namespaces(max_depth=depth, limit=limit, offset=offset)
            lab.equal(
                len(got),
                max(0, min(limit, count - offset)),
                f"how many: depth {depth}, limit {limit}, offset {offset}",
            )
            lab.equal(
                got,
                whole[offset : offset + limit],
                f"max_depth {depth}, limit {limit}, offset {offset}",
            )


@case("L2")
def test_limit_counts_what_meets_the_conditions(lab: Lab) -> None:
    """
    Beside a condition, limit and offset count what meets it, cut off and taken once each, however late it comes.

    If this fails, the limit is applied before the condition, or to namespaces that are not cut off yet.
    """
    store = lab.open()
    spaces = [(f"u{i:02}", f"s{j}", f"t{k}") for i in range(45) for j in range(3) for k in range(3)]
    populate(store, spaces)
    conditions: list[tuple[Namespace, Namespace]] = [
        (("u44",), ()),
        ((), ("s2", "t2")),
        (("u43",), ("t1",)),
    ]
    for prefix, suffix in conditions:
        asked: dict[str, Any] = {"prefix": prefix, "suffix": suffix}
        for depth in (1, 2, 3):
            expected = sorted({ns[:depth] for ns in expected_of(spaces, prefix, suffix)})
            whole = store.list_namespaces(**asked, max_depth=depth, limit=100)
            lab.equal(sorted(whole), expected, f"{asked}, max_depth {depth}")
            for limit, offset in ((2, 0), (2, 1), (5, 2)):
                got = store.list_namespaces(**asked, max_depth=depth, limit=limit, offset=offset)
                part = whole[offset : offset + limit]
                lab.equal(got, part, f"{asked}, max_depth {depth}, limit {limit}, offset {offset}")


# -- L3, L6: order and pages ----------------------------------------------------------------------


@case("L3")
def test_namespaces_are_sorted(lab: Lab) -> None:
    """
    Namespaces are listed in order; shown where every collation agrees: small letters, one depth.

    If this fails, look for a missing ORDER BY or sort.
    """
    store = lab.open()
    labels = ("dd", "aa", "cc", "ee", "bb", "zz", "mm")
    for depth in (1, 2):
        populate(store, [("only" + "x" * depth, *ns) for ns in product(labels, repeat=depth)])
    for depth in (1, 2):
        root = "only" + "x" * depth
        expected = [(root, *ns) for ns in product(sorted(labels), repeat=depth)]
        lab.equal(
            store.list_namespaces(prefix=(root,)),
            expected,
            f"the order of namespaces under {root!r}",
        )
        lab.equal(
            store.list_namespaces(prefix=(root,), limit=3, offset=2),
            expected[2:5],
            "a page of them",
        )
    cut = store.list_namespaces(prefix=("onlyxx",), max_depth=2)
    lab.equal(cut, [("onlyxx", label) for label in sorted(labels)], "the order after max_depth")


@case("L3", params={"plain": False, "odd": True})
def test_walking_lists_every_namespace_once(lab: Lab, odd: bool) -> None:
    """
    Walking a listing offset by limit gives every namespace once, and each page is a slice of the whole.

    If this fails, look at an order with ties, or at a limit before duplicates are removed.
    """
    store = lab.open()
    labels = every_lookalike() if odd else [f"u{i:03}" for i in range(130)]
    spaces: list[Namespace] = [ns for label in labels for ns in (("x", label), ("y", label, "z"))]
    spaces = spaces_taken(lab, spaces)
    fill(store, [(ns, key, {"n": 1}) for ns in spaces for key in ("k1", "k2")])

    whole = store.list_namespaces(limit=1000)
    lab.equal(sorted(whole), sorted(spaces), "the namespaces in one page")
    for page in (7, 50, 100):
        seen: list[Namespace] = []
        for offset in range(0, len(spaces) + page, page):
            seen += store.list_namespaces(limit=page, offset=offset)
        lab.equal(seen, whole, f"the namespaces of a walk in pages of {page}")
    for offset in (1, 13, len(spaces) - 1, len(spaces), len(spaces) + 5):
        lab.equal(
            store.list_namespaces(limit=9, offset=offset),
            whole[offset : offset + 9],
            f"a page from {offset} on",
        )


@case("L3")
def test_a_filtered_listing_is_paged_completely(lab: Lab) -> None:
    """
    Pages of a listing with conditions together hold every match once.

    If this fails, the limit is applied before the conditions.
    """
    store = lab.open()
    spaces = [(("even", "odd")[i % 2], f"u{i:03}", ("s", "t")[i % 3 == 0]) for i in range(120)]
    populate(store, spaces)
    conditions: list[dict[str, Any]] = [
        {"prefix": ("odd",)},
        {"suffix": ("t",)},
        {"prefix": ("even",), "suffix": ("t",)},
    ]
    for shape in [*conditions, {"prefix": ("*", "u007")}, {"prefix": ("odd",), "max_depth": 2}]:
        depth = shape.get("max_depth")
        matches = expected_of(spaces, shape.get("prefix", ()), shape.get("suffix", ()))
        expected = sorted({ns[:depth] for ns in matches})
        seen: list[Namespace] = []
        for offset in range(0, 130, 8):
            seen += store.list_namespaces(**shape, limit=8, offset=offset)
        lab.equal(sorted(seen), expected, f"the namespaces of a walk with {shape}")


@case("L4")
def test_the_collation_of_the_order(lab: Lab) -> None:
    """
    How capitals, digits, accents and depth sort is the backend's own: recorded only.

    If this fails, the store cannot list at all.
    """
    store = lab.open()
    spaces: list[Namespace] = [
        ("b",),
        ("B",),
        ("a",),
        ("é",),
        ("z",),
        ("a", "b"),
        ("a-b",),
        ("ab",),
        ("10",),
        ("9",),
        ("_",),
    ]
    spaces = spaces_taken(lab, spaces)
    populate(store, spaces)
    got = store.list_namespaces()
    by_tuple, by_text = sorted(spaces), sorted(spaces, key=".".join)
    name = (
        "by code point"
        if got == by_tuple
        else "by code point of the joined text"
        if got == by_text
        else "another"
    )
    lab.observe("list_namespaces.collation", name, namespaces=[".".join(ns) for ns in got])


@case("L5")
def test_what_odd_depths_do(lab: Lab) -> None:
    """
    ``max_depth`` of 0 or below, and odd limits, are the store's choice: recorded only.

    If this fails, the store does not work after such a listing was tried.
    """
    store = lab.open()
    populate(store, DOCS)
    shapes: dict[str, dict[str, Any]] = {
        "max_depth=0": {"max_depth": 0}, "max_depth=-1": {"max_depth": -1}, "limit=-1": {"limit": -1},
        "offset=-1": {"offset": -1}, "limit=None": {"limit": None}, "limit=2**63": {"limit": 2**63},
    }  # fmt: skip
    for name, shape in shapes.items():
        answer: list[Any] = []
        error = lab.attempt(lambda: answer.extend(store.list_namespaces(**shape)))
        lab.observe(f"list_namespaces.{name}", type(error).__name__ if error else len(answer))
    lab.equal(len(store.list_namespaces()), 5, "namespaces listed after these")


@case("L6")
def test_the_default_limit_is_a_hundred(lab: Lab) -> None:
    """
    Without a limit a listing gives 100 namespaces; a larger limit is honoured, and so is a small one.

    If this fails, look at the default of limit, and for a cap.
    """
    store = lab.open()
    fill(store, [((f"u{i:04}", "x"), "k", {"n": i}) for i in range(1120)])
    lab.equal(len(store.list_namespaces()), 100, "namespaces listed of 1120 without a limit")
    lab.equal(
        len(store.batch([ListNamespacesOp()])[0]),
        100,
        "namespaces listed by an operation without a limit",
    )
    lab.equal(
        len(store.list_namespaces(max_depth=1)),
        100,
        "namespaces listed with max_depth, without a limit",
    )
    limits = (0, 1, 10, 99, 100, 101, 250, 1000, 1001, 1119, 1120, 1121, 5000)
    for limit in listings_taken(lab, store, limits):
        got = store.list_namespaces(limit=limit)
        lab.equal(len(got), min(limit, 1120), f"namespaces listed of 1120 with limit {limit}")
        lab.equal(len(set(got)), len(got), f"different namespaces with limit {limit}")
    lab.equal(
        len(store.list_namespaces(prefix=("*",), limit=250)), 250, "namespaces by the prefix ('*',)"
    )
    lab.equal(len(store.list_namespaces(offset=1050)), 70, "namespaces from the 1051st on")
