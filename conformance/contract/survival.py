"""
What came of faults, in frozen records and in the file that ``store-conformance crash`` writes (``crash.json``).

Reports read that file by `read_survival`; docs/SURVIVAL.md says what its words mean.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from store_conformance.contract.errors import EXIT_DATA, UserError
from store_conformance.contract.verdicts import Verdict

KIND = "store-conformance crash"
SCHEMA = 1
"""Rises when a reader of an older file would misread a newer one."""

POWER_LOSS = "power-loss"
"""The fault after which only that is left which was synced to the disk."""
DISK_FULL = "disk-full"
"""The fault that leaves no room on the disk for a while."""
FAILING_SYNC = "failing-fsync"
"""The fault in which every sync to the disk is an error for a while."""
NETWORK = "network-"
"""How the names of the faults begin that trouble the network between a store and its engine."""
SETUP = "client-setup"
"""The fault that strikes as a store is opened at a place where none has been."""
FILE = "crash.json"
"""What the file is called in the folder of a campaign."""


@dataclass(frozen=True)
class Survival:
    """What one fault did to one backend in one setting."""

    backend: str
    deployment: str
    """Where the engine came from; see `store_conformance.backends.base.Deployment`."""
    fault: str
    """``client-put``, ``engine-kill``, ``power-loss``, ..."""
    setting: Mapping[str, str] = field(default_factory=dict)
    """The options that were given to the backend; empty: as it comes."""
    engine: str = ""
    """Name and version, as the engine said."""
    verdict: Verdict = Verdict.UNVERIFIED
    """``pass``: nothing acknowledged was lost or spoilt.  ``fail``: something was.  Else why nobody can tell."""
    reason: str = ""
    wanted: int = 0
    """Strikes that were asked for."""
    kills: int = 0
    """Strikes that count: work was in flight, and enough had been acknowledged."""
    missed: int = 0
    """Strikes between two operations, or too early; what they left was looked at, too."""
    acknowledged: int = 0
    """Keys written or deleted by acknowledged operations, over all strikes."""
    lost: int = 0
    stale: int = 0
    resurrected: int = 0
    altered: int = 0
    torn_items: int = 0
    torn_batches: int = 0
    """Batches of which a part was left; none of them was acknowledged, and they make no failure."""
    duplicated: int = 0
    unreadable: int = 0
    """Strikes after which the store could not be opened or read."""
    disordered: int = 0
    """Keys whose concurrent calls no single order explains."""
    reopened: int = 0
    """Troubles of the network or the disk after which the store object worked no more; they make no failure."""
    whole: int = 0
    """Operations that were never acknowledged and had taken effect, wholly."""
    oldest_lost_seconds: float = 0.0
    """How long before the strike the oldest thing had been acknowledged that was lost."""
    seconds: float = 0.0
    examples: tuple[str, ...] = ()
    """A few of what was wrong, a sentence each."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "verdict", Verdict(self.verdict))

    @property
    def broken(self) -> int:
        """How many things were wrong that a store promises to keep right."""
        return (
            self.lost + self.stale + self.resurrected + self.altered + self.torn_items
            + self.duplicated + self.unreadable + self.disordered
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        data = asdict(self)
        return {**data, "setting": dict(self.setting), "verdict": str(self.verdict.value)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Survival:
        """Raises ``ValueError`` or ``TypeError`` for what no campaign writes."""
        known = {k: v for k, v in dict(data).items() if k in cls.__dataclass_fields__}
        made = cls(**{**known, "examples": tuple(data.get("examples", ()))})
        _check(made)
        return made


@dataclass(frozen=True)
class SurvivalFile:
    """A ``crash.json`` in memory."""

    version: str
    """The suite that wrote it."""
    seed: int
    started: str
    """ISO time, UTC."""
    machine: str
    """The operating system and its release."""
    finished: bool
    """Whether every strike was made that was asked for."""
    results: tuple[Survival, ...]

    def to_dict(self) -> dict[str, Any]:
        head = {"kind": KIND, "schema": SCHEMA, "version": self.version, "seed": self.seed}
        return {
            **head,
            "started": self.started,
            "machine": self.machine,
            "finished": self.finished,
            "results": [one.to_dict() for one in self.results],
        }


_TEXTS = ("backend", "deployment", "fault", "engine", "reason")
_COUNTS = (
    "wanted", "kills", "missed", "acknowledged", "lost", "stale", "resurrected", "altered", "torn_items",
    "torn_batches", "duplicated", "unreadable", "disordered", "whole", "reopened",
)  # fmt: skip
_SECONDS = ("oldest_lost_seconds", "seconds")


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _check(one: Survival) -> None:
    """Raises ``ValueError`` where a field has a value of another kind, or the verdict is not of its counts."""
    for name in _TEXTS:
        if not isinstance(getattr(one, name), str):
            raise ValueError(f"{name} is no text")
    for name in _COUNTS:
        if not _is_count(getattr(one, name)):
            raise ValueError(f"{name} is no count")
    for name in _SECONDS:
        value = getattr(one, name)
        if type(value) not in (int, float) or not 0 <= value < math.inf:
            raise ValueError(f"{name} is no time")
    if not all(isinstance(text, str) for text in (*dict(one.setting).values(), *one.examples)):
        raise ValueError("a setting or an example is no text")
    if (one.verdict is Verdict.FAIL) != bool(one.broken):
        raise ValueError(f"{one.fault} is {one.verdict} with {one.broken} things broken")


def _head(data: Mapping[str, Any]) -> tuple[str, int, str, str, bool]:
    texts = [data[name] for name in ("version", "started", "machine")]
    if not all(isinstance(text, str) for text in texts) or type(data["seed"]) is not int:
        raise ValueError("its head is not that of a campaign")
    version, started, machine = texts
    return version, data["seed"], started, machine, bool(data["finished"])


def read_survival(path: Path) -> SurvivalFile:
    """
    A ``crash.json``, or the one in a campaign's folder; raises ``UserError`` for another file.
    """
    path = path / FILE if path.is_dir() else path
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["kind"] != KIND or data["schema"] != SCHEMA:
            raise ValueError(f"{data['kind']}, schema {data['schema']}")
        results = tuple(Survival.from_dict(one) for one in data["results"])
        told = _head(data)
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror})", exit_code=EXIT_DATA) from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{path} is no crash.json of this version ({type(error).__name__}: {error})",
            "`store-conformance crash` writes one into its --out folder",
            EXIT_DATA,
        ) from None
    return SurvivalFile(*told, results)


