"""
What campaigns of faults (``crash.json``) found out about one backend of a run.

A campaign speaks of one deployment, engine and setting.  It counts for a backend of the run only where all
three are the same: what a server loses says nothing of the library in the process, nor one setting of another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from store_conformance.contract import Verdict
from store_conformance.contract.survival import (
    DISK_FULL,
    FAILING_SYNC,
    NETWORK,
    POWER_LOSS,
    SETUP,
    Survival,
    SurvivalFile,
)
from store_conformance.reports.text import one_line, plural

FEW = 10
"""Strikes below which a fault that lost nothing is no reason to rely on it: 3 in 10 may still lose something."""
HONEST_DISK = (
    "A power loss is that of an honest disk: what was synced stays. A disk that loses what it has confirmed, or "
    "writes half a sector, may take more."
)
AS_IT_COMES = "as it comes"
_RELEASE = re.compile(r"\bv?\d[\w.]*")


@dataclass(frozen=True)
class Faults:
    """What faults did to one backend."""

    own: tuple[Survival, ...] = ()
    """In the run's own deployment, engine and options."""
    varied: tuple[Survival, ...] = ()
    """With other options."""
    elsewhere: tuple[Survival, ...] = ()
    """In another deployment, or on another engine."""
    engine: str = ""
    """The run's engine, with its release."""

    def struck(self, fault: str) -> int:
        """The strikes of that fault that count, in the run's own setting."""
        return sum(one.kills for one in told(self.own) if one.fault == fault)


def told(results: Iterable[Survival]) -> tuple[Survival, ...]:
    """Those that ended in a verdict."""
    return tuple(one for one in results if one.verdict in (Verdict.PASS, Verdict.FAIL))


def _engine(text: str) -> str:
    """An engine's name without its releases."""
    return " ".join(_RELEASE.sub("", text).split())


def _same_engine(one: Survival, facts: Mapping[str, Any]) -> bool:
    engine = str(facts.get("engine") or "")
    known = bool(one.engine and engine)
    alike = not known or _engine(one.engine) == _engine(engine)
    return alike and one.deployment == facts.get("deployment")


def faults_of(name: str, facts: Mapping[str, Any], files: Iterable[SurvivalFile]) -> Faults:
    """The results about one backend; ``facts`` is what the run's header says of it."""
    own, varied, elsewhere = [], [], []
    options = dict(facts.get("options") or {})
    for one in (one for file in files for one in file.results if one.backend == name):
        if not _same_engine(one, facts):
            elsewhere.append(one)
        elif dict(one.setting) == options:
            own.append(one)
        else:
            varied.append(one)
    return Faults(tuple(own), tuple(varied), tuple(elsewhere), str(facts.get("engine") or ""))


# -- what was lost --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Damage:
    """What one fault broke, over all campaigns of one setting."""

    fault: str
    gone: int
    """Acknowledged writes that are lost, overwritten by older ones, or deletions that are undone."""
    spoilt: int
    """Items that are torn, altered, twice there, or in no order that explains them."""
    acknowledged: int
    unreadable: int
    strikes: int

    @property
    def loses(self) -> bool:
        """
        Whether something acknowledged is gone or out of reach.

        A place that a killed ``setup()`` left unreadable is new: nothing had been written there.
        """
        return bool(self.gone or self.spoilt) or (self.unreadable > 0 and self.fault != SETUP)

    @property
    def share(self) -> float:
        """Of what was acknowledged, from 0 to 1."""
        return (self.gone + self.spoilt) / self.acknowledged if self.acknowledged else 0.0

    @property
    def words(self) -> str:
        """``3 of 6,028 lost by power loss``."""
        name = one_line(self.fault.replace("-", " "), 60)
        parts = []
        if self.gone or self.spoilt:
            what = "lost" if not self.spoilt else "lost or spoilt" if self.gone else "spoilt"
            of = f"{self.gone + self.spoilt:,} of {self.acknowledged:,}"
            parts.append(f"{of} {what} by {name}")
        if self.unreadable:
            parts.append(f"unreadable after {self.unreadable:,} of {self.strikes:,} ({name})")
        return "; ".join(parts)


def _damage(fault: str, results: list[Survival]) -> Damage:
    return Damage(
        fault,
        sum(one.lost + one.stale + one.resurrected for one in results),
        sum(one.altered + one.torn_items + one.duplicated + one.disordered for one in results),
        sum(one.acknowledged for one in results),
        sum(one.unreadable for one in results),
        sum(one.kills + one.missed for one in results),
    )


def damages(results: Iterable[Survival]) -> tuple[Damage, ...]:
    """What was broken, an entry for each fault that broke something, power loss first."""
    by_fault: dict[str, list[Survival]] = {}
    for one in told(results):
        by_fault.setdefault(one.fault, []).append(one)
    summed = [_damage(fault, alike) for fault, alike in by_fault.items()]
    harmful = [one for one in summed if one.gone or one.spoilt or one.unreadable]
    return tuple(sorted(harmful, key=lambda d: (d.fault != POWER_LOSS, not d.loses)))


def kill_losses(faults: Faults | None) -> tuple[Damage, ...]:
    """
    What kills of clients and engines, their stops and freezes, and networks took in the run's own setting.

    What a disk spoilt that was full or could not be written is told, and is no crash: who watches the disk foresees it.
    """
    of_disks = (POWER_LOSS, DISK_FULL, FAILING_SYNC)
    own = () if faults is None else damages(faults.own)
    return tuple(one for one in own if one.loses and one.fault not in of_disks)


def power_losses(faults: Faults | None) -> tuple[Damage, ...]:
    """What power losses took in the run's own setting."""
    own = () if faults is None else damages(faults.own)
    return tuple(one for one in own if one.loses and one.fault == POWER_LOSS)


