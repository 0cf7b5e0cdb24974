"""
Methods that official stores have and ``BaseStore`` does not promise: ``setup``, the sweeper.

They are called as the store's own signature takes them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _parameters(method: Callable[..., Any]) -> list[inspect.Parameter] | None:
    try:
        return list(inspect.signature(method).parameters.values())
    except (TypeError, ValueError):  # a builtin that does not tell
        return None


def needs_arguments(method: Callable[..., Any]) -> bool:
    """Whether a method cannot be called without arguments."""
    return any(_required(p) for p in _parameters(method) or ())


def _required(parameter: inspect.Parameter) -> bool:
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return parameter.default is parameter.empty and parameter.kind not in variable


def fitted(method: Callable[..., Any], *values: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The one value, if any, as the method takes it: by position, by name, or not at all."""
    parameters = _parameters(method)
    if not values or parameters is None:
        return values, {}
    if any(p.kind in (*_POSITIONAL, inspect.Parameter.VAR_POSITIONAL) for p in parameters):
        return values, {}
    named = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    return (), dict(zip(named, values))
