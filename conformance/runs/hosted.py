"""
A user's store as the command line has it: in a process of its own, never in the one that writes the reports.

Whatever the store's module does when it is imported, opened, tried or closed (exits, hangs with the
interpreter's lock held, changes the working folder, closes descriptors, leaves hooks for the end), the run goes
on without it.  The cases run in workers, which load the store themselves.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from json import dumps, loads
from queue import Empty, Queue
from typing import Any, ClassVar

from store_conformance.contract import Capability, UserError
from store_conformance.contract.errors import EXIT_UNVERIFIED
from store_conformance.contract.hurry import waited
from store_conformance.contract.secrets import remember_given
from store_conformance.harness.backends import (
    Backend,
    Deployment,
    Spec,
    forget_folders,
    own_folder,
    remove_folder,
)
from store_conformance.harness.process.fork_server import Spawned, spawn
from store_conformance.harness.text import shorten
from store_conformance.harness.watchdog import read_stacks
from store_conformance.runs.preparing import PREFLIGHT_SECONDS, Prepared

MAIN = "store_conformance.runs.host_main"
SILENT = "gave no answer within"
GRACE_SECONDS = 10.0
"""How much longer than its own bounds the process may take to answer."""
PARTS = 6
"""How many things that have a bound each are done before the first case."""
START_SECONDS = 300.0
"""What starting an engine of the user's may take."""
STOP_SECONDS = 20.0
STARTING_SECONDS = 30.0
"""What the process itself takes to begin, which no time-out of the user's is about."""


class HostEndedError(Exception):
    """The process gave no answer: it ended, or stood still and was killed; the text says which."""


class StoreLostError(UserError):
    """What the store's own code did before its first case; a run of several goes on without this one."""


class HostSilentError(StoreLostError):
    """The store's module did not let itself be imported in time."""


