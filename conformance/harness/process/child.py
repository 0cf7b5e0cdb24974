"""
A store opened by another process, driven over pipes: for restarts, kills and several processes.

The parent sends one JSON line a command and reads one JSON line an answer; a ``write`` command streams
one line for each acknowledged item, so that the parent knows exactly what was acknowledged when it
kills the child.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from json import dumps, loads  # by name: a store may change the module
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any

from store_conformance.contract import Location, Mode, Verdict
from store_conformance.harness.errors import CaseEnded, UnverifiedError
from store_conformance.harness.process.fork_server import Spawned, spawn
from store_conformance.harness.process.preloading import known_modules, note_modules
from store_conformance.harness.text import shorten

if TYPE_CHECKING:
    from store_conformance.harness.backends import Backend

START_SECONDS = 60.0


class ChildFailedError(CaseEnded):
    """The child could not do what it was told; ``kind`` is the exception's class name there."""

    def __init__(self, kind: str, text: str, verdict: Verdict = Verdict.FAIL) -> None:
        super().__init__(f"in another process: {kind}: {shorten(text, 300)}")
        self.kind = kind
        self.text = text
        self.verdict = verdict

    @classmethod
    def told(cls, answer: Mapping[str, Any]) -> ChildFailedError:
        """What the child's answer tells of its exception."""
        return cls(answer["error"], answer["text"], Verdict(answer["verdict"]))


