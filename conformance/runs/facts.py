"""
What the header of a run says beside its settings: the suite, the machine, the corpus, each backend.
"""

from __future__ import annotations

import dataclasses
import locale
import os
import platform
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from store_conformance.contract import Capability
from store_conformance.harness.case import Mode
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
    from store_conformance.corpus import load_corpus

    corpus = load_corpus([Path(p) for p in settings.data] or None)
    return {"name": corpus.name, "digest": corpus.digest, **corpus.summary()}


def describe(backend: Backend) -> dict[str, Any]:
    """The header's record of one running backend, with the seconds to its first put."""
    facts = dataclasses.asdict(backend.facts())
    return {
        **facts,
        "setup_steps": list(facts["setup_steps"]),
        "deployment": str(backend.deployment),
        "capabilities": sorted(str(c) for c in backend.capabilities),
        "seconds_to_first_put": first_put(backend),
    }


def first_put(backend: Backend) -> float | None:
    """Seconds from nothing to an acknowledged put at a fresh location; ``None`` if that fails."""
    from store_conformance.harness.journal import Journal
    from store_conformance.harness.loops import LoopThread
    from store_conformance.harness.subject import Subject

    mode: Mode = "sync" if Capability.SYNC in backend.capabilities else "async"
    at = backend.location()
    loop_thread = LoopThread()
    begin = time.perf_counter()
    try:
        opened = backend.open(at, None, None, mode)
        store = Subject(opened, at=at, mode=mode, loop_thread=loop_thread, journal=Journal())
        store.put(("first",), "put", {"n": 1})
        seconds = time.perf_counter() - begin
        store.close()
        return round(seconds, 4)
    except Exception:  # noqa: BLE001 - the cases will say what is wrong, with evidence
        return None
    finally:
        loop_thread.close()
        backend.discard(at)
