"""
Failures known in advance: a TOML file a backend, each entry with a reason and the versions it holds for.

An expected failure does not fail the gate; one that looks different, one that starts to pass, one that
matches no case, and one without a reason do.  A file looks like this::

    backend = "sqlite"

    [[expect]]
    rule = "V2"
    case = "vector_fields::*"       # a case id or pattern; default: all cases of the rule
    mode = "sync"                   # or "async"; default: both
    kind = "the ranking: another order"     # what it looks like; see below
    why = "reads text_fields, not fields (base.py:1493)"
    upstream = "https://github.com/..."                        # if it is known there
    versions = {"langgraph-checkpoint-sqlite" = ">=3.1,<=3.1.2"}
    sometimes = "two threads must meet"     # it varies by nature, and why: passing makes it not stale
    exclude = ["fields"]              # what random histories leave out because of it

An entry for a whole rule (no ``case``) excludes the features of that rule by itself.

``kind`` is what the failure looks like, as ``store-conformance expect`` writes it: a text, a list of texts,
or, where the cases of a pattern fail differently, a table ``[expect.kind]`` from each case that fails (or a
pattern) to one or several; ``*`` stands for what varies.  A failure that looks different, or of a case that
the table does not name, is unexpected.  An entry without it takes every failure of its cases for the known one.
"""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion

from store_conformance.contract import Mode, UnknownRuleError, UserError, Verdict, rule
from store_conformance.contract.hints import suggestion
from store_conformance.contract.records import Row
from store_conformance.oracle.features import FEATURES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_KEYS = {"rule", "case", "mode", "kind", "why", "upstream", "versions", "sometimes", "exclude"}
TO_DO = "TODO"
"""How the reason of an entry begins that was written by the program and is not yet filled in."""


UNSAID = "unsaid"
"""``sometimes = true``: it varies, and the entry does not say why."""


@dataclass(frozen=True)
class Expectation:
    """One failure known in advance."""

    backend: str
    rule: str
    case: str
    """A case id or a pattern with ``*``."""
    why: str
    upstream: str | None
    mode: Mode | None
    """``None``: both."""
    versions: Mapping[str, str]
    """Distribution name to the versions (PEP 440 specifiers) that it holds for; empty: all."""
    sometimes: str = ""
    """Why the failure varies by nature (it depends on timing, say), so that passing does not make it
    stale; ``UNSAID`` where that is not told; empty: it does not vary."""
    exclude: tuple[str, ...] = ()
    """Features of random histories (`store_conformance.oracle.features.FEATURES`) to leave out because of it."""
    kinds: tuple[tuple[str, str], ...] = ()
    """Which case fails (an id or a pattern) and what that looks like, with ``*`` for what varies; empty:
    anything is taken for it."""

    @property
    def hides_changes(self) -> bool:
        """Whether any other failure of the same case would pass for this one, and nobody says why."""
        return not self.kinds and self.sometimes in ("", UNSAID)

    def excluded(self) -> frozenset[str]:
        """What random histories leave out: ``exclude``, or all of the rule if all its cases are expected."""
        whole = [name for name, rule_id in FEATURES.items() if rule_id == self.rule]
        return frozenset(self.exclude or (whole if self.case == "*" else ()))

    def holds_for(self, packages: Mapping[str, str]) -> bool:
        return all(
            name in packages and SpecifierSet(spec, prereleases=True).contains(packages[name])
            for name, spec in self.versions.items()
        )

    def matches(self, row: Row) -> bool:
        """Whether the row is of a case that this is about, whatever came of it."""
        return (
            row.backend == self.backend
            and row.rule == self.rule
            and is_case(row.case, self.case)
            and self.mode in (None, row.mode)
        )

    def covers(self, row: Row) -> bool:
        """Whether the failed row looks like what is known; what a row does not tell counts as known."""
        seen = row.failure_kind
        return not self.kinds or seen is None or any(is_kind(seen, k) for k in self.kinds_of(row))

    def kinds_of(self, row: Row) -> tuple[str, ...]:
        """What is known to be seen in the row's case."""
        return tuple(kind for case, kind in self.kinds if is_case(row.case, case))

    @property
    def text(self) -> str:
        mode = f" ({self.mode})" if self.mode else ""
        return f"{self.backend} {self.rule} {self.case}{mode}: {self.why}"


def is_case(case: str, pattern: str) -> bool:
    """Whether a pattern names the case: ids end in ``[param]``, so only ``*`` and ``?`` are wild."""
    return fnmatch.fnmatchcase(case, pattern.replace("[", "[[]"))


def is_kind(seen: str, kind: str) -> bool:
    """Whether a failure that looks like ``seen`` is of the kind that an entry names; only ``*`` is wild."""
    pattern = kind.replace("[", "[[]").replace("?", "[?]")
    return seen == kind or fnmatch.fnmatchcase(seen, pattern)


