"""
The records of a run file, one line after the other, plain or unpacked, within a bound of memory.

A file may come from anywhere: what is too large, cut off, packed badly or no record is refused with the
reason, before it has cost more than one line.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

from store_conformance.contract import UserError
from store_conformance.contract.errors import EXIT_DATA

MOST_BYTES = 256 * 2**20
"""What a run file may have, unpacked: some hundred times as much as a run of one backend."""
MOST_IN_LINE = 16 * 2**20
MOST_RECORDS = 250_000
"""Each takes about a kilobyte of memory; a run of eight backends has some 20,000."""
_GZIP = b"\x1f\x8b"
"""How every gzip file begins."""


class RunFileError(UserError):
    """A run file cannot be used."""

    default_exit_code = EXIT_DATA

    def __init__(self, path: Path | str, problem: str, hint: str) -> None:
        super().__init__(f"{path}: {problem}", hint)


def _megabytes(count: int) -> str:
    return f"{count // 2**20} MB"


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked where it is compressed, whatever its name is."""
    with path.open("rb") as file:
        begins = file.read(len(_GZIP))
        file.seek(0)
        if begins == _GZIP:
            with gzip.GzipFile(fileobj=file) as unpacked, io.BufferedReader(unpacked) as plain:
                yield plain
        elif path.suffix == ".gz":
            raise RunFileError(
                path,
                "is not a gzip file although its name ends with .gz",
                "take .gz off its name if it is a plain run file, else get the file anew",
            )
        else:
            yield file


def _too_large(path: Path, what: str) -> RunFileError:
    return RunFileError(
        path,
        f"has more than {what}",
        "run the backends one by one, and report on their files together",
    )


def _raw_lines(path: Path) -> Iterator[bytes]:
    """Each line with its end, as long as there are not too many bytes."""
    total = 0
    with _opened(path) as file:
        if path.stat().st_size > MOST_BYTES:
            raise _too_large(path, _megabytes(MOST_BYTES))
        while line := file.readline(min(MOST_IN_LINE, MOST_BYTES - total) + 1):
            total += len(line)
            if len(line) > MOST_IN_LINE:
                raise RunFileError(
                    path,
                    f"has a line of more than {_megabytes(MOST_IN_LINE)}",
                    "no run writes one; give a run file (run.jsonl)",
                )
            if total > MOST_BYTES:
                raise _too_large(path, f"{_megabytes(MOST_BYTES)}, unpacked")
            yield line


def _lines(path: Path) -> Generator[bytes, None, None]:
    """The same, and what the system or gzip says of the file in our words."""
    try:
        yield from _raw_lines(path)
    except EOFError:
        raise RunFileError(
            path, "is a truncated gzip file", "copy it again from where it came"
        ) from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise RunFileError(
            path, f"is a damaged gzip file ({error})", "copy it again from where it came"
        ) from None
    except OSError as error:
        raise RunFileError(path, f"cannot be read ({error.strerror})", "check the path") from None


def records(path: Path, *, cut: bool = False) -> Generator[dict[str, Any], None, None]:
    """
    Every record of the file; raises ``RunFileError`` at the first line that is none.

    ``cut``: a last line that breaks off is left out.
    """
    with closing(_lines(path)) as lines:
        yield from _records(path, lines, cut=cut)


def _records(path: Path, lines: Iterable[bytes], *, cut: bool) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        if number > MOST_RECORDS:
            raise _too_large(path, f"{MOST_RECORDS:,} records")
        try:
            data = json.loads(line.decode("utf-8"))
        except UnicodeDecodeError:
            raise RunFileError(path, "is not a text file", "give a run file (run.jsonl)") from None
        except (ValueError, RecursionError):
            problem = f"line {number} is not JSON"
            if number > 1 and not line.endswith(b"\n"):
                if cut:
                    return
                problem = f"is truncated: {problem}, as it breaks off"
            raise RunFileError(
                path, problem, "the file is truncated or not a run file; run again"
            ) from None
        if not isinstance(data, dict) or "kind" not in data:
            raise RunFileError(
                path, f"line {number} is not a record of a run", "give a run file (run.jsonl)"
            )
        yield data
