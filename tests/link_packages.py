"""
Makes ``build/typing/store_conformance``: the import package as a tree of links.

The folders conformance, backends and reports are one import package (``package-dir`` in pyproject.toml).
Python's import system is told so by the installation; tools that read files (mypy, import-linter, editors)
are told by this tree: ``python tests/link_packages.py`` and the path ``build/typing``.
"""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TREE = ROOT / "build" / "typing"


def link_packages(tree: Path = TREE) -> Path:
    """Make the tree anew and give its path."""
    shutil.rmtree(tree, ignore_errors=True)
    package = tree / "store_conformance"
    package.mkdir(parents=True)
    for entry in (ROOT / "conformance").iterdir():
        if entry.name != "__pycache__":
            (package / entry.name).symlink_to(entry)
    (package / "backends").symlink_to(ROOT / "backends")
    (package / "reports").mkdir()
    for entry in (ROOT / "reports").iterdir():
        if entry.name not in ("__pycache__", "published"):  # what is published is no code of ours
            (package / "reports" / entry.name).symlink_to(entry)
    return tree


if __name__ == "__main__":
    print(link_packages())
