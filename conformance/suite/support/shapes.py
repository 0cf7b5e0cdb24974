"""
Texts that stores confuse, alter or take for something else, as data for the cases; no case itself.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from store_conformance.harness.compat import GetOp, PutOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.harness.text import message_of

Namespace = tuple[str, ...]

LOOKALIKES: Mapping[str, tuple[str, ...]] = {
    "case": (
        "a",
        "A",
        "foo",
        "Foo",
        "FOO",
        "ß",
        "ss",
        "SS",
        "ẞ",
        "i",
        "I",
        "ı",
        "İ",
        "i\u0307",
        "σ",
        "ς",
        "Σ",
    ),
    "whitespace": (
        *(
            "a",
            " a",
            "a ",
            "a  ",
            "\ta",
            "a\t",
            "a\n",
            "\na",
            "a\r",
            "a\r\n",
            "a\u00a0",
            "a\u3000",
            "a b",
        ),
        *("a  b", "a\tb", "a\nb", " ", "  ", "\t", "\n"),
    ),
    "invisible": (
        "a",
        "a\u200b",
        "a\u200cb",
        "a\u200db",
        "a\u200e",
        "\u200fa",
        "\u200ba",
        "\ufeffa",
        "a\u00ad",
        "a\u2060",
        "a\ufe0f",
        "a\x7f",
        "a\x01",
        "a\x1f",
    ),
    "normal form": (
        *(
            "é",
            "e\u0301",
            "e",
            "Å",
            "\u212b",
            "A\u030a",
            "A",
            "ﬁ",
            "fi",
            "ſ",
            "s",
            "\u212a",
            "K",
            "ａ",
            "a",
        ),
        *("①", "1", "¹", "\u1e9b\u0323", "\uac00", "\u1100\u1161"),
    ),
    "numbers": (
        *("1", "01", "+1", "-1", "1 ", "1e0", "0x1", "１", "0", "-0", "00", "inf", "nan"),
        *("9007199254740992", "9007199254740993"),
    ),
    "words": (
        "true",
        "True",
        "null",
        "NULL",
        "None",
        "undefined",
        "false",
        "{}",
        "[]",
        '""',
        "''",
        "NaN",
    ),
    "patterns": (
        *(
            "a",
            "aa",
            "ab",
            "abc",
            "a%",
            "a_",
            "a*",
            "a?",
            "[a]",
            "[ab]",
            "[^b]",
            "[!b]",
            "a+",
            "a|b",
            "(a)",
            "^a",
        ),
        *(
            "a$",
            "a{2}",
            "a\\",
            "\\a",
            "\\",
            "\\\\",
            "%",
            "_",
            "%%",
            "*",
            "**",
            "?",
            "a%b",
            "a_b",
            "a\\%",
            "\\w",
            "\\d",
        ),
    ),
    "quotes": (
        *(
            "'",
            "''",
            '"',
            '""',
            "`",
            "O'Brien",
            "O''Brien",
            'a"b',
            "a'b",
            "'; DROP TABLE store; --",
            "a--b",
            "a/*b*/",
        ),
        *(
            "' OR '1'='1",
            "{a}",
            "{0}",
            "%s",
            "%(a)s",
            "$1",
            ":1",
            "?1",
            "@a",
            "#a",
            "&amp;",
            "&",
            "<b>",
            "%2E",
            "%2F",
        ),
    ),
    "emoji": (
        "😀",
        "😁",
        "😀\ufe0f",
        "👨‍👩‍👧",
        "👨👩👧",
        "🇩🇪",
        "🇪🇩",
        "👍",
        "👍🏽",
        "\uffff",
        "\U0010ffff",
        "𝒜",
        "漢",
        "字",
    ),
}
"""Different texts by what makes engines take them for one another; none has a dot, NUL or is empty."""

SEPARATORS = (
    *(
        "/",
        ":",
        "::",
        "|",
        "||",
        ",",
        ";",
        "-",
        "--",
        "_",
        "__",
        " ",
        "\t",
        "\n",
        "\\",
        "'",
        '"',
        "+",
        "#",
        "@",
        "!",
    ),
    *(
        "=",
        "&",
        "~",
        "^",
        "<",
        ">",
        "->",
        "$",
        "%",
        "*",
        "?",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "`",
        "\x01",
        "\x1c",
    ),
    *(
        "\x1d",
        "\x1e",
        "\x1f",
        "\x7f",
        "\u00b7",
        "\u2028",
        "\u241f",
        "\uffff",
        '","',
        "', '",
        "%2E",
        "\\x1f",
        "0",
    ),
)
"""What an engine may put between labels, or use to escape it."""


def every_lookalike() -> list[str]:
    """All of them once, in a fixed order."""
    return list(dict.fromkeys(text for group in LOOKALIKES.values() for text in group))


def varied_text(length: int) -> str:
    """Text that no compression makes short; the same for every call."""
    chooser = random.Random(length)
    return "".join(chooser.choices(string.ascii_letters + string.digits, k=length))


CHUNK = 500
"""Operations of a batch; where fewer are taken the harness makes more batches, and what refuses more is O5's."""


