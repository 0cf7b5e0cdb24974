"""
A case as an item of pytest: on one backend, in one mode, with one parameter; and what a finished item
carries from the worker that ran it to the run file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from json import dumps, loads  # by name: a store may change the module
from pathlib import Path
from typing import Any

import pytest

from store_conformance.contract import Mode, Rule, Verdict
from store_conformance.contract.records import Measurement, Row
from store_conformance.harness.case import CaseSpec
from store_conformance.harness.runner import Outcome
from store_conformance.harness.text import sendable
from store_conformance.harness.waiting import Job
from store_conformance.pytest_plugin.interrupts import Interrupts
from store_conformance.pytest_plugin.plugin import PREFIX
from store_conformance.runs.again import pytest_again
from store_conformance.runs.session import RunSession

SESSION = pytest.StashKey[RunSession]()
INTERRUPTS = pytest.StashKey[Interrupts]()
_DATA = "conformance_entries"
_OPTION = "conformance_"
_KEPT = ("backend", "store", "store-name", "declare", "option", "deployment", "url", "profile",
         "expectations", "settings", "timeout")  # fmt: skip
"""The plugin's options that decide how a case ends, and not which cases there are."""
MARKER = "conformance(rule, level, group): a conformance case, of that rule"


def case_mark(spec: CaseSpec) -> pytest.MarkDecorator:
    """The marker of a case: ``-m conformance``, and ``-m "conformance(rule='K1')"`` from pytest 8.3 on."""
    rule = spec.rule
    return pytest.mark.conformance(rule=rule.id, level=rule.level.value, group=rule.group)


def session_of(config: pytest.Config) -> RunSession | None:
    """The run that this pytest belongs to; ``None`` without a backend."""
    return config.stash.get(SESSION, None)


def carry(item: pytest.Item, entries: Sequence[Row | Measurement]) -> None:
    """Hand rows and measurements of a test that is not a case to the run file, from any worker."""
    item.user_properties.append((_DATA, dumps([e.to_dict() for e in entries], default=repr)))


def case_label(backend: str, mode: Mode, param: str | None) -> str:
    """What stands in the brackets of an item's name."""
    return "-".join(p for p in (backend, mode, param) if p)


def case_items(collector: pytest.Collector, name: str, spec: CaseSpec) -> Iterator[CaseItem]:
    """The items of one case: one a backend of the run, mode and parameter."""
    session = session_of(collector.config)
    if session is None:
        every = [("no-backend", mode, param) for mode in spec.modes for param in spec.expand()]
    else:
        every = [(b, *variant) for b in session.names() for variant in session.variants(spec, b)]
    for backend, mode, param in every:
        yield CaseItem.from_parent(
            collector,
            name=f"{name}[{case_label(backend, mode, param)}]",
            spec=spec,
            backend=backend,
            mode=mode,
            param=param,
        )


class CaseFailedError(Exception):
    """A case did not pass; ``row`` says how."""

    def __init__(self, row: Row) -> None:
        super().__init__(row.message)
        self.row = row


def _counts(row: Row) -> bool:
    """Whether a row makes its pytest item fail."""
    return row.verdict in (Verdict.FAIL, Verdict.ERROR) and row.expectation is None


def counting(outcome: Outcome) -> Row | None:
    """The row that makes the test of a case fail, if one does."""
    return next((r for r in (outcome.row, *outcome.others) if _counts(r)), None)


def failure_text(rule: Rule, row: Row) -> str:
    """What the report of a failed test says."""
    lines = [
        f"{row.rule} ({row.level}) {row.verdict}: {row.message}",
        f"  promise: {rule.promise}",
    ]
    if row.expected is not None:
        lines += [f"  expected: {row.expected}", f"  got:      {row.got}"]
    return sendable("\n".join([*lines, "  last calls:", *(f"    {line}" for line in row.history)]))


class CaseItem(pytest.Item):
    """One case, on one backend, in one mode, with one parameter."""

    def __init__(
        self, *, spec: CaseSpec, backend: str, mode: Mode, param: str | None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.spec = spec
        self.backend = backend
        self.mode: Mode = mode
        self.param = param
        self.obj = spec.func
        self.add_marker(case_mark(spec))
        self.extra_keyword_matches.add(spec.rule_id)  # for -k
        # Groups stay together: a worker that runs one of its cases runs them all.
        if spec.waits:  # of every backend, so that all their waits overlap
            self.add_marker(pytest.mark.xdist_group("waiting"))
        elif spec.serial:
            self.add_marker(pytest.mark.xdist_group(f"serial-{backend}"))

    @property
    def job(self) -> Job:
        return Job(self.spec, self.backend, self.mode, self.param)

    def runtest(self) -> None:
        session = session_of(self.config)
        if session is None:
            pytest.skip(f"name a backend: {PREFIX}backend NAME or {PREFIX}store FILE.py:FUNCTION")
        outcome = session.run(self.spec, self.backend, self.mode, self.param)
        interrupts = self.config.stash.get(INTERRUPTS, None)
        if interrupts is not None and interrupts.take():
            outcome = session.interrupted(outcome)
        entries: list[Row | Measurement] = [outcome.row, *outcome.others, *outcome.measurements]
        self.user_properties.append((_DATA, dumps([e.to_dict() for e in entries], default=repr)))
        row = outcome.row
        if row.verdict in (Verdict.UNSUPPORTED, Verdict.UNVERIFIED):
            pytest.skip(sendable(f"{row.verdict}: {row.message}"))
        if row.expectation is not None:
            pytest.xfail(f"expected: {row.expectation}")
        found = counting(outcome)
        if found is not None:
            raise CaseFailedError(found)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        if isinstance(excinfo.value, pytest.xfail.Exception):
            # Known, and told in the run: pytest would parse whole modules to show where it was raised.
            return str(excinfo.value)
        if not isinstance(excinfo.value, CaseFailedError):
            return str(super().repr_failure(excinfo))
        told = failure_text(self.spec.rule, excinfo.value.row)
        again = self._again()
        return f"{told}\n  again: {again}" if again else told

    def _again(self) -> str | None:
        """The command that runs this item alone; ``None`` in a run that the command line started."""
        option = self.config.option
        if not (option.conformance_backend or option.conformance_store):
            return None
        node = f"{getattr(self.parent, 'dotted', self.spec.func.__module__)}::{self.name}"
        given = {name: getattr(option, f"{_OPTION}{name.replace('-', '_')}") for name in _KEPT}
        return pytest_again(node, given)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.spec.func.__code__.co_firstlineno, self.name


def entries_of(report: pytest.TestReport) -> list[Row | Measurement]:
    """The rows and measurements that a finished item carries."""
    found: list[Row | Measurement] = []
    for name, value in report.user_properties:
        if name == _DATA:
            for data in loads(str(value)):
                kind = Row if data["kind"] == "verdict" else Measurement
                found.append(kind.from_dict(data))
    return found
