"""
Group F, names and values: any name is a field, any value is data.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from store_conformance.harness.case import case
from store_conformance.harness.lab import Lab
from store_conformance.suite.support.accepted import names_taken, without_refused
from store_conformance.suite.support.filter_oracle import (
    NS,
    REFUSALS,
    Items,
    check,
    check_untouched,
    fields,
    population,
)
from store_conformance.suite.support.shapes import ENGINE_WORDS, LOOKALIKES, fill

# -- F13: names of fields -------------------------------------------------------------------------

NAMES: dict[str, tuple[str, ...]] = {
    "plain": ("a", "A", "snake_case", "kebab-case", "camelCase", "a1", "_", "x" * 200),
    "unicode": ("é", "e\u0301", "名前", "😀", "ß", "İ", "Ñandú"),
    "space": ("a b", " a", "a ", "a\tb", "a\nb", " "),
    "quotes": ("'", '"', "a'b", 'a"b', "`", "''", '""', "O'Brien"),
    "dollar": ("a$b", "$", "$a", "a$", "$$", "$1"),
    "dots": ("a.b", ".", "a.", ".a", "a..b", "$.a", "a.b.c"),
    "brackets": ("a[0]", "[0]", "[]", "a[b]", "{}", "{a}", "(a)", "a[*]"),
    "signs": (
        "%",
        "%s",
        "a%b",
        "?",
        ":a",
        "@",
        "#",
        "\\",
        "a\\b",
        "/",
        "a/b",
        "->",
        "a:b",
        "*",
        "~1",
        "&",
        "|",
        "--",
    ),
    "digits": ("0", "1", "00", "-1", "1.5"),
    "empty": ("",),
    "words": tuple(word for word in ENGINE_WORDS if word != "_id"),
}


@case("F13", params=NAMES)
def test_any_name_can_be_filtered(lab: Lab, names: tuple[str, ...]) -> None:
    """
    A filter takes the name of any field literally, and finds the items that have it.

    If this fails, look at names that are refused, or read as a path or a pattern.
    """
    every, names = names, tuple(names_taken(lab, names))
    decoys: Items = {
        "d1": {"a": {"b": 71, "c": 71, "": 71}, "b": 71},
        "d2": {"a": [71, {"b": 71}]},
        "d3": {"a": {"b": {"c": 71}}},
    }
    items: Items = {key: without_refused(lab, value) for key, value in decoys.items()}
    items["d4"] = {"other": 71, "Z": "t"}
    for n, name in enumerate(names):
        items |= {f"n{n}_71": {name: 71}, f"n{n}_72": {name: 72, "z": 1}, f"n{n}_t": {name: "t"}}
    store = population(lab, items)
    for name in names:
        for wanted in (71, 72, "t", {"$eq": 71}, {"$eq": "t"}):
            check(lab, store, items, {name: wanted})
        check(lab, store, items, {name: 72, "z": 1})
    for first, second in pairwise(names):
        check(lab, store, items, {first: 71, second: 71})

    full: Items = {
        f"all{n}": {name: n * 100 + 10 + i for i, name in enumerate(names)} for n in range(1, 5)
    }
    fill(store, [(("full",), key, value) for key, value in full.items()])
    for i, name in enumerate(names):
        for wanted in ({"$gt": 210 + i}, {"$lte": 310 + i, "$ne": 210 + i}):
            check(lab, store, full, {name: wanted}, scope=("full",))
    lab.equal([name for name in every if name not in names], [], "names that are refused")


INJECTIONS = (
    *(
        "x') = 71 OR 1=1 --",
        "x' OR '1'='1",
        "x') OR TRUE --",
        "x') IS NULL OR ('1'='1",
        "f') IS NOT NULL --",
        "'; DROP TABLE store; --",
    ),
    *(
        "x') UNION SELECT prefix, key, value, created_at, updated_at, NULL, NULL, NULL FROM store --",
        'x" OR 1=1 --',
        "x\\' OR 1=1 --",
    ),
    *(
        "$.f",
        "f' || '",
        "x'::text = '71' OR '1",
        "%(x)s",
        "{f}",
        "f\x01",
        "x`) OR 1=1 --",
        "x); DELETE FROM store; --",
        "*/ OR 1=1 /*",
    ),
)


@case("F13")
def test_no_name_changes_the_query(lab: Lab) -> None:
    """
    A name written to break out of its place finds nothing, breaks nothing and changes nothing.

    If this fails, a name is pasted into SQL: bind it as a parameter, or escape it.
    """
    items = fields([71, 72, "t", None, [1]])
    store = population(lab, items)
    fill(store, [(("secret",), "s", {"f": 71})])
    for name in INJECTIONS:
        for condition in (71, "t", {"$eq": 71}, {"$gt": 1}, {"$ne": 5}, {"$lte": "z"}, [1]):
            found: list[Any] = []
            error = lab.attempt(lambda: found.extend(store.search(NS, filter={name: condition})))
            lab.true(error is None or isinstance(error, REFUSALS), f"a field named {name!r} is answered or refused",
                     expected="no error of the engine", got=error)  # fmt: skip
            if condition != {"$ne": 5}:  # a missing field may match that
                lab.equal(
                    [i.key for i in found],
                    [],
                    f"items found by the filter { ({name: condition})!r}",
                )
            lab.true(
                all(tuple(i.namespace) == NS for i in found), "items of the prefix only", got=found
            )

    check_untouched(lab, store, items)
    lab.equal(store.keys(("secret",)), ["s"], "the keys of the other namespace")


INSTRUCTIONS: tuple[dict[str, Any], ...] = (
    *(
        {name: [{"f": 71}, {"f": "t"}]}
        for name in ("$or", "$and", "$nor", "OR", "AND", "any", "or")
    ),
    *(
        {name: [{"f": {"$eq": 71}}, {"g": 1}]}
        for name in ("$or", "$nor", "should", "must_not", "filter")
    ),
    *({name: {"f": 5}} for name in ("$not", "must_not", "NOT", "not")),
    {"$where": "1"},
    {"$where": "return true"},
    {"$expr": True},
    {"$expr": {"$eq": [1, 1]}},
    {"$comment": "everything"},
    {"$jsonSchema": {"required": ["f"]}},
    {"$text": {"$search": "t"}},
    {"$contains": "t"},
    {"match_all": {"boost": 1}},
    {"operator": "Or", "operands": [{"path": ["f"], "operator": "Equal", "valueInt": 71}]},
)
"""What engines take for an instruction when it stands where a field's name does."""


