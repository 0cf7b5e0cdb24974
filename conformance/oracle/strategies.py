"""
What random histories are made of: nasty labels and keys, values that filters meet often, and filters.

``on`` are the features that are switched on; `store_conformance.oracle.features.FEATURES` says what each is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from store_conformance.oracle.model import Index, Namespace, Value

LABELS = ["a", "ab", "A", "b", "a b", "a_b", "a%b", "50%", "é", "*", "x/y", "user-1"]
PLAIN_LABELS = ["a", "ab", "b", "c"]
KEYS = ["k", "K", "k ", "k.1", "", "ключ", "it's", "a/b", "k\n", "%"]
PLAIN_KEYS = ["k", "k1", "k2", "k3"]


@dataclass(frozen=True)
class Vocabulary:
    """The labels and keys that histories are made of: those that the store takes."""

    labels: tuple[str, ...] = tuple(LABELS)
    keys: tuple[str, ...] = tuple(KEYS)


WORDS = ["apple", "banana", "cherry", "damson", "elder"]
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join)
small_numbers = st.sampled_from([-10, -1, 0, 2, 9, 9.5, 10])
numbers = st.one_of(small_numbers, st.just(2**53 - 1))
whole_floats = st.sampled_from([1.0, -0.0, 1e16])
dates = st.sampled_from(["2023-01-01", "2024-02-29", "2024-10-01"])
words = st.sampled_from(["red", "green", "Red", "re", "", "10", "50%", "o'clock", "naïve"])


def values(on: frozenset[str]) -> st.SearchStrategy[Value]:
    """JSON objects over a few fields, so that filters meet them often."""
    number = _numbers(on)
    number = st.one_of(number, whole_floats) if "floats" in on else number
    scalars = [number, words, dates, st.none()]
    if "bool" in on:
        scalars.append(st.booleans())
    ranged = {"n": number, "d": dates}
    whole = "absent" in on
    return st.fixed_dictionaries(
        {"text": texts} if whole else {"text": texts, **ranged},
        optional={
            **(ranged if whole else {}),
            "s": words,
            "x": st.one_of(*scalars),
            "tags": st.lists(words, max_size=3),
            "o": st.fixed_dictionaries({}, optional={"p": number, "q": words}),
            "notes": st.lists(st.fixed_dictionaries({"text": texts}), max_size=3),
        },
    )


def _numbers(on: frozenset[str]) -> st.SearchStrategy[Any]:
    return numbers if "large" in on else small_numbers


def filters(on: frozenset[str]) -> st.SearchStrategy[Value]:
    """Filters of the kinds that are switched on."""
    number = _numbers(on)
    fields: dict[str, list[st.SearchStrategy[Any]]] = {
        k: [] for k in ("n", "s", "d", "x", "tags", "o")
    }
    if "equal" in on:
        fields["n"].append(number)
        fields["s"].append(words)
        fields["x"].append(st.one_of(number, words))
        fields["s"].append(words.map(lambda w: {"$eq": w}))
    if "bool" in on:
        fields["x"].append(st.booleans())
    if "operator" in on:
        ops = st.sampled_from(["$gt", "$gte", "$lt", "$lte"])
        fields["n"].append(st.dictionaries(ops, number, min_size=1, max_size=2))
    if "strings" in on:
        ops = st.sampled_from(["$gt", "$gte", "$lt", "$lte"])
        fields["d"].append(st.dictionaries(ops, dates, min_size=1, max_size=2))
    if "unequal" in on:
        fields["n"].append(number.map(lambda n: {"$ne": n}))
        fields["s"].append(words.map(lambda w: {"$ne": w}))
    if "list" in on:
        fields["tags"].append(st.lists(words, min_size=1, max_size=2))
    if "object" in on:
        fields["o"].append(st.fixed_dictionaries({"p": number}))
        fields["o"].append(st.fixed_dictionaries({"q": words}))
    usable = {k: st.one_of(*v) for k, v in fields.items() if v}
    if not usable:
        return st.just({})
    one = st.sampled_from(sorted(usable)).flatmap(
        lambda name: st.fixed_dictionaries({name: usable[name]})
    )
    both = st.tuples(one, one).map(lambda p: {**p[0], **p[1]})
    return st.one_of(one, one, one, both, st.just({}))


@dataclass(frozen=True)
class Draws:
    """What the steps of a history are drawn from."""

    namespace: st.SearchStrategy[Namespace]
    prefix: st.SearchStrategy[Namespace]
    """Of a search: also empty."""
    pattern: st.SearchStrategy[Namespace]
    """Of a listing's prefix, with ``*``."""
    plain_pattern: st.SearchStrategy[Namespace]
    """Of a listing's suffix, without."""
    key: st.SearchStrategy[str]
    value: st.SearchStrategy[Value]
    condition: st.SearchStrategy[Value]
    index: st.SearchStrategy[Index]
    """The ``index`` of a put."""

    @classmethod
    def of(cls, on: frozenset[str], *, vectors: bool, vocabulary: Vocabulary) -> Draws:
        """With the features ``on``; ``vectors``: the store has an index."""
        odd = "lookalike" in on
        labels = [x for x in vocabulary.labels if x != "*" or "star" in on]
        label = st.sampled_from(labels if odd else PLAIN_LABELS)
        name = label.filter(lambda x: x != "*")
        index: st.SearchStrategy[Index] = st.sampled_from(
            [None, None, None, False, ["s"], ["notes[*].text"], ["notes[-1].text", "text"]]
        )
        return cls(
            namespace=st.lists(label, min_size=1, max_size=3).map(tuple),
            prefix=st.lists(label, max_size=2).map(tuple),
            pattern=st.lists(st.one_of(name, st.just("*")), min_size=1, max_size=2).map(tuple),
            plain_pattern=st.lists(name, min_size=1, max_size=2).map(tuple),
            key=st.sampled_from(vocabulary.keys if odd else PLAIN_KEYS),
            value=values(on),
            condition=filters(on),
            index=index if vectors and "index" in on else st.none(),
        )


def derived(value: Value, on: frozenset[str]) -> list[Value]:
    """Filters at the very values of an item, where off-by-one and wrong types show."""
    found: list[tuple[str, Value]] = []
    for name, ranges in (("n", "operator"), ("d", "strings")):
        if name in value:
            operators = ("$gt", "$gte", "$lt", "$lte")
            found += [(ranges, {name: {op: value[name]}}) for op in operators]
            found += [("equal", {name: value[name]}), ("unequal", {name: {"$ne": value[name]}})]
    for name in ("s", "x"):
        kind = "bool" if isinstance(value.get(name), bool) else "equal"
        found += [(kind, {name: value[name]})] if value.get(name) is not None else []
    found += [("list", {"tags": value["tags"]})] if value.get("tags") else []
    found += [("object", {"o": value["o"]})] if value.get("o") else []
    return [conditions for kind, conditions in found if kind in on]


def filter_feature(conditions: Value) -> str:
    """The feature of a filter that the weakest rule is about."""
    kinds = set()
    for name, wanted in conditions.items():
        if isinstance(wanted, bool):
            kinds.add("bool")
        elif isinstance(wanted, list):
            kinds.add("list")
        elif isinstance(wanted, dict):
            ops = [k for k in wanted if k.startswith("$")]
            kinds.add(
                "object"
                if not ops
                else "unequal"
                if "$ne" in ops
                else "equal"
                if ops == ["$eq"]
                else "strings"
                if name == "d"
                else "operator"
            )
        else:
            kinds.add("equal")
    order = ("object", "list", "strings", "bool", "unequal", "operator", "equal")
    return next((k for k in order if k in kinds), "search")
