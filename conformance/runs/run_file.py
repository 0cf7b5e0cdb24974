"""
Run files: JSON Lines with a header, rows and a footer; how they are written, read and merged.

A file without its footer is truncated and says so when it is read.  Secrets are redacted before
anything is written.  What is read may be compressed by gzip, as the published runs are.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, TextIO

from store_conformance.contract import UserError, Verdict
from store_conformance.contract.errors import EXIT_DATA
from store_conformance.contract.records import Measurement, Row, Run
from store_conformance.contract.secrets import redact
from store_conformance.runs.causes import causes_of

SCHEMA_VERSION = 1


class RunFileError(UserError):
    """A run file cannot be used."""

    default_exit_code = EXIT_DATA

    def __init__(self, path: Path | str, problem: str, hint: str) -> None:
        super().__init__(f"{path}: {problem}", hint)


# -- writing ------------------------------------------------------------------------------------


class RunWriter:
    """
    Writes a run file line by line, so that an interrupted run leaves what it had.

    The header goes out at once; ``close`` adds the footer.  Each line is flushed.
    """

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        self.path = path
        self.counts: Counter[Verdict] = Counter()
        self._in_store: defaultdict[str, float] = defaultdict(float)
        self._waited: defaultdict[str, float] = defaultdict(float)
        self._failed: list[Row] = []
        self._file: TextIO = path.open("w", encoding="utf-8")
        self._begin(header)

    def begin_again(self, header: dict[str, Any]) -> None:
        """Replace the header by a fuller one, as long as nothing follows it."""
        self._file.seek(0)
        self._file.truncate()
        self._begin(header)

    def _begin(self, header: dict[str, Any]) -> None:
        self._write({"kind": "header", "schema": SCHEMA_VERSION, **header})

    def _write(self, data: dict[str, Any]) -> None:
        # Lone surrogates of a nasty value must not end the run: ASCII escapes carry them.
        self._file.write(json.dumps(redact(data), ensure_ascii=True, default=repr) + "\n")
        self._file.flush()

    def add(self, entry: Row | Measurement) -> None:
        if isinstance(entry, Row):
            self.counts[entry.verdict] += 1
            self._in_store[entry.backend] += entry.in_store
            self._waited[entry.backend] += entry.waited
            if entry.verdict is Verdict.FAIL:
                self._failed.append(entry)
        self._write(entry.to_dict())

    def close(
        self,
        *,
        seconds: float,
        by_backend: dict[str, float],
        interrupted: bool,
        left: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """
        Write the footer: counts, seconds, what was ``left`` in the processes, and the likely causes of the failures.

        ``seconds`` is the wall clock of the run; the seconds a backend are its cases' added up, which is
        more where cases ran side by side.
        """
        self._write(
            {
                "kind": "footer",
                "counts": {str(v): self.counts[v] for v in Verdict},
                "rows": sum(self.counts.values()),
                "seconds": {
                    "total": round(seconds, 3),
                    "in_store": round(sum(self._in_store.values()), 3),
                    "waited": round(sum(self._waited.values()), 3),
                    "by_backend": {
                        name: {
                            "total": round(total, 3),
                            "in_store": round(self._in_store[name], 3),
                            "waited": round(self._waited[name], 3),
                        }
                        for name, total in by_backend.items()
                    },
                },
                "interrupted": interrupted,
                "left": dict(left),
                "causes": [cause.to_dict() for cause in causes_of(self._failed)],
            }
        )
        self._file.close()


# -- reading ------------------------------------------------------------------------------------


def schema() -> dict[str, Any]:
    """The JSON Schema that every line of a run file keeps."""
    text = resources.files("store_conformance.runs").joinpath("run.schema.json").read_text("utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


_GZIP = b"\x1f\x8b"
"""How every gzip file begins."""


def _text(path: Path) -> str:
    """What the file says, unpacked where it is compressed, whatever its name is."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RunFileError(path, f"cannot be read ({error.strerror})", "check the path") from None
    try:
        if data.startswith(_GZIP):
            data = gzip.decompress(data)
        elif path.suffix == ".gz":
            raise RunFileError(
                path,
                "is not a gzip file although its name ends with .gz",
                "take .gz off its name if it is a plain run file, else get the file anew",
            )
        return data.decode("utf-8")
    except EOFError:
        raise RunFileError(
            path, "is a truncated gzip file", "copy it again from where it came"
        ) from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise RunFileError(
            path, f"is a damaged gzip file ({error})", "copy it again from where it came"
        ) from None
    except UnicodeDecodeError:
        raise RunFileError(path, "is not a text file", "give a run file (run.jsonl)") from None


