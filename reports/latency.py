"""
Latency tables from raw samples; the time to embed a text is a table of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from store_conformance.contract.observations import LatencyFacts
from store_conformance.contract.records import Measurement
from store_conformance.reports.statistics import Summary, summarise

PREFIX = "latency."
EMBEDDING = "latency.embedding"
OPERATIONS = (
    "put",
    "batch_put",
    "get",
    "search_filter",
    "search_semantic",
    "list_namespaces",
    "delete",
)
"""The order of the table; other operations follow by name."""
_SECONDS = {"s": 1.0, "": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


@dataclass(frozen=True)
class Latency:
    """One operation of one backend in one mode: figures in seconds."""

    backend: str
    operation: str
    mode: str
    items: int | None
    """Items in the store while it was timed."""
    rounds: int | None
    figures: Summary
    median: float | None
    """The median of the samples; without samples the value that the run carries."""
    emulated: bool


def _latency(figure: Measurement, emulated: bool) -> Latency:
    scale = _SECONDS.get(figure.unit, 1.0)
    facts = LatencyFacts.read(figure.facts)
    summary = summarise([s * scale for s in figure.samples], facts.ops_per_call)
    value = figure.value
    carried = value * scale if isinstance(value, (int, float)) else None
    return Latency(
        figure.backend,
        figure.name.removeprefix(PREFIX),
        figure.mode,
        facts.n_items,
        facts.rounds,
        summary,
        summary.p50 if summary.p50 is not None else carried,
        emulated,
    )


def timings(figures: Iterable[Measurement], emulated: bool) -> tuple[Latency, ...]:
    """Every timed operation among the figures of one backend."""
    return tuple(
        _latency(m, emulated) for m in figures if m.name.startswith(PREFIX) and m.name != EMBEDDING
    )


def embedding_times(figures: Iterable[Measurement]) -> tuple[Latency, ...]:
    """Seconds to embed one text, as a backend's run measured it: in no other figure."""
    return tuple(_latency(m, False) for m in figures if m.name == EMBEDDING)


def in_order(timed: Iterable[Latency], names: tuple[str, ...]) -> tuple[Latency, ...]:
    """By operation, then items, mode and the order of the backends."""
    order = {name: n for n, name in enumerate(names)}
    known = {name: n for n, name in enumerate(OPERATIONS)}
    return tuple(
        sorted(
            timed,
            key=lambda e: (
                known.get(e.operation, len(known)),
                e.operation,
                e.items or 0,
                e.mode != "sync",
                order.get(e.backend, len(order)),
            ),
        )
    )
