"""
What two runs were made with: versions, settings, machines.  A difference may explain what changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from store_conformance.contract.records import Run

ABSENT = "absent"
_OF_BACKEND = ("deployment", "capabilities", "settings", "limits", "licence")
_OF_RUN = ("profile", "selection", "settings", "machine", "corpus")
_PLAIN = {"profile": "default"}
"""What a header means that does not tell."""


def version_changes(before: Run, after: Run) -> tuple[str, ...]:
    """Packages, engines and the suite, where they differ; and which backend only one run has."""
    suites = [str(run.header.get("suite_version", ABSENT)) for run in (before, after)]
    told = [f"suite: {suites[0]} → {suites[1]}"] if suites[0] != suites[1] else []
    for name, facts in after.header["backends"].items():
        old = before.header["backends"].get(name)
        if old is None:
            told.append(f"{name}: only in the later run")
            continue
        ours, theirs = facts.get("packages") or {}, old.get("packages") or {}
        for package in sorted({*ours, *theirs}):
            if ours.get(package) != theirs.get(package):
                was, now = theirs.get(package, ABSENT), ours.get(package, ABSENT)
                told.append(f"{name}: {package} {was} → {now}")
        if facts.get("engine") != old.get("engine"):
            told.append(f"{name}: engine {old.get('engine')} → {facts.get('engine')}")
    told += [
        f"{name}: only in the earlier run"
        for name in before.header["backends"]
        if name not in after.header["backends"]
    ]
    return tuple(told)


def setting_changes(before: Run, after: Run) -> tuple[str, ...]:
    """Settings of the runs and of their backends, the machine, the corpus and what was selected."""
    told = [*_between(before.header, after.header, _OF_RUN, "")]
    for name, facts in after.header["backends"].items():
        old = before.header["backends"].get(name)
        if old is not None:
            told += _between(old, facts, _OF_BACKEND, f"{name}: ")
    return tuple(told)


def _between(
    old: Mapping[str, Any], new: Mapping[str, Any], keys: tuple[str, ...], head: str
) -> Iterator[str]:
    for key in keys:
        was, now = dict(_leaves(key, old)), dict(_leaves(key, new))
        for name in dict.fromkeys((*was, *now)):
            if was.get(name) != now.get(name):
                yield f"{head}{name} {was.get(name, ABSENT)} → {now.get(name, ABSENT)}"


def _leaves(key: str, data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The value of a key, each value of a table apart."""
    value = data.get(key, _PLAIN.get(key))
    if isinstance(value, dict):
        for name, inner in value.items():
            if inner not in ([], {}, None):
                yield f"{key}.{name}", _shown(inner)
    elif value is not None:
        yield key, _shown(value)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
