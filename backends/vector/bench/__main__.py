"""
``python -m store_conformance.backends.vector.bench``: our stores beside the raw clients, in one run.

Writes ``ENGINE.json`` and, out of all the JSON files in the folder, ``vector-speed.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from langgraph.store.base import BaseStore

from store_conformance.backends import registry
from store_conformance.backends.base import BackendError
from store_conformance.backends.packages import versions
from store_conformance.backends.vector.backend import VectorBackend
from store_conformance.backends.vector.bench.data import DIMS, Items
from store_conformance.backends.vector.bench.raw import raw_of
from store_conformance.backends.vector.bench.report import section
from store_conformance.backends.vector.bench.scenario import (
    OURS,
    RAW,
    Figures,
    Lanes,
    index_config,
    measure,
    spares,
)

ENGINES = ("qdrant", "chroma", "weaviate", "pinecone")
PACKAGE = "langgraph-store-qdrant"
_CLIENTS = {
    "qdrant": ("qdrant-client", "orjson", PACKAGE),
    "chroma": ("chromadb",),
    "weaviate": ("weaviate-client",),
    "pinecone": ("pinecone",),
}
_HEAD = f"""# Speed of the vector stores

Written by `python -m store_conformance.backends.vector.bench`.  In one run each call is made by the raw client and by
the store in turn, on the same collection: p50 and p95, and the ratio of the p50.  Vectors have {DIMS}
dimensions and lie around a few hundred topics; their computation is outside the clock.  The raw client upserts a
row of the same make (value as JSON, index fields, vector) without looking at what it overwrites, fetches by
id and queries below a prefix.  The store's `put` keeps `created_at`, so it also reads.
"""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m store_conformance.backends.vector.bench", description=__doc__
    )
    parser.add_argument("--engine", choices=ENGINES, default="qdrant")
    parser.add_argument("--deployment", help="process, embedded, url ...; default: the best")
    parser.add_argument("--url", help="a running server")
    parser.add_argument("--items", default="1000,100000", help="collection sizes, ascending")
    parser.add_argument("--rounds", type=int, default=300, help="calls of each kind")
    parser.add_argument("--out", type=Path, default=Path("vector-speed"), help="folder to write to")
    parser.add_argument("--no-walk", action="store_true", help="do not iterate over all items")
    parser.add_argument("--tables", action="store_true", help="only write the tables anew")
    given = parser.parse_args(arguments)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _stopped)  # so that the server we started is stopped, too
    try:
        counts = sorted({int(part.replace("_", "")) for part in given.items.split(",")})
    except ValueError:
        parser.error(f"--items is a list of numbers such as 1000,100000, got {given.items!r}")
    if counts[0] < 1000 or given.rounds < 1:
        parser.error("--items begins at 1000 or more, and --rounds at 1")
    given.out.mkdir(parents=True, exist_ok=True)
    try:
        if not given.tables:
            _run(given, counts)
    except BackendError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    print(_write(given.out))
    return 0


def _run(given: argparse.Namespace, counts: list[int]) -> None:
    engine: str = given.engine
    backend: Any = registry.create(engine, deployment=given.deployment, url=given.url)
    try:
        backend.start()
        with ExitStack() as stack:
            items = Items(counts[-1] + spares(counts, given.rounds, 2))
            config = index_config(items)
            store = stack.enter_context(backend.store(backend.location(), config, None))
            others = stack.enter_context(_others(engine, backend, items))
            raw = raw_of(engine, store, backend.url, backend.key)
            about = {
                "engine": engine,
                "engine_version": backend.engine_version(),
                "deployment": str(backend.deployment),
                "packages": versions(_CLIENTS[engine]),
                "date": time.strftime("%Y-%m-%d", time.gmtime()),
                "lanes": [RAW, OURS, *others],
            }

            def keep(figures: Figures) -> None:
                run = {**about, "machine": _machine(), **asdict(figures)}
                (given.out / f"{engine}.json").write_text(json.dumps(run, indent=1) + "\n")

            lanes = Lanes(items, store, raw, others)
            measure(lanes, counts, given.rounds, _tell, keep, walking=not given.no_walk)
    finally:
        backend.stop()


@contextmanager
def _others(engine: str, backend: VectorBackend, items: Items) -> Iterator[dict[str, BaseStore]]:
    """The Qdrant team's own store, where it is installed."""
    if engine != "qdrant" or backend.url is None or not versions([PACKAGE]):
        yield {}
        return
    from langgraph.store.qdrant import QdrantStore  # type: ignore[import-not-found]

    from store_conformance.backends.vector.qdrant import connect

    client = connect(backend.url, backend.key, timeout=120)
    name = backend.location().name
    try:
        other = QdrantStore(client, collection_name=name, index=index_config(items))
        other.setup()
        yield {PACKAGE: other}
    finally:
        client.close()


def _write(folder: Path) -> Path:
    runs = [json.loads((folder / f"{engine}.json").read_text()) for engine in ENGINES
            if (folder / f"{engine}.json").exists()]  # fmt: skip
    path = folder / "vector-speed.md"
    path.write_text("\n\n".join([_HEAD.rstrip(), *map(section, runs)]) + "\n")
    return path


def _machine() -> str:
    load = f", load average {os.getloadavg()[1]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{os.cpu_count()} CPUs, {platform.machine()}, {platform.system()}, "
        f"Python {platform.python_version()}{load}"
    )


def _stopped(*_: object) -> None:
    raise SystemExit(143)


def _tell(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
