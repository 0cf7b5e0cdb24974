"""
Run files: JSON Lines with a header, rows and a footer; how they are written, read and merged.

A file without its footer is truncated and says so when it is read.  Secrets are redacted before
anything is written.  What is read may be compressed by gzip, as the published runs are.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, TextIO

from store_conformance.contract import UserError, Verdict
from store_conformance.contract.checked import CheckedLine
from store_conformance.contract.records import Measurement, Row, Run
from store_conformance.contract.secrets import redact
from store_conformance.runs.footer import Sums, footer_of_cut
from store_conformance.runs.lines import RunFileError, records
from store_conformance.runs.shapes import (
    SCHEMA_VERSION,
    check_footer,
    check_types,
    check_verdicts,
    checked_header,
)

Entry = Row | Measurement | CheckedLine
"""What stands between the header and the footer."""


# -- writing ------------------------------------------------------------------------------------


RUN_FILE = "run.jsonl"
"""What a run calls its file in the folder that it is given."""
UNFINISHED = ".unfinished"


def unfinished(path: Path) -> Path:
    """Where the file of a run stands until the run has begun, and stays if it never does."""
    return path.with_name(path.name + UNFINISHED)


def _fresh(place: Path) -> Path:
    """Where a file is written before it takes the place."""
    return place.with_name(f"{place.name}.new")


class RunWriter:
    """
    Writes a run file line by line, so that an interrupted run leaves what it had.

    The header is there at once; ``close`` adds the footer.  Each line is flushed, and no file is without its header
    at any moment.  ``beside``: not in its place but beside it, where ``settle`` takes it from.
    """

    def __init__(self, path: Path, header: dict[str, Any], *, beside: bool = False) -> None:
        self.path = path
        self.settled = not beside
        self._sums = Sums()
        for place in (path, unfinished(path)):  # what a run left that was killed as it began
            with suppress(OSError):
                _fresh(place).unlink(missing_ok=True)
        self._file: TextIO = self._begun(header)

    def begin_again(self, header: dict[str, Any], kept: Sequence[Entry] = ()) -> None:
        """Replace the header by a fuller one, and by what an earlier part of the run has ``kept``, before all else."""
        self._file.close()
        self._file = self._begun(header, kept)

    def settle(self) -> None:
        """Take the place that was meant, from whatever is there."""
        if not self.settled:
            self._file.close()  # Windows renames no open file
            unfinished(self.path).replace(self.path)
            self._file = self.path.open("a", encoding="utf-8")
            self.settled = True

    def drop(self) -> None:
        """Remove the file, which has not taken its place."""
        self._file.close()
        unfinished(self.path).unlink(missing_ok=True)

    def _begun(self, header: dict[str, Any], kept: Sequence[Entry] = ()) -> TextIO:
        place = self.path if self.settled else unfinished(self.path)
        fresh = _fresh(place)
        try:
            with fresh.open("w", encoding="utf-8") as file:
                file.write(_line({"kind": "header", "schema": SCHEMA_VERSION, **header}))
                for entry in kept:
                    self._count(entry)
                    file.write(_line(entry.to_dict()))
            fresh.replace(place)
        except BaseException:  # a full disk, an interrupt
            with suppress(OSError):
                fresh.unlink(missing_ok=True)
            raise
        return place.open("a", encoding="utf-8")

    def add(self, entry: Entry) -> None:
        self._count(entry)
        self._write(entry.to_dict())

    def _count(self, entry: Entry) -> None:
        if isinstance(entry, Row):
            self._sums.add(entry)

    def _write(self, data: dict[str, Any]) -> None:
        self._file.write(_line(data))
        self._file.flush()

    def close(
        self,
        *,
        seconds: float,
        by_backend: dict[str, float],
        interrupted: bool,
        left: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """Write the footer; arguments as of `Sums.footer`.  A file that could not take its place has none."""
        if self._file.closed:
            return
        self._write(
            self._sums.footer(
                seconds=seconds, by_backend=by_backend, interrupted=interrupted, left=left
            )
        )
        self._file.close()


def _line(data: dict[str, Any]) -> str:
    # Lone surrogates of a nasty value must not end the run: ASCII escapes carry them.
    return json.dumps(redact(data), ensure_ascii=True, default=repr) + "\n"


# -- reading ------------------------------------------------------------------------------------


def schema() -> dict[str, Any]:
    """The JSON Schema that every line of a run file keeps."""
    text = resources.files("store_conformance.runs").joinpath("run.schema.json").read_text("utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


def _file_in(folder: Path) -> Path:
    """
    The run file of a run's folder: the plain one, or the compressed one if that alone is there.

    Without either it is what a run has left that never began.
    """
    plain, packed = folder / RUN_FILE, folder / f"{RUN_FILE}.gz"
    found = next((p for p in (plain, packed, unfinished(plain)) if p.exists()), None)
    if found is None:
        raise RunFileError(
            folder,
            "has neither run.jsonl nor run.jsonl.gz in it",
            "give the folder of one run, or run files by name",
        )
    return found


_KINDS: dict[str, type[Row | Measurement | CheckedLine]] = {
    "verdict": Row,
    "measurement": Measurement,
    "check": CheckedLine,
}


def _read_record(
    path: Path, data: dict[str, Any], backends: Container[str]
) -> Row | Measurement | CheckedLine:
    try:
        check_types(data)
        entry = _KINDS[data["kind"]].from_dict(data)
    except (TypeError, ValueError) as error:
        raise RunFileError(
            path, f"has a record that cannot be read ({error})", "run again"
        ) from None
    # A process that died without a verdict belongs to no backend: that is an error of the harness.
    died = isinstance(entry, Row) and entry.verdict is Verdict.ERROR
    if entry.backend not in backends and not died:
        raise RunFileError(
            path,
            f"has a record of {entry.backend!r}, which its header does not name",
            "the file was edited; run again",
        )
    return entry


def read_run(path: Path, *, cut: bool = False) -> Run:
    """
    A run file, plain or compressed by gzip, or the one in a run's folder.

    ``cut``: that of a run that was killed is read as far as it goes; its footer then says ``truncated``.

    Raises ``RunFileError`` where it is missing, foreign, too large, contradicts itself, is of another schema, or is
    truncated and not ``cut``.
    """
    path = _file_in(path) if path.is_dir() else path
    with closing(records(path, cut=cut)) as lines:
        return _read(path, lines, cut=cut)[0]


def read_in_order(path: Path) -> tuple[Run, list[Entry]]:
    """The run of a file, cut off or not, and what is between its header and its footer, as it was written."""
    with closing(records(path, cut=True)) as lines:
        return _read(path, lines, cut=True)


def _read(path: Path, lines: Iterator[dict[str, Any]], *, cut: bool) -> tuple[Run, list[Entry]]:
    first = next(lines, {"kind": "nothing"})
    if first["kind"] != "header":
        raise RunFileError(path, "has no header", "give a run file (run.jsonl)")
    header = checked_header(path, first)
    entries: list[Entry] = []
    footer: dict[str, Any] | None = None
    for data in lines:
        if footer is not None or data["kind"] == "header":
            raise RunFileError(
                path,
                "has more than one run in it",
                "give each run's file by itself; `report` takes several",
            )
        if data["kind"] == "footer":
            footer = data
        elif data["kind"] in _KINDS:
            entries.append(_read_record(path, data, header["backends"]))
    rows = [entry for entry in entries if isinstance(entry, Row)]
    if footer is None and cut:
        footer = footer_of_cut(header, rows, path.stat().st_mtime)
    if footer is None:
        raise RunFileError(
            path,
            "is truncated: it has no footer",
            "the run was cut off; go on with it by `run --resume`, or run again",
        )
    check_footer(path, footer, rows)
    check_verdicts(path, rows)
    figures = tuple(entry for entry in entries if isinstance(entry, Measurement))
    checks = tuple(entry for entry in entries if isinstance(entry, CheckedLine))
    return Run(header, tuple(rows), figures, footer, checks), entries


_OF_EACH = ("started", "machine", "settings", "corpus", "profile", "resumed")
"""What the header of a merged run says of each."""


def _sum_of(runs: Iterable[Run], which: str) -> float:
    each = (float((r.footer.get("seconds") or {}).get(which) or 0.0) for r in runs)
    return round(sum(each), 3)


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
        k: v
        for run in every
        for k, v in (run.footer.get("seconds") or {}).get("by_backend", {}).items()
    }
    footer = {
        "kind": "footer",
        "counts": dict(counts),
        "rows": sum(len(run.rows) for run in every),
        "seconds": {
            "total": _sum_of(every, "total"),
            "in_store": _sum_of(every, "in_store"),
            "by_backend": by_backend,
        },
        "interrupted": any(r.footer.get("interrupted") for r in every),
        **({"truncated": True} if any(r.footer.get("truncated") for r in every) else {}),
        "left": dict(sum((Counter(r.footer.get("left", {})) for r in every), Counter())),
        "causes": [cause for r in every for cause in r.footer.get("causes", ())],
    }
    header = {
        **first.header,
        "backends": backends,
        "merged": [{k: r.header.get(k) for k in _OF_EACH} for r in every],
    }
    return Run(
        header,
        tuple(row for run in every for row in run.rows),
        tuple(m for run in every for m in run.measurements),
        footer,
        tuple(c for run in every for c in run.checks),
    )
