"""
A process of a campaign: it opens the store, reads it, and writes until it is killed.

It takes one JSON line a command and gives one a result.  While it writes it says a short line for each
operation before and after it, so that whoever kills it can choose the moment; what counts is its ledger.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from store_conformance.contract import Location, Mode
from store_conformance.contract.secrets import one_line
from store_conformance.crash.history import Key, Kind, Operation
from store_conformance.crash.kill_timer import KillTimer
from store_conformance.crash.ledger import Ledger
from store_conformance.crash.plan import Planner, meeting
from store_conformance.crash.values import text_of, value_of, version_in
from store_conformance.harness.compat import Item, PutOp
from store_conformance.harness.errors import CaseEnded, StoreRaisedError
from store_conformance.harness.journal import Journal
from store_conformance.harness.loops import LoopThread
from store_conformance.harness.process.preloading import own_modules
from store_conformance.harness.subject import Subject

if TYPE_CHECKING:
    from langgraph.store.base import IndexConfig

MAIN = "store_conformance.crash.worker"
PASSING_MINUTES = 0.0001
"""The time to live of items that shall be swept."""
PASSING_SECONDS = 0.01
"""How long a sweep waits for them."""
USUAL_SECONDS = 0.001
"""What an operation takes of whose kind none has been seen yet."""
LIMIT = 1000
QUERY = "apple*3 banana*5 cherry*7 damson*2 elder*4 fig*6 grape hazel*8 iris juniper*2 kiwi lemon mango nutmeg"
"""A text near everything."""
SECOND = 10**6
"""Added to the number of an operation that is tried a second time."""
REST_SECONDS = 0.02
"""Between a call that raised and the next."""
PATIENCE = 3
"""Calls that may raise, one after the other, before the store is opened anew."""
RECOVER_SECONDS = 3.0
"""How long a store has, once its engine is back, to work again by itself."""


def say(line: str) -> None:
    """To whoever started this process; if nobody is left, it ends."""
    os.write(1, line.encode() + b"\n")


class ScheduledKill:
    """When this process will be killed: within an operation of one of ``kinds``, after ``least`` others."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._timer = KillTimer()
        self._least = int(told["least"])
        self._kinds = {Kind(kind) for kind in told["kinds"]}
        self._share = float(told["share"])
        self._took: dict[Kind, list[float]] = {}
        self._acknowledged = 0
        self._armed = False
        self._begun = 0.0

    def begin(self, kind: Kind) -> None:
        """An operation is sent now; if it is the one, the kill comes after a share of what such ones took."""
        if not self._armed and kind in self._kinds and self._acknowledged >= self._least:
            usual = statistics.median(self._took.get(kind) or [USUAL_SECONDS])
            self._armed = True
            self._timer.arm(self._share * usual)
        self._begun = time.perf_counter()

    def end(self, kind: Kind) -> None:
        """It was acknowledged."""
        self._took.setdefault(kind, []).append(time.perf_counter() - self._begun)
        self._acknowledged += 1


class Patience:
    """
    When a store object is given up and another one opened: after some calls in a row that raised.

    Where ``over`` is a file, not before it is there and some time has passed since.
    """

    def __init__(self, over: str | None) -> None:
        self._over = Path(over) if over else None
        self._since: float | None = None
        self._failures = 0

    def worked(self) -> None:
        self._failures = 0

    def is_at_its_end(self) -> bool:
        """Another call has raised."""
        self._failures += 1
        if self._failures < PATIENCE:
            return False
        if self._over is None:
            return True
        if self._since is None and self._over.exists():
            self._since = time.monotonic()
        return self._since is not None and time.monotonic() - self._since > RECOVER_SECONDS


