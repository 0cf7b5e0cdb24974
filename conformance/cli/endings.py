"""
How a command ends that did not do what it was asked to: one message, the right exit code, and what is left of it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from store_conformance.contract import UserError
from store_conformance.contract.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE
from store_conformance.harness.interrupting import interruptible, was_interrupted

F = TypeVar("F", bound=Callable[..., Any])
CLOCK_SECONDS = 2.0
"""In such steps file systems may count."""


def explain(func: F) -> F:
    """Turn every mistake of the user into one message and the right exit code, without a traceback."""

    def ended(*args: Any, **kwargs: Any) -> Any:
        begun = time.time()
        try:
            return func(*args, **kwargs)
        except (Exception, KeyboardInterrupt) as error:
            if isinstance(error, KeyboardInterrupt) or was_interrupted(error):
                click.echo(f"interrupted{_kept(func.__name__, kwargs.get('out'), begun)}", err=True)
                sys.exit(EXIT_INTERRUPTED)
            _explained(error, kwargs.get("out"), begun)
            raise

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with interruptible():
            return ended(*args, **kwargs)

    return wrapper  # type: ignore[return-value]


def _explained(error: Exception, out: object, begun: float) -> None:
    """End with what is wrong in a line, where it is no mistake of ours."""
    if isinstance(error, UserError):
        _end(str(error), error.exit_code, more=_told_too(out, begun))
    if isinstance(error, OSError):
        _end(_file_error(error), EXIT_USAGE)
    _end_by_kind(error)


_KEPT = {
    "run": "; the run file holds what was checked so far, and --resume goes on from there",
    "bench": "; the run file holds what was measured so far",
    "crash": "; the folder holds what was found so far, and --resume goes on from there",
    "export_command": "; nothing was written",
    "import_command": "; the same import again leaves what is there already as it is",
}
"""What is left of a command that was interrupted."""


def _kept(command: str, out: object, begun: float) -> str:
    """What to say of it; of a run file only where this command has begun one."""
    if command in ("run", "bench"):
        from store_conformance.runs.run_file import RUN_FILE

        told = _told_too(out, begun)
        if told or not _written(Path(str(out)) / RUN_FILE, begun):
            return f" before anything was checked: {told or 'no run file was written'}"
    return _KEPT.get(command, "")


def _told_too(out: object, begun: float) -> str:
    """Where a run that could not begin says so, and that it took no earlier one's place; else nothing."""
    if not isinstance(out, Path):
        return ""
    from store_conformance.runs.folder import LOCK
    from store_conformance.runs.run_file import RUN_FILE, unfinished

    place = out / RUN_FILE
    try:
        # While the folder is claimed, what is there is of another run that goes on.
        if (out / LOCK).exists() or not _written(unfinished(place), begun):
            return ""
        earlier = "; the earlier run there is as it was" if place.exists() else ""
    except OSError:  # a folder that cannot be looked into, which is what was told
        return ""
    return f"{unfinished(place)} says so{earlier}"


def _written(path: Path, since: float) -> bool:
    try:
        return path.stat().st_mtime >= since - CLOCK_SECONDS
    except OSError:
        return False


def _end_by_kind(error: Exception) -> None:
    """End for errors whose classes are imported only now: they come with much else."""
    from store_conformance.harness.backends import VectorStoreError
    from store_conformance.harness.errors import HarnessError

    if isinstance(error, VectorStoreError):
        _end(str(error), EXIT_USAGE)
    if isinstance(error, HarnessError):
        _end(str(error), EXIT_FAILED, "error of the harness")


def _file_error(error: OSError) -> str:
    if not _is_here():
        return "the folder that the command was started in is not there any more. Hint: start it in another one"
    if error.filename is None or not error.strerror:
        return str(error)
    return f"{error.filename}: {error.strerror}. Hint: check the path and your rights to it"


def _is_here() -> bool:
    try:
        Path.cwd()
    except OSError:
        return False
    return True


def _end(message: str, code: int, head: str = "error", more: str = "") -> NoReturn:
    from store_conformance.contract.secrets import redact_text

    click.echo(f"{head}: {redact_text(message)}", err=True)
    if more:
        click.echo(more, err=True)
    sys.exit(code)
