"""
The emulator of Pinecone's API as a child process; it comes with a source checkout only.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from backends.engines.http_server import HttpServer


def emulator() -> Path | None:
    """The file that starts it, beside the packages of this project."""
    main = Path(__file__).resolve().parents[2] / "tests" / "pinecone_emulator" / "__main__.py"
    return main if main.is_file() else None


class PineconeEmulator(HttpServer):
    """One emulator with its data in ``folder``; writes are visible after ``delay`` seconds."""

    def __init__(self, folder: Path, *, api_key: str, delay: float = 0.0) -> None:
        super().__init__("pinecone emulator", folder, self._started, ready="/healthz")
        self.api_key = api_key
        self.delay = delay

    def _started(
        self, folder: Path, ports: Sequence[int]
    ) -> tuple[Sequence[str], Mapping[str, str]]:
        command = [sys.executable, str(emulator()), "--port", str(ports[0])]
        command += ["--path", str(folder / "data"), "--visibility-delay", str(self.delay)]
        # The key goes by the environment: a command line is for everybody to read.
        return command, {**os.environ, "PINECONE_EMULATOR_KEY": self.api_key}
