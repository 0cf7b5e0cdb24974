"""
Whose fault an exception is that ended a case and is no `CaseEnded`: the store's, or the harness's own.

It is told by where the exception came from, frame by frame, and never by how files are named.  It is the
store's if it came out of a method of a store, or if the code that handles a store's answers broke on one:
the case itself, and whatever library it called with the answer.  It is ours if other code of ours broke.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from types import FrameType

from store_conformance.harness.compat import BaseStore

_OURS = "store_conformance"
_HANDLES_ANSWERS = (
    f"{_OURS}.suite",
    f"{_OURS}.harness.spoiling",
    f"{_OURS}.harness.subject",
    f"{_OURS}.harness.process.child_main",
)
"""Modules (and packages) of ours whose work it is to look into what a store answered."""
_HAS_STORES = (f"{_OURS}.backends", f"{_OURS}.mutants")
"""Packages of ours in which stores are written."""


def is_the_stores(error: BaseException) -> bool:
    """Whether the exception, which must have been raised, is the store's fault."""
    stores = False
    for frame in _frames(error):
        module = _own_module(frame)
        if (module is None or _within(module, _HAS_STORES)) and _runs_a_store(frame):
            return True  # whatever it called, be it our embedder, it called wrongly
        if module is not None:
            stores = _within(module, _HANDLES_ANSWERS)
        # Code that is not ours is blamed on its caller: on the case for what it made of an answer.
    return stores


def where(error: BaseException) -> str:
    """The innermost place of ours that the exception went through, as ``module:line``."""
    frames = list(_frames(error))
    lines = [line for _, line in traceback.walk_tb(error.__traceback__)]
    places = list(zip(frames, lines))
    for frame, line in reversed(places):
        module = _own_module(frame)
        if module is not None:
            return f"{module}:{line}"
    return f"{places[-1][0].f_code.co_filename}:{places[-1][1]}" if places else "?"


def _frames(error: BaseException) -> Iterator[FrameType]:
    """From where the exception was caught to where it was raised, also across threads and loops."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        yield frame


def _own_module(frame: FrameType) -> str | None:
    """The name of the module of ours that the frame runs in; ``None`` for code of anybody else's."""
    name = frame.f_globals.get("__name__")
    if not isinstance(name, str) or not _within(name, (_OURS,)):
        return None
    module = sys.modules.get(name)
    # A name can be claimed by anybody; the module that has it is the one that was imported.
    return name if module is not None and vars(module) is frame.f_globals else None


def _within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _runs_a_store(frame: FrameType) -> bool:
    """Whether the frame is a method of a store at work, also of a store that this project ships."""
    code = frame.f_code
    if not code.co_argcount:
        return False
    # By its real type: an answer may lie about its class, or raise when it is asked.
    return issubclass(type(frame.f_locals.get(code.co_varnames[0])), BaseStore)
