"""
The rules of the contract, read from ``rules.toml`` beside this file.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from store_conformance.contract.errors import UserError
from store_conformance.contract.hints import suggestion
from store_conformance.contract.verdicts import Level

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class UnknownRuleError(UserError):
    """A rule or group id that the contract does not have."""

    def __init__(self, what: str, name: str, known: list[str]) -> None:
        super().__init__(f"unknown {what} {name!r}", suggestion(name, known))


@dataclass(frozen=True)
class Rule:
    """One numbered promise of the contract."""

    id: str
    level: Level
    promise: str
    source: str
    since: str | None = None
    """The first release of langgraph-checkpoint that makes the promise; ``None``: all of them."""
    title: str = ""
    """The promise in a few plain words, for tables; empty where nobody wrote any."""

    @property
    def group(self) -> str:
        return self.id.rstrip("0123456789")

    @property
    def why(self) -> str:
        """What goes wrong where the promise is broken, in plain words; empty where nobody wrote any."""
        return _reasons().get(self.id, "")


@dataclass(frozen=True)
class Group:
    id: str
    title: str


def _table(name: str) -> dict[str, Any]:
    text = resources.files("store_conformance.contract").joinpath(name).read_text("utf-8")
    return tomllib.loads(text)


@lru_cache(maxsize=1)
def _reasons() -> dict[str, str]:
    reasons: dict[str, str] = _table("reasons.toml")
    return reasons


@lru_cache(maxsize=1)
def _contract() -> tuple[tuple[Group, ...], dict[str, Rule]]:
    data: dict[str, list[dict[str, Any]]] = _table("rules.toml")
    titles: dict[str, str] = _table("titles.toml")
    groups = tuple(Group(g["id"], g["title"]) for g in data["group"])
    rules = {
        r["id"]: Rule(
            r["id"],
            Level(r["level"]),
            r["promise"],
            r["source"],
            r.get("since"),
            titles.get(r["id"], ""),
        )
        for r in data["rule"]
    }
    return groups, rules


def groups() -> tuple[Group, ...]:
    return _contract()[0]


def rules() -> tuple[Rule, ...]:
    """Every rule, in the order of the contract."""
    return tuple(_contract()[1].values())


def rule(rule_id: str) -> Rule:
    """The rule with that id, in any case; raises ``UnknownRuleError`` with the nearest right one."""
    known = _contract()[1]
    try:
        return known[rule_id.upper()]
    except KeyError:
        raise UnknownRuleError("rule", rule_id, list(known)) from None


def group(group_id: str) -> Group:
    by_id = {g.id: g for g in groups()}
    try:
        return by_id[group_id.upper()]
    except KeyError:
        raise UnknownRuleError("group", group_id, list(by_id)) from None
