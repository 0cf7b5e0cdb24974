"""
The cases for a store as tests of its author's own suite.

In a test module of the author::

    from store_conformance.pytest_plugin.own_suite import conformance_cases

    TestMyStore = conformance_cases("my_store.py:open_store")

`conformance_cases` makes a class of plain test functions, grouped in a class for each rule, so that pytest
and its plugins treat them as any other test: ``test_it.py::TestMyStore::K1::test_...[sync]``.  Only
markers need our entry point, because they have to be registered.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

from store_conformance.contract import Mode, UserError, Verdict
from store_conformance.contract import rules as contract_rules
from store_conformance.contract.secrets import redact_text
from store_conformance.harness.backends import SuppliedBackend, VectorStoreError
from store_conformance.harness.case import CaseSpec
from store_conformance.harness.runner import Outcome
from store_conformance.harness.settings import Settings
from store_conformance.harness.waiting import Job
from store_conformance.pytest_plugin.groups import is_grouped
from store_conformance.pytest_plugin.items import MARKER, case_mark, counting, failure_text
from store_conformance.pytest_plugin.plugin import CONFIGS
from store_conformance.runs.again import pytest_again
from store_conformance.runs.options import RunOptions, session_from_options
from store_conformance.runs.probing import missing_halves
from store_conformance.runs.profiles import DEFAULT, profile
from store_conformance.runs.selection import Selection
from store_conformance.runs.session import RunSession

Test = Callable[..., None]
PATIENCE = 30.0
"""Seconds that opening the store once may take before the first case."""


def conformance_cases(
    store: str | Callable[..., object],
    *,
    name: str | None = None,
    declare: str = "",
    options: Mapping[str, str] | None = None,
    url: str | None = None,
    rules: Iterable[str] = (),
    groups: Iterable[str] = (),
    skip: Iterable[str] = (),
    profile_name: str = DEFAULT,
    expectations: Iterable[str | Path] = (),
    timeout: float = 120.0,
) -> type:
    """
    A class of tests for a store: the function that opens it, or ``FILE.py:FUNCTION``, ``package.module:FUNCTION``.

    The arguments are the options of ``store-conformance run`` with these names.
    """
    try:
        selection = Selection.named(rules, groups, (), skip, profile_name)
        chosen = RunOptions(
            stores=(reference_to(store),),
            store_name=name,
            declare=declare,
            options=tuple(f"{key}={value}" for key, value in (options or {}).items()),
            url=url,
            rules=selection.rules,
            groups=selection.groups,
            skip=selection.skip,
            profile=selection.profile,
            expectations=tuple(Path(path) for path in expectations),
            settings=_settings(selection.profile, timeout),
        )
        specs = selection.cases()
    except UserError as error:
        _refuse(error)
    _register_markers()
    return _suite(chosen, specs)


def reference_to(store: str | Callable[..., object]) -> str:
    """A reference by which another process finds the function; raises ``UserError`` where none could."""
    if isinstance(store, str):
        return store
    name, module = (getattr(store, a, "") for a in ("__qualname__", "__module__"))
    loaded = sys.modules.get(module)
    if not name or "<" in name or loaded is None:
        raise UserError(
            f"{store!r} is not at the top level of a module",
            "define the function there: other processes load it by its name",
        )
    top, dot, _ = module.partition(".")
    # Asked of the finders, because pytest may have loaded it from a folder that is on no path.
    if dot and any(finder.find_spec(top, None) is not None for finder in sys.meta_path):
        return f"{module}:{name}"
    return f"{inspect.getfile(loaded)}:{name}"


def _settings(profile_name: str, timeout: float) -> Settings:
    many = profile(profile_name)
    return Settings(timeout=timeout, histories=many.histories, steps=many.steps, confirm=False)


def _refuse(error: Exception) -> NoReturn:
    """End the module or the test with what is wrong in a line, without a traceback."""
    raise pytest.fail.Exception(redact_text(str(error)), pytrace=False) from None


def _register_markers() -> None:
    """Tell pytest the names of our markers, and of xdist's where xdist is not loaded."""
    if not CONFIGS:  # outside of pytest, or without our entry point: nobody asks for them
        return
    config = CONFIGS[-1]
    known = {str(line).partition("(")[0] for line in config.getini("markers")}
    for line in (MARKER, "xdist_group(name): tests that one worker runs"):
        if line.partition("(")[0] not in known:
            config.addinivalue_line("markers", line)


# -- the run -------------------------------------------------------------------------------------


@contextmanager
def _started(chosen: RunOptions) -> Iterator[RunSession]:
    """The run of one pytest process: each worker of xdist has its own, with places of its own."""
    session: RunSession | None = None
    try:
        try:
            session = session_from_options(chosen)
            for backend in session.backends.values():
                if isinstance(backend, SuppliedBackend):
                    patience = min(chosen.settings.timeout, PATIENCE)
                    backend.check(patience)
                    backend.capabilities -= frozenset(missing_halves(backend, patience))
            session.start()
        except (UserError, VectorStoreError, OSError) as error:
            _refuse(error)
        yield session
    finally:
        if session is not None:
            session.stop()