class Worker:
    """One store at one place, opened as often as it takes."""

    def __init__(self, setup: dict[str, Any]) -> None:
        self._setup = setup
        self._loop = LoopThread()
        self._subject: Subject | None = None
        self.open()

    @property
    def store(self) -> Subject:
        assert self._subject is not None
        return self._subject

    def open(self) -> None:
        """Open the store, instead of the one that is open."""
        from store_conformance.embedding import embedder_from_name
        from store_conformance.harness.backends import Spec, from_spec

        self.close()
        setup = self._setup
        backend = from_spec(Spec.from_dict(setup["backend"]))
        at, mode = Location.from_dict(setup["at"]), Mode(setup["mode"])
        index: IndexConfig | None = None
        if setup["vectors"]:
            embed = embedder_from_name("exact")
            index = {"dims": 16, "embed": embed, "fields": ["text"]}
        ttl = {"refresh_on_read": False} if setup["ttl"] else None
        life = setup.pop("life", None)  # what is opened anew later is not struck
        if life is not None:
            KillTimer().arm(life)
        begin = time.perf_counter()
        self._subject = Subject(
            backend.open(at, index, ttl, mode),  # type: ignore[arg-type]
            at=at,
            mode=mode,
            loop_thread=self._loop,
            journal=Journal(),
            index=index,
            ttl=ttl,
        )
        self.seconds = time.perf_counter() - begin
        """What opening it took."""

    def close(self) -> None:
        subject, self._subject = self._subject, None
        if subject is not None:
            with contextlib.suppress(Exception):  # it may be the broken one
                subject.close()

    # -- reading ----------------------------------------------------------------------------------

    def look(self, keys: list[Key]) -> dict[str, Any]:
        """Every key by get, every namespace by search, with and without a query."""
        got = []
        for namespace, key in keys:
            item = self.store.get(namespace, key)
            got.append([list(namespace), key, None if item is None else item.value])
        listed: list[Any] = []
        found: list[Any] = []
        for namespace in dict.fromkeys(ns for ns, _ in keys):
            listed += map(_row, self.store.search(namespace, limit=LIMIT))
            if self._setup["vectors"]:
                hits = self.store.search(namespace, query=QUERY, limit=LIMIT)
                found += [_hit(item, QUERY) for item in hits]
        if self._setup["vectors"]:
            found += self._searched_alone(got, {(tuple(ns), key) for ns, key, _, _ in found})
        return {"got": got, "listed": listed, "found": found if self._setup["vectors"] else None}

    def _searched_alone(self, got: list[Any], found: set[Key]) -> Iterator[Any]:
        """An index that approximates may miss an item among many: its own text must find it."""
        for namespace, key, value in got:
            version = version_in(value)
            if version is None or (tuple(namespace), key) in found:
                continue
            text = text_of(version)
            for item in self.store.search(tuple(namespace), query=text, limit=10):
                if item.key == key:
                    yield _hit(item, text)

    # -- writing ----------------------------------------------------------------------------------

    def write(
        self,
        operations: Iterator[Operation],
        ledger: Ledger,
        kill: ScheduledKill | None,
        patience: Patience,
        *,
        again: bool = False,
    ) -> None:
        """Do them one after the other, each of them in the ledger before and after; never ends by itself."""
        failed: list[Operation] = []
        for operation in _with_second_tries(operations, failed) if again else operations:
            if operation.kind is Kind.SWEEP:
                time.sleep(PASSING_SECONDS)
            ledger.begin(operation)
            say(f"b {operation.number} {operation.kind.value}")
            if kill is not None:
                kill.begin(operation.kind)
            try:
                seen = self._do(operation)
            except CaseEnded as error:
                cause = error.cause if isinstance(error, StoreRaisedError) else error
                ledger.fail(operation.number, cause)
                say(f"f {operation.number} {one_line(cause, most=150)}")
                failed.append(operation)
                time.sleep(REST_SECONDS)
                if patience.is_at_its_end():
                    self._open_anew()
            else:
                if kill is not None:
                    kill.end(operation.kind)
                ledger.acknowledge(operation.number, seen)
                say(f"e {operation.number} {time.monotonic_ns()}")
                patience.worked()

    def _open_anew(self) -> None:
        try:
            self.open()
            say("o")
        except Exception:  # noqa: BLE001 - the engine may be away for a while
            time.sleep(5 * REST_SECONDS)

    def _do(self, operation: Operation) -> str | None:
        """Make the call; gives the version that a ``get`` finds."""
        if self._subject is None:
            self.open()
        if operation.reads is not None:
            item = self.store.get(*operation.reads)
            return None if item is None else version_in(item.value)
        if operation.kind is Kind.SWEEP:
            self.store.maintenance("sweep_ttl")
        elif operation.kind is Kind.BATCH:
            self.store.batch([_put_op(w) for w in operation.writes])
        else:
            (write,) = operation.writes
            if write.version is None:
                self.store.delete(write.namespace, write.key)
            else:
                self.store.put(write.namespace, write.key, value_of(write.version))
        return None


def _put_op(write: Any) -> Any:
    value = None if write.version is None else value_of(write.version)
    if write.expires:
        return PutOp(write.namespace, write.key, value, ttl=PASSING_MINUTES)
    return PutOp(write.namespace, write.key, value)


def _row(item: Item) -> list[Any]:
    return [list(item.namespace), item.key, item.value]


def _hit(item: Any, query: str) -> list[Any]:
    return [list(item.namespace), item.key, query, item.score]


def _operations(command: dict[str, Any]) -> Iterator[Operation]:
    writer, name = command["writer"], command["name"]
    if command["shared"]:
        return meeting(writer, name)
    held = {(tuple(ns), key): version for ns, key, version in command["held"]}
    return Planner(writer, name, held, tuple(Kind(k) for k in command["kinds"])).operations()


def _with_second_tries(
    operations: Iterator[Operation], failed: list[Operation]
) -> Iterator[Operation]:
    """Each of them, and once more what has failed in the meantime, under a number of its own."""
    for operation in operations:
        failed.clear()
        yield operation
        if failed:
            yield replace(operation, number=SECOND + operation.number)


def _obey(worker: Worker, command: dict[str, Any]) -> None:
    if "look" in command:
        keys = [(tuple(namespace), key) for namespace, key in command["look"]]
        say(json.dumps(worker.look(keys)))
    elif "sweeps" in command:
        say(json.dumps({"sweeps": hasattr(worker.store.raw, "sweep_ttl")}))
    else:
        ledger = Ledger(Path(command["ledger"]), synced=command["synced"])
        kill = ScheduledKill(command["kill"]) if command["kill"] else None
        while time.monotonic_ns() < command["at"]:  # the barrier: all begin at one time
            time.sleep(0.0005)
        worker.write(
            _operations(command), ledger, kill, Patience(command["over"]), again=command["again"]
        )


def main() -> None:
    worker: Worker | None = None
    for line in sys.stdin:
        command = json.loads(line)
        if "quit" in command:
            break
        try:
            if worker is None:
                worker = Worker(command)
                say(json.dumps({"seconds": worker.seconds, "modules": own_modules()}))
            else:
                _obey(worker, command)
        except BrokenPipeError:
            os._exit(1)  # whoever started this process is gone
        except Exception as error:  # noqa: BLE001 - told to whoever started this process
            cause = error.cause if isinstance(error, StoreRaisedError) else error
            told = f"{type(cause).__name__}: {one_line(cause)}"
            say(json.dumps({"error": told}))
    if worker is not None:
        worker.close()


if __name__ == "__main__":
    main()
