"""
The register of all cases, discovered from the modules beside this one.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache

from store_conformance import suite
from store_conformance.harness.case import CaseSpec, spec_of


@lru_cache(maxsize=1)
def all_cases() -> tuple[CaseSpec, ...]:
    """Every case of the suite, discovered from its modules, in the order of the files."""
    found: dict[str, CaseSpec] = {}
    for info in sorted(pkgutil.iter_modules(suite.__path__), key=lambda m: m.name):
        if not info.name.startswith("test_"):
            continue
        module = importlib.import_module(f"{suite.__name__}.{info.name}")
        for member in vars(module).values():
            spec = spec_of(member)
            if spec is None or member.__module__ != module.__name__:
                continue
            if spec.id in found:
                raise ValueError(f"two cases are called {spec.id}")
            found[spec.id] = spec
    return tuple(found.values())
