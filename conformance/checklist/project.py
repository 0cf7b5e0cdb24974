"""
Whether the project in the working folder gives its secrets away: its files in git, and their history.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

MOST_BYTES = 1_000_000
SECONDS = 60
_SHORTEST = 6
"""A shorter password is in too many files by chance."""


def files_with_secret(folder: Path, secret: str) -> list[str]:
    """The files in git that hold the secret; raises ``LookupError`` where there is nothing to look at."""
    if len(secret) < _SHORTEST:
        raise LookupError("no password or key long enough to look for")
    listed = _run(folder, "git", "ls-files", "-z")
    if listed is None:
        raise LookupError("this folder is no git repository")
    found = []
    for name in filter(None, listed.split("\0")):
        path = folder / name
        small = path.is_file() and path.stat().st_size <= MOST_BYTES
        if small and secret.encode() in path.read_bytes():
            found.append(name)
    return found


def history_findings(folder: Path) -> int:
    """How many secrets gitleaks, else detect-secrets, finds; raises ``LookupError`` where there is neither."""
    if _run(folder, "git", "rev-parse", "--git-dir") is None:
        raise LookupError("this folder is no git repository")
    if shutil.which("gitleaks"):
        told = _run(
            folder, "gitleaks", "git", ".", "--redact", "--no-banner", "--exit-code", "0",
            "--report-format", "json", "--report-path", "-",
        )  # fmt: skip
        if told is None:
            raise LookupError("gitleaks did not come to an end")
        return len(json.loads(told or "[]") or [])
    if shutil.which("detect-secrets"):
        told = _run(folder, "detect-secrets", "scan")
        if told is None:
            raise LookupError("detect-secrets did not come to an end")
        return sum(len(found) for found in json.loads(told)["results"].values())
    raise LookupError("neither gitleaks nor detect-secrets is installed")


def _run(folder: Path, *command: str) -> str | None:
    try:
        done = subprocess.run(
            list(command),
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
