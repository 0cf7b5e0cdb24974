"""
The value of each version, which its name alone determines: whoever reads one can tell whether it is whole.
"""

from __future__ import annotations

import random
from typing import Any

from store_conformance.embedding.exact import WORDS

LONGEST = 3_000
"""Characters of the longest body: more than a row of an engine's page."""


def text_of(version: str) -> str:
    """What is embedded of a version: no two versions of a campaign point in the same direction."""
    chance = random.Random(f"text {version}")
    words = chance.sample(WORDS, 4)
    return " ".join(f"{word}*{chance.randint(1, 97)}" for word in words)


def value_of(version: str) -> dict[str, Any]:
    """The value that is put for a version."""
    chance = random.Random(f"value {version}")
    body = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz ü", k=40))
    return {
        "version": version,
        "text": text_of(version),
        "body": (body * (LONGEST // len(body)))[: chance.choice((20, 200, LONGEST))],
        "nested": {"number": chance.randint(0, 10**9), "list": [version, chance.random()]},
    }


def version_in(value: object) -> str | None:
    """The version that a value names, whether it is whole or not; ``None`` where it names none."""
    version = value.get("version") if isinstance(value, dict) else None
    return version if isinstance(version, str) else None


def is_whole(value: object) -> bool:
    """Whether a value is exactly that of the version it names."""
    version = version_in(value)
    return version is not None and value == value_of(version)