def read_campaigns(paths: Iterable[Path]) -> tuple[SurvivalFile, ...]:
    """
    Several files, and folders with a ``crash.json`` or with files of campaigns by other names.

    Raises ``UserError`` also where two are the same campaign, which would count twice.
    """
    found: dict[Path, SurvivalFile] = {}
    for path in (file for given in paths for file in _files(given)):
        file = read_survival(path)
        twin = next((other for other, known in found.items() if known == file), None)
        if twin is not None or path in found:
            raise UserError(f"{path} is the same campaign as {twin or path}", "give each one once")
        found[path] = file
    return tuple(found.values())


def _files(path: Path) -> list[Path]:
    """The files that a path stands for; itself where it is one, or where there are none."""
    collected = path.is_dir() and not (path / FILE).is_file()
    return (sorted(path.glob("*.json")) or [path]) if collected else [path]


def durability(results: Iterable[Survival]) -> str:
    """
    What one backend in one setting survives, as a sentence; only what was tried and told counts.
    """
    told = [r for r in results if r.verdict in (Verdict.PASS, Verdict.FAIL)]
    if not told:
        return "not tried"
    words = []
    for name, faults in (
        ("a client's crash", [r for r in told if r.fault.startswith("client-")]),
        ("an engine's crash", [r for r in told if r.fault.startswith("engine-")]),
        ("a network's troubles", [r for r in told if r.fault.startswith(NETWORK)]),
        ("a full disk", [r for r in told if r.fault == DISK_FULL]),
        ("a failing fsync", [r for r in told if r.fault == FAILING_SYNC]),
        ("a power loss", [r for r in told if r.fault == POWER_LOSS]),
    ):
        if not faults:
            words.append(f"{name}: not tried")
        elif all(r.verdict is Verdict.PASS for r in faults):
            words.append(f"{name}: survives{_opened_anew(faults)}")
        else:
            words.append(f"{name}: {_damage(faults)}")
    return "; ".join(words)


def _opened_anew(results: list[Survival]) -> str:
    reopened = sum(r.reopened for r in results)
    strikes = sum(r.kills + r.missed for r in results)
    return f", opened anew after {reopened} of {strikes} strikes" if reopened else ""


def _damage(results: list[Survival]) -> str:
    shut = sum(r.unreadable for r in results)
    spoilt = sum(r.broken for r in results) - shut
    words = []
    if spoilt:
        words.append(f"lost or spoilt {spoilt} of {sum(r.acknowledged for r in results)}")
    if shut:
        strikes = sum(r.kills + r.missed for r in results)
        words.append(f"could not be opened again after {shut} of {strikes} strikes")
    return ", ".join(words)
