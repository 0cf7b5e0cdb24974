"""
Passwords and keys are taken out of every text that leaves a process of ours.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TypeVar
from urllib.parse import unquote

HIDDEN = "***"
_NAMES = r"password|passwd|pwd|api[-_ ]?key|access[-_ ]?key|token|secret|authorization"
_SECRET_NAME = re.compile(_NAMES, re.IGNORECASE)
_VARIABLE = re.compile(r"KEY|TOKEN|SECRET|PASSWORD")
_SHORTEST = 6
"""The value of a variable that is shorter than this is in too many texts by chance."""
_WORD = 16
"""So is a word of small letters that is shorter than this: a test's password is often ``postgres``."""
_SHAPES = (
    # A URL's password, also one with an @ in it; what stands alone before a web host may be a key.
    re.compile(r"(?P<head>://[^:/@\s\"']*:)[^\s\"'<>]*(?=@)"),
    re.compile(r"(?P<head>\bhttps?://)[^:/@\s\"']+(?=@)"),
    # In quotes it may have spaces.
    re.compile(
        rf"(?P<head>\b(?:\w*[-_])?(?:{_NAMES})\b[\"']?\s*[=:]\s*(?P<quote>[\"']))(?:\\.|(?!(?P=quote))[^\n\\])*(?=(?P=quote))",
        re.IGNORECASE,
    ),
    re.compile(
        rf"(?P<head>\b(?:\w*[-_])?(?:{_NAMES})\b[\"']?\s*[=:]\s*[\"']?(?:bearer\s+|basic\s+)?)[^\s\"',;)}}&]+",
        re.IGNORECASE,
    ),
    re.compile(r"(?P<head>\bbearer\s+)[^\s\"',;)}&]+", re.IGNORECASE),
)
_TRACE = re.compile(rf"{_NAMES}|://|bearer\s", re.IGNORECASE)
"""Without any of these a text has none of the shapes, and no field's name is that of a secret."""
Json = TypeVar("Json")


_URL_PASSWORD = re.compile(r"://[^:/@\s\"']*:([^\s\"'<>]*)@")
_PAIR_PASSWORD = re.compile(
    r"\b(?:password|passwd|pwd)\s*=\s*(?:'((?:\\.|[^'\\])*)'|\"([^\"]*)\"|([^\s\"'&;]+))",
    re.IGNORECASE,
)
_remembered: set[str] = set()
"""What `remember` was told."""


def remember(secrets: Iterable[str]) -> None:
    """Hide these, too, in whatever leaves this process from now on: the passwords of its options and addresses."""
    _remembered.update(form for secret in secrets for form in _forms(secret))


def remember_given(options: Mapping[str, str], url: str | None = None) -> None:
    """Hide what a user gave by ``--option`` under the name of a secret, and the passwords in options and the address."""
    remember(value for name, value in options.items() if _SECRET_NAME.search(name))
    remember(found for text in (*options.values(), url or "") for found in passwords_in(text))


def redact_text(text: str, known: Iterable[str | None] = ()) -> str:
    """
    The text without ``known`` secrets and those of the environment, the credentials of URLs, bearer tokens and
    ``password=...`` pairs.
    """
    return _hidden(text, (*known, *_own_secrets()))


def _hidden(text: str, known: Iterable[str | None]) -> str:
    for secret in known:
        if secret:
            text = text.replace(secret, HIDDEN)
    if _TRACE.search(text):
        for shape in _SHAPES:
            text = shape.sub(rf"\g<head>{HIDDEN}", text)
    return text


def _own_secrets() -> tuple[str, ...]:
    """What this process knows by its environment and was told to remember; the longest first."""
    found = {*_of_environment(frozenset(os.environ.items())), *_remembered}
    return tuple(sorted(found, key=len, reverse=True))


@lru_cache(maxsize=4)
def _of_environment(variables: frozenset[tuple[str, str]]) -> frozenset[str]:
    return frozenset(form for secret in secrets_in(dict(variables)) for form in _forms(secret))


def _forms(secret: str) -> tuple[str, ...]:
    """The secret and how a program may show it; none of a word that is in too many texts by chance."""
    if len(secret) < _SHORTEST or (secret.isalpha() and secret.islower() and len(secret) < _WORD):
        return ()
    return (secret, repr(secret)[1:-1])


def one_line(text: object, known: Iterable[str | None] = (), *, most: int = 300) -> str:
    """A foreign text, such as what a client library raised, on one short line and without secrets."""
    line = redact_text(" ".join(str(text).split()), known)
    return line if len(line) <= most else line[: most - 3] + "..."


def secrets_in(environment: Mapping[str, str]) -> list[str]:
    """The values of the variables that are called a key, a token, a secret or a password, and passwords in others."""
    named = [v for k, v in environment.items() if _VARIABLE.search(k) and len(v) >= _SHORTEST]
    return [*named, *(found for v in environment.values() for found in passwords_in(v))]


def passwords_in(text: str) -> list[str]:
    """The passwords of the URLs and connection strings in a text, as they are written there and as they are meant."""
    found = [url.group(1) for url in _URL_PASSWORD.finditer(text)]
    found += [next(filter(None, pair.groups()), "") for pair in _PAIR_PASSWORD.finditer(text)]
    meant = [unquote(password) for password in found]
    return [password for password in dict.fromkeys((*found, *meant)) if len(password) >= _SHORTEST]


def redact(value: Json, name: str = "") -> Json:
    """The same JSON value with secrets replaced by ``***``, by key name and by shape."""
    return _redacted(value, name, _own_secrets())  # type: ignore[return-value]


def _redacted(value: object, name: str, known: tuple[str, ...]) -> object:
    if isinstance(value, dict):
        return {k: _redacted(v, str(k), known) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_redacted(v, "", known) for v in value]
    if isinstance(value, str):
        return HIDDEN if _SECRET_NAME.search(name) else _hidden(value, known)
    return value
