"""
New Python processes for the other ends of cases, quickly.

Importing LangGraph takes longer than most cases.  Where the system can fork, a *fork server* imports it once,
holds no store and no thread, and forks a process for each request; elsewhere every process is started
from nothing.

It is not the fork server of `multiprocessing` with ``set_forkserver_preload``, which was tried and forks nearly as
fast.  That one runs the main module of the parent again in every child (``spawn.prepare``; nothing switches it
off), here pytest's or a script of the user's that may have no guard.  There is one of it in a process, so that
what is preloaded, and when it is started, would be shared with a store under test that uses it itself.  Its children
have the environment of the time when it was started, where a case may have changed it since.  And it gives no
pipes for stdin, stdout and stderr, nor a process group to be killed as a whole.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from json import dumps, loads  # by name: a store may change the module
from os import getpid  # by name, too
from typing import IO

from store_conformance.harness.backends import kill_tree

MAIN = "store_conformance.harness.process.child_main"
NOT_FROM_HERE = "import sys; sys.path[:] = filter(None, sys.path); "
"""Code for ``python -c``: modules in the working folder, whatever their names, are not ours."""
MAX_REQUEST = 100_000
END_SECONDS = 2.0
CLOSE_SECONDS = 1.0
_lock = threading.Lock()
_fork_server: _ForkServer | None = None


@dataclass
class Spawned:
    """A process with three pipes, leading a process group of its own."""

    pid: int
    stdin: IO[str]
    stdout: IO[str]
    stderr: IO[str]
    _popen: subprocess.Popen[str] | None = None
    _pidfd: int | None = None

    def ended(self, seconds: float = 0.0) -> bool:
        """Whether the process has ended, waiting up to ``seconds`` for it."""
        if self._popen is not None:
            try:
                self._popen.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                return False
            return True
        if self._pidfd is None:
            return True
        # Not select(), which takes no descriptor beyond 1023: a store may hold very many.
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._pidfd, selectors.EVENT_READ)
            return bool(waiting.select(seconds))

    def signal(self, number: int) -> None:
        """Send a signal to the whole group; one that has ended is fine."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def kill(self) -> None:
        """End the process and its group by force, at once; one that has ended is fine."""
        if hasattr(os, "killpg"):
            self.signal(signal.SIGKILL)
        elif not self.ended():
            kill_tree(self.pid)  # Windows has no groups

    def close(self) -> None:
        """
        Close the pipes; the process must have ended.

        What it has started may live on and hold their other ends: a thread that reads there goes on, and
        nobody waits for it.
        """
        closing = [
            threading.Thread(target=_close, args=(pipe,), daemon=True)
            for pipe in (self.stdin, self.stdout, self.stderr)
        ]
        for one in closing:
            one.start()
        for one in closing:
            one.join(CLOSE_SECONDS)
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None


def _close(pipe: IO[str]) -> None:
    with contextlib.suppress(
        OSError
    ):  # what was buffered cannot be sent to a process that has ended
        pipe.close()


def spawn(
    changes: Mapping[str, str] | None = None, main: str = MAIN, preload: Sequence[str] = ()
) -> Spawned:
    """
    A new process that runs ``main()`` of that module with our import path.

    Its environment is ours with ``changes``; a time zone (``TZ``) holds from its first line on.  ``preload`` are modules
    that it will need: the fork server imports them once for all that come later, so none of them may start a thread.
    """
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p))
    environment.update(changes or {})
    request = dumps(
        {
            "environment": environment,
            "path": sys.path,
            "cwd": os.getcwd(),
            "main": main,
            "preload": list(preload),
        }
    ).encode()
    if hasattr(os, "fork") and hasattr(os, "pidfd_open") and len(request) < MAX_REQUEST:
        try:
            return _from_fork_server(request)
        except OSError:
            pass  # no fork server here: start one from nothing
    return _from_nothing(environment, main)


