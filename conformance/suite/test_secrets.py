"""
E8: what a store says when something goes wrong shows no password and no whole connection string.
"""

from __future__ import annotations

import inspect
import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from store_conformance.contract import Capability, Location
from store_conformance.harness.case import case
from store_conformance.harness.errors import StoreRaisedError
from store_conformance.harness.lab import Lab
from store_conformance.harness.loops import HungError, run_bounded
from store_conformance.harness.subject import Subject
from store_conformance.harness.variables import changed_variables

SECONDS = 20.0
ENVIRONMENT = (
    "POSTGRES_CONNECTION_STRING",
    "DATABASE_URL",
    "PGPASSWORD",
    "REDIS_URL",
    "MONGODB_URI",
    "QDRANT_URL",
    "QDRANT_API_KEY",
    "PINECONE_API_KEY",
    "WEAVIATE_URL",
    "WEAVIATE_API_KEY",
    "CHROMA_API_KEY",
    "OPENAI_API_KEY",
)
NOWHERE = "127.0.0.1:1"


def _secret() -> str:
    return f"s3cret{secrets.token_hex(12)}"


class _Ears(logging.Handler):
    """Keeps what was logged, tracebacks included."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.heard.append(logging.Formatter().format(record))
        except Exception:  # noqa: BLE001 - a record that cannot be formatted shows nothing
            self.heard.append(str(record.msg))


@contextmanager
def _listening() -> Iterator[_Ears]:
    """Hear what an application with ``logging.basicConfig(level=INFO)`` would write to its log."""
    root, ears = logging.getLogger(), _Ears()
    level = root.level
    root.addHandler(ears)
    root.setLevel(logging.INFO)
    try:
        yield ears
    finally:
        root.setLevel(level)
        root.removeHandler(ears)


@contextmanager
def _planted(secret: str) -> Iterator[None]:
    """The secret in the variables that applications keep secrets in; everything restored after."""
    url = f"postgresql://conformance:{secret}@{NOWHERE}/none"
    with changed_variables(
        {name: url if name.endswith(("URL", "URI", "STRING")) else secret for name in ENVIRONMENT}
    ):
        yield


def texts_of(error: BaseException) -> Iterator[str]:
    """Everything that an exception and the ones behind it may show: str, repr, args and notes."""
    waiting: list[BaseException] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield from (str(one), repr(one), *(repr(a) for a in one.args))
        yield from (str(note) for note in getattr(one, "__notes__", ()))
        waiting += [e for e in (one.__cause__, one.__context__) if e is not None]
        waiting += [e for e in getattr(one, "exceptions", ()) if isinstance(e, BaseException)]


def _check(
    lab: Lab, what: str, error: BaseException | None, ears: _Ears, hidden: list[str]
) -> None:
    """None of ``hidden`` is in the error or the log; the finding names them without repeating them."""
    shown = list(texts_of(error)) if error is not None else []
    for where, texts in (("the error", shown), ("the log", ears.heard)):
        for secret in hidden:
            told = next((text for text in texts if secret in text), None)
            if told is not None:
                masked = told
                for word in hidden:
                    masked = masked.replace(word, "<the secret>")
                lab.fail(
                    f"{where} of {what} shows the planted secret",
                    got=masked[:400],
                    expected="a message without passwords, keys and whole connection strings",
                )


def _bounded(lab: Lab, what: str, work: Callable[[], Any]) -> BaseException | None:
    """
    What ``work`` raised of the store's, or ``None``; a store that waits for ever ends the case.

    It is waited for beside a thread that works; a store that is used by one thread only works in this one.
    """
    try:
        if lab.offers(Capability.THREADS):
            run_bounded(work, SECONDS, f"secrets-{what}")
        else:
            work()
    except HungError:
        lab.unverified(f"{what} did not end within {SECONDS:g} s")
    except StoreRaisedError as raised:
        return raised.cause
    except Exception as error:  # noqa: BLE001 - a backend's own error counts as its store's
        return error
    return None


def _url(at_url: str | None, secret: str) -> str:
    """A URL of the location's kind with this password, at an address where nobody listens."""
    scheme = urlsplit(at_url).scheme if at_url else ""
    return urlunsplit((scheme or "postgresql", f"conformance:{secret}@{NOWHERE}", "/none", "", ""))


