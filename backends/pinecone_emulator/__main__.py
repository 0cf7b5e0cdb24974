"""
Starts the emulator: ``python -m store_conformance.backends.pinecone_emulator --port 5080 --path DIR``.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from store_conformance.backends.pinecone_emulator.server import serve
from store_conformance.backends.pinecone_emulator.storage import Storage


def main() -> None:
    parser = argparse.ArgumentParser(prog="pinecone_emulator", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one")
    parser.add_argument("--path", type=Path, required=True, help="where the data is kept")
    parser.add_argument("--visibility-delay", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument(
        "--api-key",
        default=os.environ.get("PINECONE_EMULATOR_KEY"),
        help="refuse every other key; PINECONE_EMULATOR_KEY if not given",
    )
    given = parser.parse_args()
    if given.visibility_delay < 0:
        parser.error("--visibility-delay is not negative")
    # A stop is a normal end: the database is closed and the exit code is 0.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    storage = Storage(given.path, given.visibility_delay)
    try:
        serve(storage, given.port, given.api_key)
    except KeyboardInterrupt:
        pass
    finally:
        storage.close()


if __name__ == "__main__":
    main()
