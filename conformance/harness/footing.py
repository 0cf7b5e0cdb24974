"""
What our own code stands on in a process that runs a user's store, whatever that store changes there.

A store may put other functions into Python's modules (a clock that stands still, a sleep that does not wait),
empty the import path or remove the folder it works in.  It keeps what it did: its own calls must find what
they find in an application.  Our code works with copies of the modules, made before any code of the store has run.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType, FunctionType, ModuleType
from typing import Any

_COPIED = ("asyncio", "copy", "gc", "json", "random", "threading", "time", "uuid")
"""Modules whose functions stores are known to replace, and that keep no state of ours in variables."""
_WITH_THEIR_OWN = ("json",)
"""Those of them whose functions look for others of the module, and keep nothing in it."""
_OURS = "store_conformance."
_PYTHON = ("<frozen", sysconfig.get_path("stdlib"))
_LIBRARIES = {"site-packages", "dist-packages"}


class _Finder:
    """
    A finder that a store has put among Python's: whatever it raises, our own imports go on without it.

    For the imports of everybody else it is the one that it was.
    """

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def __eq__(self, other: object) -> bool:
        return self is other or self.inner is other  # so that the store can take it away again

    def __hash__(self) -> int:
        return id(self.inner)

    def find_spec(self, *args: Any, **more: Any) -> Any:
        try:
            return self.inner.find_spec(*args, **more)
        except Exception:
            if _imported_by_us(sys._getframe(1)):
                return None
            raise


def _imported_by_us(frame: FrameType | None) -> bool:
    """Whether an import comes from our code, perhaps by way of a library that it called."""
    while frame is not None:
        name = str(frame.f_globals.get("__name__"))
        if name.startswith(_OURS):
            return True
        file = frame.f_code.co_filename
        if not file.startswith(_PYTHON) and not _LIBRARIES & set(Path(file).parts):
            return False
        frame = frame.f_back
    return False


_HOOKS: tuple[tuple[Any, str, Callable[..., Any]], ...] = tuple(
    (module, name, getattr(module, name))
    for module, name in ((threading, "excepthook"), (sys, "excepthook"), (sys, "unraisablehook"))
)
"""Hooks without which Python starts no thread, or cannot say what went wrong."""


def _regain_hooks() -> None:
    for module, name, hook in _HOOKS:
        if not callable(getattr(module, name, None)):
            setattr(module, name, hook)


class _Thread(threading.Thread):
    """A thread of ours: Python makes none where a store has taken a hook away."""

    def __init__(self, *args: Any, **more: Any) -> None:
        _regain_hooks()
        super().__init__(*args, **more)


class Footing:
    """The import path and the working folder as they were, and our modules with copies of Python's."""

    def __init__(self) -> None:
        self._path = list(sys.path)
        self._folder = Path.cwd()
        self._finders = list(sys.meta_path)
        self._instead: dict[int, tuple[Any, Any]] = {}
        """What our modules have, and what they get, by the identity of the former."""
        for name in _COPIED:
            self._copy(name)
        self.use_copies()

    def _copy(self, name: str) -> None:
        __import__(name)
        original = sys.modules[name]
        copy = _copied(original)
        self._instead[id(original)] = original, copy
        if name in _WITH_THEIR_OWN:  # also what was imported by name
            for word, value in vars(original).items():
                if isinstance(value, FunctionType):
                    self._instead[id(value)] = value, getattr(copy, word)
        if original is threading:
            copy.Thread = _Thread  # type: ignore[attr-defined]
            self._instead[id(threading.Thread)] = threading.Thread, _Thread

    def use_copies(self) -> None:
        """Let every module of ours that has been imported by now work with the copies."""
        for name, module in list(sys.modules.items()):
            if name.startswith(_OURS):
                for word, value in list(vars(module).items()):
                    if id(value) in self._instead:
                        setattr(module, word, self._instead[id(value)][1])

    def regain(self) -> None:
        """Put back what nothing can be done without: hooks, entries of the path and finders, last, and a folder to work in."""
        _regain_hooks()
        sys.meta_path[:] = [self._kept(finder) for finder in sys.meta_path]
        sys.meta_path += [finder for finder in self._finders if finder not in sys.meta_path]
        sys.path += [entry for entry in self._path if entry not in sys.path]
        try:
            Path.cwd()
        except OSError:  # it is there no more
            os.chdir(self._folder)

    def _kept(self, finder: Any) -> Any:
        known = isinstance(finder, _Finder) or any(finder is one for one in self._finders)
        return finder if known or not hasattr(finder, "find_spec") else _Finder(finder)


def _threads() -> tuple[Any, Any]:
    """What Python starts threads and makes locks with; not by name, as ours would be the copy."""
    now = sys.modules["threading"]
    return getattr(now, "_start_new_thread", None), getattr(now, "_allocate_lock", None)


_OWN_THREADS = _threads()


def replaced_threads() -> bool:
    """
    Whether somebody has put something else in the place of Python's threads and locks, as gevent and eventlet do.

    Whoever waits for a real thread with such a lock waits for ever.
    """
    return any(now is not own for now, own in zip(_threads(), _OWN_THREADS))


_taken: Footing | None = None


def take_footing() -> None:
    """Before a store is loaded into this process; a second call is for modules that came later."""
    global _taken
    if _taken is None:
        _taken = Footing()
    else:
        _taken.use_copies()


def regain_footing() -> None:
    """After code of a store has run; in a process without one it does nothing."""
    if _taken is not None:
        _taken.regain()


def _copied(original: ModuleType) -> ModuleType:
    copy = ModuleType(original.__name__)
    vars(copy).update(vars(original))
    if original.__name__ in _WITH_THEIR_OWN:
        for word, value in vars(original).items():
            if isinstance(value, FunctionType) and value.__globals__ is vars(original):
                setattr(copy, word, _of(copy, value))
    return copy


def _of(copy: ModuleType, function: FunctionType) -> FunctionType:
    """The same function, which finds what else it needs in the copy."""
    made = FunctionType(
        function.__code__,
        vars(copy),
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    made.__kwdefaults__ = function.__kwdefaults__
    return made
