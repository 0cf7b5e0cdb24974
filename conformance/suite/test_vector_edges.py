"""
Group V at its edges: long lists and short ones, gaps in them, close scores, and scores to the last digit after a reopening.
"""

from __future__ import annotations

import random
from typing import Any

from store_conformance.contract import Capability
from store_conformance.harness.case import case
from store_conformance.harness.compat import PutOp
from store_conformance.harness.lab import Lab
from store_conformance.suite.support.ranking import (
    descend,
    does_not_match,
    hits,
    in_order,
    matches,
    unscored,
)
from store_conformance.suite.support.scale import by_cosine
from store_conformance.suite.support.shapes import fill

VECTORS = (Capability.VECTORS,)
D = ("d",)
FLOAT32 = 1e-5
"""What a score may differ by where vectors are kept in 32 bits."""

# -- V2, V3: which elements ----------------------------------------------------------------------------

MANY = 25
"""More elements than one digit counts, and more than are often embedded at once."""
WORDS = ("apple", "banana", "cherry", "damson", "elder", "fig", "grape", "hazel", "iris", "kiwi")


def _texts(many: int) -> list[str]:
    """Texts of two words each, no two alike."""
    pairs = [(a, b) for n, a in enumerate(WORDS) for b in WORDS[n + 1 :]]
    return [f"{a} {b}" for a, b in pairs[:many]]


@case("V3", needs=VECTORS, params={"elements": "list[*]", "fields": "list[*].t"})
def test_every_element_of_a_long_list_is_embedded(lab: Lab, path: str) -> None:
    """
    Each of many elements has a vector of its own, the first ones and the last.

    If this fails, look at the names under which the vectors of an item are kept, and at a limit on their number.
    """
    store = lab.indexed("text")
    texts = _texts(MANY)
    inner: list[Any] = texts if path.endswith("]") else [{"t": text} for text in texts]
    store.put(D, "long", {"list": inner}, index=[path])
    store.put(D, "other", {"text": "lemon"})
    for number, text in enumerate(texts):
        matches(lab, store, D, text, "long", f"element {number} of {MANY}")


GAPS: list[Any] = [
    {"other": "nutmeg"},
    {"t": "apple"},
    {},
    {"t": None},
    {"t": "banana"},
    "no object",
    {"t": "cherry"},
    None,
]


@case("V2", needs=VECTORS, params={"configured": True, "argument": False})
def test_elements_without_the_field_are_skipped(lab: Lab, configured: bool) -> None:
    """
    Where elements of a list lack the field, those that have it are embedded, before the gap and behind it.

    If this fails, look for a loop that ends at the first element in which nothing is found.
    """
    store = lab.indexed(*(["list[*].t"] if configured else ["text"]))
    how: dict[str, Any] = {} if configured else {"index": ["list[*].t"]}
    store.put(D, "k", {"list": GAPS}, **how)
    store.put(D, "last", {"list": GAPS[2:5]}, **how)
    for word in ("apple", "banana", "cherry"):
        matches(lab, store, D, word, "k", "an element that has the field")
    matches(lab, store, D, "banana", "last", "the last element, the only one that has the field")
    does_not_match(lab, store, D, "nutmeg", "k", "the field is another one")


@case("V3", needs=VECTORS)
def test_elements_are_counted_in_lists_of_every_length(lab: Lab) -> None:
    """
    ``[0]`` and ``[-1]`` are the first and the last of a list of one, two or three; of none they are nothing.

    If this fails, look at how a number from the end becomes one from the beginning.
    """
    store = lab.indexed("text")
    texts = ("apple", "banana", "cherry")
    for many in range(4):
        for path in ("[0]", "[-1]", "[1]", "[-2]"):
            at = int(path[1:-1])
            key = f"of{many}_{'last' if at < 0 else 'first'}{abs(at)}"
            store.put(D, key, {"l": list(texts[:many])}, index=[f"l{path}"])
            found = texts[:many][at] if -many <= at < many else None
            if found is None:
                unscored(lab, store, D, "apple", key, f"l{path} of {many} elements is nothing")
            else:
                matches(lab, store, D, found, key, f"l{path} of {many} elements")


@case("V3", needs=(Capability.VECTORS, Capability.TTL), params={"put": False, "op": True})
def test_the_index_argument_counts_beside_a_ttl(lab: Lab, batched: bool) -> None:
    """
    ``index=False`` and ``index=[path]`` say what they say also where the put has a ttl.

    If this fails, look at how the arguments of a put are handed on, by their order or by their names.
    """
    store = lab.indexed("text")
    if not getattr(store.raw, "supports_ttl", False):
        lab.unsupported("supports_ttl is False")
    value = {"text": "apple", "title": "banana"}
    choices: dict[str, Any] = {"off": False, "title": ["title"], "default": None}
    for key, index in choices.items():
        if batched:
            store.batch([PutOp(D, key, value, index, 60.0)])
        else:
            store.put(D, key, value, index=index, ttl=60.0)
    unscored(lab, store, D, "apple", "off", "index=False beside a ttl")
    matches(lab, store, D, "banana", "title", "index=['title'] beside a ttl")
    near = hits(lab, store, D, "apple").get("default")
    lab.true(near is not None, "an item put with a ttl is found by its text", got=near)


