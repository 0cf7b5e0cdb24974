"""
The portability table: what each backend does where the contract leaves the choice to it.

That is whatever cases of IMPL rules record, and the choices that cases of other rules record in passing
(many a MUST leaves a corner open).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from store_conformance.contract import Level, Rule, rules
from store_conformance.contract.records import Measurement
from store_conformance.reports.old_runs import with_rule
from store_conformance.reports.text import show
from store_conformance.reports.view import RunView

PREFIX = "portability."
_FIGURES = (
    "latency.",
    "recall.",
    "disk.",
    "processes.",
    "restart.",
    "backup.",
    "trouble.",
    "histories",
    "isolation.",
    "concurrency.",
)
"""Families of measurements that have tables of their own."""


@dataclass(frozen=True)
class Choice:
    """One thing that a backend does, and the modes in which it was seen."""

    text: str
    modes: tuple[str, ...]


@dataclass(frozen=True)
class PortabilityRow:
    """One question that IMPL leaves open, and each backend's answer; a backend may be absent."""

    rule: Rule
    question: str
    """What was looked at, where a rule has several questions; else empty."""
    answers: dict[str, tuple[Choice, ...]]

    @property
    def differs(self) -> bool:
        """Whether a program that relies on one backend's answer would notice another."""
        told = {tuple(sorted({c.text for c in choices})) for choices in self.answers.values()}
        return len(told) > 1


def _is_choice(figure: Measurement) -> bool:
    """Whether a case recorded what a store chose to do, and not a figure: a word, a count, yes or no."""
    return not figure.unit and not figure.samples and isinstance(figure.value, (str, bool, int))


def _place(figure: Measurement, rules: dict[str, Rule]) -> tuple[Rule, str] | None:
    """The rule and question that a measurement answers, or ``None`` if it is of another kind."""
    of_case = rules.get(figure.rule)
    if of_case is None or not (of_case.level is Level.IMPL or _is_choice(figure)):
        return None
    question = figure.name.removeprefix(PREFIX).removeprefix(of_case.id).strip(".")
    parameter = re.search(r"\[(.+)\]$", figure.case)
    return of_case, f"{question} ({parameter.group(1)})" if parameter else question


def portability(run: RunView) -> tuple[tuple[PortabilityRow, ...], frozenset[int]]:
    """
    The table, and the positions in ``run.measurements`` that it tells (so that none is told twice).
    """
    by_id = {rule.id: rule for rule in (*rules(), *run.rules)}
    by_case = {row.case: row.rule for row in run.rows}
    told: dict[tuple[str, str], dict[str, dict[str, list[str]]]] = {}
    asked: dict[str, Rule] = {}
    used = set()
    for position, figure in enumerate(run.measurements):
        if figure.name.startswith(_FIGURES):
            continue
        place = _place(with_rule(figure, by_case), by_id)
        if place is None:
            continue
        used.add(position)
        asked[place[0].id] = place[0]
        answers = told.setdefault((place[0].id, place[1]), {}).setdefault(figure.backend, {})
        answers.setdefault(show(figure.value), []).append(figure.mode)
    rank = {rule_id: n for n, rule_id in enumerate(by_id)}
    table = tuple(
        PortabilityRow(
            asked[rule_id],
            question,
            {
                backend: tuple(
                    Choice(text, tuple(dict.fromkeys(m for m in modes if m)))
                    for text, modes in by_text.items()
                )
                for backend, by_text in answers.items()
            },
        )
        for (rule_id, question), answers in sorted(
            told.items(), key=lambda entry: (rank[entry[0][0]], entry[0][1])
        )
    )
    return table, frozenset(used)