@case("F13")
def test_no_name_is_an_instruction_to_the_engine(lab: Lab) -> None:
    """
    A name that an engine's own language has an operator for is the name of a field, or refused: it finds nothing here.

    If this fails, the filter is handed to the engine as it is: put each name behind the field that holds the value.
    """
    items = fields([71, 72, "t", None, [1]])
    store = population(lab, items)
    for wanted in INSTRUCTIONS:
        for filter_ in (wanted, {"n": 0, **wanted}):
            found: list[Any] = []
            error = lab.attempt(lambda f=filter_: found.extend(store.search(NS, filter=f)))  # type: ignore[misc]
            lab.true(error is None or isinstance(error, REFUSALS), f"the filter {filter_!r} is answered or refused",
                     expected="no error of the engine", got=error)  # fmt: skip
            lab.equal([i.key for i in found], [], f"items found by the filter {filter_!r}")
    check_untouched(lab, store, items)


# -- F14: filter values are data ------------------------------------------------------------------

DATA: dict[str, tuple[str, ...]] = {
    "quotes": (
        *LOOKALIKES["quotes"],
        "' OR 1=1 --",
        "x' OR 'x'='x",
        "\\'",
        '\\"',
        '"',
        '","',
        "'||'",
        "';",
    ),
    "patterns": LOOKALIKES["patterns"],
    "emoji": LOOKALIKES["emoji"],
    "escapes": (
        "\\n",
        "\n",
        "\\u0041",
        "A",
        "\\u00e9",
        "é",
        "\\\\n",
        "\t",
        "\\t",
        "\r\n",
        "\u2028",
        "\x01",
        "\x1f",
        "\x7f",
        "\\x00",
        "\\",
    ),
    "json": (
        '{"a": 1}',
        "[1]",
        '"text"',
        "text",
        '\\"text\\"',
        "null",
        "$.a",
        "$",
        "$eq",
        "@",
        "{{x}}",
        "}",
        '"}',
        "']",
    ),
}


@case("F14", params=DATA)
def test_values_in_a_filter_are_data(lab: Lab, texts: tuple[str, ...]) -> None:
    """
    A text in a filter is compared as it is, whatever SQL, JSON or a pattern would make of it.

    If this fails, the value is pasted into the query, or escaped once too little or too often.
    """
    items = fields(texts)
    store = population(lab, items)
    for text in texts:
        check(lab, store, items, {"f": text})
        check(lab, store, items, {"f": {"$eq": text}})
        check(lab, store, items, {"f": {"$ne": text}})
    check_untouched(lab, store, items)


@case("F14")
def test_values_inside_a_list_are_data(lab: Lab) -> None:
    """
    Texts inside a list of a filter are compared as they are.

    If this fails, look at how a list is written into the query.
    """
    lists = [[text] for text in (*DATA["quotes"], *DATA["escapes"], *DATA["emoji"], "%", "_")]
    items = fields([*lists, ["'", '"', "\\"], ["a", "b'"]])
    store = population(lab, items)
    for value in [*lists, ["'", '"', "\\"], ["a", "b'"], ["' OR 1=1 --", "x"]]:
        check(lab, store, items, {"f": value})


@case("F14")
def test_texts_in_a_range_are_data(lab: Lab) -> None:
    """
    A text written to break out of its place neither breaks a range nor changes anything.

    If this fails, the operand of a range is pasted into the query.
    """
    items = fields(["a", "b", "it's", "100%", "a\\b", "😀"])
    store = population(lab, items)
    fill(store, [(("secret",), "s", {"f": "s"})])
    for text in dict.fromkeys(
        (*DATA["quotes"], *DATA["patterns"], *DATA["escapes"], *DATA["emoji"])
    ):
        for operator in ("$gt", "$lte"):
            found: list[Any] = []
            error = lab.attempt(
                lambda: found.extend(store.search(NS, filter={"f": {operator: text}}))
            )
            lab.true(error is None or isinstance(error, REFUSALS), f"the range {operator} {text!r} is answered or refused",
                     expected="no error of the engine", got=error)  # fmt: skip
            lab.true({i.key for i in found} <= set(items), "items under the prefix only", got=found)
    check_untouched(lab, store, items)
    lab.equal(store.keys(("secret",)), ["s"], "the keys of the other namespace")
