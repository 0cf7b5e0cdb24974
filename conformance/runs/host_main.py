"""
The process in which a user's store is loaded, tried and described before its first case.

It does what `store_conformance.runs.hosted` tells it, a line of JSON a command, and answers each with a line.  The
pipes are its first input and output; the store sees others, which it may close or fill as it likes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Mapping
from functools import partial
from json import dumps, loads  # by name: a store may change the module
from pathlib import Path
from queue import SimpleQueue  # by name: its locks are of C, which nothing in Python replaces
from time import sleep
from typing import Any

from store_conformance.contract import Capability, UserError
from store_conformance.contract.errors import EXIT_USAGE
from store_conformance.harness import watchdog
from store_conformance.harness.backends import (
    OwnCodeError,
    Spec,
    SuppliedBackend,
    VectorStoreError,
    user_supplied,
)
from store_conformance.harness.footing import regain_footing, replaced_threads, take_footing
from store_conformance.harness.memory import go_first
from store_conformance.harness.process.pipes import own_pipes, send
from store_conformance.harness.process.strays import end_unmarked_children
from store_conformance.harness.text import message_of
from store_conformance.runs.facts import describe_untouched
from store_conformance.runs.preparing import prepare
from store_conformance.runs.probing import missing_halves

LAST_SECONDS = 30.0
"""How long it may go on after nobody is there any more who asks."""


def main() -> None:
    # Nobody's Ctrl-C comes here, as the process has a session of its own: what comes is sent by the store.
    signal.signal(signal.SIGINT, _not_obeyed)
    go_first()
    commands, answers = own_pipes()
    ended: SimpleQueue[str | None] = SimpleQueue()
    threading.Thread(target=partial(_read, commands, ended), daemon=True).start()
    host = _Host()
    while (line := ended.get()) is not None:
        answer = host.obey(loads(line))
        try:
            send(answers, dumps(answer, default=repr))
        except OSError:
            _say_who_closed()
            os._exit(1)
    host.stop()


def _say_who_closed() -> None:
    with contextlib.suppress(OSError):
        os.write(2, b"it closed descriptors that others had opened")


def _not_obeyed(number: int, frame: object) -> None:
    """A handler, and no ``SIG_IGN``, which the store's own child processes would inherit."""


def _read(commands: int, lines: SimpleQueue[str | None]) -> None:
    with os.fdopen(commands, encoding="utf-8") as source:
        for line in source:
            lines.put(line)
    lines.put(None)
    sleep(LAST_SECONDS)
    os._exit(1)  # what it was doing does not end


def _refusal(
    problem: str, hint: str = "", exit_code: int = EXIT_USAGE, *, own: bool = True
) -> Mapping[str, Any]:
    """``own``: it is what the store's code did, and no mistake in what was asked for."""
    return {"error": {"problem": problem, "hint": hint, "exit_code": exit_code}, "own": own}


class _ThreadsReplacedError(UserError):
    """The store's module put something else in the place of Python's threads."""


_OWN = (OwnCodeError, _ThreadsReplacedError)
"""What of the store's own code may go wrong while it is loaded."""


class _Host:
    """The backend, and the commands about it; each gives a record."""

    def __init__(self) -> None:
        self._backend: SuppliedBackend | None = None
        self._reference = "the store"

    def obey(self, command: Mapping[str, Any]) -> Mapping[str, Any]:
        given = {name: value for name, value in command.items() if name != "do"}
        try:
            done: Mapping[str, Any] = getattr(self, f"_{command['do']}")(**given)
        except UserError as error:
            own = command["do"] != "load" or isinstance(error, _OWN)
            return _refusal(error.problem, error.hint, error.exit_code, own=own)
        except VectorStoreError as error:
            return _refusal(str(error), own=command["do"] != "load")
        except BaseException as error:  # noqa: BLE001 - a store that exits must not end its host
            text = message_of(error, 300)
            said = f"{self._reference} raised {type(error).__name__}{f': {text}' if text else ''}"
            return _refusal(said, "call it by hand to see where")
        finally:
            regain_footing()
        return done

    def _hello(self, stacks: str) -> Mapping[str, Any]:
        watchdog.guard_process(Path(stacks))
        return {}

    def stop(self) -> None:
        if self._backend is not None:
            self._backend.stop()

    @property
    def _loaded(self) -> SuppliedBackend:
        assert self._backend is not None
        return self._backend

    def _load(
        self,
        reference: str,
        name: str | None,
        capabilities: list[str] | None,
        options: dict[str, str],
        url: str | None,
        known: dict[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        """``known``: what another process has found out about the same store."""
        self._reference = reference
        take_footing()
        offered = None if capabilities is None else frozenset(map(Capability, capabilities))
        self._backend = user_supplied(
            reference, name=name, capabilities=offered, options=options, url=url
        )
        self._need_threads()
        if known is not None:
            self._backend.attach(Spec.from_dict(known))
        return self._told()

    def _check(self, seconds: float) -> Mapping[str, Any]:
        try:
            self._loaded.check(seconds)
        finally:
            self._need_threads()
        return self._told()

    def _need_threads(self) -> None:
        if replaced_threads():
            raise _ThreadsReplacedError(
                f"{self._reference} replaces Python's own threads and locks (gevent and eventlet do, by"
                " monkey-patching), and its cases run in threads and event loops",
                "give a function that opens the store without that",
            )

    def _halves(self, seconds: float) -> Mapping[str, Any]:
        lacking = missing_halves(self._loaded, seconds)
        self._loaded.capabilities -= frozenset(lacking)
        return {"lacking": [str(c) for c in lacking], **self._told()}

    def _start(self) -> Mapping[str, Any]:
        self._loaded.start()
        return self._told()

    def _prepare(self, timeout: float, wanted: int) -> Mapping[str, Any]:
        return prepare(self._loaded, timeout, wanted).to_dict()

    def _describe(self) -> Mapping[str, Any]:
        return {"facts": describe_untouched(self._loaded)}

    def _stop(self) -> Mapping[str, Any]:
        self.stop()
        self._backend = None
        end_unmarked_children()
        return {}

    def _told(self) -> Mapping[str, Any]:
        backend = self._loaded
        return {
            "name": backend.name,
            "capabilities": sorted(str(c) for c in backend.capabilities),
            "spec": backend.spec().to_dict(),
            "parts": list(backend.parts),
            "notes": list(backend.notes),
        }


if __name__ == "__main__":
    main()
    sys.exit(0)
