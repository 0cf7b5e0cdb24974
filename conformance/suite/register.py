"""
The register of all cases, discovered from the modules beside this one.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache
from importlib import resources

from store_conformance import suite
from store_conformance.harness.case import CaseSpec, spec_of


@lru_cache(maxsize=1)
def all_cases() -> tuple[CaseSpec, ...]:
    """Every case of the suite, discovered from its modules, in the order of the files."""
    return _cases_in(_modules())


@lru_cache(maxsize=8)
def cases_naming(rule_ids: frozenset[str]) -> tuple[CaseSpec, ...]:
    """
    The cases of those modules only in whose text one of these rules stands in quotes.

    A case names its rule there, so that no case of the rules is missed; cases of others may be among
    them.  Importing the whole suite would take longer than most runs of a single rule.
    """
    return _cases_in(tuple(m for m in _modules() if _may_name(m, rule_ids)))


def _modules() -> tuple[str, ...]:
    found = (info.name for info in pkgutil.iter_modules(suite.__path__))
    return tuple(sorted(name for name in found if name.startswith("test_")))


def _may_name(module: str, rule_ids: frozenset[str]) -> bool:
    source = resources.files(suite).joinpath(f"{module}.py")
    if not source.is_file():  # compiled only: it has to be imported to be known
        return True
    text = source.read_text("utf-8")
    return any(f'"{rule_id}"' in text for rule_id in rule_ids)


def _cases_in(modules: tuple[str, ...]) -> tuple[CaseSpec, ...]:
    found: dict[str, CaseSpec] = {}
    for name in modules:
        module = importlib.import_module(f"{suite.__name__}.{name}")
        for member in vars(module).values():
            spec = spec_of(member)
            if spec is None or member.__module__ != module.__name__:
                continue
            if spec.id in found:
                raise ValueError(f"two cases are called {spec.id}")
            found[spec.id] = spec
    return tuple(found.values())
