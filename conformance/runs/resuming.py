"""
A run that was cut off or interrupted, and goes on: what of it stays, and whether it is of the same run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from store_conformance.contract import UserError
from store_conformance.contract.records import Row, Run
from store_conformance.runs.footer import seconds_until
from store_conformance.runs.run_file import Entry, read_in_order

CaseKey = tuple[str, str, str, str]
"""Backend, rule, case and mode: one item of a run."""
AGAIN = "ask for the same, give another folder with --out, or leave --resume out"
CONNECTIONS = "connections at once"
"""A setting of a backend that says how many there were for the run, and not what its store is."""
_ASKED = (
    ("suite_version", "version of the suite"),
    ("profile", "profile"),
    ("selection", "selection of cases"),
    ("settings", "setting"),
    ("corpus", "corpus"),
)
"""What a header says of what was asked for, before any engine is up."""
_FACTS = (
    ("deployment", "deployment"),
    ("store", "store"),
    ("packages", "version"),
    ("engine", "engine"),
    ("options", "option"),
    ("capabilities", "declaration"),
    ("settings", "setting"),
)
"""What a header says of a backend that decides its verdicts."""


def key_of(row: Row) -> CaseKey:
    return row.backend, row.rule, row.case, str(row.mode)


@dataclass(frozen=True)
class Earlier:
    """What is there of a run that shall go on."""

    path: Path
    run: Run
    entries: tuple[Entry, ...] = ()
    """What stays: the rows of cases that are done, with what belongs to them."""
    done: frozenset[CaseKey] = field(default_factory=frozenset)
    seconds: float = 0.0
    """What it has taken so far."""

    @property
    def finished(self) -> bool:
        return not self.run.footer.get("interrupted")

    def check_asked(self, header: Mapping[str, Any]) -> None:
        """Raises ``UserError`` if what is asked for now is not what the run was asked for."""
        for name, word in _ASKED:
            self._compare(word, self.run.header.get(name), header.get(name))
        mine, theirs = (h["machine"].get("python") for h in (header, self.run.header))
        self._compare("version of Python", theirs, mine)

    def check_names(self, names: list[str]) -> None:
        """The same for the backends, by their names; a run that was cut off before its engines were up has none."""
        known = sorted(self.run.header["backends"])
        if known and known != sorted(names):
            self._differ("backend", ", ".join(known), ", ".join(sorted(names)))

    def check_backends(self, facts: Mapping[str, Mapping[str, Any]]) -> None:
        """The same for what the backends turned out to be, once they are up."""
        for name, before in self.run.header["backends"].items():
            now = facts.get(name, {})
            if ("absent" in before) != ("absent" in now):
                there = ("is not there", "is there")
                said = (there["absent" not in before], there["absent" not in now])
                self._differ(f"state of {name}", *said)
            for key, word in _FACTS if "absent" not in now else ():
                self._compare(f"{word} of {name}", before.get(key), now.get(key))

    def header(self, header: Mapping[str, Any], now: str) -> dict[str, Any]:
        """The header of the whole: begun when the first part was, and resumed each time since."""
        first = self.run.header
        part = {"at": now, "rows": len(self.done), "seconds": self.seconds}
        return {
            **header,
            "started": first.get("started", header["started"]),
            "command": first.get("command", header["command"]),
            "resumed": [*first.get("resumed", ()), part],
        }

    def _compare(self, what: str, before: Any, now: Any) -> None:
        if isinstance(before, Mapping) or isinstance(now, Mapping):
            before, now = before or {}, now or {}
            for key in sorted({*before, *now} - {CONNECTIONS}):
                self._compare(f"{what} ({key})", before.get(key), now.get(key))
        elif _plain(before) != _plain(now):
            self._differ(what, _shown(before), _shown(now))

    def _differ(self, what: str, before: str, now: str) -> None:
        raise UserError(f"{self.path} is a run of another {what}: {before}, and not {now}", AGAIN)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else (value or None)


def _shown(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def earlier_run(path: Path, known: frozenset[CaseKey]) -> Earlier:
    """
    The run in that file, whatever its end was; ``known`` are the cases of the run that shall go on.

    The case that was recorded last is left out: nobody knows whether all that belongs to it was.  So is what stands
    before the first and after the last case, which is found out again.  Raises ``UserError``.
    """
    check_there(path)
    run, all_entries = read_in_order(path)
    blocks: list[tuple[CaseKey, list[Entry]]] = []
    for entry in all_entries:
        key = key_of(entry) if isinstance(entry, Row) else None
        if key in known and all(key != k for k, _ in blocks[-1:]):
            blocks.append((key, [entry]))
        elif blocks:
            blocks[-1][1].append(entry)
    whole = blocks[:-1]
    return Earlier(
        path,
        run,
        tuple(entry for _, entries in whole for entry in entries),
        frozenset(key for key, _ in whole),
        _seconds(run, path),
    )


def check_there(path: Path, *, needed: bool = True) -> None:
    """Raises ``UserError`` where there is no file of a run and one is needed."""
    if needed and not path.exists():
        raise UserError(
            f"there is no run to resume in {path.parent}",
            "leave --resume out, or give the folder with --out",
        )


def _seconds(run: Run, path: Path) -> float:
    footer = run.footer
    if not footer.get("truncated"):
        return float(footer["seconds"]["total"])
    most = sum(row.seconds for row in run.rows)
    return seconds_until(run.header, path.stat().st_mtime, most)
