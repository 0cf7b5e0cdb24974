"""
The failures of a run that are known in advance: which of them hold, and which failed row is one of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from functools import cached_property
from importlib import resources
from typing import TYPE_CHECKING, Any

from store_conformance.contract import Verdict
from store_conformance.contract.records import Row
from store_conformance.harness.signatures import normal
from store_conformance.runs.expectations import Expectation, read_expectations

if TYPE_CHECKING:
    from store_conformance.harness.backends import Backend


def shipped_expectations(backend: str) -> tuple[Expectation, ...]:
    """The expectations that come with the project for one backend; empty where there are none."""
    found = resources.files("store_conformance").joinpath("expected") / f"{backend}.toml"
    if not found.is_file():
        return ()
    with resources.as_file(found) as path:
        return read_expectations(path)


def inherited_expectations(backend: str, parts: Iterable[str]) -> tuple[Expectation, ...]:
    """
    What is known of the stores that a backend is made of, and may show through it.

    Never stale: whether a case reaches such a store depends on the namespaces that it uses.  Of no
    kind: what shows through another store looks as that one makes it.
    """
    return tuple(
        dataclasses.replace(e, backend=backend, why=f"{part}: {e.why}", kinds=())
        for part in parts
        for e in shipped_expectations(part)
    )


class KnownFailures:
    """
    The expectations of a run: those of its backends, and those that show through what these are made of.

    ``facts`` say which versions a backend has; they are complete before the first case.
    """

    def __init__(
        self,
        expectations: tuple[Expectation, ...],
        backends: Mapping[str, Backend],
        facts: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self._expectations = expectations
        self._backends = backends
        self._facts = facts
        self._held: dict[str, tuple[Expectation, ...]] = {}
        self._avoided: dict[str, frozenset[str]] = {}

    def expected(self, row: Row) -> Expectation | None:
        """The first expectation of this case that the failure looks like."""
        return next(
            (e for e in self.holding(row.backend) if e.matches(row) and e.covers(row)), None
        )

    def marked(self, row: Row) -> Row:
        """The row with the reason why its failure was expected, or how what was expected looks."""
        if row.verdict is not Verdict.FAIL:
            return row
        if row.failure_kind is None:  # no case ended with it: a process or an engine did
            kind = normal(row.message)
            row = dataclasses.replace(row, failure_kind=kind, cause=kind)
        known = self.expected(row)
        if known is not None:
            return dataclasses.replace(row, expectation=known.why, upstream=known.upstream)
        about = [e for e in self.holding(row.backend) if e.matches(row)]
        if not about:
            return row
        kinds = [kind for e in about for kind in e.kinds_of(row)]
        return dataclasses.replace(row, unlike=" | ".join(kinds) or "no failure of this case")

    def excluded(self, backend: str) -> frozenset[str]:
        """What random histories exclude, because an expectation says so."""
        if backend not in self._avoided:
            self._avoided[backend] = frozenset(
                feature for e in self.holding(backend) for feature in e.excluded()
            )
        return self._avoided[backend]

    def holding(self, backend: str) -> tuple[Expectation, ...]:
        """The expectations that hold for the versions of this backend; they do not change in a run."""
        if backend not in self._held:
            packages = self._facts.get(backend, {}).get("packages", {})
            known = (*self._expectations, *self.inherited)
            self._held[backend] = tuple(
                e for e in known if e.backend == backend and e.holds_for(packages)
            )
        return self._held[backend]

    @cached_property
    def inherited(self) -> tuple[Expectation, ...]:
        """What is known of the stores that the run's backends are made of; never stale."""
        return tuple(
            e
            for name, backend in self._backends.items()
            for e in inherited_expectations(name, backend.parts)
        )
