"""
What to pass to a function that somebody else wrote: only the arguments that it takes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter
from typing import TYPE_CHECKING, Any

from store_conformance.backends.base import BackendError
from store_conformance.backends.used_arguments import never_reads
from store_conformance.contract import Location
from store_conformance.contract.hints import did_you_mean

if TYPE_CHECKING:
    from langgraph.store.base import IndexConfig, TTLConfig

STANDARD = ("at", "index", "ttl")
SHAPE = "def open_store(at, index, ttl) that yields or returns a BaseStore"


def what_is_given(index: IndexConfig | None, ttl: TTLConfig | None) -> dict[str, Any]:
    """Keyword arguments for a store, only those that are not ``None``: early releases know no ``ttl``."""
    return {k: v for k, v in (("index", index), ("ttl", ttl)) if v is not None}


@dataclass(frozen=True)
class Arguments:
    """
    How ``at``, ``index``, ``ttl`` and the user's options reach a function.

    A parameter of one of these names gets that argument.  A required one of another name gets an
    option of its name, else the first of the three that no parameter is named after.  A parameter with
    a default gets something only by its name.  ``*args`` and ``**kwargs`` get what is left.
    """

    function: Callable[..., object]
    positional: tuple[str, ...]
    named: tuple[tuple[str, str], ...]
    """Pairs of a parameter's name and the argument's name."""
    options: Mapping[str, str]

    @classmethod
    def plan(
        cls, owner: str, function: Callable[..., object], options: Mapping[str, str]
    ) -> Arguments:
        """Raises ``BackendError`` where the function needs or lacks something."""
        try:
            parameters = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError):
            # Written in C without a signature: nothing is known, so as documented.
            return cls(function, STANDARD, (), dict(options))
        own = {p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
        free = [name for name in STANDARD if name not in own]
        positional: list[str] = []
        named: list[tuple[str, str]] = []
        accepted: list[str] = []
        for parameter in parameters:
            source = _source(parameter, free, options)
            if source is None:
                accepted += _takes_option(owner, parameter, options)
            elif parameter.kind is Parameter.VAR_POSITIONAL:
                positional += free
                free = []
            elif parameter.kind is Parameter.VAR_KEYWORD:
                named += [(name, name) for name in free]
            elif parameter.kind is Parameter.POSITIONAL_ONLY:
                positional.append(source)
            else:
                named.append((parameter.name, source))
        if not any(p.kind is Parameter.VAR_KEYWORD for p in parameters):
            _check_options(owner, options, accepted)
        _check_options(owner, {k: v for k, v in options.items() if k in STANDARD}, accepted)
        if any(p.kind is Parameter.VAR_POSITIONAL for p in parameters):
            # Whatever precedes *args has to be passed by position, too.
            positional = [source for _, source in named] + positional
            named = []
        return cls(function, tuple(positional), tuple(named), dict(options))

    def call(self, at: Location, index: IndexConfig | None, ttl: TTLConfig | None) -> object:
        values = {"at": at, "index": index, "ttl": ttl}
        positional = [values[name] for name in self.positional]
        named = {parameter: values[name] for parameter, name in self.named}
        return self.function(*positional, **named, **self.options)

    def unused(self) -> frozenset[str]:
        """Which of ``index`` and ``ttl`` the function has no parameter for, or does nothing with; none where it cannot be told."""
        return frozenset(name for name in STANDARD[1:] if self._is_unused(name))

    def _is_unused(self, name: str) -> bool:
        if name in self.positional:  # by a place whose name is not known, or one of *args
            return False
        parameters = [parameter for parameter, given in self.named if given == name]
        variable = {
            p.name
            for p in inspect.signature(self.function).parameters.values()
            if p.kind is Parameter.VAR_KEYWORD
        }
        return not variable and all(never_reads(self.function, p) for p in parameters)

    def source(self, at: str, index: str, ttl: str) -> str:
        """The arguments of ``call`` as Python source, with these texts for the three."""
        values = {"at": at, "index": index, "ttl": ttl}
        parts = [values[name] for name in self.positional]
        parts += [f"{parameter}={values[name]}" for parameter, name in self.named]
        parts += [f"{name}={value!r}" for name, value in self.options.items()]
        return ", ".join(parts)


def _source(parameter: Parameter, free: list[str], options: Mapping[str, str]) -> str | None:
    """Which argument a parameter gets; ``None`` for an option's or a default; takes it off ``free``."""
    if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
        return parameter.name
    if parameter.name in STANDARD:
        return parameter.name
    required = parameter.default is Parameter.empty and parameter.kind is not Parameter.KEYWORD_ONLY
    if required and parameter.name not in options and free:
        return free.pop(0)
    return None


def _takes_option(owner: str, parameter: Parameter, options: Mapping[str, str]) -> list[str]:
    """The option that a parameter takes, if it does; raises ``BackendError`` for one that needs and lacks it."""
    if parameter.default is Parameter.empty and parameter.name not in options:
        raise BackendError(
            owner,
            f"the function needs a parameter {parameter.name!r} that nothing was given for.",
            f"give --option {parameter.name}=VALUE, or write {SHAPE}",
        )
    named = parameter.name not in STANDARD and parameter.kind is not Parameter.POSITIONAL_ONLY
    return [parameter.name] if named else []


def _check_options(owner: str, options: Mapping[str, str], accepted: list[str]) -> None:
    for option in options:
        if option not in accepted:
            hint = did_you_mean(option, accepted)
            known = f"It takes {', '.join(accepted)}." if accepted else "It takes none."
            raise BackendError(owner, f"the function takes no option {option!r}.", hint + known)
