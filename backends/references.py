"""
References to something in a Python file or module: ``FILE.py:NAME`` and ``package.module:NAME``.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from store_conformance.backends.base import BackendError
from store_conformance.contract.hints import did_you_mean

FORM = "write FILE.py:FUNCTION or package.module:FUNCTION"


_loading = threading.RLock()


class OwnCodeError(BackendError):
    """What is referred to is there, and its own code raised when it was imported or made."""


MOST_SAID = 300


def one_line(error: BaseException) -> str:
    """An exception as one line of a readable length: its type and what it says."""
    kind = type(error).__name__
    try:
        said = " ".join(str(error).split())
    except Exception as raised:  # noqa: BLE001 - a class of the user's own may do that
        said = f"<whose text raised {type(raised).__name__}>"
    if len(said) > MOST_SAID:
        said = f"{said[:MOST_SAID]} …"
    return f"{kind}: {said}" if said else kind


@dataclass(frozen=True)
class Reference:
    """Where something is, and its dotted name there."""

    place: str
    """An absolute path of a file, or a module's name."""
    name: str
    is_file: bool
    given: str
    """As the user wrote it; what messages show."""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Raises ``BackendError`` if it is no reference or the file is not there."""
        # The last colon, for Windows paths have one of their own.
        place, colon, name = text.rpartition(":")
        if not colon or not place or not all(part.isidentifier() for part in name.split(".")):
            raise BackendError(text, "this names no function.", FORM)
        if not (place.endswith(".py") or "/" in place or "\\" in place):
            if not all(place.split(".")):
                raise BackendError(text, f"{place!r} is neither a file nor a module.", FORM)
            return cls(place, name, False, text)
        path = Path(place).expanduser()
        if path.is_file():
            return cls(str(path.resolve()), name, True, text)
        if os.path.lexists(path):
            raise BackendError(text, f"{path} is {_what_it_is(path)}.", "give a Python file")
        folder = path.parent
        if not folder.is_dir():
            raise BackendError(text, f"there is no folder {folder}.", "check the path")
        near = did_you_mean(path.name, [p.name for p in folder.glob("*.py")])
        raise BackendError(
            text,
            f"there is no file {path}.",
            near.strip() or "check the path",
        )

    def __str__(self) -> str:
        return self.given

    @property
    def absolute(self) -> str:
        """The same reference, good from any working folder."""
        return f"{self.place}:{self.name}"

    @property
    def short_name(self) -> str:
        """A name for reports: the file's stem or the module's last part."""
        return Path(self.place).stem if self.is_file else self.place.rpartition(".")[2]

    def load(self) -> object:
        """What it refers to; raises ``BackendError``."""
        found: Any = self._module()
        seen = self.place
        for part in self.name.split("."):
            try:
                found = getattr(found, part)
            except AttributeError:
                names = [n for n in dir(found) if not n.startswith("_")]
                own = [n for n in names if callable(getattr(found, n, None))]
                known = f"it has {', '.join(own[:8])}" if own else FORM
                hint = did_you_mean(part, names).strip() or known
                raise BackendError(self.given, f"there is no {part!r} in {seen}.", hint) from None
            seen = f"{seen}:{part}"
        return found

    def _module(self) -> ModuleType:
        try:
            return _module_of_file(Path(self.place)) if self.is_file else self._imported()
        except BackendError:
            raise
        except (Exception, SystemExit) as error:
            raise OwnCodeError(
                self.given,
                f"{self.place} cannot be imported: {one_line(error)}.",
                "does python run it?" if self.is_file else "is everything that it needs installed?",
            ) from error

    def _imported(self) -> ModuleType:
        _add_to_path(str(Path.cwd()))
        try:
            return importlib.import_module(self.place)
        except ModuleNotFoundError as error:
            missing = error.name or ""
            if missing and (self.place == missing or self.place.startswith(missing + ".")):
                raise BackendError(
                    self.given,
                    f"there is no module {missing!r}.",
                    "is it installed? A file is given as FILE.py:FUNCTION",
                ) from None
            raise


def name_of(reference: str) -> str:
    """The name that a store has in reports unless it is given another; raises ``BackendError`` as `Reference.parse`."""
    return Reference.parse(reference).short_name


def _what_it_is(path: Path) -> str:
    """Of something that is there and no file."""
    if path.is_dir():
        return "a folder and no file"
    return "no regular file" if path.exists() else "a link that leads nowhere"


def _module_of_file(path: Path) -> ModuleType:
    """
    The file as a registered module, so that dataclasses, annotations and pickles find it by name.

    The name comes from the path alone: every process gives the same file the same one.
    """
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    stem = "".join(c if c.isalnum() else "_" for c in path.stem)
    name = f"conformance_store_{stem}_{digest}"
    with _loading:
        if name in sys.modules:
            return sys.modules[name]
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            _add_to_path(str(path.parent))
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module


def _add_to_path(folder: str) -> None:
    """
    Let what is in ``folder`` be imported, now and when the function is called.

    Last, not first: a neighbour of the file called ``statistics.py`` must not shadow Python's own.
    """
    if folder not in sys.path:
        sys.path.append(folder)
