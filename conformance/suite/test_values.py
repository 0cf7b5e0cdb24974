"""
Group K, the values: a JSON value comes back as it was.
"""

from __future__ import annotations

import json
import math
from collections import OrderedDict, UserDict
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from uuid import UUID

from store_conformance.harness.case import case
from store_conformance.harness.compat import GetOp, PutOp, mappings_are_values
from store_conformance.harness.lab import Lab
from store_conformance.suite.support.accepted import names_taken, without_refused
from store_conformance.suite.support.shapes import (
    LARGE,
    LOOKALIKES,
    SEPARATORS,
    every_lookalike,
    put_large,
    varied_text,
)

NS = ("values",)


def _nest(depth: int, kind: str) -> Any:
    inner: Any = "bottom"
    for level in range(depth):
        as_list = kind == "list" or (kind == "both" and level % 2)
        inner = [inner] if as_list else {"d": inner}
    return inner


CONTROLS = "".join(chr(c) for c in range(1, 32)) + "\x7f\x80\x85\x9f"
TEXTS = [
    *(
        "",
        " ",
        "  both  ",
        "\t",
        "\n",
        "line\r\nline\rline\n",
        "a\u2028b\u2029c",
        "\ufeffbom",
        "\ufffe\uffff",
        CONTROLS,
    ),
    *(
        "\\",
        "\\\\",
        "\\n",
        "\\u0041",
        "\\u0000",
        "\\x00",
        "\\0",
        "\\ud83d",
        "C:\\temp\\new",
        "a\\'b",
        '\\"',
    ),
    *(
        "'",
        "''",
        '"',
        '""',
        "`",
        "O'Brien",
        "%",
        "%%",
        "%s",
        "%d",
        "%(x)s",
        "_",
        "{}",
        "{x}",
        "{0}",
        "$1",
        ":x",
        "?",
    ),
    *(
        "null",
        "true",
        "false",
        "None",
        "NaN",
        "0",
        "1",
        "-1",
        "1.0",
        "1e5",
        "007",
        "+49",
        "0x1F",
        "9" * 40,
        "1_000",
    ),
    *(
        "2024-05-17",
        "2024-05-17T10:00:00Z",
        "2024-05-17T10:00:00+00:00",
        "10:00",
        "P1D",
        str(UUID(int=7)),
    ),
    *(
        '{"a": 1}',
        "[1, 2]",
        '"quoted"',
        "<b>&amp;</b>",
        "a=b&c=d",
        "'; DROP TABLE store; --",
        "/* x */",
        "--",
    ),
    *(
        "😀",
        "👨‍👩‍👧‍👦",
        "🇩🇪",
        "é",
        "e\u0301",
        "ﬁ",
        "İ",
        "ß",
        "漢字",
        "עברית",
        "العربية",
        "\U0010ffff",
        "𝒜",
        "Z͑ͫ̓",
    ),
]

