"""
What the examples in a class's docstring import from the class's own package.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator

_IMPORT = re.compile(r"\bfrom ([A-Za-z_][\w.]*) import (?:\(([^)]*)\)|([\w ,]+))")


def shown_imports(cls: type) -> list[tuple[str, str]]:
    """
    Modules and names that the docstring imports from the module of the class, or from a package that it is in.

    Others are not ours to judge: an example may need what is not installed here.
    """
    parts = cls.__module__.split(".")
    own = {".".join(parts[: n + 1]) for n in range(len(parts))}
    return [(module, name) for module, name in _imports(cls.__doc__ or "") if module in own]


def _imports(text: str) -> Iterator[tuple[str, str]]:
    for module, several, some in _IMPORT.findall(text):
        for told in (several or some).split(","):
            name = told.split("#")[0].split(" as ")[0].strip()
            if name.isidentifier():
                yield module, name


def missing(module: str, name: str) -> str | None:
    """Why ``from module import name`` does not work, or ``None`` if it does."""
    try:
        holder = importlib.import_module(module)
        if not hasattr(holder, name):
            importlib.import_module(f"{module}.{name}")
    except Exception as error:  # noqa: BLE001 - a module may raise anything
        return f"{type(error).__name__}: {error}"
    return None
