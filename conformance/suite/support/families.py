"""
Namespaces that resemble one another, in families, as data for the cases; no case itself.
"""

from __future__ import annotations

from store_conformance.suite.support.shapes import LOOKALIKES, SEPARATORS, Namespace

ARRANGEMENTS: list[Namespace] = [
    ("a",), ("b",), ("a", "b"), ("b", "a"), ("ab",), ("ba",), ("a", "a"), ("aa",), ("aa", "a"),
    ("a", "aa"),
    ("a", "b", "c"), ("ab", "c"), ("a", "bc"), ("abc",), ("a", "a", "a"), ("aaa",),
    ("a", "b", "a", "b"),
    ("1", "a"), ("1a",), ("2", "ab"), ("1:a",), ("1:a", "1:b"), ("1:a,1:b",), ("[a, b]",),
    ('["a", "b"]',), ('["a","b"]',), ("('a', 'b')",), ("('a',)",), ('"a"', '"b"'), ('"a","b"',),
    ("a\\", "b"), ("a\\b",), ("a", "\\b"),
    ("{a,b}",), ('{"a","b"}',), ("a%2Eb",), ("a%2eb",), ("a%2Fb",), ("a/b", "c"), ("a", "b/c"),
    ("a/b/c",), ("/a/b",),
]  # fmt: skip
"""The same few letters, cut into labels in every way."""


def _separated() -> list[Namespace]:
    found: dict[Namespace, None] = {("a", "b"): None, ("a",): None, ("b",): None}
    for sep in SEPARATORS:
        for ns in (
            (f"a{sep}b",),
            (f"a{sep}", "b"),
            ("a", f"{sep}b"),
            ("a", sep, "b"),
            ("a", f"b{sep}"),
        ):
            found[ns] = None
    return list(found)


def _deep() -> list[Namespace]:
    """Namespaces that differ in their depth or at their end only."""
    path = tuple(f"l{n}" for n in range(14))
    long = "x" * 180
    return [
        *(path[:n] for n in range(1, 15)),
        *((*path[:n], "other") for n in (1, 3, 5, 7, 9, 13)),
        *((*path[:9], "b", "c"), (*path[:9], "c", "b"), ("d",) * 5, ("d",) * 6, ("d",) * 12),
        *(
            (long,),
            (long + "a",),
            (long + "b",),
            (long, long),
            (long, long + "a"),
            ("a", long + "a", "b"),
        ),
    ]


FAMILIES: dict[str, list[Namespace]] = {
    "deep": _deep(),
    "arrangement": list(dict.fromkeys(ARRANGEMENTS)),
    "separators": _separated(),
    **{
        name: [ns for text in texts for ns in ((text,), ("x", text), (text, "x"))]
        for name, texts in LOOKALIKES.items()
        if name in ("case", "whitespace", "normal form", "invisible", "numbers", "words")
    },
}
