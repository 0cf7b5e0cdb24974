"""
The other end of `store_conformance.harness.process.child`: opens one location and does what it is told, until told to quit.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from json import dumps, loads  # by name: a store may change the module
from typing import TYPE_CHECKING, Any

from store_conformance.contract import Location, Mode, UserError, Verdict
from store_conformance.harness.blame import is_the_stores
from store_conformance.harness.compat import GetOp, Item, ListNamespacesOp, PutOp, SearchOp
from store_conformance.harness.errors import CaseEnded, StoreRaisedError
from store_conformance.harness.footing import regain_footing, take_footing
from store_conformance.harness.journal import Journal
from store_conformance.harness.loops import LoopThread
from store_conformance.harness.process.pipes import own_pipes, send
from store_conformance.harness.process.preloading import own_modules
from store_conformance.harness.subject import Subject
from store_conformance.harness.text import message_of

if TYPE_CHECKING:
    from langgraph.store.base import IndexConfig

OPS: dict[str, Any] = {
    "get": GetOp,
    "put": PutOp,
    "search": SearchOp,
    "list_namespaces": ListNamespacesOp,
}


_answers = 1
"""Where answers go: a descriptor that the store does not know."""


def _say(answer: Mapping[str, object]) -> None:
    send(_answers, dumps(answer))


def _plain(value: object) -> object:
    """A result as JSON: items as dicts with score and ISO times."""
    if isinstance(value, Item):
        return {**value.dict(), "score": getattr(value, "score", None)}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


def _tupled(args: list[Any]) -> list[Any]:
    """JSON has no tuples; a first argument that is a list is a namespace."""
    return [tuple(args[0]), *args[1:]] if args and isinstance(args[0], list) else args


def _open(setup: dict[str, Any], loop_thread: LoopThread) -> Subject:
    from store_conformance.embedding import embedder_from_name
    from store_conformance.harness.backends import Spec, from_spec

    backend = from_spec(Spec.from_dict(setup["backend"]))
    at = Location.from_dict(setup["at"])
    index: IndexConfig | None = None
    if setup["embed"] is not None:
        embed = embedder_from_name(setup["embed"])
        dims = getattr(embed, "dims", None) or len(embed.embed_query("dims"))
        index = {"dims": dims, "embed": embed, "fields": setup["fields"]}
    return Subject(
        backend.open(at, index, setup["ttl"], Mode(setup["mode"])),
        at=at,
        mode=Mode(setup["mode"]),
        loop_thread=loop_thread,
        journal=Journal(),
        index=index,
        ttl=setup["ttl"],
    )


def _write(store: Subject, items: list[Any], loop: bool) -> None:
    turn = 0
    while True:
        for namespace, key, value in items:
            name = key if turn == 0 else f"{key}-turn{turn}"
            store.put(tuple(namespace), name, value)
            _say({"ack": name})
        turn += 1
        if not loop:
            _say({"written": len(items)})
            return


def _wait_until(begin: int) -> None:
    time.sleep(max(0.0, (begin - time.monotonic_ns()) / 1e9))


def _timed(store: Subject, calls: list[Any], begin: int) -> list[Any]:
    """Each call with the times of its begin and end, what it gave and what it raised."""
    _wait_until(begin)
    done = []
    for name, args, kwargs in calls:
        began, result, error = time.monotonic_ns(), None, ""
        try:
            result = _result(store, name, args, kwargs)
        except StoreRaisedError as raised:
            error = repr(raised.cause)
        done.append((began, time.monotonic_ns(), _plain(result), error))
    return done


def _op(data: list[Any]) -> Any:
    name, args = data
    return OPS[name](*_tupled(args))


def _obey(store: Subject, command: dict[str, Any]) -> None:
    if "write" in command:
        _write(store, command["write"], command["loop"])
        return
    if "timed" in command:
        _say({"timed": _timed(store, command["timed"], command["begin"])})
        return
    _say({"result": _plain(_result(store, command["call"], command["args"], command["kwargs"]))})


def _result(store: Subject, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
    for field in ("prefix", "suffix"):
        if kwargs.get(field) is not None:
            kwargs[field] = tuple(kwargs[field])
    if name == "batch":
        return store.batch([_op(o) for o in args[0]])
    if name in ("sweep_ttl", "setup"):
        return store.maintenance(name, *args, **kwargs)
    return store.call(name, *_tupled(args), **kwargs)


def _told(error: Exception) -> dict[str, str]:
    """What the parent learns of an exception: what was raised, and which verdict it makes."""
    if isinstance(error, (CaseEnded, UserError)):
        verdict = error.verdict
    else:
        verdict = Verdict.FAIL if is_the_stores(error) else Verdict.ERROR
    cause = error.cause if isinstance(error, StoreRaisedError) else error
    return {
        "error": type(cause).__name__,
        "text": message_of(cause, 10_000),
        "verdict": str(verdict),
    }


def main() -> None:
    global _answers
    commands, _answers = own_pipes()
    take_footing()
    loop_thread = LoopThread()
    store: Subject | None = None
    for line in os.fdopen(commands, encoding="utf-8"):
        regain_footing()
        command = loads(line)
        if command.get("quit"):
            break
        try:
            if store is None:
                _wait_until(command["begin"])
                began = time.monotonic_ns()
                store = _open(command, loop_thread)
                ended = time.monotonic_ns()
                _say({"ready": True, "began": began, "ended": ended, "modules": own_modules()})
            else:
                _obey(store, command)
        except Exception as error:  # noqa: BLE001 - told to the parent
            _say(_told(error))
    if store is not None:
        store.close()
    loop_thread.close()


if __name__ == "__main__":
    main()
