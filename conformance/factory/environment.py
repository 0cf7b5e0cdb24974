"""
Which store the environment asks for; every wrong or missing variable is named, and none means memory.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from pathlib import Path

from store_conformance.contract import UserError
from store_conformance.contract.hints import did_you_mean
from store_conformance.embedding.errors import EmbeddingError
from store_conformance.embedding.naming import embedder_factory
from store_conformance.harness.backends import read_env_file

URL = "STORE_URL"
PERSISTENT = "USE_PERSISTENT_STORE"
POSTGRES = "POSTGRES_CONNECTION_STRING"
EMBEDDINGS = "EMBEDDINGS"
DIMS = "EMBEDDINGS_DIMS"
FIELDS = "EMBEDDINGS_FIELDS"
WHICH = "STORE_ENV"
VARIABLES = (URL, PERSISTENT, POSTGRES, EMBEDDINGS, DIMS, FIELDS, WHICH)
_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"0", "false", "no", "off"})


class FactoryError(UserError):
    """A variable is missing or wrong; the message names it and what to write, and shows no password."""


@dataclass(frozen=True)
class Wanted:
    """What the environment asks for; the URL may hold a password and is not shown."""

    url: str = field(repr=False)
    source: str
    """The variable that the URL came from."""
    embeddings: str | None = None
    dims: int | None = None
    fields: tuple[str, ...] = ()


def load_files(
    folder: Path | None = None, environ: MutableMapping[str, str] | None = None
) -> list[Path]:
    """
    Put what ``.env.<STORE_ENV>`` and ``.env`` say into the environment; real variables win.

    Gives the files that were read.  ``STORE_ENV`` is ``production`` or ``development``, or whatever you
    call a file of yours; it may stand in ``.env``.
    """
    where, target = folder or Path.cwd(), os.environ if environ is None else environ
    general = where / ".env"
    told = read_env_file(general) if general.is_file() else {}
    which = target.get(WHICH) or told.get(WHICH)
    files = [general] if general.is_file() else []
    if which:
        special = where / f".env.{which}"
        if special.is_file():
            files.insert(0, special)
            told = {**told, **read_env_file(special)}
        elif not (target.get(URL) or target.get(PERSISTENT)):
            near = [p.name.removeprefix(".env.") for p in sorted(where.glob(".env.*"))]
            hint = did_you_mean(which, near) + f"write {special.name}, or set {URL} itself"
            raise FactoryError(f"{WHICH} is {which!r}, and there is no file {special}", hint)
    for name, value in told.items():
        if value:
            target.setdefault(name, value)
    return files


def wanted(environ: MutableMapping[str, str] | None = None, *, url: str | None = None) -> Wanted:
    """What the variables ask for; raises ``FactoryError``."""
    told = os.environ if environ is None else environ
    address, source = (url, "the URL that was given") if url else _address(told)
    name = (told.get(EMBEDDINGS) or "").strip() or None
    if name is not None:
        try:
            embedder_factory(name)
        except EmbeddingError as error:
            raise FactoryError(f"{EMBEDDINGS}: {error.problem}", error.hint) from None
    fields = tuple(part.strip() for part in (told.get(FIELDS) or "").split(",") if part.strip())
    dims = _dims(told.get(DIMS))
    if name is None and (fields or dims):
        extra = FIELDS if fields else DIMS
        raise FactoryError(
            f"{extra} is set, and {EMBEDDINGS} is not", f"set {EMBEDDINGS}, or neither"
        )
    return Wanted(address, source, name, dims, fields)


def _dims(text: str | None) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise FactoryError(f"{DIMS} is {text!r}", "write the length of one vector, such as 1536")
    return int(text)


def _address(told: MutableMapping[str, str]) -> tuple[str, str]:
    url, postgres = (told.get(URL) or "").strip(), (told.get(POSTGRES) or "").strip()
    persistent = _flag(told.get(PERSISTENT))
    if url:
        _agree(persistent, memory=url.lower().startswith("memory:"))
        return url, URL
    if persistent:
        if not postgres:
            raise FactoryError(
                f"{PERSISTENT} is true, and neither {URL} nor {POSTGRES} is set",
                f"set {POSTGRES}=postgresql://USER:PASSWORD@HOST:5432/DATABASE, or {URL} for another store",
            )
        return postgres, POSTGRES
    if persistent is False:
        return "memory:", PERSISTENT
    if postgres:
        raise FactoryError(
            f"{POSTGRES} is set, and {PERSISTENT} is not",
            f"set {PERSISTENT}=true to use it, or false for a store in memory",
        )
    raise FactoryError(
        "nothing says which store to use",
        f"set {URL}, for example sqlite:///email_agent.db, or {PERSISTENT} and {POSTGRES};"
        f" a store in memory has to be asked for: {URL}=memory:",
    )


def _flag(text: str | None) -> bool | None:
    told = (text or "").strip().lower()
    if not told:
        return None
    if told in _YES | _NO:
        return told in _YES
    raise FactoryError(f"{PERSISTENT} is {text!r}", "write true or false")


def _agree(persistent: bool | None, *, memory: bool) -> None:
    if persistent is not None and persistent == memory:
        said = (
            "true, and the store is in memory"
            if memory
            else "false, and the store is not in memory"
        )
        raise FactoryError(
            f"{PERSISTENT} and {URL} disagree: {PERSISTENT} is {said}", "leave one out"
        )
