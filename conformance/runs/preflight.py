"""
What is tried before any case runs: whether a user's store keeps its locations apart.

A store that does not use its location works in one place for all of them, which may be its user's own.
Then the cases would write there, so the run is refused.  What cannot be told is not held against a store:
an answer that is slow, of an unexpected kind or an exception is for the suite to judge.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from store_conformance.contract import Capability, Mode
from store_conformance.harness.backends import BackendError
from store_conformance.harness.compat import Item
from store_conformance.harness.errors import CaseEnded
from store_conformance.harness.journal import Journal
from store_conformance.harness.loops import LoopThread, run_bounded
from store_conformance.harness.subject import Subject
from store_conformance.harness.text import shorten

if TYPE_CHECKING:
    from store_conformance.contract import Location
    from store_conformance.harness.backends import Backend

MODES: tuple[tuple[Mode, Capability], ...] = (
    (Mode.SYNC, Capability.SYNC),
    (Mode.ASYNC, Capability.ASYNC),
)
SHOWN = 10
"""How many items and namespaces of a place that should be empty are asked for."""
HOW = "make each location a place of its own: a file in at.path, or a schema, collection or prefix at.name"


def keeps_apart(backend: Backend, seconds: float) -> bool:
    """
    Open fresh locations in each mode; raises ``BackendError`` where one shows what was not put there.

    Nothing is put before a fresh location has been seen, and what is put is deleted again.  Gives whether
    the store answered in time.
    """
    for mode, capability in MODES:
        if capability not in backend.capabilities:
            continue
        try:
            found = run_bounded(partial(_look, backend, mode), seconds, f"preflight-{mode}")
        except CaseEnded:  # it hangs, or exits: the suite will say so, case by case
            return False
        except BackendError:
            return True  # so will its openings
        if found is not None:
            raise BackendError(backend.name, found, HOW)
    return True


def _look(backend: Backend, mode: Mode) -> str | None:
    """What shows that locations are not apart; ``None`` where they are, or it cannot be told."""
    with ExitStack() as stack:
        loop_thread = LoopThread()
        stack.callback(loop_thread.close)
        try:
            first = stack.enter_context(_fresh(backend, mode, loop_thread))
            found = _contents(first)
            if found:
                return (
                    f"a fresh location is not empty: {found}; the store does not use at.name or"
                    " at.path; nothing was written."
                )
            return _shared(first, stack.enter_context(_fresh(backend, mode, loop_thread)))
        except Exception:  # noqa: BLE001 - whatever a store raises here it will raise in its cases
            return None


@contextmanager
def _fresh(backend: Backend, mode: Mode, loop_thread: LoopThread) -> Iterator[Subject]:
    at: Location = backend.location()
    try:
        opened = backend.open(at, None, None, mode)
        store = Subject(opened, at=at, mode=mode, loop_thread=loop_thread, journal=Journal())
        try:
            yield store
        finally:
            store.close()
    finally:
        backend.discard(at)


def _contents(store: Subject) -> str:
    """What is in the store, in words; empty where nothing is, or it does not say."""
    words = []
    items = _list_of(Item, _quietly(partial(store.call, "search", (), limit=SHOWN)))
    if items:
        keys = shorten(", ".join(repr(i.key) for i in items[:3]), 120)
        words.append(f"{_count(items)} item(s), such as {keys}")
    namespaces = _list_of(tuple, _quietly(partial(store.call, "list_namespaces", limit=SHOWN)))
    if namespaces:
        named = shorten(", ".join(map(repr, namespaces[:3])), 120)
        words.append(f"{_count(namespaces)} namespace(s), such as {named}")
    return " and ".join(words)


def _count(found: list[Any]) -> str:
    return str(len(found)) if len(found) < SHOWN else f"{SHOWN} or more"


def _list_of(kind: type, answer: Any) -> list[Any]:
    """The answer if it is a list of just these; anything else says nothing of what is there."""
    usable = isinstance(answer, list) and all(isinstance(one, kind) for one in answer)
    return answer if usable else []


def _quietly(ask: Any) -> Any:
    try:
        return ask()
    except Exception:  # noqa: BLE001 - a store that cannot list cannot be asked
        return None


def _shared(first: Subject, second: Subject) -> str | None:
    """Whether what is put into one place is found in the other; it is deleted again."""
    mark = uuid.uuid4().hex
    namespace = ("store-conformance", mark)
    first.put(namespace, mark, {"preflight": mark})
    try:
        item = second.get(namespace, mark)
    finally:
        _quietly(partial(first.delete, namespace, mark))
    if item is None or item.key != mark:
        return None
    return (
        "what was put into one location is found in another; the store does not use at.name or"
        " at.path; the one item that was put was deleted again."
    )
