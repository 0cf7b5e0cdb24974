"""
A case: code that checks one rule against a store, and the register of all cases.

A case is a function ``test_<statement>(lab)`` (or ``(lab, param)``) in a module of
``store_conformance.suite``, marked with ``@case("K1")``.  Its docstring's first line is the promise as one
sentence.  It is not a pytest test by itself: ``store_conformance.pytest_plugin.cases`` turns each case into one item a
backend, mode and parameter, and ``store_conformance.harness.runner`` can run it without pytest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from store_conformance.contract import Capability, MemoryType, Mode, Restart, Rule, rule

F = TypeVar("F", bound=Callable[..., None])
BOTH: tuple[Mode, ...] = (Mode.SYNC, Mode.ASYNC)


@dataclass(frozen=True)
class CaseSpec:
    """What the decorator knows of a case."""

    id: str
    """``<module>::<statement>``, stable: it appears in run files."""
    rule_id: str
    func: Callable[..., None]
    needs: frozenset[Capability]
    """Declared capabilities without which the case is ``unsupported`` and not run."""
    params: Mapping[str, Any]
    """Names to values: the case runs once for each; empty for a case without parameter."""
    modes: tuple[Mode, ...]
    scenario: MemoryType | None
    """The memory type whose story it plays."""
    restart: Restart | None
    """What it restarts between writing and reading."""
    memory: MemoryType | None
    """The memory type that it writes, for a restart; see `memory_type`."""
    serial: bool
    """Kills engines or loads the machine: never beside another such case."""
    seconds: float | None
    """A time-out of its own, for cases that are long by nature; ``None``: the run's."""
    waits: bool
    """Sleeps for most of its time, so that it may do so beside other such cases."""
    thorough: bool = False
    """Too much for each run (it starts engines of other backends): the profile of that name alone has it."""

    @property
    def rule(self) -> Rule:
        return rule(self.rule_id)

    @property
    def sentence(self) -> str:
        """What the case shows; by its name where Python leaves docstrings out (``-OO``)."""
        doc = (self.func.__doc__ or "").strip()
        if not doc:
            return self.func.__name__.removeprefix("test_").replace("_", " ")
        return " ".join(doc.split("\n\n")[0].split())

    def expand(self) -> Iterator[str | None]:
        """The parameter names to run, or one ``None``."""
        yield from self.params or [None]

    def memory_type(self, param: str | None) -> MemoryType | None:
        """The memory type that it writes with that parameter: the parameter itself may be one."""
        given = self.params[param] if param is not None else None
        return given if isinstance(given, MemoryType) else self.memory

    def case_id(self, param: str | None) -> str:
        return f"{self.id}[{param}]" if param is not None else self.id


def case(
    rule_id: str,
    *,
    needs: tuple[Capability, ...] = (),
    params: Mapping[str, Any] | None = None,
    modes: tuple[Mode, ...] = BOTH,
    scenario: MemoryType | None = None,
    restart: Restart | None = None,
    memory: MemoryType | None = None,
    serial: bool = False,
    seconds: float | None = None,
    waits: bool = False,
    thorough: bool = False,
) -> Callable[[F], F]:
    """
    Mark a function as the case of one rule; an unknown rule id raises at import.

    Arguments as of `CaseSpec`.  One that restarts says what, and whose ``memory`` (or by parameters) it writes.
    """

    def mark(func: F) -> F:
        spec = CaseSpec(
            id=_id_of(func),
            rule_id=rule(rule_id).id,
            func=func,
            needs=frozenset(needs),
            params=dict(params or {}),
            modes=modes,
            scenario=scenario,
            restart=restart,
            memory=memory,
            serial=serial,
            seconds=seconds,
            waits=waits,
            thorough=thorough,
        )
        func.__conformance_case__ = spec  # type: ignore[attr-defined]
        return func

    return mark


def _id_of(func: Callable[..., object]) -> str:
    """``module::function``, each without its ``test_``."""
    module = func.__module__.rsplit(".", 1)[-1].removeprefix("test_")
    return f"{module}::{func.__name__.removeprefix('test_')}"


def spec_of(func: object) -> CaseSpec | None:
    """The case spec of a marked function, or ``None``."""
    return getattr(func, "__conformance_case__", None)
