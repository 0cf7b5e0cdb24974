"""
Which names of collections the engines take, told before one of them is asked, and before a path is made of one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from store_conformance.backends.base import BackendError

_CHROMA = re.compile(r"(?!.*\.\.)[a-zA-Z0-9][a-zA-Z0-9._-]{1,510}[a-zA-Z0-9]")
_QDRANT = re.compile(r'(?!\.{1,2}$)[^<>:"/\\|?*\x00-\x1f]{1,255}')
_RULES = {
    "chroma": (
        _CHROMA,
        "3 to 512 of a-z, A-Z, 0-9, dot, underscore and hyphen, none but a letter or digit at the ends, no two dots",
    ),
    "qdrant": (_QDRANT, 'at most 255 characters, and none of < > : " / \\ | ? *'),
}


def named(engine: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """``collection`` as it was given, or nothing; raises ``BackendError`` for a name that the engine does not take."""
    name = values["collection"]
    if name is None:
        return {}
    pattern, rule = _RULES[engine.partition(" ")[0].partition("+")[0]]
    if not pattern.fullmatch(name):
        shown = name if len(name) < 40 else f"{name[:40]}..."
        raise BackendError(engine, f"{shown!r} is no name of a collection.", f"take {rule}")
    return {"collection": name}
