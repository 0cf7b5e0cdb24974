"""
The other end of `store_conformance.crash.worker`: starts the process, commands it, kills it.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import statistics
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from store_conformance.contract import Capability, Location, Mode
from store_conformance.crash.account import Hit, Look
from store_conformance.crash.history import Key, Kind
from store_conformance.crash.worker import MAIN
from store_conformance.harness.backends import LOOPBACK
from store_conformance.harness.process.fork_server import Spawned, spawn
from store_conformance.harness.process.preloading import known_modules, note_modules
from store_conformance.harness.text import shorten

if TYPE_CHECKING:
    from store_conformance.harness.backends import Backend

ANSWER_SECONDS = 60.0


class ClientFailedError(Exception):
    """The process could not open, read or write the store; the text says what it raised."""


class ClientSilentError(ClientFailedError):
    """The process still runs and gave no answer in its time."""


class Client:
    """
    One process that has the store open.

    ``life``: it is killed (SIGKILL) so many seconds after it begins to open the store, and not before.  ``through``:
    ports of the engine, and those of the proxies that lead there.
    """

    def __init__(
        self,
        backend: Backend,
        at: Location,
        *,
        seconds: float = ANSWER_SECONDS,
        mode: Mode | None = None,
        life: float | None = None,
        through: Mapping[int, int] | None = None,
    ) -> None:
        self._cosine = Capability.COSINE in backend.capabilities
        self._seconds = seconds
        self.began: list[tuple[int, Kind]] = []
        """The operations that it said it begins."""
        self.acknowledged = 0
        """Operations that it said were acknowledged."""
        self.acknowledged_at = 0
        """When the last one was (``time.monotonic_ns``)."""
        self.failed = 0
        self.last_failure = ""
        self.reopened = False
        """Whether it opened a new store object, as the first one worked no more."""
        self._durations: dict[Kind, list[float]] = {}
        self._begun_at = 0.0
        self._rest = b""
        self._errors: list[str] = []
        self._process: Spawned = spawn(main=MAIN, preload=known_modules())
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._process.stdout.fileno(), selectors.EVENT_READ)
        threading.Thread(target=self._keep_errors, daemon=True).start()
        try:
            told = self._ask({**_opening(backend, at, mode, through or {}), "life": life})
            self.opening = float(told["seconds"])
            """Seconds that opening the store took."""
            note_modules(told["modules"])
        except BaseException:
            self.kill()
            raise

    # -- commands ---------------------------------------------------------------------------------

    def look(self, keys: Sequence[Key]) -> Look:
        """What the store holds at these keys and in their namespaces."""
        told = self._ask({"look": [[list(ns), key] for ns, key in keys]})
        found = told["found"]
        return Look(
            {_place(row): row[2] for row in told["got"]},
            tuple((_place(row), row[2]) for row in told["listed"]),
            None if found is None else tuple(Hit(_place(h), h[2], h[3]) for h in found),
            self._cosine,
        )

    def sweeps(self) -> bool:
        """Whether the store can be told to sweep what has expired."""
        return bool(self._ask({"sweeps": True})["sweeps"])

    def write(
        self,
        ledger: Path,
        name: str,
        writer: str,
        *,
        held: Mapping[Key, str | None] | None = None,
        kinds: tuple[Kind, ...] = (),
        shared: bool = False,
        at: int = 0,
        kill: tuple[int, float] | None = None,
        over: Path | None = None,
        again: bool = False,
        synced: bool = True,
    ) -> None:
        """
        Begin the work of ``writer``, at that time of ``time.monotonic_ns``; returns at once.

        ``over``: the store object is kept while that file is not there, whatever its calls raise.  ``again``: a call
        that raised is made a second time.  ``synced``: so is each line of the ledger.
        ``kill``: after so many operations it is killed (SIGKILL) in the next one of ``kinds``, after that share of what
        such operations take.
        """
        named = [kind.value for kind in kinds]
        fate = kill and {"least": kill[0], "share": kill[1], "kinds": named}
        self._send(
            {
                "ledger": str(ledger),
                "synced": synced,
                "name": name,
                "writer": writer,
                "held": [[list(ns), key, version] for (ns, key), version in (held or {}).items()],
                "kinds": named,
                "shared": shared,
                "at": at,
                "kill": fate,
                "over": over and str(over),
                "again": again,
            }
        )

    def follow(self, seconds: float) -> str | None:
        """The next thing it says within that time: ``b`` begun, ``e`` acknowledged, ``f`` raised."""
        line = self._line(time.monotonic() + seconds)
        if line is None:
            return None
        word, _, rest = line.partition(" ")
        if word == "b":
            number, kind = rest.split(" ")
            self.began.append((int(number), Kind(kind)))
            self._begun_at = time.perf_counter()
        elif word == "e":
            self.acknowledged += 1
            self.acknowledged_at = int(rest.partition(" ")[2])
            took = time.perf_counter() - self._begun_at
            self._durations.setdefault(self.began[-1][1], []).append(took)
        elif word == "o":
            self.reopened = True
        elif word == "f":
            self.failed += 1
            self.last_failure = rest.partition(" ")[2]
        elif line.startswith('{"error"'):
            raise ClientFailedError(str(json.loads(line)["error"]))
        return word

    def usual_seconds(self, kind: Kind) -> float:
        """What an operation of that kind takes, as far as it was seen."""
        return statistics.median(self._durations.get(kind) or [0.001])

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_gone(self) -> bool:
        """Whether its process has ended."""
        return self._process.ended()

    def signal(self, number: int) -> None:
        """Send a signal to it and to what it has started."""
        self._process.signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone; a second call does nothing."""
        if self._selector.get_map():
            self._process.kill()
            self._process.ended(20)
            self._close()

    def end(self) -> None:
        """Let it close its store and end."""
        if not self._selector.get_map():
            return
        try:
            self._send({"quit": True})
            self._process.ended(20)
        except (OSError, ValueError):
            pass  # it has ended already
        self.kill()

    # -- pipes ------------------------------------------------------------------------------------

    def _close(self) -> None:
        self._selector.close()
        self._process.close()

    def _send(self, command: dict[str, Any]) -> None:
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        try:
            self._send(command)
        except OSError:
            raise self._failure() from None
        deadline = time.monotonic() + self._seconds
        while True:
            line = self._line(deadline)
            if line is None:
                raise self._failure()
            try:
                told = json.loads(line)
            except ValueError:
                continue  # a store that prints
            if isinstance(told, dict) and "error" in told:
                raise ClientFailedError(str(told["error"]))
            if isinstance(told, dict):
                return told

    def _failure(self) -> ClientFailedError:
        ended = self._process.ended()
        state = "has ended" if ended else f"gave no answer in {self._seconds:g} s"
        tail = shorten("".join(self._errors[-6:]).strip(), 300)
        said = f"the process {state}: {tail}" if tail else f"the process {state}"
        return ClientFailedError(said) if ended else ClientSilentError(said)

    def _line(self, deadline: float) -> str | None:
        """The next line; ``None`` if there is none in time, or never will be one."""
        while b"\n" not in self._rest:
            if not self._selector.select(max(0.0, deadline - time.monotonic())):
                return None
            data = os.read(self._process.stdout.fileno(), 1 << 20)
            if not data:
                return None
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode(errors="replace")

    def _keep_errors(self) -> None:
        try:
            for line in self._process.stderr:
                self._errors.append(line)
                del self._errors[:-40]
        except ValueError:
            pass  # the pipe was closed


def _opening(
    backend: Backend, at: Location, mode: Mode | None, through: Mapping[int, int]
) -> dict[str, Any]:
    """What the process is told of the store that it opens."""
    offered = backend.capabilities
    return {
        "backend": redirected(backend.spec().to_dict(), through),
        "at": redirected(at.to_dict(), through),
        "mode": str(mode or (Mode.SYNC if Capability.SYNC in offered else Mode.ASYNC)),
        "vectors": Capability.VECTORS in offered,
        "ttl": Capability.TTL in offered,
    }


def redirected(told: Mapping[str, Any], through: Mapping[int, int]) -> dict[str, Any]:
    """The same with other ports in the addresses of engines on the loopback interface."""
    text = json.dumps(told)
    for port, other in through.items():
        address = rf"(\b{re.escape(LOOPBACK)}:|[?&]port=){port}(?!\d)"
        text = re.sub(address, rf"\g<1>{other}", text)
    return dict(json.loads(text))


def _place(row: list[Any]) -> Key:
    return tuple(row[0]), row[1]
