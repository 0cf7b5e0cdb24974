"""
Addresses and keys of a user's own engines: from the environment, else from ``.env`` in the working folder.
"""

from __future__ import annotations

import codecs
import os
import re
from io import StringIO
from pathlib import Path

FILE = ".env"
_QUOTED = re.compile(r"""(['"])(.*?)\1(\s+#.*)?""")
_COMMENT = re.compile(r"\s+#.*")


def setting(name: str, folder: Path | None = None) -> str | None:
    """
    The value of one variable; ``None`` where it is not set or empty.

    The environment wins.  Nothing of the file is put into the environment, so no child inherits a key.
    """
    told = os.environ.get(name)
    path = (folder or Path.cwd()) / FILE
    if told or not path.is_file():
        return told or None
    return read_env_file(path).get(name) or None


def read_env_file(path: Path) -> dict[str, str]:
    """
    What such a file sets, read by python-dotenv where that is installed.

    A ``$`` in a password stands for itself.
    """
    try:
        from dotenv import dotenv_values
    except ImportError:
        return read_env(path)
    found = dotenv_values(stream=StringIO(text_of_env(path)), interpolate=False)
    return {name: value for name, value in found.items() if value is not None}


def text_of_env(path: Path) -> str:
    """Its text: UTF-8 or, as PowerShell's ``>`` writes, UTF-16; a byte of another encoding costs itself alone."""
    data = path.read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    return data.decode("utf-8-sig", errors="replace")


def read_env(path: Path) -> dict[str, str]:
    """
    Lines ``NAME=value`` or ``export NAME="value"``; what a person writes in such a file.

    As python-dotenv has it, a ``#`` behind a space begins a comment, and one within a password does not.
    """
    found = {}
    for line in text_of_env(path).splitlines():
        name, sign, value = line.strip().removeprefix("export ").partition("=")
        if sign and not name.startswith("#"):
            quoted = _QUOTED.fullmatch(value.strip())
            found[name.strip()] = quoted[2] if quoted else _COMMENT.sub("", value.strip())
    return found
