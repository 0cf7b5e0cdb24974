"""
Where a file of the repository stands in the site, and links that lead there.

Pages are written for readers of the repository: their links are paths beside the file.  In the site the
same files stand elsewhere, and some are not there at all; such a link leads to the repository, or is taken
off where no address of the repository is known.
"""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
DOCS = "docs"
FINDINGS = "reports/published/findings"
MOVED = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "RELEASING.md": "RELEASING.md",
    "SECURITY.md": "SECURITY.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "reports/published/report.md": "published/report.md",
    "reports/published/vector-speed.md": "published/vector-speed.md",
}
"""Pages of the repository outside of docs/, with their place in the site; README's is the front page."""
FOLDERS = {FINDINGS: "findings", "reports/published/pictures": "published/pictures"}
"""Folders whose files are all in the site."""

_FENCE = re.compile(r"^ *(```+|~~~+)")
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
_CODE = re.compile(r"(`+)(?:(?!\1).)+?\1")


def repository() -> str:
    """The address of the repository's main branch; empty while the owner has not put one in."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        address = str(tomllib.load(file)["project"]["urls"]["Repository"])
    return "" if (urlsplit(address).hostname or "").endswith(".invalid") else address.rstrip("/")


@dataclass
class Places:
    """Which file of the repository is which page; ``address`` is that of the repository."""

    address: str = field(default_factory=repository)

    def page_of(self, path: str) -> str | None:
        """The place in the site of a file of the repository, or ``None`` if it has none."""
        folder, name = posixpath.split(path)
        if path in MOVED:
            return MOVED[path]
        if folder == DOCS and name.endswith(".md"):
            return name
        if folder in FOLDERS and (ROOT / path).is_file():
            return f"{FOLDERS[folder]}/{name}"
        return None

    def file_of(self, page: str) -> str | None:
        """The file of the repository that a page was written as; ``None`` for one that is generated."""
        for path, place in MOVED.items():
            if place == page and path != "README.md":
                return path
        folder, name = posixpath.split(page)
        for path, place in FOLDERS.items():
            if folder == place:
                return f"{path}/{name}"
        return f"{DOCS}/{page}" if (ROOT / DOCS / page).is_file() else None

    def link(self, target: str, page: str, path: str) -> str | None:
        """
        Where a link of the file ``path`` leads when it stands on ``page``; ``None``: nowhere.

        What is no file of the repository is given back as it is, so that the strict build names it.
        """
        name, hash_, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target) or not name:
            return target
        found = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
        place = self.page_of(found)
        if place is not None:
            return posixpath.relpath(place, posixpath.dirname(page) or ".") + hash_ + anchor
        if not (ROOT / found).exists():
            return target
        return f"{self.address}/blob/main/{found}{hash_}{anchor}" if self.address else None

    def moved(self, text: str, page: str, path: str) -> str:
        """The text of a file with its links as they are on its page; examples stay as they are."""

        def relinked(found: re.Match[str]) -> str:
            picture, words, target = found.groups()
            where = self.link(target, page, path)
            return words if where is None else f"{picture}[{words}]({where})"

        return outside_of_code(text, lambda line: _LINK.sub(relinked, line))


def outside_of_code(text: str, change: Callable[[str], str]) -> str:
    """The text with each line outside of fenced blocks changed, but for its code spans without a link."""
    return "\n".join(
        line if fenced else _around_code(line, change) for line, fenced in with_fences(text)
    )


def _around_code(line: str, change: Callable[[str], str]) -> str:
    """The line changed, with code spans that hold a bracket kept out of it."""
    kept: list[str] = []

    def hide(found: re.Match[str]) -> str:
        if "](" not in found.group():
            return found.group()
        kept.append(found.group())
        return f"\x00{len(kept) - 1}\x00"

    changed = change(_CODE.sub(hide, line))
    return re.sub(r"\x00(\d+)\x00", lambda found: kept[int(found[1])], changed)


def with_fences(text: str) -> Iterator[tuple[str, bool]]:
    """Each line, and whether it belongs to a fenced block."""
    fence = ""
    for line in text.split("\n"):
        found = _FENCE.match(line)
        if fence:
            yield line, True
            if found and found[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        elif found:
            fence = found[1]
            yield line, True
        else:
            yield line, False