def _file_in(folder: Path) -> Path:
    """The run file of a run's folder: the plain one, or the compressed one if that alone is there."""
    plain, packed = folder / "run.jsonl", folder / "run.jsonl.gz"
    if not plain.exists() and not packed.exists():
        raise RunFileError(
            folder,
            "has neither run.jsonl nor run.jsonl.gz in it",
            "give the folder of one run, or run files by name",
        )
    return plain if plain.exists() else packed


def _lines(path: Path) -> list[dict[str, Any]]:
    lines = []
    for number, line in enumerate(_text(path).splitlines(), 1):
        try:
            data = json.loads(line)
        except ValueError:
            raise RunFileError(
                path,
                f"line {number} is not JSON",
                "the file is truncated or not a run file; run again",
            ) from None
        if not isinstance(data, dict) or "kind" not in data:
            raise RunFileError(
                path, f"line {number} is not a record of a run", "give a run file (run.jsonl)"
            )
        lines.append(data)
    return lines


def read_run(path: Path) -> Run:
    """
    A run file, plain or compressed by gzip, or the one in a run's folder.

    Raises ``RunFileError`` where it is missing, foreign, truncated or of another schema.
    """
    if path.is_dir():
        path = _file_in(path)
    lines = _lines(path)
    if not lines or lines[0]["kind"] != "header":
        raise RunFileError(path, "has no header", "give a run file (run.jsonl)")
    header, footer = lines[0], lines[-1]
    if header.get("schema") != SCHEMA_VERSION:
        raise RunFileError(
            path,
            f"is of schema {header.get('schema')!r}, this version reads {SCHEMA_VERSION}",
            "run again with this version, or report with the version that wrote it",
        )
    if footer["kind"] != "footer":
        raise RunFileError(path, "is truncated: it has no footer", "the run was cut off; run again")
    try:
        rows = tuple(Row.from_dict(d) for d in lines if d["kind"] == "verdict")
        figures = tuple(Measurement.from_dict(d) for d in lines if d["kind"] == "measurement")
    except (TypeError, ValueError) as error:
        raise RunFileError(
            path, f"has a record that cannot be read ({error})", "run again"
        ) from None
    if footer.get("rows") != len(rows):
        raise RunFileError(
            path,
            f"has {len(rows)} rows but its footer counts {footer.get('rows')}",
            "the file was cut or edited; run again",
        )
    return Run(header, rows, figures, footer)


def merge_runs(runs: Iterable[Run]) -> Run:
    """
    Several runs as one: refuses other suite versions, the same backend twice, other sets of cases.
    """
    every = list(runs)
    if not every:
        raise UserError("no run to merge", "name at least one run file")
    first = every[0]
    backends: dict[str, Any] = {}
    for run in every:
        if run.header.get("suite_version") != first.header.get("suite_version"):
            raise UserError(
                f"runs of suite {first.header.get('suite_version')} and"
                f" {run.header.get('suite_version')} cannot be merged",
                "run both with one version",
            )
        if run.header.get("selection") != first.header.get("selection"):
            raise UserError(
                "the runs checked different cases"
                f" ({first.header.get('selection')} and {run.header.get('selection')})",
                "run them with the same --rule, --group, --scenario, --skip and --profile",
            )
        for name, facts in run.header["backends"].items():
            if name in backends:
                raise UserError(
                    f"backend {name} is in two of the runs", "give one of them another --name"
                )
            backends[name] = facts
    if len(every) == 1:
        return first
    counts: Counter[str] = Counter()
    for run in every:
        counts.update(run.footer.get("counts", {}))
    by_backend = {
        k: v for run in every for k, v in run.footer["seconds"].get("by_backend", {}).items()
    }
    footer = {
        "kind": "footer",
        "counts": dict(counts),
        "rows": sum(len(run.rows) for run in every),
        "seconds": {
            "total": round(sum(r.footer["seconds"]["total"] for r in every), 3),
            "in_store": round(sum(r.footer["seconds"]["in_store"] for r in every), 3),
            "by_backend": by_backend,
        },
        "interrupted": any(r.footer.get("interrupted") for r in every),
        "left": dict(sum((Counter(r.footer.get("left", {})) for r in every), Counter())),
        "causes": [cause for r in every for cause in r.footer.get("causes", ())],
    }
    header = {
        **first.header,
        "backends": backends,
        "merged": [
            {k: r.header.get(k) for k in ("started", "machine", "settings", "corpus", "profile")}
            for r in every
        ],
    }
    return Run(
        header,
        tuple(row for run in every for row in run.rows),
        tuple(m for run in every for m in run.measurements),
        footer,
    )