def read_entry(data: Any, backend: str, where: str) -> Expectation:
    """One ``[[expect]]`` table; raises ``UserError``, which begins with ``where``."""
    if not isinstance(data, dict):
        raise UserError(f"{where}: is not a table", "begin each entry with [[expect]]")
    unknown = sorted(set(data) - _KEYS)
    if unknown:
        raise UserError(f"{where}: unknown key {unknown[0]!r}", f"known are {sorted(_KEYS)}")
    if not str(data.get("why", "")).strip():
        raise UserError(f"{where}: has no reason", "say why the failure is expected in 'why'")
    try:
        rule_id = rule(str(data.get("rule", ""))).id
    except UnknownRuleError as error:
        raise UserError(f"{where}: {error.problem}", error.hint) from None
    versions = data.get("versions", {})
    try:
        for spec in versions.values():
            SpecifierSet(spec)
    except (InvalidSpecifier, InvalidVersion, AttributeError) as error:
        raise UserError(f"{where}: versions: {error}", 'write name = ">=1,<2"') from None
    mode = data.get("mode")
    if mode is not None and mode not in list(Mode):
        raise UserError(
            f'{where}: mode {mode!r} is neither "sync" nor "async"', "leave it out for both"
        )
    return Expectation(
        backend=backend,
        rule=rule_id,
        case=str(data.get("case", "*")),
        why=str(data["why"]).strip(),
        upstream=data.get("upstream"),
        mode=None if mode is None else Mode(mode),
        versions=dict(versions),
        sometimes=_sometimes(data.get("sometimes", False), where),
        kinds=_kinds(data.get("kind", ()), where),
        exclude=_exclude(data.get("exclude", ()), where),
    )


def _sometimes(given: Any, where: str) -> str:
    if isinstance(given, bool):
        return UNSAID if given else ""
    if not isinstance(given, str) or not given.strip():
        raise UserError(
            f"{where}: sometimes: {given!r} is no reason",
            'say why it varies: sometimes = "two threads must meet"',
        )
    return given.strip()


def _kinds(given: Any, where: str) -> tuple[tuple[str, str], ...]:
    found = []
    for case, told in (given if isinstance(given, dict) else {"*": given}).items():
        kinds = [told] if isinstance(told, str) else told
        if not isinstance(kinds, (list, tuple)) or not all(isinstance(k, str) and k for k in kinds):
            raise UserError(
                f"{where}: kind: is no text, no list of texts and no table from cases to these",
                "`store-conformance expect RUN` writes what was seen",
            )
        found += [(str(case), kind) for kind in kinds]
    return tuple(found)


def _exclude(names: Any, where: str) -> tuple[str, ...]:
    if isinstance(names, str) or not all(isinstance(n, str) for n in names):
        raise UserError(f"{where}: exclude: is not a list of features", 'write, say, ["created"]')
    for name in names:
        if name not in FEATURES:
            raise UserError(
                f"{where}: exclude: unknown feature {name!r}", suggestion(name, FEATURES)
            )
    return tuple(names)


def read_expectations(path: Path) -> tuple[Expectation, ...]:
    """
    The entries of one file: ``backend = "name"`` and any number of ``[[expect]]`` tables.
    """
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})", "check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: is not TOML ({error})", "see docs/STORES.md") from None
    backend = data.get("backend")
    if not isinstance(backend, str):
        raise UserError(f"{path}: names no backend", 'write backend = "name" at its top')
    return tuple(
        read_entry(entry, backend, f"{path.name}, [[expect]] number {n}")
        for n, entry in enumerate(data.get("expect", ()), 1)
    )


def stale(
    expectations: Iterable[Expectation],
    rows: Iterable[Row],
    packages: Mapping[str, Mapping[str, str]],
    *,
    sampled: bool = False,
) -> list[str]:
    """
    What is wrong with the expectations that hold for these versions: passed, matched nothing, or no reason.

    A case that could not be verified says nothing about its expectation, and neither does a run that ``sampled``
    the modes and parameters of its cases: what fails may be among those that it left out.
    """
    every = list(rows)
    ran = {r.backend for r in every}
    problems = []
    for e in expectations:
        if e.backend not in ran or not e.holds_for(packages.get(e.backend, {})):
            continue
        matched = [r for r in every if e.matches(r)]
        if not (matched or sampled):
            problems.append(f"matches no case that ran: {e.text}")
        elif not (e.sometimes or sampled) and all(r.verdict is Verdict.PASS for r in matched):
            problems.append(f"passes now, remove it: {e.text}")
        if e.why.startswith(TO_DO):
            place = f"{e.backend} {e.rule} {e.case}"
            problems.append(f"has no reason yet, replace the {TO_DO} in 'why': {place}")
    return problems


def hiding(
    expectations: Iterable[Expectation],
    rows: Iterable[Row],
    packages: Mapping[str, Mapping[str, str]],
) -> list[Expectation]:
    """The expectations of failures that were seen and that would hide any other failure of their case."""
    failed = [r for r in rows if r.verdict is Verdict.FAIL]
    return [
        e
        for e in expectations
        if e.hides_changes
        and e.holds_for(packages.get(e.backend, {}))
        and any(e.matches(r) for r in failed)
    ]
