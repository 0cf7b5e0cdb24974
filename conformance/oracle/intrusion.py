"""
What attacks on isolation are made of: users whose names are hard to tell apart, and what they ask.

An `Attack` has a victim, who has put items, and intruders, whose namespaces are twists of the victim's: another
case or normal form, a pattern that matches it, labels joined by what an engine may put between them, a label that
begins as it does.  Whether a store takes such a name is not asked here.

They are drawn by a seeded generator of our own.  Hypothesis was tried: drawing one attack takes longer than most
stores need to live through it, and most attacks are the one before with a little changed, so that in the same
seconds some broken stores slipped through that this one meets.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from store_conformance.oracle.model import Namespace, Value

SHORT = ("a", "b", "A", "ab", "Ab", "user", "1", "user 1", "user-1", "user_1")
LONG = ("x" * 60, "y" * 250)
DELIMITERS = ("/", "|", ":", "::", ",", "#", "-", "_", " ", "\\", "\x1f", "\x01", '","', '", "')
WILD = ("%", "_", "*", "?", "%%", "a%", "_b", "a_b", "[ab]", "^a", "(a|b)", "a*")
FORMS = (
    *("é", "e\u0301", "ß", "ss", "ﬁ", "fi", "İ", "ı", "I", "K", "\u212a", "Å", "A\u030a", "ſ", "s"),
    *("１", "1", "Ω", "\u2126", "Straße", "naïve"),
)
EMPTYISH = (" ", "\t", "\n", "\u200b", "\ufeff", "\u3164", "\u00a0")
ESCAPES = (
    "%2F",
    "\\x00",
    "\\u0000",
    "%00",
    "\\0",
    "\\n",
    "\\'",
    "''",
    "%25",
    "\\%",
    "\\_",
    "&amp;",
)
INJECTIONS = (
    *(
        "' OR '1'='1",
        "') OR 1=1 --",
        '" OR ""="',
        "'; DELETE FROM store; --",
        "%' OR prefix LIKE '%",
    ),
    *('"]', '"] or ["', "$", "$[*]", "{}", '{"$ne": null}', "NULL", "null", "true"),
)
GROUPS = (SHORT, LONG, DELIMITERS, WILD, FORMS, EMPTYISH, ESCAPES, INJECTIONS)
QUERIES = (
    *("apple", "banana", "apple OR banana", 'apple"', "apple*", "NEAR(apple banana)", "-apple"),
    *("text:apple", "apple' OR '1'='1", "%", "*", '"', "\\", "(", "apple) OR (1=1", "é", "user 1"),
)
FIELDS = ("s", "n", "home", "text", "no such field")
ENGINE_FIELDS = (
    *(
        "namespace",
        "prefix",
        "namespace_path",
        "ns",
        "key",
        "id",
        "value",
        "$",
        "$.s",
        "*",
        "s[0]",
        "\\",
        "%",
    ),
    *("s') OR ('1'='1", 's" OR "1"="1', "s'--", "a.b"),
)
MATCHING: tuple[Value, ...] = ({"s": "red"}, {"n": 1}, {"n": {"$gte": 1}}, {"s": {"$ne": ""}})
"""What the victim's items match, too."""
OPERATORS = ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte")
LOGICAL = ("$or", "$and", "$not", "$nor", "OR", "must_not", "should")
IDENTIFIER = 32
"""Characters of a name in a plain attack."""
LONGEST = 600
"""Characters of a label or key; what an engine's index takes is K11's and N8's."""

# -- twists ---------------------------------------------------------------------------------------

Twist = Callable[[str], str]
"""Another label made of one."""


def _normal(form: Any) -> Twist:
    return lambda label: unicodedata.normalize(form, label)


def _around(before: str, after: str) -> Twist:
    return lambda label: before + label + after


