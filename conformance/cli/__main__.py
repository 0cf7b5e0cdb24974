"""
``python -m store_conformance.cli``, and what the installed command calls.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

if __name__ == "__main__":
    # ``python -m`` looks in the working folder first, where a user's file may be called like a package of ours.
    here = str(Path.cwd())
    sys.path[:] = [p for p in sys.path if p not in ("", here)] + [here]

from store_conformance.cli.parsing import main as parse
from store_conformance.contract.errors import EXIT_INTERRUPTED
from store_conformance.runs.streams import lingering_threads, make_output_patient


def main() -> None:
    """
    Run the command and end the process with its exit code, whatever a store has left behind.
    """
    make_output_patient()
    code = 0
    try:
        parse()
    except SystemExit as ending:
        code = _code(ending.code)
    except KeyboardInterrupt:  # once more, while the first one was answered
        code = EXIT_INTERRUPTED
    _obey_no_more()
    left = lingering_threads()
    if left:
        print(
            f"left running by a store, and ended with this command: {', '.join(left)}",
            file=sys.stderr,
        )
    sys.stdout.flush()
    sys.stderr.flush()
    # A Ctrl-C that passed through code made of a text (a dataclass that was being imported) would decide how Python
    # ends, although it was answered; other code of that kind makes it forget.
    exec("")  # noqa: S102
    if left:
        # Python would wait for these threads, perhaps for ever; everything of ours is closed by now.
        os._exit(code)
    sys.exit(code)


def _obey_no_more() -> None:
    """All is said and written: another Ctrl-C must not cut off what Python clears away at the end."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def _code(given: object) -> int:
    if given is None:
        return 0
    if isinstance(given, int):
        return given
    print(given, file=sys.stderr)
    return 1


if __name__ == "__main__":
    main()
