"""
Which store the environment asks for; every wrong or missing variable is named, and none means memory.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from pathlib import Path

from store_conformance.contract.hints import did_you_mean
from store_conformance.embedding.errors import EmbeddingError
from store_conformance.embedding.naming import embedder_factory
from store_conformance.factory.mistakes import (
    FactoryError,
    in_value,
    like,
    lines_that_set_nothing,
    misspelt,
    unread_files,
)
from store_conformance.harness.backends import (
    BackendError,
    known_scheme,
    read_env_file,
    text_of_env,
)

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
    folder: Path | None = None,
    environ: MutableMapping[str, str] | None = None,
    *,
    given: bool = False,
) -> list[Path]:
    """
    Put what ``.env.<STORE_ENV>`` and ``.env`` say into the environment; real variables win.

    Gives the files that were read.  ``STORE_ENV`` is ``production`` or ``development``, or whatever you
    call a file of yours; it may stand in ``.env``.  ``given``: which store it is needs no variable.
    """
    where, target = folder or Path.cwd(), os.environ if environ is None else environ
    general = where / ".env"
    files = {general: _read(general)} if general.is_file() else {}
    here = [("the environment", target), *((str(path), told) for path, told in files.items())]
    misspelt(WHICH, here)
    which = target.get(WHICH) or files.get(general, {}).get(WHICH)
    if which:
        in_value(WHICH, which)
        files = {**_special(where, which, target), **files}
    if not (given or target.get(URL)):
        for name in (URL, PERSISTENT):
            misspelt(name, [("the environment", target), *((str(p), t) for p, t in files.items())])
    for told in files.values():
        for name, value in told.items():
            if value:
                target.setdefault(name, value)
    return list(files)


def _special(
    where: Path, which: str, target: MutableMapping[str, str]
) -> dict[Path, dict[str, str]]:
    """The file that ``STORE_ENV`` names; it may be missing where real variables say which store it is."""
    special = where / f".env.{which}"
    if special.is_file():
        return {special: _read(special)}
    if target.get(URL) or target.get(PERSISTENT):
        return {}
    near = did_you_mean(which, unread_files(where))
    hint = near + f"write {special.name}, or set {URL} itself"
    raise FactoryError(f"{WHICH} is {which!r}, and there is no file {special}", hint)


def _read(path: Path) -> dict[str, str]:
    try:
        found = read_env_file(path)
        text = text_of_env(path)
    except OSError as error:
        raise FactoryError(
            f"{path} cannot be read: {error.strerror}", "give its owner the right, or remove it"
        ) from None
    lines_that_set_nothing(path, text, VARIABLES, found)
    broken = next((name for name, value in found.items() if "\0" in value), None)
    if broken is not None:  # no environment can hold it
        in_value(broken, found[broken])
    return found


def wanted(
    environ: MutableMapping[str, str] | None = None,
    *,
    url: str | None = None,
    folder: Path | None = None,
) -> Wanted:
    """What the variables ask for, of which ``folder`` has the files; raises ``FactoryError``."""
    told = os.environ if environ is None else environ
    address, source = (
        (url, "the URL that was given") if url else _address(told, folder or Path.cwd())
    )
    in_value(source, address)
    try:
        known_scheme(address)
    except BackendError as error:
        raise BackendError(source, error.problem.partition(": ")[2], error.hint) from None
    name = (told.get(EMBEDDINGS) or "").strip() or None
    if name is None:
        _embedder_of_another_name(told)
    else:
        in_value(EMBEDDINGS, name)
        try:
            embedder_factory(name)
        except EmbeddingError as error:
            raise FactoryError(f"{EMBEDDINGS}: {error.problem}", error.hint) from None
    fields = _fields(told.get(FIELDS))
    dims = _dims(told.get(DIMS))
    if name is None and (fields or dims):
        extra = FIELDS if fields else DIMS
        raise FactoryError(
            f"{extra} is set, and {EMBEDDINGS} is not", f"set {EMBEDDINGS}, or neither"
        )
    return Wanted(address, source, name, dims, fields)


def _embedder_of_another_name(told: MutableMapping[str, str]) -> None:
    """A variable nearly of the right name whose value is an embedder's would leave a store without vectors."""
    near = like(EMBEDDINGS, told)
    if near is None:
        return
    try:
        embedder_factory(told[near].strip())
    except EmbeddingError:
        return
    raise FactoryError(
        f"{near} names an embedder, and {EMBEDDINGS} is not set", f"rename {near} to {EMBEDDINGS}"
    )


def _fields(text: str | None) -> tuple[str, ...]:
    fields = tuple(part.strip() for part in (text or "").split(",") if part.strip())
    odd = next((one for one in fields if one[0] == "[" or set(one) & set("\"'{}")), None)
    if odd is not None:
        raise FactoryError(
            f"{FIELDS} has {odd!r} in it, which is no field",
            f"write names with commas between, without brackets and quotes: {FIELDS}=subject,body",
        )
    return fields


def _dims(text: str | None) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise FactoryError(f"{DIMS} is {text!r}", "write the length of one vector, such as 1536")
    return int(text)


def _address(told: MutableMapping[str, str], folder: Path) -> tuple[str, str]:
    url, postgres = (told.get(URL) or "").strip(), (told.get(POSTGRES) or "").strip()
    persistent = _flag(told.get(PERSISTENT))
    if url:
        _agree(persistent, memory=url.lower().startswith("memory:"))
        return url, URL
    if persistent:
        return _of_postgres(told, postgres), POSTGRES
    if persistent is False:
        return "memory:", PERSISTENT
    if postgres:
        raise FactoryError(
            f"{POSTGRES} is set, and {PERSISTENT} is not",
            f"set {PERSISTENT}=true to use it, or false for a store in memory",
        )
    raise _nothing_says(folder, env_file=(folder / ".env").is_file(), which=told.get(WHICH))


def _of_postgres(told: MutableMapping[str, str], address: str) -> str:
    if not address:
        near = like(POSTGRES, told)
        rename = f"rename {near} to {POSTGRES}, or " if near else ""
        raise FactoryError(
            f"{PERSISTENT} is true, and neither {URL} nor {POSTGRES} is set",
            f"{rename}set {POSTGRES}=postgresql://USER:PASSWORD@HOST:5432/DATABASE, or {URL} for another store",
        )
    in_value(POSTGRES, address)
    scheme = _scheme_of(address)
    if scheme not in ("postgresql", "postgres"):
        raise FactoryError(
            f"{POSTGRES} is no address of Postgres",
            f"write postgresql://USER:PASSWORD@HOST:5432/DATABASE, or set {URL} for another store",
        )
    return address


def _scheme_of(address: str) -> str | None:
    try:
        return known_scheme(address)
    except BackendError:
        return None


def _nothing_says(folder: Path, *, env_file: bool, which: str | None) -> FactoryError:
    """Also where was looked, and what was not read."""
    seen = f"{folder / '.env'}" if env_file else f"a file .env, which {folder} has not"
    others = [] if which else unread_files(folder)
    more = f"set {WHICH}={others[0]} to have .env.{others[0]} read, or " if others else ""
    return FactoryError(
        f"nothing says which store to use: neither the environment nor {seen}",
        f"{more}set {URL}, for example sqlite:///email_agent.db, or {PERSISTENT} and {POSTGRES};"
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