LETTERS: tuple[Twist, ...] = (
    str.swapcase,
    str.casefold,
    str.upper,
    *map(_normal, ("NFC", "NFD", "NFKC", "NFKD")),
    lambda label: label.encode("ascii", "ignore").decode() or "a",
)
LENGTHS: tuple[Twist, ...] = (
    *(_around("", more) for more in ("b", " ", "\t", "\n", "\u200b", "1", "%", "%2F", "/")),
    *(_around(more, "") for more in ("a", " ", "\ufeff")),
    lambda label: label[:-1] or "b",
    lambda label: label[: len(label) // 2] or " ",
    lambda label: label.strip() or " ",
)
PATTERNS: tuple[Twist, ...] = (
    lambda label: "_" * len(label),
    lambda label: label[:-1] + "_",
    lambda label: label[:-1] + "%",
    lambda label: "%" + label[1:],
    lambda label: label[0] + "*",
    lambda label: label[:-1] + "?",
    lambda label: label.replace("%", "x").replace("_", "x"),
    lambda _: "%",
    lambda _: "*",
)
ESCAPED: tuple[Twist, ...] = (
    lambda label: "".join(f"%{ord(c):02X}" for c in label[:20]),
    lambda label: "".join(f"\\u{ord(c):04x}" for c in label[:20]),
    lambda label: label.replace("/", "%2F"),
    lambda label: label.replace("%2F", "/"),
    lambda label: label.replace("'", "''").replace("\\", "\\\\").replace('"', '\\"'),
    lambda label: label.replace("\\", "").replace('"', ""),
)


@dataclass(frozen=True)
class Theme:
    """What the names of an attack have in common: words that victims are made of, and twists of them."""

    words: tuple[str, ...]
    twists: tuple[Twist, ...]
    joins: bool = False
    """Whether labels are joined and parted, too."""


THEMES = (
    Theme((*FORMS, *FORMS, *SHORT), LETTERS),
    Theme((*SHORT, *LONG, *EMPTYISH), LENGTHS),
    Theme((*WILD, *SHORT), PATTERNS),
    Theme((*SHORT, *DELIMITERS, *ESCAPES), ESCAPED, joins=True),
    Theme(tuple(word for group in GROUPS for word in group), (*LETTERS, *LENGTHS, *PATTERNS), True),
)
"""Attacks take them in turn."""


def twins(victim: Namespace, theme: Theme) -> list[Namespace]:
    """Namespaces that some engine may take for the victim's, or for one that has to do with it."""
    found: list[Namespace] = [
        (*victim[:place], twist(label)[:LONGEST], *victim[place + 1 :])
        for place, label in enumerate(victim)
        for twist in theme.twists
    ]
    for delimiter in DELIMITERS if theme.joins else ():
        found.append((delimiter.join(victim[:2]), *victim[2:]))
        found.append(tuple(part for label in victim for part in label.split(delimiter) if part))
    found.append(victim[::-1])
    return [other for other in dict.fromkeys(found) if _apart(victim, other)]


def _may_be(label: str) -> bool:
    return bool(label) and "." not in label and "\x00" not in label and label != "langgraph"


def _apart(a: Namespace, b: Namespace) -> bool:
    """Whether neither is the other, or within it, and the second may be a namespace."""
    return bool(b) and all(map(_may_be, b)) and a[: len(b)] != b and b[: len(a)] != a


# -- attacks --------------------------------------------------------------------------------------

KINDS = ("put", "get", "list", "delete", "batch")
"""What an intruder does beside searching: the own item, the victim's keys, both listings, some of it in batches."""
INTRUDERS, PROBES = 3, 4
"""Of an attack before it is made smaller."""


@dataclass(frozen=True)
class Probe:
    """One search of an intruder's in the own namespace."""

    conditions: Value | None
    query: str | None


@dataclass(frozen=True)
class Attack:
    """What the victim has, and what intruders do beside it, each in a namespace of its own."""

    victim: Namespace
    items: tuple[tuple[str, str], ...]
    """Keys, and the texts of their values."""
    intruders: tuple[Namespace, ...]
    probes: tuple[Probe, ...]
    kinds: frozenset[str] = frozenset(KINDS)
    """Those of `KINDS` that the intruders do."""

    def smaller(self) -> Iterator[Attack]:
        """The attack with less in it, the largest steps first."""
        if len(self.intruders) > 1:
            yield from (replace(self, intruders=(one,)) for one in self.intruders)
        if self.probes:
            yield replace(self, probes=())
            if len(self.probes) > 1:
                yield from (replace(self, probes=(one,)) for one in self.probes)
        yield from (
            replace(self, kinds=self.kinds - {kind}) for kind in KINDS if kind in self.kinds
        )
        if len(self.items) > 1:
            yield from (replace(self, items=(one,)) for one in self.items)
        for n, probe in enumerate(self.probes):
            before, after = self.probes[:n], self.probes[n + 1 :]
            if probe.query and probe.conditions:
                yield replace(self, probes=(*before, replace(probe, conditions=None), *after))
                yield replace(self, probes=(*before, replace(probe, query=None), *after))
        for n, (key, text) in enumerate(self.items):
            if key != f"k{n}":
                yield replace(self, items=(*self.items[:n], (f"k{n}", text), *self.items[n + 1 :]))


def attacks(seed: int) -> Iterator[Attack]:
    """Attacks without an end, the same ones for the same seed."""
    chance = random.Random(seed)
    number = chance.randrange(len(THEMES))
    while True:
        theme = THEMES[number % len(THEMES)]
        number += 1
        victim = _name(chance, theme)
        near = twins(victim, theme)
        intruders = chance.sample(near, min(INTRUDERS, len(near)))
        probes = tuple(_probe(chance) for _ in range(PROBES))
        items = {_text(chance): "apple", _text(chance): "cherry"}
        if intruders:
            yield Attack(victim, tuple(items.items()), tuple(intruders), probes)


def plain_attacks(seed: int) -> Iterator[Attack]:
    """Attacks by names that are identifiers, every other one without capitals, for stores that take no others."""
    number = 0
    for attack in attacks(seed):
        change: Twist = _identifier if number % 2 else lambda text: _identifier(text).lower()
        victim = tuple(map(change, attack.victim))
        near = dict.fromkeys(tuple(map(change, one)) for one in attack.intruders)
        intruders = tuple(one for one in near if _apart(victim, one))
        if intruders:
            number += 1
            items = {change(key): text for key, text in attack.items}
            yield replace(attack, victim=victim, items=tuple(items.items()), intruders=intruders)


def _identifier(text: str) -> str:
    plain = "".join(c if c.isascii() and c.isalnum() else "_" for c in text)[:IDENTIFIER]
    return plain if plain[:1].isalpha() else f"n{plain}"[:IDENTIFIER]


def _word(chance: random.Random) -> str:
    return chance.choice(chance.choice(GROUPS))


def _text(chance: random.Random) -> str:
    return "".join(_word(chance) for _ in range(chance.choice((1, 1, 2))))


def _name(chance: random.Random, theme: Theme) -> Namespace:
    words = [word for word in theme.words if _may_be(word)]
    labels = []
    for _ in range(chance.choice((2, 3) if theme.joins else (1, 1, 2))):
        labels.append("".join(chance.choice(words) for _ in range(chance.choice((1, 1, 2, 3)))))
    return tuple(labels)


def _probe(chance: random.Random) -> Probe:
    query = chance.choice((*QUERIES, *INJECTIONS)) if chance.random() < 0.6 else None
    one = {_field(chance): _scalar(chance)}
    other = {_field(chance): {chance.choice(OPERATORS): _scalar(chance)}}
    joined = {chance.choice(LOGICAL): chance.choice(([one, other], other))}
    conditions = chance.choice((one, other, joined, chance.choice(MATCHING), None))
    return Probe(conditions, query)


def _field(chance: random.Random) -> str:
    return chance.choice(chance.choice((FIELDS, FIELDS, ENGINE_FIELDS)))


def _scalar(chance: random.Random) -> Any:
    plain = ("red", "", 0, 1, 2.5, True, None)
    return chance.choice(chance.choice((plain, INJECTIONS, QUERIES, ESCAPES, WILD)))
