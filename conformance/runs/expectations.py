"""
Failures known in advance: a TOML file a backend, each entry with a reason and the versions it holds for.

An expected failure does not fail the gate; one that starts to pass, one that matches no case, and one
without a reason do.  A file looks like this::

    backend = "sqlite"

    [[expect]]
    rule = "V2"
    case = "vector_fields::*"       # a case id or pattern; default: all cases of the rule
    mode = "sync"                   # or "async"; default: both
    why = "reads text_fields, not fields (base.py:1493)"
    upstream = "https://github.com/..."                        # if it is known there
    versions = {"langgraph-checkpoint-sqlite" = ">=3.1,<=3.1.2"}
    sometimes = true                # it depends on timing: passing does not make it stale
    exclude = ["fields"]              # what random histories leave out because of it

An entry for a whole rule (no ``case``) excludes the features of that rule by itself.
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

_KEYS = {"rule", "case", "mode", "why", "upstream", "versions", "sometimes", "exclude"}


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
    sometimes: bool = False
    """Whether the failure depends on timing, so that passing does not make it stale."""
    exclude: tuple[str, ...] = ()
    """Features of random histories (`store_conformance.oracle.features.FEATURES`) to leave out because of it."""

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
        return (
            row.backend == self.backend
            and row.rule == self.rule
            and fnmatch.fnmatchcase(row.case, _literal_brackets(self.case))
            and self.mode in (None, row.mode)
        )

    @property
    def text(self) -> str:
        mode = f" ({self.mode})" if self.mode else ""
        return f"{self.backend} {self.rule} {self.case}{mode}: {self.why}"


def _literal_brackets(pattern: str) -> str:
    """Case ids end in ``[param]``: brackets stand for themselves, only ``*`` and ``?`` are wild."""
    return pattern.replace("[", "[[]")


def _entry(data: Any, backend: str, where: str) -> Expectation:
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
        sometimes=bool(data.get("sometimes", False)),
        exclude=_exclude(data.get("exclude", ()), where),
    )


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
        _entry(entry, backend, f"{path.name}, [[expect]] number {n}")
        for n, entry in enumerate(data.get("expect", ()), 1)
    )


def stale(
    expectations: Iterable[Expectation],
    rows: Iterable[Row],
    packages: Mapping[str, Mapping[str, str]],
) -> list[str]:
    """
    What is wrong with the expectations that hold for these versions: passed, or matched nothing.

    A case that could not be verified says nothing about its expectation.
    """
    every = list(rows)
    ran = {r.backend for r in every}
    problems = []
    for e in expectations:
        if e.backend not in ran or not e.holds_for(packages.get(e.backend, {})):
            continue
        matched = [r for r in every if e.matches(r)]
        if not matched:
            problems.append(f"matches no case that ran: {e.text}")
        elif not e.sometimes and all(r.verdict is Verdict.PASS for r in matched):
            problems.append(f"passes now, remove it: {e.text}")
    return problems
