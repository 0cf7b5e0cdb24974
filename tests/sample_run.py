"""
A synthetic run for the tests of the reports: three backends, every verdict, hostile texts.

It is made of records only, so it says nothing about any real store.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from store_conformance.contract import Level, Mode, Verdict, rules
from store_conformance.contract.records import Measurement, Row, Run

HOSTILE = "<script>alert('x')</script> & \"quoted\" | `ticks` [link](javascript:alert(1)) $x$ *b*"
NASTY = "NUL \x00 bell \x07 override \u202e lone \ud83d emoji 🦜 é"
UPSTREAM = "https://github.com/langchain-ai/langgraph/issues/5503"
SCRIPT = """\
from langgraph.store.memory import InMemoryStore

store = InMemoryStore()
store.put(("a",), "k", {"text": "</script><script>alert(1)</script>"})
print(store.search(("a",), filter={"text": {"$gt": 3}}))
"""
MEMORIES = ("procedural", "semantic", "episodic")
KINDS = {
    "object": "a_new_store_object_finds_everything",
    "process": "a_new_process_finds_everything",
    "client_killed": "the_client_killed_loses_nothing_acknowledged",
    "engine_stopped": "the_engine_stopped_and_started_loses_nothing",
    "engine_killed": "the_engine_killed_loses_nothing_acknowledged",
}
"""Kinds of restart, and the statement of the case of each."""

_HAVE = ["sync", "async", "vectors", "ttl", "persistence", "processes", "threads"]
BACKENDS: dict[str, dict[str, Any]] = {
    "memory": {
        "name": "memory",
        "store": "langgraph.store.memory.InMemoryStore",
        "packages": {"langgraph-checkpoint": "4.3.2"},
        "engine": "none (a dict in the process)",
        "licence": "MIT",
        "services": 0,
        "setup_steps": ["pip install langgraph"],
        "install_megabytes": 41.2,
        "hosted": False,
        "settings": {},
        "limits": {},
        "deployment": "embedded",
        "capabilities": ["sync", "async", "vectors", "threads"],
        "seconds_to_first_put": 0.0021,
    },
    "postgres": {
        "name": "postgres",
        "store": "langgraph.store.postgres.PostgresStore",
        "packages": {"langgraph-checkpoint-postgres": "3.2.0", "psycopg": "3.3.1"},
        "engine": "PostgreSQL 18.6, pgvector 0.8.2",
        "licence": "MIT (store), PostgreSQL (engine)",
        "services": 1,
        "setup_steps": ["pip install langgraph-checkpoint-postgres", "start PostgreSQL", "setup()"],
        "install_megabytes": 96.0,
        "hosted": False,
        "settings": {"fsync": "on", "synchronous_commit": "on", "ann": "hnsw"},
        "limits": {"vector dimensions": 2000},
        "deployment": "embedded",
        "capabilities": _HAVE,
        "seconds_to_first_put": 3.47,
    },
    "pinecone": {
        "name": "pinecone",
        "store": "store_conformance.backends.vector.VectorStore",
        "packages": {"pinecone": "8.0.0"},
        "engine": "Pinecone Local 1.0.0",
        "licence": "proprietary",
        "services": 1,
        "setup_steps": ["create an account", "create an index", "set PINECONE_API_KEY"],
        "install_megabytes": 30.5,
        "hosted": True,
        "settings": {"metric": "cosine"},
        "limits": {"metadata bytes": 40960},
        "deployment": "emulated",
        "capabilities": [c for c in _HAVE if c != "ttl"],
        "seconds_to_first_put": 5.0,
    },
}


def header(backends: dict[str, dict[str, Any]] | None = None) -> dict[str, Any]:
    """A header as a run writes it."""
    return {
        "kind": "header",
        "schema": 1,
        "suite": "langgraph-store-conformance",
        "suite_version": "0.1.0",
        "started": "2026-11-22T16:30:00+00:00",
        "command": "store-conformance run --backend memory --backend postgres",
        "selection": {"rules": [], "groups": [], "scenarios": []},
        "settings": {
            "seed": 20260,
            "timeout": 120.0,
            "embed": "real",
            "items": 1000,
            "options": {},
        },
        "machine": {
            "system": "Linux",
            "release": "6.1",
            "arch": "x86_64",
            "cpus": 2,
            "memory_gb": 8.0,
            "python": "3.11.7",
        },
        "corpus": {
            "name": "shipped",
            "digest": "9f2c41d0",
            "emails": 104,
            "users": 8,
            "memories": 226,
        },
        "backends": backends if backends is not None else BACKENDS,
    }


def row(backend: str, rule: str, verdict: str = "pass", **more: Any) -> Row:
    """A verdict row with plausible rest."""
    level = {r.id: r.level for r in rules()}.get(rule, Level.MUST)
    values: dict[str, Any] = {
        "backend": backend,
        "rule": rule,
        "level": level,
        "case": f"cases::{rule.lower()}_holds",
        "mode": Mode.SYNC,
        "verdict": verdict,
        "message": "The promise holds." if verdict == "pass" else f"{rule} was {verdict}",
        "seconds": 0.0123,
        "in_store": 0.0101,
        "calls": 7,
        "seed": 20260,
        "emulated": backend == "pinecone",
    }
    return Row(**{**values, **more})


def _special(backend: str, rule: str, mode: Mode) -> Row | None:
    """The rows that are not a plain pass."""
    at = {"mode": mode}
    if backend == "memory":
        if rule.startswith("T") and rule != "T1":
            return row(backend, rule, "unsupported", message="declared: no ttl", **at)
        if rule == "E6":
            return row(backend, rule, "unsupported", message="declared: no processes", **at)
        if rule == "F5":
            return row(
                backend,
                rule,
                "fail",
                message="a range over another type raised TypeError",
                expected="[]",
                got="TypeError(\"'>' not supported\")",
                expectation="known upstream",
                upstream=UPSTREAM,
                script=SCRIPT,
                confirmed=True,
                history=(
                    "put(('a',), 'k', {'n': 'x'}) -> None",
                    "search(('a',)) -> raised TypeError",
                ),
                **at,
            )
        if rule == "K10":
            return row(
                backend,
                rule,
                "fail",
                message=HOSTILE,
                expected=HOSTILE,
                got=NASTY,
                history=(HOSTILE, NASTY),
                upstream="javascript:alert(1)",
                **at,
            )
        if rule == "X5" and mode is Mode.ASYNC:
            return row(backend, rule, "pass", expectation="was broken once", **at)
    if backend == "postgres":
        if rule == "K7" and mode is Mode.ASYNC:
            return row(
                backend,
                rule,
                "fail",
                message="NaN came back as null without an error",
                expected="nan or an error",
                got="None",
                script=SCRIPT,
                confirmed=False,
                **at,
            )
        if rule == "V9":
            return row(backend, rule, "unverified", message="nothing was exercised", **at)
        if rule == "O5" and mode is Mode.SYNC:
            return row(backend, rule, "error", message="HarnessError: pipe closed", **at)
    if backend == "pinecone" and rule == "N5":
        return row(backend, rule, "fail", message="label * was a wildcard", **at)
    return None


def restart_rows(backend: str, verdicts: dict[str, str] | None = None) -> list[Row]:
    """E4 rows: a case a kind of restart and memory type; ``verdicts`` by kind, default pass."""
    return [
        row(
            backend,
            "E4",
            (verdicts or {}).get(kind, "pass"),
            case=f"restart::{statement}[{memory}]",
            restart=kind,
            memory=memory,
        )
        for kind, statement in KINDS.items()
        for memory in MEMORIES
    ]


def restart_figures(backend: str, survived: int = 120) -> list[Measurement]:
    """The observations that belong to ``restart_rows``."""
    return [
        Measurement(
            backend,
            f"restart.{kind}",
            "survived" if survived == 120 else "lost",
            mode=Mode.SYNC,
            case=f"restart::{statement}[{memory}]",
            facts={"memory": memory, "writes_covered": 120, "survived": survived},
        )
        for kind, statement in KINDS.items()
        for memory in MEMORIES
    ]


def _latencies(backend: str, speed: float) -> list[Measurement]:
    source = random.Random(7)
    operations = {
        "put": 1.0,
        "batch_put": 9.0,
        "get": 0.4,
        "search_filter": 2.0,
        "search_semantic": 3.0,
        "list_namespaces": 1.5,
        "delete": 0.8,
    }
    found = []
    for name, factor in operations.items():
        for mode in Mode:
            count = 60 if name == "batch_put" else 200
            samples = tuple(speed * factor * source.lognormvariate(0, 0.25) for _ in range(count))
            facts = {
                "n_items": 1000,
                "rounds": 5,
                "ops_per_call": 100 if name == "batch_put" else 1,
            }
            found.append(
                Measurement(
                    backend,
                    f"latency.{name}",
                    sorted(samples)[count // 2],
                    mode,
                    "s",
                    "latency::timed",
                    facts,
                    samples,
                )
            )
    found.append(
        Measurement(
            backend, "latency.embedding", 0.00021, "", "s", samples=(0.0002, 0.00021, 0.0003)
        )
    )
    return found


def _figures(backend: str) -> list[Measurement]:
    recall = {"embedder": "wordllama", "corpus": "shipped", "questions": 104, "exact": True}
    found = [
        Measurement(backend, "recall.index@5", 1.0, Mode.SYNC, facts=recall),
        Measurement(backend, "recall.evidence@5", 0.721, Mode.SYNC, facts=recall),
        Measurement(
            backend,
            "portability.F7",
            {"memory": "matches"}.get(backend, "does not match"),
            Mode.SYNC,
        ),
        Measurement(
            backend,
            "portability.S9.limit=-1",
            HOSTILE if backend == "memory" else "error",
            Mode.SYNC,
        ),
        Measurement(backend, "order", "newest first", Mode.SYNC, case="cases::s6_holds"),
        Measurement(backend, "order", "newest first", Mode.ASYNC, case="cases::s6_holds"),
    ]
    if backend == "postgres":
        writers = {
            "writers": 4,
            "writes": 2000,
            "lost": 0,
            "errors": [],
            "per_second": 512.5,
        }
        found += [
            Measurement(backend, "disk.bytes_per_item", 2481.6, Mode.SYNC, "B"),
            Measurement(backend, "processes.writers", "no write lost", Mode.SYNC, facts=writers),
            Measurement(backend, "trouble.close", NASTY, Mode.ASYNC),
        ]
    return found


def sample_run(**changes: Any) -> Run:
    """The run; ``changes`` replace ``header``, ``rows``, ``measurements`` or ``footer``."""
    rows: list[Row] = []
    figures: list[Measurement] = []
    for backend, speed in (("memory", 2e-5), ("postgres", 9e-4), ("pinecone", 4e-3)):
        for rule in rules():
            if rule.id == "E4":
                continue
            for mode in Mode:
                rows.append(_special(backend, rule.id, mode) or row(backend, rule.id, mode=mode))
        if backend == "memory":
            rows += [
                replace(r, verdict=Verdict.UNSUPPORTED, message="declared: no persistence")
                for r in restart_rows(backend)
            ]
            declared = "restart::a_store_that_does_not_persist_says_so"
            rows.append(row(backend, "E4", case=declared, restart="object"))
            figures.append(
                Measurement(
                    backend,
                    "restart.object",
                    "lost, as declared",
                    Mode.SYNC,
                    case=declared,
                    facts={"writes_covered": 1},
                )
            )
        else:
            rows += restart_rows(backend)
            figures += restart_figures(backend)
        figures += _latencies(backend, speed) + _figures(backend)
    return make_run(rows, figures, **changes)


def make_run(
    rows: list[Row],
    figures: list[Measurement] | None = None,
    backends: dict[str, dict[str, Any]] | None = None,
    **changes: Any,
) -> Run:
    """A run of these records with a footer that fits them."""
    counts: dict[str, int] = {}
    for entry in rows:
        counts[entry.verdict] = counts.get(entry.verdict, 0) + 1
    head = header(backends)
    footer = {
        "kind": "footer",
        "counts": counts,
        "rows": len(rows),
        "seconds": {
            "total": 61.2,
            "in_store": 48.9,
            "by_backend": {name: {"total": 20.4, "in_store": 16.3} for name in head["backends"]},
        },
        "interrupted": False,
    }
    run = Run(head, tuple(rows), tuple(figures or ()), footer)
    return replace(run, **changes) if changes else run
