"""
The last line of a run file: what its rows come to.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Any

from store_conformance.contract import Verdict
from store_conformance.contract.records import Row
from store_conformance.runs.causes import causes_of


class Sums:
    """Adds rows up, one after the other."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self.counts: Counter[Verdict] = Counter()
        self.by_backend: defaultdict[str, float] = defaultdict(float)
        """The seconds of each backend's cases."""
        self._in_store: defaultdict[str, float] = defaultdict(float)
        self._waited: defaultdict[str, float] = defaultdict(float)
        self._failed: list[Row] = []
        for row in rows:
            self.add(row)

    def add(self, row: Row) -> None:
        self.counts[row.verdict] += 1
        self.by_backend[row.backend] += row.seconds
        self._in_store[row.backend] += row.in_store
        self._waited[row.backend] += row.waited
        if row.verdict is Verdict.FAIL:
            self._failed.append(row)

    def footer(
        self,
        *,
        seconds: float,
        by_backend: Mapping[str, float],
        interrupted: bool,
        left: Mapping[str, int] = MappingProxyType({}),
    ) -> dict[str, Any]:
        """
        Counts, seconds, what was ``left`` in the processes, and the likely causes of the failures.

        ``seconds`` is the wall clock of the run; the seconds a backend are its cases' added up, which is
        more where cases ran side by side.
        """
        return {
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


def footer_of_cut(header: Mapping[str, Any], rows: Iterable[Row], written: float) -> dict[str, Any]:
    """
    What stands for the footer of a file that has none, as its run was killed; ``written``: when it was last changed.
    """
    sums = Sums(rows)
    spent = seconds_until(header, written, sum(sums.by_backend.values()))
    made = sums.footer(seconds=spent, by_backend=sums.by_backend, interrupted=True)
    return {**made, "truncated": True}


def seconds_until(header: Mapping[str, Any], written: float, most: float) -> float:
    """
    About how long a run without a footer took, with what it had taken before it was resumed.

    ``most`` are the seconds of its cases added up: a file that was copied says nothing by its time.
    """
    parts = header.get("resumed") or ()
    begun = str(parts[-1]["at"] if parts else header.get("started"))
    before = float(parts[-1]["seconds"]) if parts else 0.0
    try:
        begin = datetime.fromisoformat(begun)
    except ValueError:
        return round(most, 3)
    end = datetime.fromtimestamp(written, timezone.utc)
    passed = (end - begin).total_seconds() if begin.tzinfo else 0.0
    return round(min(before + max(0.0, passed), most), 3)