def _jobs_at_once(
    request: pytest.FixtureRequest, tests: Mapping[Test, CaseSpec], backend: str
) -> Iterator[Job]:
    """The waiting cases that this process is sure to run: a worker knows that only of groups."""
    shared_out = hasattr(request.config, "workerinput")
    for item in request.session.items:
        spec = tests.get(item.function) if isinstance(item, pytest.Function) else None
        if shared_out and not is_grouped(item):
            continue
        if spec is not None and spec.waits and isinstance(item, pytest.Function):
            given: dict[str, Any] = item.callspec.params
            yield Job(spec, backend, given["conformance_mode"], given["conformance_param"])


# -- the tests -----------------------------------------------------------------------------------


def _suite(chosen: RunOptions, specs: Iterable[CaseSpec]) -> type:
    """The class: a fixture that brings the store up, and a class of tests for each rule."""
    tests: dict[Test, CaseSpec] = {}
    by_rule: dict[str, dict[str, Any]] = {}
    order = {rule.id: number for number, rule in enumerate(contract_rules())}
    for spec in sorted(specs, key=lambda s: order[s.rule_id]):
        members = by_rule.setdefault(spec.rule_id, {})
        module, _, statement = spec.id.partition("::")
        name = f"test_{statement}"
        members[name if name not in members else f"{name}_in_{module}"] = made = _test(spec)
        tests[made] = spec

    def conformance_run(request: pytest.FixtureRequest) -> Iterator[RunSession]:
        with _started(chosen) as session:
            (backend,) = session.names()
            session.expect(_jobs_at_once(request, tests, backend))
            yield session

    # ``__test__`` makes pytest collect them, whatever names the project's settings ask for.
    classes = {
        rule: type(rule, (), {"__test__": True, "__doc__": _promise(members), **members})
        for rule, members in by_rule.items()
    }
    # Of the module, so that it ends with it; static, as it is of no instance.
    fixture = pytest.fixture(scope="module")(staticmethod(conformance_run))
    shared = {"__test__": True, "conformance_run": fixture}
    return type("ConformanceCases", (), {**shared, **classes})


def _promise(members: Mapping[str, Test]) -> str:
    return next((str(getattr(made, "promise", "")) for made in members.values()), "")


def _test(spec: CaseSpec) -> Test:
    """A plain test function of one case, with a parameter for its modes and its own parameters."""
    variants = [
        pytest.param(mode, param, id="-".join(p for p in (mode.value, param) if p))
        for mode in spec.modes
        for param in spec.expand()
    ]

    def test(
        self: object,
        request: pytest.FixtureRequest,
        conformance_run: RunSession,
        conformance_mode: Mode,
        conformance_param: str | None,
    ) -> None:
        (backend,) = conformance_run.names()
        outcome = conformance_run.run(spec, backend, conformance_mode, conformance_param)
        _tell(spec, outcome, request.node)

    test.__doc__ = spec.sentence
    marked: Any = pytest.mark.parametrize(("conformance_mode", "conformance_param"), variants)(test)
    marked.__test__ = True
    marked.promise = spec.rule.promise
    if CONFIGS:
        marked = case_mark(spec)(marked)
        if spec.waits or spec.serial:
            group = "conformance-waiting" if spec.waits else "conformance-serial"
            marked = pytest.mark.xdist_group(group)(marked)
    made: Test = marked
    return made


def _tell(spec: CaseSpec, outcome: Outcome, node: pytest.Item) -> None:
    """End the test as the case ended, with what a reader of its report wants to know."""
    row = outcome.row
    for key in ("rule", "level", "case", "verdict"):
        node.user_properties.append((f"conformance_{key}", str(getattr(row, key))))
    if row.verdict in (Verdict.UNSUPPORTED, Verdict.UNVERIFIED):
        pytest.skip(f"{row.verdict}: {row.message}")
    if row.script:
        node.add_report_section("call", "reproducer", row.script)
    if row.expectation is not None:
        pytest.xfail(f"expected: {row.expectation}")
        _fail(failure_text(spec.rule, row), node)  # with --runxfail
    found = counting(outcome)
    if found is not None:
        _fail(failure_text(spec.rule, found), node)


def _fail(text: str, node: pytest.Item) -> NoReturn:
    pytest.fail(f"{text}\n  again: {pytest_again(_name_from_here(node))}", pytrace=False)


def _name_from_here(node: pytest.Item) -> str:
    """The test's name from the folder in which pytest was started, without the group that xdist adds."""
    chain = node.listchain()
    module = next(n for n, one in enumerate(chain) if isinstance(one, pytest.Module))
    try:
        path = os.path.relpath(node.path, node.config.invocation_params.dir)
    except ValueError:  # on another drive
        path = str(node.path)
    return "::".join([path, *(one.name for one in chain[module + 1 :])])
