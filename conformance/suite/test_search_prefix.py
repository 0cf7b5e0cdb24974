"""
Group S, the prefix: which namespaces a search looks into.
"""

from __future__ import annotations

from typing import Any

from store_conformance.harness.case import case
from store_conformance.harness.lab import Lab
from store_conformance.suite.support.accepted import labels_taken, spaces_taken
from store_conformance.suite.support.filter_oracle import REFUSALS
from store_conformance.suite.support.shapes import SEPARATORS, Namespace, every_lookalike, fill


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
    store.put(("a",), "in_a", {"n": 1})
    store.put(("ab",), "in_ab", {"n": 2})
    store.put(("ab", "c"), "in_ab_c", {"n": 3})
    store.put(("b", "a"), "in_b_a", {"n": 4})

    lab.equal(store.keys(("a",)), ["in_a"], "items under the prefix ('a',)")
    lab.equal(store.keys(("ab",)), ["in_ab", "in_ab_c"], "items under the prefix ('ab',)")
    lab.equal(store.keys(("b",)), ["in_b_a"], "items under the prefix ('b',)")
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
    fill(store, [(ns, "-".join(ns), {"depth": len(ns)}) for ns in spaces])

    for prefix in [*spaces[:60], ("x", "y", "x", "y"), ("y", "xy", "x"), ("x", "z")]:
        expected = sorted("-".join(ns) for ns in spaces if ns[: len(prefix)] == prefix)
        lab.equal(store.keys(prefix), expected, f"items under the prefix {prefix}")
    deeper = ("x",) * 6
    refused = lab.attempt(
        lambda: lab.equal(store.keys(deeper), [], f"items under the prefix {deeper}")
    )
    lab.true(
        refused is None or isinstance(refused, REFUSALS),
        "a prefix deeper than all namespaces finds nothing, or is refused by name",
        got=refused,
    )


@case("S1")
def test_siblings_that_sort_beside_a_prefix_stay_out(lab: Lab) -> None:
    """
    Namespaces whose first label is the prefix and one more character are never found under it.

    If this fails, look at a range scan whose ends are not at the separator.
    """
    store = lab.open()
    extra = [chr(c) for c in range(33, 127) if chr(c) != "."] + [
        *SEPARATORS,
        "\x01",
        "\x7f",
        "\U0010ffff",
        "é",
        "\u0301",
    ]
    siblings = labels_taken(lab, (f"a{e}" for e in extra))
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
    labels = list(
        dict.fromkeys(
            [*every_lookalike(), "~", "\x7f", "\u00ff", "\uffff", "\U0010ffff\U0010ffff", "!"]
        )
    )
    labels = labels_taken(lab, labels)
    fill(store, [(("p", label), "k", {"n": 1}) for label in labels])
    fill(store, [(("p", label, "x"), "k", {"n": 1}) for label in labels])

    found = _addresses(store.search(("p",), limit=1000))
    expected = [(("p", label, *more), "k") for label in labels for more in ((), ("x",))]
    lab.equal(sorted(found), sorted(expected), "items under ('p',)")


LIKE_PATTERNS = (
    "abc", "a%", "a_c", "a?c", "a[b]c", "[a]bc", "a*", "a+", "^abc", "abc$", "ABC", "a\\c"
)  # fmt: skip
PATTERNS = (
    "%", "_", "___", "a%c", "a__", "[a-c]bc", "*bc", "?bc", "%bc", "(abc)", "a|b", "\\"
)  # fmt: skip
"""They would match some of those, in one language of patterns or another; none is a label of an item."""


@case("S1")
def test_prefixes_with_wildcards_are_literal(lab: Lab) -> None:
    """
    A prefix with ``%``, ``_``, ``?`` or a bracket matches that label only.

    If this fails, escape the prefix before LIKE, GLOB or a regular expression sees it.
    """
    store = lab.open()
    labels = labels_taken(lab, LIKE_PATTERNS)
    subs = labels_taken(lab, ("%", "_", "x"))
    fill(store, [((label, sub), "k", {"n": 1}) for label in labels for sub in subs])

    for prefix in dict.fromkeys([*labels, *labels_taken(lab, PATTERNS)]):
        expected = [((prefix, sub), "k") for sub in subs] if prefix in labels else []
        found = sorted(_addresses(store.search((prefix,), limit=1000)))
        lab.equal(found, expected, f"items under the prefix {(prefix,)!r}")
    for sub in labels_taken(lab, ("%", "_", "x", "?", "*")):
        expected = [(("abc", sub), "k")] if sub in subs else []
        lab.equal(_addresses(store.search(("abc", sub))), expected, f"items under ('abc', {sub!r})")


@case("S2")
def test_the_empty_prefix_finds_everything(lab: Lab) -> None:
    """
    A search under () gives the items of every namespace.

    If this fails, look at a prefix condition that is empty and so matches nothing.
    """
    store = lab.open()
    lab.equal(store.search(()), [], "the items of a store that holds nothing")
    asked = [((f"n{i % 17}", *("d",) * (i % 5)), f"k{i:03}") for i in range(160)]
    taken = set(spaces_taken(lab, [ns for ns, _ in asked]))
    places = [place for place in asked if place[0] in taken]
    fill(store, [(ns, key, {"n": i, "even": i % 2 == 0}) for i, (ns, key) in enumerate(places)])

    lab.equal(
        sorted(_addresses(store.search((), limit=1000))), sorted(places), "all items under ()"
    )
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
    spaces: list[Namespace] = [
        ("*",),
        ("a",),
        ("*", "x"),
        ("a", "*"),
        ("a", "b"),
        ("a", "*", "c"),
        ("a", "b", "c"),
        ("**",),
    ]
    spaces = spaces_taken(lab, spaces)
    fill(store, [(ns, "k", {"n": 1}) for ns in spaces])
    prefixes: list[Namespace] = [
        ("*",),
        ("a", "*"),
        ("*", "x"),
        ("*", "b"),
        ("a", "*", "c"),
        ("**",),
        ("a", "**"),
    ]

    for prefix in spaces_taken(lab, prefixes):
        expected = sorted(ns for ns in spaces if ns[: len(prefix)] == prefix)
        found = sorted(tuple(i.namespace) for i in store.search(prefix))
        lab.equal(found, expected, f"the namespaces found under {prefix}")
