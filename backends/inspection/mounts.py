"""
On what kind of file system a path is.
"""

from __future__ import annotations

import sys
from pathlib import Path

_NETWORK = ("nfs", "cifs", "smb", "fuse.sshfs", "9p", "afs")


def is_network(path: Path) -> bool:
    """Whether an absolute path is on a network file system; raises ``LookupError`` where nobody can tell."""
    return _file_system(path) in _NETWORK


def _file_system(path: Path) -> str:
    """The kind of file system, from Linux's list of mounts."""
    if sys.platform != "linux":
        raise LookupError("only Linux lists its mounts in a file")
    best, kind = "", ""
    for line in Path("/proc/mounts").read_text(encoding="utf-8", errors="replace").splitlines():
        _, where, name, *_ = line.split(" ")
        if (str(path) + "/").startswith(where.rstrip("/") + "/") and len(where) > len(best):
            best, kind = where, name
    return kind
