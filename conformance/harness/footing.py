"""
What our own code stands on in a process that runs a user's store, whatever that store changes there.

A store may put other functions into Python's modules (a clock that stands still, a sleep that does not wait),
empty the import path or remove the folder it works in.  It keeps what it did: its own calls must find what
they find in an application.  Our code works with copies of the modules, made before any code of the store has run.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

_COPIED = ("asyncio", "copy", "gc", "json", "random", "threading", "time")
"""Modules whose functions stores are known to replace, and that keep no state of ours in variables."""
_OURS = "store_conformance."


class Footing:
    """The import path and the working folder as they were, and our modules with copies of Python's."""

    def __init__(self) -> None:
        self._path = list(sys.path)
        self._folder = Path.cwd()
        self._copies = {name: _copied(name) for name in _COPIED}
        self.use_copies()

    def use_copies(self) -> None:
        """Let every module of ours that has been imported by now work with the copies."""
        originals = {id(sys.modules[name]): copy for name, copy in self._copies.items()}
        for name, module in list(sys.modules.items()):
            if name.startswith(_OURS):
                for word, value in list(vars(module).items()):
                    if isinstance(value, ModuleType) and id(value) in originals:
                        setattr(module, word, originals[id(value)])

    def regain(self) -> None:
        """Put back what nothing can be done without: entries of the path, last, and a folder to work in."""
        sys.path += [entry for entry in self._path if entry not in sys.path]
        try:
            Path.cwd()
        except OSError:  # it is there no more
            os.chdir(self._folder)


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


def _copied(name: str) -> ModuleType:
    __import__(name)
    copy = ModuleType(name)
    vars(copy).update(vars(sys.modules[name]))
    return copy
