"""
Which of its arguments a function uses, as far as its code tells.

Who writes ``def open_store(at, index, ttl)`` because that is the shape, and then opens a store without the one or the
other, says that the store does not offer it.
"""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable
from types import CodeType

_ALL_AT_ONCE = frozenset({"locals", "vars", "eval", "exec", "dir"})
"""Functions by which a variable may be read without its name in the code."""


def never_reads(function: Callable[..., object], parameter: str) -> bool:
    """Whether it is plain that a function does nothing with a parameter; ``del`` is no use of it."""
    inner = inspect.unwrap(function)
    code = getattr(inner, "__code__", None)
    if not inspect.isroutine(inner) or not isinstance(code, CodeType):
        return False
    if parameter in code.co_cellvars or _ALL_AT_ONCE & set(code.co_names):
        return False
    return not any(_loads(one, parameter) for one in dis.get_instructions(code))


def _loads(instruction: dis.Instruction, name: str) -> bool:
    """Whether an instruction reads a local variable; Python 3.13 reads two at once."""
    value = instruction.argval
    names = value if isinstance(value, tuple) else (value,)
    return "LOAD_FAST" in instruction.opname and name in names