@case("E8", serial=True, seconds=90)
def test_an_error_at_opening_shows_no_secret(lab: Lab) -> None:
    """
    A store that is opened with a wrong address raises what it likes, but neither its error nor the log
    shows the password.

    The password is in the location's URL and in the environment.  A store that ignores both opens,
    which is fine.  Catches connection strings repeated in messages, causes and logs.
    """
    secret = _secret()
    at = lab.location()
    at = replace(at, url=_url(at.url, secret))
    blocked = at.path / "a file"
    tried = 0
    with _listening() as ears, _planted(secret):
        for what, work in _openings(lab, at, blocked):
            error = _bounded(lab, what, work)
            _check(lab, what, error, ears, [secret])
            tried += error is not None
    lab.observe("secrets.opening", "refused without the secret" if tried else "opened all the same")


def _openings(lab: Lab, at: Location, blocked: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Opening the store under test there; where it cannot be; and, if its backend takes one, by URL."""
    yield "opening the store", lambda: lab.open(at=at).close()
    blocked.parent.mkdir(parents=True, exist_ok=True)
    blocked.write_text("no folder")
    nowhere = replace(at, path=blocked / "below")
    yield "opening the store below a file", lambda: lab.open(at=nowhere).close()
    make: Any = type(lab.backend)
    if str(lab.backend.deployment) == "factory" or "url" not in inspect.signature(make).parameters:
        return

    def connect() -> None:
        other = make(url=at.url)
        try:
            lab.open(at=other.location(), backend=other).close()
        finally:
            other.stop()

    yield "connecting to a wrong address", connect
    # The store's own client meets the address, with nothing of the backend in between.
    yield "the client's connecting", lambda: lab.open(at=at, backend=make(url=at.url)).close()


@case("E8", serial=True, seconds=90)
def test_an_error_of_a_call_shows_no_secret(lab: Lab) -> None:
    """
    Calls that are refused, and calls to a store that is closed, show no secret in error or log.

    The real password of the engine is looked for where there is one, beside the planted one.  Catches
    errors that describe the connection, the environment or the store's own settings.
    """
    secret = _secret()
    store = _opened(lab, secret)
    store.put(("a",), "k", {"n": 1})
    hidden = [secret, *_real_secrets(lab, store)]
    with _listening() as ears, _planted(secret):
        raised = 0
        for what, work in _bad_calls(store):
            error = _bounded(lab, what, work)
            _check(lab, what, error, ears, hidden)
            raised += error is not None
        store.close()
        error = _bounded(lab, "a call after close", lambda: store.put(("a",), "k", {"n": 2}))
        _check(lab, "a call after close", error, ears, hidden)
    lab.observe("secrets.calls", f"{raised} of {len(_bad_calls(store))} bad calls raised")


def _opened(lab: Lab, secret: str) -> Subject:
    """A store that works and knows the planted URL, if it takes any; else one as it comes."""
    at = lab.location()
    planted = replace(at, url=_url(at.url, secret))
    opened: list[Subject] = []
    if _bounded(lab, "opening the store", lambda: opened.append(lab.open(at=planted))) is None:
        return opened[0]
    return lab.open(at=at)


def _bad_calls(store: Subject) -> list[tuple[str, Callable[[], Any]]]:
    return [
        ("a value that is not JSON", lambda: store.put(("a",), "k", {"v": object()})),
        ("a value with NUL", lambda: store.put(("a",), "k", {"v": "a\x00b"})),
        ("a lone surrogate", lambda: store.put(("a",), "k", {"v": "\ud83d"})),
        ("an unknown filter operator", lambda: store.search(("a",), filter={"n": {"$no": 1}})),
        ("a namespace with a dot", lambda: store.put(("a.b",), "k", {"n": 1})),
        ("a key of 200 kB", lambda: store.put(("a",), "k" * 200_000, {"n": 1})),
        ("a limit that is not a number", lambda: store.search(("a",), limit="many")),
        ("an operation that is none", lambda: store.batch([object()])),
    ]


def _real_secrets(lab: Lab, store: Subject) -> list[str]:
    """The engine's password, as far as the location's URL or the backend's own record has it."""
    found = []
    for url in (store.at.url, lab.backend.spec().url):
        password = _password(url) if isinstance(url, str) else None
        if password and len(password) > 5:
            found.append(password)
    return found


def _password(url: str) -> str | None:
    parts = urlsplit(url)
    pairs = dict(p.partition("=")[::2] for p in parts.query.split("&") if "=" in p)
    try:
        return unquote(parts.password or pairs.get("password") or "") or None
    except ValueError:
        return None