# -- V4: close scores ------------------------------------------------------------------------------------


@case("V4", needs=VECTORS)
def test_close_scores_are_in_order(lab: Lab) -> None:
    """
    Items whose scores differ little are in their order, too, and not in that of their keys or of their puts.

    If this fails, look for scores that are rounded before they are compared.
    """
    store = lab.indexed("text")
    numbers = list(range(40))
    random.Random(7).shuffle(numbers)
    fill(store, [(D, f"k{(n * 17) % 40:02}", {"text": f"apple*40 kiwi*{n + 10}"}) for n in numbers])
    best = [f"k{(n * 17) % 40:02}" for n in range(40)]

    for limit in (5, 40):
        found = store.search(D, query="apple", limit=limit)
        descend(lab, found, "items that lie close together")
        in_order(lab, [i.key for i in found], best, f"the best {limit}", limit=limit)


# -- V17, V11: after a reopening --------------------------------------------------------------------------


@case("V17", needs=(Capability.VECTORS, Capability.PERSISTENCE))
def test_scores_are_the_same_to_the_last_digit_after_reopening(lab: Lab) -> None:
    """
    What a query scores is after a reopening, and a second one, what it was before, to the digits of a float32.

    If this fails, look for vectors that are made smaller when they are written down.
    """
    store = lab.indexed("text", "tags[*]")
    for n in range(12):
        text = f"apple*{1.1 + n / 7:.4f} kiwi*{0.3 + n / 3:.4f} fig*{0.7:.4f}"
        store.put(D, f"k{n:02}", {"text": text, "tags": [f"fig*{0.1 + n / 11:.4f} iris*0.3"]})
    store.put(D, "k03", {"text": "apple*0.1 banana*0.7 kiwi*0.3", "tags": ["iris*0.9 fig*0.7"]})
    queries = ("apple*0.3 kiwi*0.7", "iris*0.9 fig*0.1")
    before = {query: hits(lab, store, D, query) for query in queries}
    for again in ("first", "second"):
        store = lab.reopen(store)
        for query, scores in before.items():
            after = hits(lab, store, D, query)
            lab.equal(sorted(after), sorted(scores), f"the items found after the {again} reopening")
            if not by_cosine(lab):
                continue
            off = {
                k: (s, after[k])
                for k, s in scores.items()
                if abs((after[k] or 0) - (s or 0)) > FLOAT32
            }
            lab.equal(off, {}, f"scores that differ after the {again} reopening: before, after")


@case("V17", needs=(Capability.VECTORS, Capability.PERSISTENCE))
def test_the_vectors_of_every_kind_of_put_survive(lab: Lab) -> None:
    """
    After a reopening each item is found by what its last put says: overwritten, put with paths, with a ttl, by a batch.

    If this fails, look at what is tidied up when a store is closed or opened.
    """
    store = lab.indexed("text")
    lasting = getattr(store.raw, "supports_ttl", False) and lab.offers(Capability.TTL)
    ttl: dict[str, Any] = {"ttl": 600.0} if lasting else {}
    kinds: dict[str, tuple[dict[str, Any], str]] = {
        "default": ({}, "apple"),
        "title": ({"index": ["title"]}, "banana"),
        "list": ({"index": ["l[*].t"]}, "cherry"),
    }
    value = {"text": "apple", "title": "banana", "l": [{"t": "cherry"}, {"t": "damson"}]}
    keys = []
    for name, (how, _) in kinds.items():
        for limited, more in {"lasting": {}, **({"limited": ttl} if ttl else {})}.items():
            once, twice = f"{name}_{limited}_once", f"{name}_{limited}_twice"
            store.put(D, once, value, **how, **more)
            store.put(D, twice, {"text": "fig"}, **more)
            store.put(D, twice, value, **how, **more)
            keys += [once, twice]
    before = {name: hits(lab, store, D, word) for name, (_, word) in kinds.items()}
    for _ in range(2):
        store = lab.reopen(store)
        for name, (_, word) in kinds.items():
            found = hits(lab, store, D, word)
            for key in (key for key in keys if key.startswith(name)):
                lab.true(found.get(key) is not None, f"{key} is found by its text", got=found)
                if by_cosine(lab):  # what it scored before is V2's and V3's
                    same = abs((found[key] or 0) - (before[name].get(key) or 0)) <= FLOAT32
                    told = f"{key} scores as before the reopening"
                    lab.true(same, told, got=found, expected=before[name])


# -- V18, L1 ------------------------------------------------------------------------------------------


@case("L1", needs=VECTORS)
def test_namespaces_without_a_vector_are_listed(lab: Lab) -> None:
    """
    A namespace is listed by its items, also where none of them is embedded.

    If this fails, look for a listing that reads the table of vectors.
    """
    store = lab.indexed("text")
    store.put(("off",), "k", {"text": "apple"}, index=False)
    store.put(("without",), "k", {"n": 1})
    store.put(("empty",), "k", {"text": ""})
    store.put(("a", "b"), "k", {"text": "apple"})
    listed = [("a", "b"), ("empty",), ("off",), ("without",)]
    lab.equal(sorted(store.list_namespaces()), listed, "the namespaces")
    lab.equal(store.list_namespaces(prefix=("off",)), [("off",)], "the namespaces below one")
