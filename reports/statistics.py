"""
Percentiles and rates from raw samples, with the sample count that each needs.

Percentiles interpolate linearly between the two nearest samples (the default of numpy, ``inclusive``
in ``statistics.quantiles``).  A p99 of fewer than 100 samples is little more than the maximum, so it
is not given at all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

P99_FROM = 100
"""The fewest samples for which a p99 is given."""


def percentile(samples: Sequence[float], percent: float) -> float:
    """The ``percent``-th percentile by linear interpolation; raises ``ValueError`` without samples."""
    if not samples:
        raise ValueError("no samples")
    if not 0 <= percent <= 100:
        raise ValueError(f"a percentile lies between 0 and 100, not at {percent}")
    ordered = sorted(samples)
    position = (len(ordered) - 1) * percent / 100
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


@dataclass(frozen=True)
class Summary:
    """What a set of samples comes to; ``None`` where the samples do not carry the figure."""

    n: int
    p50: float | None
    p95: float | None
    p99: float | None
    maximum: float | None
    mean: float | None
    per_second: float | None
    """Operations a second: one over the mean sample, times the operations of a call."""


def summarise(samples: Sequence[float], ops_per_call: float = 1.0) -> Summary:
    """
    The figures of raw samples in seconds; samples that are no finite number are left out.
    """
    kept = [float(s) for s in samples if math.isfinite(s)]
    if not kept:
        return Summary(0, None, None, None, None, None, None)
    mean = math.fsum(kept) / len(kept)
    return Summary(
        n=len(kept),
        p50=percentile(kept, 50),
        p95=percentile(kept, 95),
        p99=percentile(kept, 99) if len(kept) >= P99_FROM else None,
        maximum=max(kept),
        mean=mean,
        per_second=ops_per_call / mean if mean > 0 else None,
    )