class Child:
    """
    Another process with the same location open.

    ``fields`` and ``embed`` rebuild the index there by the embedder's name; ``ttl`` is a ``TTLConfig``;
    ``environment`` are variables that differ there; ``begin`` is when it opens its location (``time.monotonic_ns``).
    """

    def __init__(
        self,
        backend: Backend,
        at: Location,
        *,
        mode: Mode,
        embed: str | None = None,
        fields: tuple[str, ...] = ("text",),
        ttl: Mapping[str, object] | None = None,
        environment: Mapping[str, str] | None = None,
        begin: int = 0,
    ) -> None:
        self.opening = (0, 0)
        """When (``time.monotonic_ns``) it began to open its location, and when it had."""
        self.acknowledged: list[str] = []
        """Keys whose put the child has acknowledged, in order."""
        self._writing = 0
        """``write`` commands whose end has not been told yet."""
        self._closed = False
        self._streams = 0
        """Streams whose closing line has not been read yet."""
        self._answers: Queue[dict[str, Any] | None] = Queue()
        setup = {
            "backend": backend.spec().to_dict(),
            "at": at.to_dict(),
            "mode": mode,
            "embed": embed,
            "fields": list(fields),
            "ttl": ttl,
            "begin": begin,
        }
        self._process: Spawned = spawn(environment, preload=known_modules())
        self._errors: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._read_errors, daemon=True).start()
        self._open(setup)

    def _open(self, setup: Mapping[str, object]) -> None:
        """Let the child open its location; one that does not is ended."""
        try:
            self._send(setup)
            answer = self._answer(START_SECONDS)
            if "error" in answer:
                raise ChildFailedError.told(answer)
            note_modules(answer["modules"])
            self.opening = (answer["began"], answer["ended"])
        except ChildFailedError:
            self.end()
            raise
        except BaseException:  # it hangs, or nobody waits for it any more
            self.kill()
            self.end()
            raise

    # -- commands -----------------------------------------------------------------------------

    def call(self, name: str, *args: Any, timeout: float = 60.0, **kwargs: Any) -> Any:
        """
        A store method in the child; the answer as JSON (items as dicts with score and ISO times).

        Raises ``ChildFailedError`` for what the store raised there.
        """
        self._send({"call": name, "args": args, "kwargs": kwargs})
        answer = self._answer(timeout)
        if "error" in answer:
            raise ChildFailedError.told(answer)
        return answer["result"]

    def start_timed(
        self, calls: Sequence[tuple[str, Sequence[Any], Mapping[str, Any]]], begin: int
    ) -> None:
        """
        Let it make these calls one after the other, from the time ``begin`` (``time.monotonic_ns``) on; returns at once.
        """
        self._send({"timed": calls, "begin": begin})

    def timed(self, seconds: float) -> list[tuple[int, int, Any, str]]:
        """What the calls of `start_timed` came to: begin, end, the result as JSON, and what was raised."""
        answer = self._answer(seconds)
        if "error" in answer:
            raise ChildFailedError.told(answer)
        return [tuple(one) for one in answer["timed"]]

    def write(
        self,
        items: Sequence[tuple[tuple[str, ...], str, Mapping[str, object]]],
        *,
        loop: bool = False,
    ) -> None:
        """
        Start writing these items one by one, each acknowledged; returns at once.

        ``loop``: begin again from the first (with key suffixes) until the child is killed.
        """
        self._writing += 1
        self._streams += 1
        self._send({"write": items, "loop": loop})

    def wait_acknowledged(self, count: int, seconds: float) -> int:
        """Collect acknowledgements until there are ``count`` or time is up; gives how many there are."""
        deadline = time.monotonic() + seconds
        while len(self.acknowledged) < count and time.monotonic() < deadline:
            try:
                answer = self._answers.get(timeout=0.05)
            except Empty:
                continue
            if answer is None:
                break
            if "error" in answer:
                raise ChildFailedError.told(answer)
            if "ack" in answer:
                self.acknowledged.append(answer["ack"])
            # The end of an earlier write may still be in the pipe; it is not the end of this one.
            self._writing -= "written" in answer
            if not self._writing:
                break
        return len(self.acknowledged)

    def kill(self) -> None:
        """End it by force (SIGKILL), then collect the acknowledgements that were already under way."""
        self._process.kill()
        self._process.ended(20)
        self.drain()

    def drain(self) -> None:
        """Collect what a process that has ended still had in its pipe."""
        while (answer := self._next(5.0)) is not None:
            if "ack" in answer:
                self.acknowledged.append(answer["ack"])

    def end(self) -> None:
        """Close the store there and end the process; kills it if it does not."""
        if self._closed:
            return
        self._closed = True
        if not self._process.ended():
            try:
                self._send({"quit": True})
            except (OSError, ValueError):
                pass  # it is gone, or its pipe is
            if not self._process.ended(20):
                self._process.kill()
                self._process.ended(20)
        self._process.close()

    # -- pipes --------------------------------------------------------------------------------

    def _send(self, command: Mapping[str, object]) -> None:
        self._process.stdin.write(dumps(command) + "\n")
        self._process.stdin.flush()

    def _read(self) -> None:
        try:
            for line in self._process.stdout:
                try:
                    answer = loads(line)
                except ValueError:
                    continue  # a store that prints, or a line cut off by the kill
                if isinstance(answer, dict):
                    self._answers.put(answer)
        except ValueError:
            pass  # the pipe was closed under the reader at the end of the case
        self._answers.put(None)

    def _read_errors(self) -> None:
        try:
            for line in self._process.stderr:
                self._errors.append(line)
                del self._errors[:-40]
        except ValueError:
            pass

    def _next(self, seconds: float) -> dict[str, Any] | None:
        try:
            return self._answers.get(timeout=seconds)
        except Empty:
            return None

    def _answer(self, seconds: float) -> dict[str, Any]:
        answer = self._next(seconds)
        while answer is not None and ("ack" in answer or "written" in answer):
            if "ack" in answer:
                self.acknowledged.append(answer["ack"])
            self._writing -= "written" in answer
            answer = self._next(seconds)
        if answer is None:
            tail = shorten("".join(self._errors[-6:]).strip(), 300)
            state = "has ended" if self._process.ended() else "still runs"
            raise UnverifiedError(
                f"the child process gave no answer within {seconds:g} s and {state}: {tail}"
            )
        return answer
