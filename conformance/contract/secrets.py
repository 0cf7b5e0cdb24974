"""
Passwords and keys are taken out of every text that leaves a process of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

HIDDEN = "***"
_NAMES = r"password|passwd|pwd|api[-_ ]?key|access[-_ ]?key|token|secret|authorization"
_SECRET_NAME = re.compile(_NAMES, re.IGNORECASE)
_VARIABLE = re.compile(r"KEY|TOKEN|SECRET|PASSWORD")
_SHORTEST = 6
"""The value of a variable that is shorter than this is in too many texts by chance."""
_SHAPES = (
    # A URL's password, also one with an @ in it; what stands alone before a web host may be a key.
    re.compile(r"(?P<head>://[^:/@\s\"']*:)[^\s\"'<>]*(?=@)"),
    re.compile(r"(?P<head>\bhttps?://)[^:/@\s\"']+(?=@)"),
    re.compile(
        rf"(?P<head>\b(?:\w*[-_])?(?:{_NAMES})\b[\"']?\s*[=:]\s*[\"']?(?:bearer\s+|basic\s+)?)[^\s\"',;)}}&]+",
        re.IGNORECASE,
    ),
    re.compile(r"(?P<head>\bbearer\s+)[^\s\"',;)}&]+", re.IGNORECASE),
)
Json = TypeVar("Json")


def redact_text(text: str, known: Iterable[str | None] = ()) -> str:
    """
    The text without ``known`` secrets, the credentials of URLs, bearer tokens and ``password=...`` pairs.
    """
    for secret in known:
        if secret:
            text = text.replace(secret, HIDDEN)
    for shape in _SHAPES:
        text = shape.sub(rf"\g<head>{HIDDEN}", text)
    return text


def one_line(text: object, known: Iterable[str | None] = (), *, most: int = 300) -> str:
    """A foreign text, such as what a client library raised, on one short line and without secrets."""
    line = redact_text(" ".join(str(text).split()), known)
    return line if len(line) <= most else line[: most - 3] + "..."


def secrets_in(environment: Mapping[str, str]) -> list[str]:
    """The values of the variables that are called a key, a token, a secret or a password."""
    return [v for k, v in environment.items() if _VARIABLE.search(k) and len(v) >= _SHORTEST]


def redact(value: Json, name: str = "") -> Json:
    """The same JSON value with secrets replaced by ``***``, by key name and by shape."""
    return _redacted(value, name)  # type: ignore[return-value]


def _redacted(value: object, name: str) -> object:
    if isinstance(value, dict):
        return {k: _redacted(v, str(k)) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_redacted(v, "") for v in value]
    if isinstance(value, str):
        return HIDDEN if _SECRET_NAME.search(name) else redact_text(value)
    return value
