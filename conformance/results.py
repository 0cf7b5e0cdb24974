"""
Run files: JSON Lines with a header, rows and a footer; how they are written, read and merged.

A file without its footer is truncated and says so when it is read.  Secrets are redacted before
anything is written.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, TextIO

from conformance.contract import Verdict

SCHEMA_VERSION = 1


class RunFileError(ValueError):
    """A run file cannot be used: ``problem`` says why, ``hint`` what to do (exit code 65)."""

    def __init__(self, path: Path | str, problem: str, hint: str) -> None:
        super().__init__(f"{path}: {problem}. Hint: {hint}")
        self.problem = problem
        self.hint = hint


class MergeError(ValueError):
    """Several runs do not make one report."""


@dataclass(frozen=True)
class Row:
    """One verdict about one rule, by one case in one mode on one backend."""

    backend: str
    rule: str
    level: str
    case: str
    mode: str
    verdict: str
    message: str
    seconds: float = 0.0
    """Wall clock of the case."""
    in_store: float = 0.0
    """Seconds of it inside the store's calls."""
    waited: float = 0.0
    """Seconds of it that the case let pass between calls, because its rule is about time."""
    calls: int = 0
    expected: str | None = None
    got: str | None = None
    history: tuple[str, ...] = ()
    """The last calls before the verdict, oldest first, for rows that are no pass."""
    scenario: str | None = None
    seed: int = 0
    emulated: bool = False
    expectation: str | None = None
    """Why the failure was expected, where it was."""
    upstream: str | None = None
    script: str | None = None
    """A reproducer that imports nothing of ours, for a finding."""
    confirmed: bool | None = None
    """Whether the reproducer reproduced in a clean process; ``None``: not tried."""

    def to_dict(self) -> dict[str, Any]:
        data = {k: v for k, v in asdict(self).items() if v not in (None, ())}
        data["history"] = list(self.history)
        return {"kind": "verdict", **data}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Row:
        known = {k: v for k, v in data.items() if k in cls.__dataclass_fields__}
        return cls(**{**known, "history": tuple(data.get("history", ()))})


@dataclass(frozen=True)
class Measurement:
    """A figure that is neither right nor wrong: a latency, a recall, a size, an IMPL choice."""

    backend: str
    name: str
    """Dotted: ``latency.put``, ``recall.index@5``, ``disk.bytes_per_item``, ``portability.F7``."""
    value: Any
    mode: str = ""
    unit: str = ""
    case: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    samples: tuple[float, ...] = ()
    """Raw samples in ``unit``, where the value is a statistic of them."""

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "measurement", **asdict(self), "samples": list(self.samples)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Measurement:
        known = {k: v for k, v in data.items() if k in cls.__dataclass_fields__}
        return cls(**{**known, "samples": tuple(data.get("samples", ()))})


@dataclass(frozen=True)
class Run:
    """A run file in memory."""

    header: dict[str, Any]
    rows: tuple[Row, ...]
    measurements: tuple[Measurement, ...]
    footer: dict[str, Any]

    @property
    def backends(self) -> tuple[str, ...]:
        return tuple(self.header["backends"])


# -- secrets ------------------------------------------------------------------------------------

_URL_PASSWORD = re.compile(r"(?P<head>[a-zA-Z][a-zA-Z0-9+.-]*://[^:/@\s]*:)[^@\s]+(?P<tail>@)")
_KEY_VALUE = re.compile(
    r"(?P<head>\b(?:password|passwd|pwd|api[_-]?key|token|secret)\b[\"']?\s*[=:]\s*[\"']?)[^\s\"',;)}&]+",
    re.IGNORECASE,
)
_SECRET_NAME = re.compile(r"password|passwd|pwd|api[_-]?key|token|secret", re.IGNORECASE)


def redact_text(text: str) -> str:
    """The text without the passwords of URLs and of ``password=...`` pairs."""
    text = _URL_PASSWORD.sub(r"\g<head>***\g<tail>", text)
    return _KEY_VALUE.sub(r"\g<head>***", text)


def redact(value: Any, name: str = "") -> Any:
    """The same JSON value with secrets replaced by ``***``, by key name and by shape."""
    if isinstance(value, dict):
        return {k: redact(v, str(k)) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact(v) for v in value]
    if isinstance(value, str):
        return "***" if _SECRET_NAME.search(name) else redact_text(value)
    return value


# -- writing ------------------------------------------------------------------------------------


class RunWriter:
    """
    Writes a run file line by line, so that an interrupted run leaves what it had.

    The header goes out at once; ``close`` adds the footer.  Each line is flushed.
    """

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        self.path = path
        self.counts: Counter[str] = Counter()
        self._in_store: defaultdict[str, float] = defaultdict(float)
        self._waited: defaultdict[str, float] = defaultdict(float)
        self._file: TextIO = path.open("w", encoding="utf-8")
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
        self._write(entry.to_dict())

    def close(self, *, seconds: float, by_backend: dict[str, float], interrupted: bool) -> None:
        """
        Write the footer: counts, and seconds.

        ``seconds`` is the wall clock of the run; the seconds a backend are its cases' added up, which is
        more where cases ran side by side.
        """
        self._write(
            {
                "kind": "footer",
                "counts": {str(v): self.counts.get(str(v), 0) for v in Verdict},
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
            }
        )
        self._file.close()


# -- reading ------------------------------------------------------------------------------------


def schema() -> dict[str, Any]:
    """The JSON Schema that every line of a run file keeps."""
    text = resources.files("conformance").joinpath("run.schema.json").read_text("utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise RunFileError(path, f"cannot be read ({error.strerror})", "check the path") from None
    except UnicodeDecodeError:
        raise RunFileError(path, "is no text file", "give a run file (run.jsonl)") from None
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            data = json.loads(line)
        except ValueError:
            raise RunFileError(
                path,
                f"line {number} is no JSON",
                "the file is truncated or not a run file; run again",
            ) from None
        if not isinstance(data, dict) or "kind" not in data:
            raise RunFileError(
                path, f"line {number} is no record of a run", "give a run file (run.jsonl)"
            )
        lines.append(data)
    return lines


def read_run(path: Path) -> Run:
    """
    A run file; raises ``RunFileError`` where it is missing, foreign, truncated or of another schema.
    """
    if path.is_dir():
        path = path / "run.jsonl"
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
        raise MergeError("no run to merge")
    first = every[0]
    backends: dict[str, Any] = {}
    for run in every:
        if run.header.get("suite_version") != first.header.get("suite_version"):
            raise MergeError(
                f"runs of suite {first.header.get('suite_version')} and"
                f" {run.header.get('suite_version')} cannot be merged; run both with one version"
            )
        if run.header.get("selection") != first.header.get("selection"):
            raise MergeError(
                "the runs checked different cases"
                f" ({first.header.get('selection')} and {run.header.get('selection')});"
                " run them with the same --rule, --group and --scenario"
            )
        for name, facts in run.header["backends"].items():
            if name in backends:
                raise MergeError(
                    f"backend {name} is in two of the runs; give one of them another --name"
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
    }
    header = {
        **first.header,
        "backends": backends,
        "merged": [
            {k: r.header.get(k) for k in ("started", "machine", "settings", "corpus")}
            for r in every
        ],
    }
    return Run(
        header,
        tuple(row for run in every for row in run.rows),
        tuple(m for run in every for m in run.measurements),
        footer,
    )