def power_cuts(files: Iterable[SurvivalFile]) -> dict[tuple[str, str], Damage]:
    """What power losses took, by backend and setting, those that took nothing included."""
    by_setting: dict[tuple[str, str], list[Survival]] = {}
    for one in told(one for file in files for one in file.results):
        if one.fault == POWER_LOSS and one.acknowledged:
            where = f"{one.deployment}, {setting_words(one.setting)}"
            by_setting.setdefault((one.backend, where), []).append(one)
    return {place: _damage(POWER_LOSS, results) for place, results in by_setting.items()}


# -- in words --------------------------------------------------------------------------------------


def setting_words(setting: Mapping[str, str]) -> str:
    """``journal_mode=wal synchronous=full``, or ``as it comes``."""
    pairs = [f"{key}={value}" for key, value in sorted(setting.items())]
    return one_line(" ".join(pairs), 120) or AS_IT_COMES


def damage_words(results: Iterable[Survival]) -> str:
    """What was broken, with the setting; empty where nothing was."""
    every = tuple(results)
    found = "; ".join(one.words for one in damages(every))
    return f"{found}, {under(setting_words(every[0].setting))}" if found else ""


def damage_in_short(results: Iterable[Survival]) -> str:
    """The same for a cell of a table: what is worst, and how many other faults broke something."""
    every = tuple(results)
    found = damages(every)
    if len(found) < 2:
        return damage_words(every)
    others = plural(len(found) - 1, "other fault harms", "other faults harm")
    return f"{found[0].words}; {others}, {under(setting_words(every[0].setting))}"


def under(setting: str) -> str:
    """The words of a setting after what was seen in it."""
    return setting if setting == AS_IT_COMES else f"with {setting}"


def _kind(fault: str) -> str:
    if fault == POWER_LOSS:
        return "power loss"
    if fault == DISK_FULL:
        return "full disk"
    if fault == FAILING_SYNC:
        return "failing fsync"
    if fault.startswith(NETWORK):
        return "network faults"
    return "engine faults" if fault.startswith("engine-") else "client kills"


def _own_notes(faults: Faults) -> list[str]:
    by_kind: dict[str, list[Survival]] = {}
    for one in told(faults.own):
        by_kind.setdefault(_kind(one.fault), []).append(one)
    notes = []
    for kind, results in by_kind.items():
        kills = sum(one.kills for one in results)
        acknowledged = sum(one.acknowledged for one in results)
        found = "; ".join(one.words for one in damages(results))
        if not found:
            bound = f"fewer than {3 / kills:.1%} of such strikes lose any (95 %)"
            found = (
                f"nothing lost of {acknowledged:,}, {bound if kills >= FEW else 'too few to tell'}"
            )
        notes.append(f"{kind}, {plural(kills, 'strike')}: {found}")
    others = dict.fromkeys(one.engine for one in told(faults.own) if one.engine != faults.engine)
    engines = one_line(", ".join(filter(None, others)), 200)
    return [*notes, f"struck was {engines}"] if engines and faults.engine else notes


def _untried(faults: Faults) -> list[str]:
    if any(one.fault == POWER_LOSS for one in told(faults.own)):
        return []
    why = next((one.reason for one in faults.own if one.fault == POWER_LOSS and one.reason), "")
    return ["power loss not tried" + (f": {one_line(why, 200)}" if why else "")]


def notes_of(faults: Faults) -> tuple[str, ...]:
    """What the campaigns say, a note each: the own setting, what was not tried, other settings, others."""
    notes = [*_own_notes(faults), *_untried(faults)]
    settings: dict[str, list[Survival]] = {}
    for one in told(faults.varied):
        settings.setdefault(setting_words(one.setting), []).append(one)
    for setting, results in settings.items():
        tried = ", ".join(dict.fromkeys(one.fault.replace("-", " ") for one in results))
        found = "; ".join(one.words for one in damages(results)) or f"nothing lost ({tried})"
        notes.append(f"{under(setting)}: {found}")
    others = dict.fromkeys(
        f"{one.deployment} {one.engine}".strip() for one in told(faults.elsewhere)
    )
    if others:
        where = one_line(", ".join(others), 200)
        notes.append(f"campaigns of another engine do not count here: {where}")
    return tuple(notes)


def lossy_settings(faults: Faults) -> tuple[str, ...]:
    """The other settings in which something acknowledged was lost or is out of reach."""
    settings: dict[str, list[Survival]] = {}
    for one in faults.varied:
        settings.setdefault(setting_words(one.setting), []).append(one)
    return tuple(
        name for name, results in settings.items() if any(d.loses for d in damages(results))
    )


def campaign_caveats(files: Iterable[SurvivalFile], names: Iterable[str]) -> tuple[str, ...]:
    """What the table of survival cannot say; ``names`` are the backends of the run."""
    every, known = tuple(files), set(names)
    if not every:
        return ()
    machines = ", ".join(dict.fromkeys(one_line(file.machine, 80) for file in every))
    seeds = ", ".join(dict.fromkeys(str(file.seed) for file in every))
    sentences = [
        (
            f"What survives was found by {plural(len(every), 'campaign')} on one machine each ({machines}; "
            f"seed {seeds}): other machines and seeds strike at other moments, and nothing lost is no proof."
        ),
        HONEST_DISK,
    ]
    for file in every:
        if not file.finished:
            started = one_line(file.started, 60)
            sentences.append(f"The campaign of {started} was broken off before its last strike.")
    foreign = dict.fromkeys(
        one_line(one.backend, 60) for f in every for one in f.results if one.backend not in known
    )
    if foreign:
        sentences.append(
            f"Only a campaign of faults, and no run, is of {', '.join(foreign)}: the comparison lacks it."
        )
    return tuple(sentences)
