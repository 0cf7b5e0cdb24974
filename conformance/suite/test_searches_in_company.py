"""
What holds of a prefix or a filter alone holds beside a query, beside a filter and in a batch, too.
"""

from __future__ import annotations

from itertools import product
from typing import Any

from store_conformance.contract import Capability
from store_conformance.harness.case import case
from store_conformance.harness.compat import SearchOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.harness.text import message_of
from store_conformance.suite.support.accepted import (
    keys_taken,
    labels_taken,
    names_taken,
    spaces_taken,
)
from store_conformance.suite.support.filter_oracle import (
    RANGES,
    fields,
    finds_wholes,
    operands_taken,
    population,
)
from store_conformance.suite.support.ranking import in_order
from store_conformance.suite.support.shapes import (
    LOOKALIKES,
    Namespace,
    fill,
    limit_named,
    values_of,
)

VECTORS = (Capability.VECTORS,)
COMPANY: dict[str, dict[str, Any]] = {
    "query": {"query": "apple"},
    "filter": {"filter": {"n": 1}},
    "both": {"query": "apple", "filter": {"n": 1}},
    "page": {"query": "apple", "filter": {"n": {"$gte": 1}}, "limit": 90, "offset": 0},
}
"""What a search may ask beside its prefix: all items of these cases pass."""


def _found(store: Subject, prefix: Namespace, batched: bool, **asked: Any) -> list[Any]:
    asked = {"limit": 100, **asked}
    items = (
        store.batch([SearchOp(prefix, **asked)])[0] if batched else store.search(prefix, **asked)
    )
    return sorted((tuple(i.namespace), i.key) for i in items)


def _inhabited(lab: Lab, spaces: list[Namespace]) -> Subject:
    store = lab.indexed("text")
    fill(store, [(space, "k", {"text": f"apple {n}", "n": 1}) for n, space in enumerate(spaces)])
    return store


@case("S2", needs=VECTORS, params=COMPANY)
def test_everything_is_everything_in_company(lab: Lab, asked: dict[str, Any]) -> None:
    """
    A search under () looks into every namespace, with a filter, with a query and with both.

    If this fails, look at the second path of a search, and at what it does with an empty prefix.
    """
    spaces = [("a",), ("a", "b"), ("b",), ("c", "d", "e", "f"), ("z",)]
    store = _inhabited(lab, spaces)
    for batched in (False, True):
        found = _found(store, (), batched, **asked)
        lab.equal(found, [(space, "k") for space in spaces], "what a search of everything finds")


PREFIXES: list[Namespace] = [("p", "*"), ("p", "x", "*"), ("p", "*", "x"), ("*",), ("*", "x")]


@case("S3", needs=VECTORS, params=COMPANY)
def test_a_star_is_literal_in_company(lab: Lab, asked: dict[str, Any]) -> None:
    """
    ``*`` in the prefix of a search is a label like any other beside a filter and a query.

    If this fails, look for the wildcard of list_namespaces in one of the paths of a search.
    """
    labels = labels_taken(lab, ("*", "x", "xy"))
    spaces: list[Namespace] = [("p", a, b) for a, b in product(labels, labels)]
    store = _inhabited(lab, spaces)
    for prefix in spaces_taken(lab, PREFIXES):
        expected = sorted((space, "k") for space in spaces if space[: len(prefix)] == prefix)
        found = _found(store, prefix, batched=False, **asked)
        lab.equal(found, expected, f"what a search under {prefix} finds")


# -- filters beside a query ---------------------------------------------------------------------------


@case("F8", needs=VECTORS)
def test_an_unknown_operator_is_refused_beside_a_query(lab: Lab) -> None:
    """
    An unknown operator is refused with ValueError beside a query as without one.

    If this fails, look at the filter of the semantic search, which is often written a second time.
    """
    store = lab.indexed("text")
    store.put(("d",), "k", {"text": "apple", "f": 5})
    for operator in ("$unknown", "$in", "$gtt"):
        for wanted in ({"f": {operator: 1}}, {"f": {"$gt": 1, operator: 1}}):
            with lab.refuses(ValueError, f"the filter {wanted!r} beside a query"):
                store.search(("d",), query="apple", filter=wanted)
            with lab.refuses(ValueError, f"the filter {wanted!r} beside a query, in a batch"):
                store.batch([SearchOp(("d",), query="apple", filter=wanted)])