def fill(
    store: Subject, items: Iterable[tuple[Namespace, str, Any]], *, chunk: int = CHUNK
) -> None:
    """Put many items in batches; the addresses must differ from one another."""
    ops = [PutOp(namespace, key, value) for namespace, key, value in items]
    for start in range(0, len(ops), chunk):
        store.batch(ops[start : start + chunk])


ENGINE_WORDS = (
    *("key", "value", "namespace", "prefix", "select", "null", "true", "created_at", "updated_at"),
    *("id", "_id", "rowid", "__class__"),
)
"""Names that mean something to engines, and may be reserved."""

LARGE = 16_384
"""Characters of a value's JSON from which on an engine may have a limit, and must name it."""
LIMIT_WORDS = (
    *("size", "limit", "large", "exceed", "too big", "too long", "maximum", "max", "too many"),
    *("at most", "no more than"),
    *("deep", "depth", "nest", "recursion", "level"),
)
"""One of them names the limit in the error of a value that is too much for a store."""
_BYTES = re.compile(r"\d\s*(?:[kmg]i?)?(?:b|bytes?|octets|characters?|chars)\b")
"""So does a size: "a document may have 100 kB"."""


def limit_named(error: BaseException, *more: str) -> bool:
    """Whether an error says what a value may be at most, by one of these words or in numbers."""
    text = message_of(error).lower()
    return any(word in text for word in (*LIMIT_WORDS, *more)) or bool(_BYTES.search(text))


def put_large(lab: Lab, store: Subject, at: Namespace, key: str, value: Any, what: str) -> None:
    """Put a large value; where it is refused by name and not stored, the case ends as unsupported."""
    error = lab.attempt(lambda: store.put(at, key, value))
    if error is None:
        return
    named = limit_named(error)
    lab.true(named, f"{what} is stored, or refused by an error that names the limit", got=error)
    lab.equal(store.get(at, key), None, f"get after the put of {what} was refused")
    lab.unsupported(f"{what} is refused: {message_of(error, 160)}")


def values_of(store: Subject, addresses: Iterable[tuple[Namespace, str]]) -> list[Any]:
    """What gets answer, in as few batches as any store takes: the values, ``None`` where nothing was found."""
    gets = [GetOp(namespace, key) for namespace, key in addresses]
    parts = [gets[start : start + CHUNK] for start in range(0, len(gets), CHUNK)]
    found = [item for part in parts or [[]] for item in store.batch(part)]
    return [item if item is None else item.value for item in found]


DELETERS: dict[str, Callable[[Subject, Namespace, str], Any]] = {
    "delete": lambda store, ns, key: store.delete(ns, key),
    "put of None": lambda store, ns, key: store.put(ns, key, None),
    "put of None in a batch": lambda store, ns, key: store.batch([PutOp(ns, key, None)]),
}
"""The ways to delete an item."""
