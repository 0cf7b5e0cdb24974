"""
The entry point: pytest loads this module in every run of the environment that we are installed in.

So it imports the standard library and pytest alone, gives every option a prefix of ours, and changes
nothing until a backend or a store is named or a module of our suite is collected; then it registers
`store_conformance.pytest_plugin.cases`, which does the work.
"""

from __future__ import annotations

from pathlib import Path

import pytest

PREFIX = "--conformance-"
WORKER_INPUT = "store_conformance"
"""Under this name an xdist controller tells its workers which run they belong to."""

CONFIGS: list[pytest.Config] = []
"""The pytest runs under way in this process, the innermost last: an author's suite registers markers there."""

_OWN = Path(__file__).resolve().parent.parent
_COLLECTED = {_OWN / "suite": "suite", _OWN / "benchmarks": "benchmarks"}

_REPEATABLE = {
    "backend": "a backend to check; repeatable",
    "store": "FILE.py:FUNCTION or package.module:FUNCTION; repeatable",
    "option": "key=value for the store's function; repeatable",
    "rule": "only this rule; repeatable",
    "rule-group": "only this rule group; repeatable",
    "scenario": "only procedural, semantic or episodic; repeatable",
    "skip": "not this rule, which the run then says; repeatable, or with commas",
    "expectations": "a TOML file of expected failures; repeatable",
}
_SINGLE = {
    "store-name": "the name of the store in the report",
    "declare": "what the store does not offer: no-vectors,no-ttl,...",
    "deployment": "embedded, process, container or url",
    "url": "the address of an engine of your own",
    "profile": "quick (MUST rules, no kills), default, or thorough",
    "run-file": "where to write the run file (JSON Lines)",
    "settings": "the run's settings as JSON",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of ``store-conformance run``, for ``pytest --pyargs store_conformance.suite``."""
    group = parser.getgroup("store-conformance", "LangGraph store conformance")
    for name, text in _REPEATABLE.items():
        group.addoption(f"{PREFIX}{name}", action="append", default=[], help=text)
    for name, text in _SINGLE.items():
        group.addoption(f"{PREFIX}{name}", default=None, help=text)
    group.addoption(
        f"{PREFIX}timeout", type=float, default=None, help="seconds for one case (default: 120)"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Take part where a run of ours was asked for; else do nothing at all."""
    CONFIGS.append(config)
    config.add_cleanup(lambda: CONFIGS.remove(config))
    option = config.option
    worker = getattr(config, "workerinput", {})
    if WORKER_INPUT in worker or option.conformance_backend or option.conformance_store:
        from store_conformance.pytest_plugin import cases

        cases.join(config)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Module | None:
    """Collect our own modules under the names by which the rest of the package imports them."""
    package = _COLLECTED.get(module_path.parent)
    if package is None:
        return None
    from store_conformance.pytest_plugin import cases

    cases.join(parent.config)
    module: pytest.Module = cases.OwnModule.from_parent(parent, path=module_path)
    module.dotted = f"store_conformance.{package}.{module_path.stem}"  # type: ignore[attr-defined]
    return module