@case("V10", needs=VECTORS)
def test_the_first_of_a_filtered_ranking_are_its_best(lab: Lab) -> None:
    """
    Beside a filter a page of any size, of one item too, begins with the best of the ranking.

    If this fails, look at how many candidates are asked for, and at what is dropped of them.
    """
    store = lab.indexed("text")
    for n in range(12):
        store.put(("d",), f"k{n:02}", {"text": f"apple*{20 - n} fig*{n + 1}", "n": n % 2 + 1})
    for wanted, best in (({"n": 1}, range(0, 12, 2)), ({"n": {"$gte": 1}}, range(12))):
        ranking = [f"k{n:02}" for n in best]
        for limit in (1, 2, 5, 50):  # whether later pages are whole is V9's
            found = store.search(("d",), query="apple", filter=wanted, limit=limit)
            what = f"the first {limit} of what is ranked with {wanted}"
            in_order(lab, [i.key for i in found], ranking, what, limit=limit)


# -- filters in company of themselves ------------------------------------------------------------------

PAIRS: dict[str, tuple[Any, Any]] = {
    "text": ("red", "blue"),
    "number": (1, 2),
    "true": (True, False),
    "false": (False, True),
    "list": ([1], [2]),
    "range": ({"$gt": 3}, {"$gt": 7}),
    "ne": ({"$ne": 5}, {"$ne": 4}),
}
"""Two conditions of a kind."""
HAVE: dict[str, tuple[Any, Any]] = {**PAIRS, "range": (5, 1), "ne": (4, 5)}
"""A value that meets the first of them, and one that does not."""


@case("F1")
def test_conditions_of_every_two_kinds_are_all_met(lab: Lab) -> None:
    """
    Two fields, of whatever kinds, are both met: an item that meets only one of them is not found.

    If this fails, look at how conditions are joined where their types differ, or where they are alike.
    """
    store = lab.open()
    pairs = list(product(PAIRS, PAIRS))
    fill(
        store,
        [
            ((a, b), f"{a}_{b}_{m}{n}", {"a": HAVE[a][m], "b": HAVE[b][n]})
            for a, b in pairs
            for m, n in product((0, 1), (0, 1))
        ],
    )
    for a, b in pairs:
        wanted = {"a": PAIRS[a][0], "b": PAIRS[b][0]}
        lab.equal(store.keys((a, b), filter=wanted), [f"{a}_{b}_00"], f"what {wanted!r} finds")


FEW_CONDITIONS = 4
"""So many are taken by every store."""


@case("F1", params={"values": False, "operators": True})
def test_each_of_many_conditions_decides(lab: Lab, operators: bool) -> None:
    """
    Of up to eight conditions each is met by what is found, the last one as the first.

    More than four may be refused by an error that names the limit.  If this fails, look for a limit that is not
    named, or at parameters that shift.
    """
    store = lab.open()
    names = [f"f{n}" for n in range(8)]
    whole = dict.fromkeys(names, 1)
    fill(store, [(("d",), "all", whole), *((("d",), f"no_{n}", {**whole, n: 0}) for n in names)])
    met: Any = {"$gte": 1} if operators else 1
    for many in (2, 3, 4, 5, 6, 8):
        wanted = dict.fromkeys(names[:many], met)
        error = lab.attempt(lambda w=wanted: store.search(("d",), filter=w))  # type: ignore[misc]
        if many > FEW_CONDITIONS and error is not None and limit_named(error):
            lab.observe("refused.conditions", many, error=message_of(error, 160))
            break
        found = store.keys(("d",), filter=wanted)
        expected = sorted(["all", *(f"no_{name}" for name in names[many:])])
        lab.equal(found, expected, f"the items that meet {many} conditions")


