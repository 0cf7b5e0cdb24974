"""
What the command prints goes to terminals of any encoding and to pipes that may be closed: neither may end
a run or change its exit code.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
import threading
from io import TextIOBase
from typing import TextIO

PLAIN = "store-conformance-plain"
"""The name of our error handler for texts that an encoding lacks signs for."""
_SIGNS = {
    "✓": "ok", "✗": "x", "◐": "~", "–": "-", "—": "-", "…": "...", "─": "-", "━": "=", "│": "|",
    "→": "->", "“": '"', "”": '"', "‘": "'", "’": "'", "×": "x", "≥": ">=", "≤": "<=", "·": "-",
}  # fmt: skip


def _plain(error: UnicodeError) -> tuple[str, int]:
    """A sign that says the same in ASCII, or the character's number."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_SIGNS.get(c, f"\\u{ord(c):04x}") for c in text), error.end


codecs.register_error(PLAIN, _plain)


class PatientStream(TextIOBase):
    """
    A text stream whose writes never raise: what the encoding lacks is said in ASCII, and once the other
    end is closed the rest is dropped.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._open = True
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.reconfigure(errors=PLAIN)  # type: ignore[attr-defined]

    @property
    def encoding(self) -> str:  # type: ignore[override]  # read-only: it is the stream's
        return self._stream.encoding or "utf-8"

    def write(self, text: str) -> int:
        if self._open:
            try:
                self._stream.write(text)
            except (OSError, ValueError):  # a closed pipe, or a stream that was closed
                self._drop()
        return len(text)

    def flush(self) -> None:
        if self._open:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self._drop()

    def _drop(self) -> None:
        """Write to nowhere from now on, so that Python's own last flush does not raise either."""
        self._open = False
        with contextlib.suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def isatty(self) -> bool:
        with contextlib.suppress(OSError, ValueError):
            return self._open and self._stream.isatty()
        return False

    def fileno(self) -> int:
        return self._stream.fileno()

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.close()


def make_output_patient() -> None:
    """Standard output and error of this process, from now on."""
    _open_standard_streams()
    sys.stdout = _patient(sys.stdout)
    sys.stderr = _patient(sys.stderr)


def _open_standard_streams() -> None:
    """
    Descriptors that a service or a cron job was started without lead nowhere.

    Else the next files and pipes that are opened would be the standard streams of every process started later.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
            os.set_inheritable(descriptor, True)


def _patient(stream: TextIO | None) -> TextIO:
    """The stream as it never raises; a process without one (a service) gets one that leads nowhere."""
    if stream is None:
        stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for the process's life
    return stream if isinstance(stream, PatientStream) else PatientStream(stream)  # type: ignore[return-value]


def lead_nowhere() -> None:
    """
    Standard output and error of this process go nowhere from now on, and may be closed.

    For a process that a store prints in, and that says what it has to say in another way.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


def lingering_threads() -> list[str]:
    """The threads for which Python would wait at the end of this process, by their names."""
    main = threading.main_thread()
    return [f"thread {t.name!r}" for t in threading.enumerate() if t is not main and not t.daemon]


def duplicate_stdout() -> TextIO:
    """Standard output as it is now, for what must be seen while pytest captures it."""
    try:
        copy = os.dup(sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):  # replaced by something without a descriptor
        return sys.stdout
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return _patient(os.fdopen(copy, "w", encoding=encoding))