VALUES: dict[str, Any] = {
    "empty": {},
    "null": {"a": None, "list": [None, None], "dict": {"b": None}},
    "bool": {"t": True, "f": False, "list": [True, False, 1, 0], "one": 1, "zero": 0},
    "empties": {
        "d": {},
        "l": [],
        "s": "",
        "list": [{}, [], "", [[]], [{}]],
        "dict": {"d": {}, "l": []},
    },
    "small int": {
        "ints": [
            0,
            1,
            -1,
            9,
            10,
            127,
            128,
            255,
            256,
            -128,
            65_535,
            65_536,
            2**31 - 1,
            2**31,
            -(2**31),
        ]
    },
    "big int": {
        "ints": [2**32, 2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1, 2**62 + 1, 2**63 - 1, -(2**63)]
    },
    "big int at the top": {
        "a": 2**63 - 1,
        "b": -(2**63),
        "c": 2**53 + 1,
        "d": 1_700_000_000_123_456_789,
    },
    "float": {
        "floats": [
            *(0.1, 0.1 + 0.2, 1 / 3, 1.5, -2.5, 4.99, 1e-7, 1.0000000000000002, 123456789.12345679),
            *(math.pi, -math.e, 0.5, 1e-5, 4503599627370495.5, 98765432.1),
        ]
    },
    "tiny float": {
        "floats": [5e-324, -5e-324, 2.2250738585072014e-308, 1.2345678901234567e-300, 1e-200]
    },
    "float at the top": {"a": 0.1, "b": -1e-9, "c": 2.5},
    "text": {"texts": TEXTS},
    "text at the top": {f"t{i}": text for i, text in enumerate(TEXTS)},
    "look-alike text": {"texts": every_lookalike()},
    "field names": {
        text: i
        for i, text in enumerate([*every_lookalike(), "", ".", "a.b", "a[0]", "$", "$eq", "a/b"])
    },
    "joined field names": {
        "a": {"b": "inner", "0": "digit", "c": {"d": "deep"}},
        **{f"a{text}b": f"joined by {text}" for text in (*SEPARATORS, "$", ".")},
        **{f"a{text}c{text}d": [text] for text in ("__", "/", ":", "->", ".")},
        "list": {"0": "a", "1": "b"},
        "list[0]": "an element",
        "in": {"x__y": {"x__y": 1}, "x": {"y": 2}, "x/y": 3},
    },
    "nested field names": {
        "in": {text: {text: text} for text in [*TEXTS, "a.b", "$.a", "$gt", "@", "#"]}
    },
    "names of columns": {
        **{
            name: f"<{name}>"
            for name in ("key", "namespace", "value", "prefix", "score", "id", "_id", "created_at")
        },
        **{
            name: i
            for i, name in enumerate(
                ("updated_at", "expires_at", "ttl", "ttl_minutes", "index", "vector")
            )
        },
        **{
            name: [name]
            for name in (
                "embedding",
                "metadata",
                "payload",
                "document",
                "text",
                "data",
                "type",
                "rowid",
            )
        },
        **{
            name: {name: 1}
            for name in ("__class__", "__dict__", "lc", "self", "op", "$eq", "$ne", "$set", "$ref")
        },
    },
    "looks like a serialised object": {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain", "x"],
        "kwargs": {"a": 1},
    },
    "12 of both deep": {"deep": _nest(11, "both")},
    "lists": {
        "l": [1, "1", [1, [2, [3, []]]], {"a": [{"b": []}]}, 1.5, None, True],
        "same": [1, 1, 1],
        "n": [[], [[]]],
    },
    "order of a list": {"l": [3, 1, 2, 1, 3], "s": ["b", "a", "c", "a"]},
    "one field": {"x": 0},
    "64 kB of text": {"text": "ab é😀\\\"'\n" * 6000},
    "long list": {"l": list(range(5000)), "t": [f"t{i}" for i in range(2000)]},
    "wide": {f"field_{i}": {"n": i, "s": str(i)} for i in range(1000)},
}


@case("K6", params=VALUES)
def test_a_json_value_comes_back_as_it_was(lab: Lab, value: Any) -> None:
    """
    A value of JSON types comes back equal and of the same types, from get, batch and search.

    If this fails, look at the encoder and decoder of values, and at the column's type.
    """
    store = lab.open()
    value = without_refused(lab, value)
    size = len(json.dumps(value))
    if size > LARGE:
        put_large(lab, store, NS, "k", value, f"a value of {size} characters")
    else:
        store.put(NS, "k", value)
    lab.same(store.value(NS, "k"), value, "the value in get")
    store.batch([PutOp(NS, "k", {"other": 1})])
    store.batch([PutOp(NS, "k", value), PutOp(NS, "beside", {"n": 1})])

    lab.same(store.batch([GetOp(NS, "k")])[0].value, value, "the value in a batch")
    found = {i.key: i.value for i in store.search(NS)}
    lab.same(found, {"k": value, "beside": {"n": 1}}, "the values in search")


