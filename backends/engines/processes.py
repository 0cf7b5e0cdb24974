"""
Servers as child processes: started, waited for, stopped, killed, and never left behind.

Three nets catch a server that nobody stopped: ``stop`` itself, an ``atexit`` hook for a crash or Ctrl-C,
and a watchdog process for a parent that was killed.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from os import getpid  # by name: a store may put another number there
from pathlib import Path
from typing import Protocol

import psutil

from store_conformance.backends.base import Engine, EngineUnavailableError
from store_conformance.backends.polling import wait_until
from store_conformance.contract.hurry import in_a_hurry, waited

READY_SECONDS = 30.0
STOP_SECONDS = 10.0
HURRIED_SECONDS = 1.0
"""What a server still gets to stop by itself once the user has asked twice for the end."""

# The watchdog's stdin is a pipe that only our process holds open, so it reads on until we are gone,
# however we went.  PR_SET_PDEATHSIG would not do: it fires when the starting *thread* ends, and
# entering a user namespace clears it.
_WATCH_SERVER = """
trap '' INT TERM HUP
read -r _
kill -s "$1" "$2"
for _ in 1 2 3 4 5 6 7 8 9 10; do kill -s 0 -- "-$2" || break; sleep 0.2; done
kill -s KILL -- "-$2"
[ -z "$3" ] || rm -rf -- "$3"
"""
_WATCH_COMMAND = """
trap '' INT TERM HUP
read -r _
exec "$@"
"""


class Watchdog:
    """Does one thing when this process ends without having called ``cancel``."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        if os.name == "posix":
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
            )

    @classmethod
    def over_server(cls, pid: int, stop_signal: signal.Signals, folder: Path | None) -> Watchdog:
        """End the process group ``pid`` (politely, then by force) and remove ``folder``."""
        name = stop_signal.name.removeprefix("SIG")
        return cls([_WATCH_SERVER, "watchdog", name, str(pid), str(folder or "")])

    @classmethod
    def running(cls, command: Sequence[str]) -> Watchdog:
        """Run ``command``."""
        return cls([_WATCH_COMMAND, "watchdog", *command])

    def cancel(self) -> None:
        """End the watchdog without its deed; a second call does nothing."""
        process, self._process = self._process, None
        if process is None:
            return
        kill_tree(process.pid)
        process.wait()
        if process.stdin is not None:
            process.stdin.close()