class _Host:
    """The process, and what is asked of it."""

    def __init__(self) -> None:
        self._folder = own_folder("host", None)  # which a later run removes if we are killed
        try:
            self._process: Spawned = spawn(main=MAIN, preload=(MAIN,))
        except BaseException:  # the system starts no process for us
            remove_folder(self._folder)
            raise
        self._answers: Queue[str | None] = Queue()
        self._errors: list[str] = []
        self._ended = False
        self._readers = [
            threading.Thread(target=work, daemon=True) for work in (self._read, self._drain)
        ]
        for reader in self._readers:
            reader.start()
        self._greet()

    def _greet(self) -> None:
        """Before any of the store's code is there: what goes wrong now is the environment's fault."""
        try:
            self.ask(STARTING_SECONDS, "hello", stacks=str(self._folder / "stacks.txt"))
        except HostEndedError as ended:
            raise UserError(
                f"the process that is to load the store {ended}",
                "look at the limits of this environment (processes, memory, open files) and at what it runs"
                " when Python starts (PYTHONPATH, sitecustomize)",
                EXIT_UNVERIFIED,
            ) from None

    def ask(self, seconds: float, do: str, /, **given: Any) -> dict[str, Any]:
        """
        Raises ``UserError`` as raised there, and ``HostEndedError`` without an answer in time.

        What the store's own code raised is a ``StoreLostError``.
        """
        try:
            self._process.stdin.write(dumps({"do": do, **given}) + "\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            raise self._gone() from None
        lines: list[str | None] = []
        if not waited(lambda step: self._answered(lines, step), seconds):
            self.end(kill=True)
            raise HostEndedError(f"{SILENT} {seconds:g} s, and its process was killed")
        line = lines[0]
        if line is None:
            raise self._gone()
        try:
            answer = loads(line)
        except ValueError:
            raise self._gone() from None
        if "error" in answer:
            raise (StoreLostError if answer["own"] else UserError)(**answer["error"])
        return dict(answer)

    def _answered(self, lines: list[str | None], seconds: float) -> bool:
        try:
            lines.append(
                self._answers.get(timeout=seconds) if seconds else self._answers.get_nowait()
            )
        except Empty:
            return False
        return True

    def _gone(self) -> HostEndedError:
        stacks = read_stacks(self._folder / "stacks.txt")
        self.end(kill=True)
        if stacks:
            return HostEndedError("stood still with the interpreter's lock held, and was killed")
        tail = shorten(_last_said("".join(self._errors)), 300)
        return HostEndedError(f"ended its process{f': {tail}' if tail else ''}")

    def end(self, *, kill: bool = False) -> None:
        """Let the process stop what it started and end, or end it by force; a second call does nothing."""
        if self._ended:
            return
        if not kill and not self._process.ended():
            try:
                self.ask(STOP_SECONDS, "stop")
            except (UserError, HostEndedError):
                pass
        if self._ended:  # it gave no answer to that either
            return
        self._ended = True
        self._process.kill()  # holds nothing any more, and the hooks of a store are not waited for
        self._process.ended(STOP_SECONDS)
        for reader in self._readers:
            reader.join(1.0)
        self._process.close()
        remove_folder(self._folder)
        forget_folders(self._process.pid)

    def _read(self) -> None:
        try:
            for line in self._process.stdout:
                self._answers.put(line)
        except ValueError:
            pass
        self._answers.put(None)

    def _drain(self) -> None:
        """What the store prints, of which only the end is kept."""
        try:
            while text := self._process.stderr.read(1 << 16):
                self._errors = [*self._errors, text][-6:]
        except ValueError:
            pass


def _last_said(text: str) -> str:
    """The end of what a process printed, in one line; of a traceback what was raised."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if any(line.startswith("Traceback (most recent call last)") for line in lines):
        lines = lines[-1:]
    return " ".join(" ".join(lines[-6:]).split())


class HostedBackend(Backend):
    """
    What the run knows of a store in another process; it cannot be opened from here.

    Raises ``UserError`` where the store cannot be loaded, opened or started; a ``StoreLostError`` where its own code is why.
    """

    name: ClassVar[str] = "store"
    deployment = Deployment.FACTORY

    def __init__(
        self,
        reference: str,
        *,
        seconds: float,
        name: str | None = None,
        capabilities: frozenset[Capability] | None = None,
        options: Mapping[str, str] | None = None,
        url: str | None = None,
    ) -> None:
        super().__init__()
        remember_given(options or {}, url)  # this process writes what that one says
        self._reference = reference
        self._seconds = seconds
        self._given = {
            "reference": reference,
            "name": name,
            "capabilities": None if capabilities is None else sorted(map(str, capabilities)),
            "options": dict(options or {}),
            "url": url,
        }
        self._host = _Host()
        self.notes: tuple[str, ...] = ()
        self._load(self._given)

    def _load(self, given: Mapping[str, Any]) -> None:
        when = "while it was imported"
        try:
            self._ask(self._seconds, "load", when, **given)
        except BaseException as error:
            self._host.end(kill=True)
            if isinstance(error, UserError) and f" {SILENT} " in error.problem:
                raise HostSilentError(error.problem, error.hint) from None
            raise

    def _ask(self, seconds: float, do: str, when: str, /, **given: Any) -> dict[str, Any]:
        """Ask what the run cannot do without; raises ``UserError`` where there is no answer."""
        try:
            answer = self._host.ask(seconds, do, **given)
        except HostEndedError as ended:
            longer = "; --timeout gives it longer" if SILENT in str(ended) else ""
            raise StoreLostError(
                f"{self._reference} {ended} {when}".rstrip(), f"run it by hand to see where{longer}"
            ) from None
        if "name" in answer:
            self.__dict__["name"] = answer["name"]
            self.capabilities = frozenset(map(Capability, answer["capabilities"]))
            self.parts = tuple(answer["parts"])
            self.notes = self.notes or tuple(answer["notes"])
            self._spec = Spec.from_dict(answer["spec"])
        return answer

    # -- before the first case ---------------------------------------------------------------------

    def check(self, seconds: float) -> None:
        """Open and close a store once."""
        self._ask(seconds + GRACE_SECONDS, "check", "while it was opened", seconds=seconds)

    def missing_halves(self, seconds: float) -> list[Capability]:
        """The halves of the API that the store refuses, which count as declared away from now on."""
        try:
            answer = self._ask(2 * seconds + GRACE_SECONDS, "halves", "", seconds=seconds)
        except UserError:
            self._begin_again()  # the cases will say what is wrong, with evidence
            return []
        return [Capability(c) for c in answer["lacking"]]

    def start(self) -> None:
        self._ask(START_SECONDS, "start", "while it was started")

    def prepare(self, timeout: float, wanted: int) -> Prepared:
        """As `store_conformance.runs.preparing.prepare`, over there."""
        try:
            seconds = PARTS * min(timeout, PREFLIGHT_SECONDS) + GRACE_SECONDS
            told = self._host.ask(seconds, "prepare", timeout=timeout, wanted=wanted)
        except HostEndedError:  # the cases will say what is wrong, with evidence
            self._begin_again()
            self.start()
            told = self._ask(STARTING_SECONDS, "describe", "while it was described")
        return Prepared(**told)

    def _begin_again(self) -> None:
        """A process without what the store has done to the last one; nothing of it has been called there."""
        self._host.end(kill=True)
        self._host = _Host()
        capabilities = sorted(map(str, self.capabilities))
        known = self._spec.to_dict() if "is_async" in self._spec.details else None
        self._load({**self._given, "name": self.name, "capabilities": capabilities, "known": known})

    # -- what workers need -------------------------------------------------------------------------

    def spec(self) -> Spec:
        return self._spec

    def stop(self) -> None:
        self._host.end()
        super().stop()
