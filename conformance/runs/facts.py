"""
What the header of a run says beside its settings: the suite, the machine, the corpus, each backend.
"""

from __future__ import annotations

import dataclasses
import locale
import os
import platform
import time
from functools import lru_cache, partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from store_conformance.contract import Capability, Location, Mode
from store_conformance.harness.settings import Settings

if TYPE_CHECKING:
    from store_conformance.harness.backends import Backend


def suite_version() -> str:
    try:
        return metadata.version("langgraph-store-conformance")
    except metadata.PackageNotFoundError:  # run from a checkout that was never installed
        return "0+checkout"


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    memory = None
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    return {
        "system": platform.system(),
        "release": platform.release(),
        "arch": platform.machine(),
        "cpus": os.cpu_count(),
        "memory_gb": memory,
        "python": platform.python_version(),
        "time_zone": os.environ.get("TZ") or "/".join(time.tzname),
        "utc_offset_seconds": time.localtime().tm_gmtoff,
        "locale": ".".join(part for part in locale.getlocale() if part) or "C",
    }


def corpus_facts(settings: Settings) -> dict[str, Any]:
    """What the header says of the run's corpus; raises ``CorpusError`` where it cannot be used."""
    return _facts_of(settings.data)


@lru_cache(maxsize=4)
def _facts_of(data: tuple[str, ...]) -> dict[str, Any]:
    from store_conformance.corpus import load_corpus

    corpus = load_corpus([Path(p) for p in data] or None)
    return {"name": corpus.name, "digest": corpus.digest, **corpus.summary()}


def describe(backend: Backend, patience: float) -> dict[str, Any]:
    """The header's record of one running backend; ``patience`` is the most that its first calls may take."""
    return {**describe_untouched(backend), **first_calls(backend, patience)}


def describe_untouched(backend: Backend) -> dict[str, Any]:
    """The same record without a first put."""
    facts = dataclasses.asdict(backend.facts())
    return {
        **facts,
        "setup_steps": list(facts["setup_steps"]),
        "deployment": str(backend.deployment),
        "capabilities": sorted(str(c) for c in backend.capabilities),
        "seconds_to_first_put": None,
        "answers": [],
    }


def first_calls(backend: Backend, patience: float) -> dict[str, Any]:
    """
    Seconds from nothing to an acknowledged put at a fresh location, ``None`` if that fails or hangs; and the modes
    in which what was put can be got, which is what `store_conformance.runs.health` asks for later.
    """
    from store_conformance.harness.loops import run_bounded

    took: list[float] = []
    answers = []
    for mode in (m for m in Mode if Capability(m) in backend.capabilities):
        at = backend.location()
        use = partial(_put_and_get, backend, at, mode, took)
        try:
            run_bounded(use, patience, f"first-put-{backend.name}-{mode}")
            answers.append(str(mode))
        except Exception:  # noqa: BLE001 - the cases will say what is wrong, with evidence
            continue
        finally:
            backend.discard(at)
    return {"seconds_to_first_put": took[0] if took else None, "answers": answers}


def _put_and_get(backend: Backend, at: Location, mode: Mode, took: list[float]) -> None:
    """``took``: where the seconds until the put was acknowledged are noted."""
    from store_conformance.harness.journal import Journal
    from store_conformance.harness.loops import LoopThread
    from store_conformance.harness.subject import Subject

    loop_thread = LoopThread()
    begin = time.perf_counter()
    try:
        opened = backend.open(at, None, None, mode)
        store = Subject(opened, at=at, mode=mode, loop_thread=loop_thread, journal=Journal())
        store.put(("first",), "put", {"n": 1})
        took.append(round(time.perf_counter() - begin, 4))
        store.fetch(("first",), "put")
        store.close()
    finally:
        loop_thread.close()