def _from_nothing(environment: dict[str, str], main: str) -> Spawned:
    popen = subprocess.Popen(
        [sys.executable, "-c", f"{NOT_FROM_HERE}from {main} import main; main()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    assert popen.stdin is not None
    assert popen.stdout is not None
    assert popen.stderr is not None
    return Spawned(popen.pid, popen.stdin, popen.stdout, popen.stderr, _popen=popen)


def _from_fork_server(request: bytes) -> Spawned:
    global _fork_server
    with _lock:
        if _fork_server is not None and not _fork_server.usable:
            _fork_server.close()
            _fork_server = None
        if _fork_server is None:
            _fork_server = _ForkServer()
        return _fork_server.fork(request)


@atexit.register
def _close_fork_server() -> None:
    if _fork_server is not None:
        _fork_server.close()


def close_fork_server() -> None:
    """End the fork server of this process; what it has forked goes on, and the next spawn starts another."""
    global _fork_server
    with _lock:
        _close_fork_server()
        _fork_server = None


class _ForkServer:
    """The process that forks; it ends when our end of its socket is closed, also by our death."""

    def __init__(self) -> None:
        self.owner = getpid()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket = ours
        path = os.pathsep.join(p for p in sys.path if p)
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                f"{NOT_FROM_HERE}from {__name__} import run; run()",
                str(theirs.fileno()),
            ],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=dict(os.environ, PYTHONPATH=path),
            start_new_session=True,
        )
        theirs.close()
        self.socket.settimeout(60)

    @property
    def usable(self) -> bool:
        """Whether it lives and is ours: a process that was forked from us has a copy of this object."""
        return self.owner == getpid() and self.process.poll() is None

    def close(self) -> None:
        """Let the server end, which holds nothing; what it has forked goes on."""
        self.socket.close()
        if self.owner != getpid():
            self.process.poll()  # learns that it is not our child, and complains no more that it runs
            return
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:  # another process holds the other copy of our socket
            self.process.kill()
            self.process.wait()

    def fork(self, request: bytes) -> Spawned:
        pipes = [os.pipe() for _ in range(3)]
        (their_in, our_in), (our_out, their_out), (our_err, their_err) = pipes
        try:
            socket.send_fds(self.socket, [request], [their_in, their_out, their_err])
            pid = int(self.socket.recv(64) or b"0")
            if not pid:
                raise OSError("the fork server has ended")
            pidfd = os.pidfd_open(pid)
        except BaseException:
            for fd in (our_in, our_out, our_err):
                os.close(fd)
            raise
        finally:
            for fd in (their_in, their_out, their_err):
                os.close(fd)
        return Spawned(
            pid, os.fdopen(our_in, "w"), os.fdopen(our_out), os.fdopen(our_err), _pidfd=pidfd
        )


# -- in the fork server -----------------------------------------------------------------------------------


def serve(fd: int) -> None:
    """Fork a process for each request until the socket is closed."""
    import store_conformance.harness.process.child_main  # noqa: F401 - what the forked processes need is imported once

    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is the run's business, which then closes us
    with socket.socket(fileno=fd) as ours:
        _serve(ours)


def _serve(ours: socket.socket) -> None:
    while True:
        request, fds, _, _ = socket.recv_fds(ours, MAX_REQUEST, 3)
        if not request:
            return
        _reap()
        _preload(request)
        pid = os.fork()
        if pid == 0:
            ours.close()
            _become(loads(request), fds)
        for each in fds:
            os.close(each)
        try:
            ours.send(str(pid).encode())
        except OSError:  # who asked has ended meanwhile; the forked process finds its pipes closed
            return


def _preload(request: bytes) -> None:
    """Import what the request names; what cannot be imported is the forked process's to tell."""
    for name in loads(request)["preload"]:
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def _reap() -> None:
    """Collect the children that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _become(request: dict[str, object], fds: list[int]) -> None:
    """The forked process: take the pipes and run the child's main; never returns."""
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number, fd in enumerate(fds):
            os.dup2(fd, number)
            os.close(fd)
        os.environ.clear()
        os.environ.update(request["environment"])  # type: ignore[call-overload]
        if hasattr(time, "tzset"):
            time.tzset()
        sys.path[:] = request["path"]  # type: ignore[call-overload]
        os.chdir(str(request["cwd"]))
        sys.stdin = os.fdopen(0)
        sys.stdout = os.fdopen(1, "w")
        sys.stderr = os.fdopen(2, "w")
        importlib.import_module(str(request["main"])).main()
        code = 0
    except BaseException:  # noqa: BLE001 - a forked process must not go on in its parent's code
        import traceback

        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError):
            pass
        os._exit(code)


def run() -> None:
    """The fork server's whole life; never returns."""
    serve(int(sys.argv[1]))
    os._exit(0)  # it holds nothing, and who closed it waits for its end