@case("K6")
def test_values_of_every_kind_come_back_side_by_side(lab: Lab) -> None:
    """
    Values of all kinds, put by one batch, come back from one as they were.

    If this fails, the same value alone tells which kind it is: it is a parameter of the case before this one.
    """
    store = lab.open()
    small = {kind: value for kind, value in VALUES.items() if len(json.dumps(value)) <= LARGE}
    values = dict(zip(small, without_refused(lab, list(small.values())), strict=True))
    keys = {kind: f"k{n}" for n, kind in enumerate(values)}
    store.batch([PutOp(NS, keys[kind], value) for kind, value in values.items()])

    found = store.batch([GetOp(NS, key) for key in keys.values()])
    for kind, item in zip(values, found, strict=True):
        lab.same(item and item.value, values[kind], f"the value {kind!r}")


@case("K6")
def test_a_text_longer_than_a_column_is_whole(lab: Lab) -> None:
    """
    A text of more characters than 16 bits count comes back to its end, at the top of a value and inside.

    If this fails, look for a column or a field that cuts in silence what is too long for it.
    """
    store = lab.open()
    text = varied_text(70_000)
    value = {"text": text, "in": {"list": [text[::-1]]}}
    put_large(lab, store, NS, "k", value, "a value with two texts of 70,000 characters")
    lab.same(store.value(NS, "k"), value, "the value in get")
    lab.same(store.search(NS)[0].value, value, "the value in search")


DEEP = {
    f"{depth} {name} deep": {"deep": _nest(depth - 1, kind)}
    for depth in (30, 200)
    for name, kind in (("dicts", "dict"), ("lists", "list"), ("of both", "both"))
}


@case("K6", params=DEEP)
def test_a_deep_value_comes_back_or_is_refused(lab: Lab, value: Any) -> None:
    """
    A value nested 200 deep comes back as it was, or is refused by an error that names the depth.

    If this fails, look at recursion in the encoder, and at an engine's own limit.
    """
    store = lab.open()
    put_large(lab, store, NS, "k", value, f"the value {lab.param}")
    lab.same(store.value(NS, "k"), value, "the value in get")
    store.batch([PutOp(NS, "b", value)])
    lab.same(store.batch([GetOp(NS, "b")])[0].value, value, "the value in a batch")


ENVELOPES: list[dict[str, Any]] = [
    # How serialisers mark what is no JSON.
    {"__serde_type__": "json", "__serde_data__": '{"a": 1}'},
    {"__serde_type__": "msgpack", "__serde_data__": "81a16101"},
    {"lc": 1, "type": "constructor", "id": ["langchain", "x"], "kwargs": {"a": 1}},
    {"lc": 2, "type": "constructor", "id": ["builtins", "set"], "method": [None], "args": [[1]]},
    {"py/object": "builtins.dict", "a": 1},
    {"py/tuple": [1, 2]},
    *({mark: "x"} for mark in ("__type__", "_type", "@type", "type", "$type", "__class__", "cls")),
    *({mark: "2024-05-17T10:00:00+00:00"} for mark in ("__datetime__", "$date", "__date__")),
    *({mark: "YQ=="} for mark in ("__bytes__", "$binary", "__base64__", "bytes", "data")),
    # How engines mark types.
    {"$oid": "66f0c0c0c0c0c0c0c0c0c0c0"},
    {"$numberLong": "5"},
    {"$numberDouble": "NaN"},
    *({mark: "1"} for mark in ("S", "N", "B", "NULL", "BOOL", "SS")),
    {"L": [{"S": "x"}]},
    {"M": {"a": {"N": "1"}}},
    {"stringValue": "x"},
    {"mapValue": {"fields": {}}},
    {"$undefined": True},
    {"$ref": "store", "$id": "k"},
    # How stores wrap a value.
    *({mark: {"a": 1}} for mark in ("value", "data", "payload", "document", "metadata", "item")),
    *({mark: '{"a": 1}'} for mark in ("value", "data", "json", "content", "_value", "__value__")),
    *({mark: None} for mark in ("value", "data", "__deleted__", "deleted", "_deleted")),
    *(
        {mark: True}
        for mark in ("__deleted__", "deleted", "_deleted", "tombstone", "__tombstone__")
    ),
    {"expires_at": 0},
    {"value": {"a": 1}, "created_at": 0, "updated_at": 0},
    {"namespace": ["other"], "key": "other", "value": {"a": 1}},
]
"""Values that some store or serialiser writes itself, to tell what it has wrapped."""


