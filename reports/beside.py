"""
What a run saw where callers were at work at once: how soon searches show a put, batches seen in part, lost increments.

None of it is a failure: the contract leaves it open (O24 to O26), and a program has to know it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from store_conformance.contract.observations import CounterFacts, DelayFacts, LookFacts
from store_conformance.contract.records import Measurement
from store_conformance.reports.text import milliseconds, plural
from store_conformance.reports.view import BackendView

FAMILY = "concurrency."
DELAY = f"{FAMILY}delay."
KINDS = ("plain", "filter", "query")
"""Of searches, as the case names them."""


@dataclass(frozen=True)
class Beside:
    """One backend in one mode; each figure in words, empty where it was not measured."""

    mode: str
    delays: dict[str, str]
    """By kind of search."""
    batches: str
    counter: str
    met: str
    """Calls of one key that met one another and were found to be in one order."""


def beside(view: BackendView) -> Iterator[Beside]:
    """A row for each mode in which something was measured."""
    own = [m for m in view.measurements if m.name.startswith(FAMILY)]
    for mode in dict.fromkeys(m.mode for m in own):
        here = [m for m in own if m.mode == mode]
        delays = {kind: _delay([m for m in here if m.name == DELAY + kind]) for kind in KINDS}
        yield Beside(mode, delays, _batches(here), _counter(here), _met(here))


def _delay(found: list[Measurement]) -> str:
    """``at once, 30 of 30`` or ``p50 2, p95 9, max 12 ms; 7 of 30 late``."""
    for figure in found:
        facts = DelayFacts.read(figure.facts)
        if facts.puts is None:
            continue
        unseen = f"; {facts.unseen} never" if facts.unseen else ""
        if not facts.late:
            return f"at once, {plural(facts.puts, 'put')}"
        shown = [
            f"{name} {milliseconds(ms / 1000)}"
            for name, ms in (("p50", facts.p50_ms), ("p95", facts.p95_ms), ("max", facts.max_ms))
            if ms is not None
        ]
        return f"{', '.join(shown)} ms; {facts.late:,} of {facts.puts:,} late{unseen}".lstrip()
    return ""


def _batches(here: list[Measurement]) -> str:
    """``0 of 480 looks``, of every kind of look together."""
    every = [LookFacts.read(m.facts) for m in here if m.name == f"{FAMILY}batches"]
    looks = sum(facts.looks or 0 for facts in every)
    return f"{sum(f.half or 0 for f in every):,} of {plural(looks, 'look')}" if looks else ""


def _counter(here: list[Measurement]) -> str:
    """``75 of 100, by 4``."""
    every = [CounterFacts.read(m.facts) for m in here if m.name == f"{FAMILY}counter"]
    told = [f for f in every if f.lost is not None and f.increments]
    return f"{told[0].lost:,} of {told[0].increments:,}, by {told[0].callers}" if told else ""


def _met(here: list[Measurement]) -> str:
    every = [m for m in here if m.name == f"{FAMILY}registers"]
    met = sum(m.value for m in every if isinstance(m.value, int))
    calls = sum(c for m in every if isinstance(c := m.facts.get("calls"), int))
    return f"{met:,} meetings of {plural(calls, 'call')}" if calls else ""