@case("F4", params={name: LOOKALIKES[name] for name in ("case", "normal form", "whitespace")})
def test_of_two_texts_one_is_greater(lab: Lab, texts: tuple[str, ...]) -> None:
    """
    Of two different texts a range finds exactly one greater than the other, whatever the order of the letters is.

    If this fails, ranges compare texts without case, trimmed or in another normal form.
    """
    if "b" not in operands_taken(lab, ["b"]):
        lab.unsupported("a range over text is refused, which F4's other cases judge")
    items = fields(texts)
    store = population(lab, items)
    for text in texts:
        found = {
            o: set(store.keys(("items",), filter={"f": {o: text}}, limit=1000)) for o in RANGES
        }
        same = {key for key, value in items.items() if value["f"] == text}
        lab.equal(found["$gt"] & found["$lt"], set(), f"items greater and less than {text!r}")
        others = found["$gt"] | found["$lt"]
        lab.equal(others, set(items) - same, f"items greater or less than {text!r}")
        lab.equal(found["$gte"], found["$gt"] | same, f"items not less than {text!r}")
        lab.equal(found["$lte"], found["$lt"] | same, f"items not greater than {text!r}")


NEAR = (2**53, 2**53 + 1, 2**53 + 2, 2**62 + 1, 2**62, 2**63 - 1, 2**63 - 2)


@case("F12", params={"in an object": "dict", "in a list": "list"})
def test_large_integers_inside_match_exactly(lab: Lab, inside: str) -> None:
    """
    Integers that differ by one are different inside a list and inside an object, too.

    If this fails, the parts of a value go through a float, which has 53 bits.
    """
    parts: list[Any] = [[n] if inside == "list" else {"id": n} for n in NEAR]
    whole: Any = ["text"] if inside == "list" else {"id": "text"}
    finds_wholes(lab, whole, "F9" if inside == "list" else "F10")
    items = fields(parts)
    store = population(lab, items)
    for key, value in items.items():
        found = store.keys(("items",), filter={"f": value["f"]})
        lab.equal(found, [key], f"the items whose field is {value['f']!r}")


ODD_NAMES = ("it's", 'a"b', "a.b", "a b", "$x", "é", "a\\b", "a[0]", "%", "")


@case("F13")
def test_odd_names_take_operators(lab: Lab) -> None:
    """
    A field of any name can be compared by every operator, not only by a plain value.

    If this fails, look at where the name is escaped: on each of the paths that lead into the query.
    """
    store = lab.open()
    names = {f"n{n}": name for n, name in enumerate(names_taken(lab, ODD_NAMES))}
    population_of = {
        at: {f"i{n:03}": {name: n, "plain": n} for n in (1, 5, 9)} for at, name in names.items()
    }
    fill(
        store,
        [((f"odd{at}",), k, v) for at, items in population_of.items() for k, v in items.items()],
    )
    for at, name in names.items():
        if not _taken_plainly(lab, store, (f"odd{at}",), name):
            continue  # the case of all names judges it
        for operator in (*RANGES, "$eq", "$ne"):
            plain = store.keys((f"odd{at}",), filter={"plain": {operator: 5}})
            found = store.keys((f"odd{at}",), filter={name: {operator: 5}})
            lab.equal(found, plain, f"what {operator} finds by {name!r}, and by a plain name")


def _taken_plainly(lab: Lab, store: Subject, at: Namespace, name: str) -> bool:
    found: list[str] = []
    refused = lab.attempt(lambda: found.extend(store.keys(at, filter={name: 5})))
    return refused is None and found == ["i005"]


# -- K2: lookalikes --------------------------------------------------------------------------------------


@case("K2", params=LOOKALIKES)
def test_get_of_a_lookalike_finds_nothing(lab: Lab, texts: tuple[str, ...]) -> None:
    """
    A get by a key that resembles the one that is there, and was never put, gives None.

    If this fails, look for a second look at another spelling: folded, normalised, trimmed or as a number.
    """
    store = lab.open()
    keys = keys_taken(lab, texts)
    fill(store, [(("look", f"n{n}"), key, {"n": n}) for n, key in enumerate(keys)])
    for n, there in enumerate(keys):
        got = values_of(store, [(("look", f"n{n}"), key) for key in keys])
        wrong = [
            key for key, value in zip(keys, got) if value != ({"n": n} if key == there else None)
        ]
        lab.equal(wrong, [], f"keys of which a get gives something else where {there!r} alone is")
        other = keys[n - 1]
        if other != there:
            lab.equal(
                store.get(("look", f"n{n}"), other), None, f"get of {other!r}, with {there!r}"
            )