@case("K6", params={"the value": False, "a field": True})
def test_a_value_that_looks_like_an_envelope_is_data(lab: Lab, inside: bool) -> None:
    """
    A value that looks like the envelope of a serialiser, an engine or a store comes back as it was put.

    If this fails, the store takes a caller's fields for its own marks: wrap every value, or none.
    """
    values = [{"f": e, "list": [e]} if inside else e for e in ENVELOPES]
    values = [value for value in values if without_refused(lab, value) == value]
    store = lab.open()
    for start in range(0, len(values), 25):
        part = list(enumerate(values))[start : start + 25]
        store.batch([PutOp(NS, f"k{n}", value) for n, value in part])

    for n, value in enumerate(values):
        lab.same(store.value(NS, f"k{n}"), value, "the value in get")
    found = {i.key: i.value for i in store.search(NS, limit=100)}
    lab.same(found, {f"k{n}": value for n, value in enumerate(values)}, "the values in search")


@case("K6")
def test_an_empty_value_is_an_item(lab: Lab) -> None:
    """
    An empty dict is a value like any other: the item exists, is found and listed.

    If this fails, look for ``if value`` where ``if value is not None`` belongs.
    """
    store = lab.open()
    store.put(NS, "k", {})
    store.batch([PutOp(("other",), "k", {})])

    lab.same(store.value(NS, "k"), {}, "the value in get")
    lab.equal([(i.key, i.value) for i in store.search(NS)], [("k", {})], "the items in search")
    lab.equal(sorted(store.list_namespaces()), [("other",), NS], "the namespaces")
    store.put(NS, "k", {"n": 1})
    store.put(NS, "k", {})
    lab.same(store.value(NS, "k"), {}, "the value after it was emptied by an overwrite")


MAPPINGS: dict[str, Mapping[str, Any]] = {
    "MappingProxyType": MappingProxyType({"a": 1, "b": [1, {"c": None}]}),
    "OrderedDict": OrderedDict([("b", 1), ("a", [2])]),
    "UserDict": UserDict({"a": 1, "d": {"x": "y"}}),
}


@case("K6", params=MAPPINGS)
def test_a_mapping_that_is_no_dict_is_a_value(lab: Lab, value: Mapping[str, Any]) -> None:
    """
    Any Mapping with JSON inside can be put; what comes back is a dict equal to it.

    Releases of langgraph-checkpoint whose ``put`` takes a dict promise none of it.  If this fails, take
    ``dict(value)`` before it is encoded.
    """
    if not mappings_are_values():
        lab.unsupported("put of the installed langgraph-checkpoint takes a dict")
    store = lab.open()
    store.put(NS, "k", value)
    lab.equal(dict(store.value(NS, "k")), dict(value), "the value in get")
    store.batch([PutOp(NS, "b", value)])
    lab.equal(dict(store.value(NS, "b")), dict(value), "the value put in a batch")


@case("K6", params=LOOKALIKES)
def test_values_that_look_alike_stay_apart(lab: Lab, texts: tuple[str, ...]) -> None:
    """
    Values that differ only in case, white space, normal form or type each come back as they were.

    If this fails, look for values that are interned, deduplicated or normalised.
    """
    store = lab.open()
    taken = set(names_taken(lab, texts))
    values = [{"v": text, **({text: i} if text in taken else {})} for i, text in enumerate(texts)]
    store.batch([PutOp(NS, f"k{i}", value) for i, value in enumerate(values)])

    for i, value in enumerate(values):
        lab.same(store.value(NS, f"k{i}"), value, f"the value with the text {texts[i]!r}")
