"""
The emulator of Pinecone's API as a child process.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from store_conformance.backends.engines.http_server import HttpServer

EMULATOR = "store_conformance.backends.pinecone_emulator"


class PineconeEmulator(HttpServer):
    """One emulator with its data in ``folder``; writes are visible after ``delay`` seconds."""

    def __init__(self, folder: Path, *, api_key: str, delay: float = 0.0) -> None:
        super().__init__("pinecone emulator", folder, self._started, ready="/healthz")
        self.api_key = api_key
        self.delay = delay

    def _started(
        self, folder: Path, ports: Sequence[int]
    ) -> tuple[Sequence[str], Mapping[str, str]]:
        command = [sys.executable, "-m", EMULATOR, "--port", str(ports[0])]
        command += ["--path", str(folder / "data"), "--visibility-delay", str(self.delay)]
        # The key goes by the environment: a command line is for everybody to read.
        return command, {**os.environ, "PINECONE_EMULATOR_KEY": self.api_key}