class ServerProcess(Engine):
    """
    One server in a session and process group of its own, its output in ``log``.

    ``ready`` is asked until it says yes.  ``stop_signal`` is the signal that asks the server to stop.
    ``folder`` holds its data; only the watchdog removes it, when this process was killed.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        ready: Callable[[], bool],
        env: Mapping[str, str] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        on_orphaned: signal.Signals | None = None,
        folder: Path | None = None,
        user: str | None = None,
        ready_seconds: float = READY_SECONDS,
        stop_seconds: float = STOP_SECONDS,
    ) -> None:
        self.name = name
        self.command = [str(part) for part in command]
        self.log = log
        self._ready = ready
        self._env = dict(env) if env is not None else None
        self._stop_signal = stop_signal
        self._on_orphaned = on_orphaned or stop_signal
        self._folder = folder
        self._user = user
        self._ready_seconds = ready_seconds
        self._stop_seconds = stop_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: Watchdog | None = None

    @property
    def pid(self) -> int | None:
        """The server's process id (and group id) while it runs."""
        return self._process.pid if self._process is not None and self.alive else None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server unless it runs, and wait until it answers."""
        if self.alive:
            return
        self._forget()
        with self.log.open("ab") as out:
            try:
                self._process = subprocess.Popen(
                    self.command,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    env=self._env,
                    user=self._user,
                    cwd=str(self._folder) if self._folder else None,
                    start_new_session=True,
                )
            except OSError as error:
                raise EngineUnavailableError(
                    self.name, f"cannot start {self.command[0]}: {error.strerror or error}."
                ) from error
        stop_at_exit(self)
        self._watchdog = Watchdog.over_server(self._process.pid, self._on_orphaned, self._folder)
        try:
            self._wait_until_ready()
        except BaseException:
            self.kill()
            raise

    def _wait_until_ready(self) -> None:
        def ready() -> bool:
            assert self._process is not None
            if self._ready():
                return True
            code = self._process.poll()
            if code is None and in_a_hurry():
                raise EngineUnavailableError(self.name, "it was ended while it started.")
            if code is None:
                return False
            raise EngineUnavailableError(
                self.name, f"the server ended with code {code} as it started: {self.log_tail()}"
            )

        if not wait_until(ready, self._ready_seconds):
            raise EngineUnavailableError(
                self.name,
                f"the server did not answer within {self._ready_seconds:g} s: {self.log_tail()}",
            )

    def stop(self, how: signal.Signals | None = None) -> None:
        """Ask the server to stop (by ``how`` if given); kill it if it does not within its time."""
        if not self.alive or self._process is None:
            self._forget()
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(how or self._stop_signal)
        if not waited(self._ended_within, self._stop_seconds, HURRIED_SECONDS):
            self.kill()
        self._forget()

    def _ended_within(self, seconds: float) -> bool:
        assert self._process is not None
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """SIGKILL to the server, its process group and all of its descendants at once."""
        if self._process is None:
            return
        family = kill_tree(self._process.pid) if self.alive else descendants(self._process.pid)
        self._process.wait()
        # Not our children, so they cannot be waited for; but who restarts needs them gone.
        wait_until(lambda: not any(map(runs, family)), self._stop_seconds, pause=0.005)
        self._forget()

    def processes(self) -> Sequence[int]:
        return [self._process.pid, *descendants(self._process.pid)] if self._process else []

    freezes = True

    def freeze(self) -> None:
        """SIGSTOP to the server and all of its descendants."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT to the same."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        # The parent first: it starts no others while it is stopped.
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
        for pid in descendants(self._process.pid):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)

    def _forget(self) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None
        self._process = None
        stopped(self)

    def log_tail(self, lines: int = 3) -> str:
        """The end of the server's log on one line, for a message."""
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return "it left no log"
        last = [line.strip() for line in text.splitlines() if line.strip()][-lines:]
        return " | ".join(last)[-400:] or "its log is empty"


def kill_tree(pid: int) -> list[int]:
    """
    End a child of ours that nobody has waited for, its process group and all of its descendants, by force.

    Gives the descendants' ids.  Windows has no groups and no SIGKILL: psutil ends one after the other there.
    """
    family = [*_family(pid)]
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    for process in family:
        with contextlib.suppress(psutil.Error):  # psutil never ends another process of the same id
            process.kill()
    return [process.pid for process in family if process.pid != pid]


def _family(pid: int) -> list[psutil.Process]:
    try:
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    except psutil.Error:
        return []


def runs(pid: int) -> bool:
    """Whether there is such a process; one that is dead and not yet collected does not count."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def descendants(pid: int) -> list[int]:
    """
    Children, grandchildren and so on of a process.

    Servers such as Postgres give each child a process group of its own, which ``killpg`` misses.
    """
    return [process.pid for process in _family(pid)[1:]]


class _Removal:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def stop(self) -> None:
        self._process.wait()


def remove_later(folder: Path) -> None:
    """
    Delete a folder without waiting for it; the interpreter's end does wait.

    Deleting a thousand files that a server has just synced takes seconds on some disks.  It has no environment of
    ours, so that nobody takes it for something that a store has left running.
    """
    try:
        process = subprocess.Popen(
            ["rm", "-rf", "--", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.environ.get("PATH", os.defpath)},
            start_new_session=True,
        )
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        return
    stop_at_exit(_Removal(process))


class Stoppable(Protocol):
    def stop(self) -> None: ...


_living: dict[int, tuple[Stoppable, int]] = {}


def stop_at_exit(thing: Stoppable) -> None:
    """Call ``thing.stop()`` when the interpreter ends, unless ``stopped`` was told before."""
    _living[id(thing)] = (thing, getpid())


def stopped(thing: Stoppable) -> None:
    """``thing`` needs no stopping any more."""
    _living.pop(id(thing), None)


@atexit.register
def _stop_all() -> None:
    # The last begun first: a run leaves its server before the server ends.
    for thing, owner in reversed(list(_living.values())):
        if owner == getpid():  # a forked child must not end its parent's server
            with contextlib.suppress(Exception):
                thing.stop()
