"""
The production checklist: each check catches a database that is wrong in its way, and accuses no right one.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from store_conformance.backends.base import BackendError, EngineUnavailableError
from store_conformance.backends.engines.postgres import PostgresServer
from store_conformance.backends.inspection.gathering import Gathered
from store_conformance.backends.sqlite import driver
from store_conformance.checklist.judges import JUDGES
from store_conformance.checklist.looking import check, judged
from store_conformance.checklist.model import FAIL, HIDDEN, PARTS, PASS, WARN, Checklist, checks
from store_conformance.checklist.page import page
from store_conformance.checklist.presenting import as_json, as_markdown, as_text
from store_conformance.checklist.project import files_with_secret, history_findings
from store_conformance.contract import UserError
from store_conformance.factory import create_store
from tests.backend_use import HERE, no_postgres, no_sqlite
from tests.test_store_factory import execute, own_environment

__all__ = ["own_environment"]
STRONG = "kX9-vQ2mT7_zR4wLpB6s"

# -- what each judge says of facts that are right, and of one fact that is not ---------------------------

COMMON: dict[str, Any] = {
    "password": STRONG, "files_with_secret": [], "history_findings": 0, "namespaces": [["lance"], ["app", "lance"]],
    "expired_unswept": 0, "has_store": True, "has_vectors": True, "orphan_vectors": 0, "without_vectors": (3, 100),
    "dims": [1536], "embedder_dims": 1536, "embeddings": "openai:text-embedding-3-small", "migrations": (4, 4),
    "vector_migrations": (3, 3), "bytes": 10**8, "items": 10**5,
}  # fmt: skip
INDEX = "CREATE INDEX store_vectors_embedding_idx ON s.store_vectors USING hnsw (embedding vector_cosine_ops)"
TIMES = {
    "statement_timeout": 60_000,
    "lock_timeout": 10_000,
    "idle_in_transaction_session_timeout": 60_000,
}
FOLDER: dict[str, Any] = {
    **COMMON, "file_mode": 0o600, "folder_mode": 0o755, "folder_writable": True, "network_file_system": False,
    "free_bytes": 10**12, "integrity": "ok", "points": 500, "needed_fields": ["space"], "indexed_fields": ["space"],
    "folder_copied": True, "flush": True, "store_said": "there is a collection c",
}  # fmt: skip
RIGHT: dict[str, dict[str, Any]] = {
    "postgres": {
        **COMMON, "server_version": 170_002, "vector_version": "0.8.1", "round_trip": "", "server_encoding": "UTF8",
        "in_recovery": False, "read_only_by_default": False, "pooler_between": False, "pooler": "off", "local": False, "tls": True, "sslmode": "verify-full",
        "plain_accepted": False, "any_password_accepted": False, "superuser": False, "user": "agent", "createdb": False,
        "createrole": False, "bypassrls": False, "public_may_create": False, "public_may_read": False,
        "password_encryption": "scram-sha-256", "log_connections": "on", "fsync": "on", "full_page_writes": "on",
        "shared_preload_libraries": "pgaudit, pg_stat_statements", "synchronous_commit": "on", "unlogged": [],
        "data_checksums": "on", "archive_mode": "on", "wal_level": "replica", "archive_failing": False, "replicas": 1,
        "idle_slots": [], "indexes": [INDEX], "invalid_indexes": [], "vectors": 10**5,
        "search_plan": "Index Scan using store_vectors_embedding_idx", "hnsw_ef_search": "100",
        "hnsw_iterative_scan": "strict_order", "max_connections": "100", "superuser_reserved_connections": "3",
        "connection_limit": -1, "pool_max": 10, "timeouts_ms": TIMES, "url_timeouts_ms": TIMES, "connect_timeout": 10,
        "latency_ms": 1.0, "pg_dump_major": 17, "autovacuum": "on", "autovacuum_off_for": [], "dead_rows": (10, 10**5),
        "log_min_duration_statement": "-1", "old_transactions": 0, "foreign_key": True, "vector_bytes": 10**9,
    },
    "sqlite": {
        **COMMON, "integrity": "ok", "journal_mode": "wal", "url": {"synchronous": "full", "busy_seconds": 30.0},
        "file_mode": 0o600, "folder_mode": 0o755, "folder_writable": True, "network_file_system": False,
        "hot_journal": False, "locked": False, "pages": (10_000, 20), "loads_extensions": True, "wal_bytes": 0,
        "free_bytes": 10**12, "newest_backup_days": 0.5,
    },
    "qdrant": {
        **COMMON, "version": "1.18.3", "least_version": "1.16", "local": False, "open_without_key": False, "tls": True,
        "collection": "c", "replication_factor": 2, "snapshots": 1, "needed_fields": ["space"],
        "indexed_fields": ["space", "kind"], "state": "green", "latency_ms": 1.0,
    },
    "chroma": {
        **COMMON, "version": "1.5.9", "least_version": "1.0", "local": False, "open_without_key": False, "tls": True,
        "collection": "c", "latency_ms": 1.0, "folder_copied": True,
    },
    "weaviate": {
        **COMMON, "version": "1.39.0", "least_version": "1.27", "local": False, "open_without_key": False, "tls": True,
        "collection": "c", "replication_factor": 3, "modules": ["backup-s3"], "latency_ms": 1.0,
    },
    "qdrant edge": FOLDER, "qdrant folder": FOLDER, "chroma folder": FOLDER,
    "pinecone": {
        **COMMON, "local": False, "tls": True, "latency_ms": 1.0, "dense_dimension": 1536, "ready": True,
        "state": "Ready", "deletion_protection": "enabled", "backed_up": True, "store_said": "it has a store",
    },
}  # fmt: skip
WRONG: dict[str, dict[str, Any]] = {
    "G1": {"password": "postgres1"}, "G2": {"password": "abcabcabc"}, "G3": {"files_with_secret": [".env"]},
    "G4": {"history_findings": 2}, "G5": {"namespaces": [["lance"], ["app", "{langgraph_user_id}"]]},
    "G6": {"expired_unswept": 7}, "G7": {"orphan_vectors": 1}, "G8": {"without_vectors": (50, 100)},
    "G9": {"embedder_dims": 384}, "G10": {"migrations": (2, 4)}, "G11": {"free_bytes": 10**6},
    "PG1": {"server_version": 120_001}, "PG2": {"vector_version": "0.5.1"}, "PG3": {"has_store": False},
    "PG4": {"round_trip": "prompt"}, "PG5": {"server_encoding": "SQL_ASCII"}, "PG6": {"in_recovery": True},
    "PG7": {"pooler_between": True}, "PG10": {"tls": False}, "PG11": {"sslmode": "require"},
    "PG12": {"plain_accepted": True}, "PG13": {"any_password_accepted": True}, "PG14": {"superuser": True},
    "PG15": {"createdb": True}, "PG16": {"public_may_create": True}, "PG17": {"public_may_read": True},
    "PG18": {"password_encryption": "md5"}, "PG19": {"log_connections": "off"},
    "PG20": {"shared_preload_libraries": "pg_stat_statements"}, "PG30": {"fsync": "off"},
    "PG31": {"synchronous_commit": "off"}, "PG32": {"unlogged": ["store"]}, "PG33": {"data_checksums": "off"},
    "PG34": {"wal_level": "minimal"}, "PG35": {"archive_failing": True}, "PG36": {"replicas": 0},
    "PG37": {"idle_slots": ["old"]}, "PG40": {"invalid_indexes": ["store_vectors_embedding_idx"]},
    "PG41": {"indexes": [INDEX.replace("cosine", "l2")]}, "PG42": {"search_plan": "Seq Scan on store_vectors"},
    "PG43": {"hnsw_iterative_scan": "off"}, "PG44": {"pool_max": 50},
    "PG45": {"timeouts_ms": {**TIMES, "lock_timeout": 0}, "url_timeouts_ms": {**TIMES, "lock_timeout": 0}},
    "PG46": {"connect_timeout": 0}, "PG47": {"latency_ms": 80.0}, "PG48": {"dead_rows": (10**6, 10)},
    "PG49": {"shared_preload_libraries": "pgaudit"}, "PG50": {"old_transactions": 1}, "SL1": {"has_store": False},
    "SL2": {"integrity": "malformed"}, "SL3": {"journal_mode": "delete"},
    "SL4": {"url": {"synchronous": "normal", "busy_seconds": 30.0}},
    "SL5": {"url": {"synchronous": "full", "busy_seconds": 0.0}}, "SL6": {"file_mode": 0o644},
    "SL7": {"folder_writable": False}, "SL8": {"network_file_system": True}, "SL9": {"hot_journal": True},
    "SL10": {"locked": True}, "SL11": {"pages": (10_000, 9_000)}, "SL12": {"loads_extensions": False},
    "SL13": {"wal_bytes": 10**9}, "VS1": {"version": "0.9.0"}, "VS2": {"open_without_key": True}, "VS3": {"tls": False},
    "VS4": {"has_store": False}, "VS5": {"replication_factor": 1}, "VS6": {"snapshots": 0},
    "VS7": {"indexed_fields": ["kind"]}, "VS8": {"state": "red"}, "VS9": {"latency_ms": 80.0}, "VS10": {"modules": []},
    "PG51": {"pg_dump_major": 15}, "SL14": {"newest_backup_days": 30.0}, "VS11": {"folder_copied": False},
    "FD1": {"has_store": False}, "FD2": {"file_mode": 0o644}, "FD3": {"folder_writable": False},
    "FD4": {"network_file_system": True}, "FD5": {"free_bytes": 10**6}, "FD6": {"integrity": "malformed"},
    "FD7": {"points": 50_000}, "FD8": {"indexed_fields": []}, "FD9": {"folder_copied": False}, "FD10": {"flush": False},
    "PC1": {"has_store": False}, "PC2": {"dense_dimension": None}, "PC3": {"ready": False},
    "PC4": {"deletion_protection": "disabled"}, "PC5": {"backed_up": False},
}  # fmt: skip


def of(engine: str, **more: Any) -> dict[str, str]:
    found = judged(Gathered(engine, "here", {**RIGHT[engine], **more}))
    return {line.check.id: line.status for line in found.lines}


@pytest.mark.parametrize("engine", list(RIGHT))
def test_a_right_database_is_accused_of_nothing(engine: str) -> None:
    assert set(of(engine).values()) == {PASS}


@pytest.mark.parametrize(
    ("engine", "one"),
    [(engine, one) for one in checks() for engine in one.engines],
    ids=lambda x: getattr(x, "id", x),
)
def test_each_check_catches_its_wrong_and_no_other_is_tripped(engine: str, one: Any) -> None:
    if one.id == "G11" and engine == "postgres":
        pytest.skip("the free space of a server's disk is not visible")
    statuses = of(engine, **WRONG[one.id])
    if one.id == "G1":
        statuses.pop("G2")  # what everybody knows is not random either

    assert statuses.pop(one.id) == (FAIL if one.level == "must" else WARN)
    assert set(statuses.values()) == {PASS}


def test_the_checks_are_whole() -> None:
    """Each has a judge, a wrong, a source and a fix; ids are unique and parts known."""
    ids = [one.id for one in checks()]

    assert len(ids) == len(set(ids)) and set(ids) == set(JUDGES) == set(WRONG)
    for one in checks():
        assert (
            one.level in ("must", "should") and one.part in PARTS and set(one.engines) <= set(RIGHT)
        )
        assert one.source and one.fix and one.promise[0].islower()


@pytest.mark.parametrize("one", checks(), ids=lambda x: x.id)
def test_what_cannot_be_seen_is_no_pass(one: Any) -> None:
    seen = Gathered(one.engines[0], "here", {}, {"local": "no answer"})
    line = next(line for line in judged(seen).lines if line.check.id == one.id)

    assert line.status == HIDDEN and line.advice


@pytest.mark.parametrize(
    ("facts", "code"),
    [({}, 3), ({"password": STRONG}, 0), ({"password": "postgres"}, 1)],
)
def test_the_exit_code_says_what_was_found(facts: Mapping[str, Any], code: int) -> None:
    assert judged(Gathered("chroma", "here", dict(facts))).exit_code == code


def test_the_small_judgements() -> None:
    """Choices that a table of one wrong each does not show."""
    assert (
        of("postgres", local=True, tls=False, sslmode="prefer", plain_accepted=True)["PG10"] == PASS
    )
    assert of("postgres", vectors=50, indexes=[], search_plan="Seq Scan")["PG40"] == PASS
    assert of("postgres", vectors=10**6, indexes=[])["PG40"] == FAIL
    assert of("postgres", connection_limit=20)["PG44"] == WARN
    assert of("postgres", foreign_key=False)["G7"] == FAIL
    assert of("postgres", user="agent", password="Agent")["G1"] == FAIL  # noqa: S106
    assert of("sqlite", file_mode=0o644, folder_mode=0o700)["SL6"] == PASS
    assert of("sqlite", dims=[24, 30])["G9"] == FAIL
    assert (
        of("sqlite", namespaces=[["none"]])["G5"] == WARN
        and of("sqlite", namespaces=[["nonesuch"]])["G5"] == PASS
    )


def test_the_page_is_made_of_the_checks() -> None:
    assert (HERE.parent / "docs" / "CHECKLIST.md").read_text(encoding="utf-8") == page()


# -- real databases ----------------------------------------------------------------------------------------


def statuses(found: Checklist) -> dict[str, str]:
    return {line.check.id: line.status for line in found.lines}


@contextmanager
def running(folder: Path, password: str, **settings: str) -> Iterator[tuple[PostgresServer, str]]:
    server = PostgresServer(folder, password=password, settings=settings)
    server.start()
    try:
        yield server, f"postgres:{quote(password)}@127.0.0.1:{server.port}/postgres"
    finally:
        server.remove()


@no_postgres
def test_a_server_that_is_wrong_in_many_ways_is_caught_in_all(tmp_path: Path) -> None:
    wrong = {
        "fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "autovacuum": "off",
        "password_encryption": "md5", "archive_mode": "on", "archive_command": "false", "max_connections": "20",
        "log_connections": "off", "wal_level": "logical",
    }  # fmt: skip
    with running(tmp_path / "pg", "postgres", **wrong) as (server, rest):
        url = f"postgresql://{rest}"
        os.environ["EMBEDDINGS"] = "exact:24"
        with create_store(url) as store:
            for n in range(40):
                store.put(
                    ("app", "None" if n else "lance"),
                    f"k{n}",
                    {"text": f"fact {n}"},
                    index=False if n > 2 else None,
                )
        hba = server.data / "pg_hba.conf"
        hba.write_text("host all all 127.0.0.1/32 trust\n")
        execute(
            url,
            "ALTER TABLE store_vectors DROP CONSTRAINT store_vectors_prefix_key_fkey",
            "ALTER TABLE store_vectors SET UNLOGGED",
            "DELETE FROM store WHERE key = 'k1'",
            "UPDATE store SET expires_at = now() - interval '1 day', ttl_minutes = 1 WHERE key = 'k2'",
            "DELETE FROM store_migrations WHERE v > 1",
            "GRANT SELECT ON store TO PUBLIC",
            "GRANT CREATE ON SCHEMA public TO PUBLIC",
            "DROP INDEX store_vectors_embedding_idx",
            "CREATE INDEX store_vectors_embedding_idx ON store_vectors USING hnsw (embedding vector_l2_ops)",
            "ALTER TABLE store SET (autovacuum_enabled = false)",
            "SELECT pg_create_physical_replication_slot('left_behind', true)",
            "SELECT pg_reload_conf()",
            "SELECT pg_switch_wal()",
        )
        os.environ["EMBEDDINGS"] = "exact:30"
        found = check(f"{url}?pool_max=15&statement_timeout=0&connect_timeout=0")

    told = statuses(found)
    must = {"G1", "G7", "G9", "G10", "PG13", "PG14", "PG17", "PG30", "PG32", "PG41"}
    should = {
        "G2", "G5", "G6", "G8", "PG15", "PG16", "PG18", "PG19", "PG20", "PG31", "PG36", "PG37", "PG43", "PG44",
        "PG45", "PG46", "PG48", "PG49",
    }  # fmt: skip
    assert {id for id in must if told[id] != FAIL} == set()
    assert {id for id in should if told[id] != WARN} == set()
    assert found.exit_code == 1


@no_postgres
def test_a_server_that_is_right_is_accused_of_nothing(tmp_path: Path) -> None:
    right = {
        "log_connections": "on", "log_min_duration_statement": "1000", "archive_mode": "on", "archive_command": "true",
        "wal_level": "replica",
    }  # fmt: skip
    with running(tmp_path / "pg", STRONG, **right) as (_, rest):
        admin = f"postgresql://{rest}"
        execute(
            admin,
            f"CREATE ROLE agent LOGIN PASSWORD '{STRONG}'",
            "CREATE SCHEMA agent AUTHORIZATION agent",
            "GRANT CREATE ON DATABASE postgres TO agent",
            "CREATE EXTENSION vector SCHEMA public",
            "ALTER ROLE agent SET hnsw.ef_search = 100",
            "ALTER ROLE agent SET hnsw.iterative_scan = 'strict_order'",
        )
        url = f"postgresql://agent:{STRONG}@{rest.partition('@')[2]}?schema=agent"
        os.environ["EMBEDDINGS"] = "exact:24"
        with create_store(url) as store:
            store.put(("lance",), "k", {"text": "a fact"})
        found = check(url)
        reading = check(url, read_only=True)
        import psycopg

        with psycopg.connect(admin) as conn:
            left = conn.execute(
                "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'conformance%'"
            ).fetchall()

    told = statuses(found)
    of_machine = {"PG47", "PG51"}  # how quick it is, and which programs it has
    assert [f"{line.check.id} {line.said}" for line in found.lines if line.status == FAIL] == []
    assert {id for id, status in told.items() if status == WARN} - of_machine == {"PG36"}
    # What is preloaded only an administrator is told.
    hidden = {id for id, status in told.items() if status == HIDDEN}
    assert hidden <= {"G3", "G4", "PG20", *of_machine}
    assert statuses(reading)["PG4"] == HIDDEN and told["PG4"] == PASS
    assert left == []
    for text in (as_text(found, every=True), as_markdown(found), as_json(found)):
        assert STRONG not in text


@no_postgres
def test_a_check_that_reads_alone_sends_nothing_else_by_the_servers_own_log(tmp_path: Path) -> None:
    with running(tmp_path / "pg", STRONG, log_statement="all") as (server, rest):
        url = f"postgresql://{rest}"
        with create_store(url) as store:
            store.put(("lance",), "k", {"text": "a fact"})
        log = next(path for path in server.data.parent.rglob("*.log"))
        before = log.stat().st_size
        check(url, read_only=True)
        said = log.read_bytes()[before:].decode()

    asked = re.findall(r"LOG:  (?:statement|execute [^:]*): (\w+)", said)
    assert len(asked) > 20
    assert set(map(str.upper, asked)) <= {"SELECT", "SHOW", "SET", "EXPLAIN", "BEGIN", "ROLLBACK"}


@no_sqlite
@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_a_check_leaves_a_file_of_sqlite_and_its_folder_as_they_were(
    tmp_path: Path, journal: str
) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as conn:
        conn.execute(f"PRAGMA journal_mode = {journal}")
        conn.execute("CREATE TABLE store (prefix TEXT, key TEXT, value TEXT)")
        conn.execute("INSERT INTO store VALUES ('a', 'k', '{}')")
        conn.commit()
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.iterdir()}

    check(f"sqlite:///{path}", read_only=True)

    assert {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.iterdir()} == before


@no_sqlite
def test_a_copy_beside_a_file_of_sqlite_is_a_backup_and_one_of_last_month_is_old(
    tmp_path: Path,
) -> None:
    create_store("sqlite:///a.db").close()
    (tmp_path / "a.txt").write_text("no database")
    (tmp_path / "other.db").write_bytes((tmp_path / "a.db").read_bytes())
    assert statuses(check("sqlite:///a.db"))["SL14"] == HIDDEN

    copy = tmp_path / "a.db.backup"
    copy.write_bytes((tmp_path / "a.db").read_bytes())
    assert statuses(check("sqlite:///a.db"))["SL14"] == PASS

    os.utime(copy, (0, 0))
    assert statuses(check("sqlite:///a.db"))["SL14"] == WARN


def test_a_check_beside_a_writer_leaves_its_files_to_it(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("PRAGMA journal_mode = wal")
        writer.execute("CREATE TABLE t (a)")
        writer.commit()
        log = (tmp_path / "a.db-wal").read_bytes()

        check(f"sqlite:///{path}", read_only=True)

        assert (tmp_path / "a.db-wal").read_bytes() == log
        writer.execute("INSERT INTO t VALUES (1)")
        writer.commit()


def test_a_file_of_sqlite_that_is_right_and_one_that_is_wrong(tmp_path: Path) -> None:
    os.environ["EMBEDDINGS"] = "exact:24"
    with create_store("sqlite:///a.db") as store:
        store.put(("lance",), "k", {"text": "a fact"})
        store.put(("{user}",), "gone", {"text": "a fact"}, ttl=1)
    right = statuses(check("sqlite:///a.db"))
    hidden = {"G3", "G4", "SL12", "SL14"}
    assert {id for id, status in right.items() if status != PASS} - {"G5"} <= hidden

    path = tmp_path / "a.db"
    tmp_path.chmod(0o755)
    path.chmod(0o666)
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("PRAGMA journal_mode = delete")
        conn.execute("DELETE FROM store WHERE key = 'k'")
        conn.execute("UPDATE store SET expires_at = '2020-01-01 00:00:00'")
        conn.execute("DELETE FROM store_vectors WHERE key = 'gone'")
        conn.execute("DELETE FROM store_migrations WHERE v > 1")
        conn.commit()
    os.environ["EMBEDDINGS"] = "exact:30"
    wrong = statuses(check("sqlite:///a.db?synchronous=normal&busy_seconds=0"))

    assert {id for id, status in wrong.items() if status == FAIL} == {"G7", "G9", "G10", "SL6"}
    should = {"G5", "G6", "G8", "SL3", "SL4", "SL5"}
    assert {id for id, status in wrong.items() if status == WARN} >= should

    (tmp_path / "a.db-journal").write_bytes(b"x" * 100)
    assert statuses(check("sqlite:///a.db"))["SL9"] == WARN


@no_sqlite
def test_a_damaged_file_and_one_that_somebody_holds_are_caught(tmp_path: Path) -> None:
    with create_store("sqlite:///a.db?journal=delete") as store:
        for n in range(300):
            store.put(("lance",), f"k{n}", {"text": "x" * 400})
    path = tmp_path / "a.db"
    # The same library: locks of a process count for each of its libraries alone.
    with closing(driver()[0].connect(str(path), isolation_level=None)) as conn:
        conn.execute("BEGIN EXCLUSIVE")
        assert statuses(check("sqlite:///a.db"))["SL10"] == WARN
    assert statuses(check("sqlite:///a.db"))["SL10"] == PASS

    data = bytearray(path.read_bytes())
    data[8192:40_000] = b"\xff" * (40_000 - 8192)
    path.write_bytes(data)
    assert statuses(check("sqlite:///a.db"))["SL2"] == FAIL


@no_postgres
def test_a_database_that_may_only_be_read_is_told_and_not_written_to(tmp_path: Path) -> None:
    with running(tmp_path / "pg", STRONG) as (server, rest):
        url = f"postgresql://{rest}"
        create_store(url).close()
        execute(url, "ALTER DATABASE postgres SET default_transaction_read_only = on")
        by_default = check(url)
        execute(
            url,
            "SET default_transaction_read_only = off",
            "ALTER DATABASE postgres RESET default_transaction_read_only",
        )
        server.stop()
        (server.data / "standby.signal").touch()
        server.start()
        replica = check(url)
        (server.data / "standby.signal").unlink()

    for found, said in ((by_default, "default_transaction_read_only"), (replica, "a replica")):
        lines = {line.check.id: line for line in found.lines}
        assert (lines["PG6"].status, lines["PG4"].status) == (FAIL, HIDDEN)
        assert said in lines["PG6"].said
        assert lines["PG3"].status == PASS


@no_sqlite
def test_a_file_that_is_no_database_fails_and_a_folder_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("no database " * 100)
    (tmp_path / "a.db").chmod(0o600)

    found = check("sqlite:///a.db")

    assert statuses(found)["SL2"] == FAIL and found.exit_code == 1
    with pytest.raises(BackendError, match="is a folder"):
        check(f"sqlite:///{tmp_path}")


# -- servers that speak HTTP --------------------------------------------------------------------------------


BROKEN, SHUT = "broken", "shut"
"""The answers of a server that is in trouble, and of one that asks here alone for another key."""


@contextmanager
def answering(answers: Mapping[str, Any], *, key: str | None = None) -> Iterator[int]:
    """A server on loopback with these answers, by path; it asks for the key if there is one."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given = (
                self.headers.get("api-key")
                or (self.headers.get("Authorization") or "").partition(" ")[2]
            )
            path = self.path.partition("?")[0]
            code = 401 if key and given != key else 200 if path in answers else 404
            code = 500 if answers.get(path) == BROKEN else code
            code = 401 if answers.get(path) == SHUT else code
            self.send_response(code)
            self.end_headers()
            self.wfile.write(json.dumps(answers.get(path, {})).encode())

        def log_message(self, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def qdrant(factor: int, status: str, fields: list[str], snapshots: int) -> dict[str, Any]:
    """What a Qdrant server of version 1.18 answers, as far as it is looked at."""
    result = {
        "status": status,
        "config": {"params": {"replication_factor": factor}},
        "payload_schema": {name: {} for name in fields},
    }
    return {
        "/": {"title": "qdrant", "version": "1.18.3"},
        "/collections": {"result": {}},
        "/collections/c": {"result": result},
        "/collections/c/snapshots": {"result": [{}] * snapshots},
    }


def test_a_qdrant_server_is_looked_at() -> None:
    pytest.importorskip("qdrant_client")
    from store_conformance.backends.vector.qdrant_rows import payload_indexes

    with answering(qdrant(2, "green", list(payload_indexes()), 1), key=STRONG) as port:
        right = statuses(check(f"qdrant://{STRONG}@127.0.0.1:{port}?collection=c"))
        with pytest.raises(UserError, match="is the key right") as caught:
            check(f"qdrant://wrong@127.0.0.1:{port}?collection=c")
    with answering(qdrant(1, "red", ["kind"], 0)) as port:
        wrong = statuses(check(f"qdrant://127.0.0.1:{port}?collection=c"))
        missing = statuses(check(f"qdrant://127.0.0.1:{port}?collection=other"))

    assert {id for id, status in right.items() if status != PASS} <= {"G3", "G4", "VS9"}
    assert {id for id, status in wrong.items() if status in (FAIL, WARN)} - {"VS9"} == {
        "VS5",
        "VS6",
        "VS7",
        "VS8",
    }
    assert missing["VS4"] == FAIL and missing["VS8"] == HIDDEN
    assert "wrong@" not in str(caught.value)


@pytest.mark.parametrize(
    ("scheme", "version", "path"),
    [
        ("qdrant", "/", "/collections/c"),
        ("weaviate", "/v1/meta", "/v1/schema/C"),
        (
            "chroma",
            "/api/v2/version",
            "/api/v2/tenants/default_tenant/databases/default_database/collections/c",
        ),
    ],
)
def test_a_server_in_trouble_is_not_said_to_have_no_collection(
    scheme: str, version: str, path: str
) -> None:
    """What is broken is none of the checklist's failures: whoever then makes a collection anew has lost one."""
    with answering({version: {"version": "1.39.0"}, path: BROKEN}) as port:
        with pytest.raises(EngineUnavailableError, match=r"HTTP Error 500.*server's log") as caught:
            check(f"{scheme}://127.0.0.1:{port}?collection=c")
    with answering({version: {"version": "1.39.0"}, path: SHUT}) as port:
        with pytest.raises(EngineUnavailableError, match=r"401.*is the key right"):
            check(f"{scheme}://127.0.0.1:{port}?collection=c")
    with answering({version: {"version": "1.39.0"}}) as port:
        missing = statuses(check(f"{scheme}://127.0.0.1:{port}?collection=c"))

    assert caught.value.exit_code == 3 and missing["VS4"] == FAIL


@no_sqlite
def test_a_hybrid_has_the_lines_of_each_of_its_stores(tmp_path: Path) -> None:
    create_store("sqlite:///p.db").close()
    with answering(qdrant(1, "red", ["kind"], 0)) as port:
        (tmp_path / "stores.toml").write_text(
            f'default = "m"\n[stores]\np = "sqlite:///p.db"\nm = "qdrant://127.0.0.1:{port}?collection=c"\n'
            'gone = "qdrant://127.0.0.1:1"\n[[routes]]\nstore = "p"\ndepth = 1\n'
        )
        found = check("hybrid:stores.toml")
        one, other = check("sqlite:///p.db"), check(f"qdrant://127.0.0.1:{port}?collection=c")

    told = statuses(found)
    assert len(told) == len(one.lines) + len(other.lines) + 1
    assert told["p/SL1"] == PASS and told["m/VS8"] == WARN and told["gone/-"] == HIDDEN
    assert found.exit_code == 1 and f"m http://127.0.0.1:{port}" in found.where
    assert "m/VS8" in as_text(found) and "| gone/- |" in as_markdown(found)


def test_a_weaviate_server_is_looked_at() -> None:
    right = {
        "/v1/meta": {"version": "1.39.0", "modules": {"backup-s3": {}}},
        "/v1/schema": {},
        "/v1/schema/LangGraphStore": {"replicationConfig": {"factor": 3}},
    }
    with answering(right, key=STRONG) as port:
        told = statuses(check(f"weaviate://{STRONG}@127.0.0.1:{port}"))
    with answering(
        {**right, "/v1/meta": {"version": "1.20.1"}, "/v1/schema/LangGraphStore": {}}
    ) as port:
        wrong = statuses(check(f"weaviate://127.0.0.1:{port}"))

    assert {id for id, status in told.items() if status != PASS} <= {"G3", "G4", "VS9"}
    assert {id for id, status in wrong.items() if status in (FAIL, WARN)} - {"VS9"} == {
        "VS1",
        "VS5",
        "VS10",
    }


@pytest.mark.slow
def test_a_real_chroma_server_is_looked_at() -> None:
    pytest.importorskip("chromadb")
    from store_conformance.backends import registry

    backend = registry.create("chroma", deployment="process")
    backend.start()
    try:
        url = str(backend.url).replace("http://", "chroma://")
        before = statuses(check(url))
        create_store(url).close()
        after = statuses(check(url))
    finally:
        backend.stop()

    assert (before["VS4"], after["VS4"], after["VS1"], after["VS2"]) == (FAIL, PASS, PASS, PASS)


# -- the project --------------------------------------------------------------------------------------------


def git(folder: Path, *words: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words],
        cwd=folder,
        check=True,
        capture_output=True,
    )


def test_a_password_in_a_file_of_git_is_found_and_one_that_is_ignored_is_not(
    tmp_path: Path,
) -> None:
    with pytest.raises(LookupError, match="no git repository"):
        files_with_secret(tmp_path, STRONG)
    git(tmp_path, "init")
    (tmp_path / ".env").write_text(f"POSTGRES_CONNECTION_STRING=postgresql://agent:{STRONG}@h/d\n")
    (tmp_path / ".gitignore").write_text(".env\n")
    git(tmp_path, "add", ".")
    assert files_with_secret(tmp_path, STRONG) == []

    git(tmp_path, "add", "-f", ".env")
    assert files_with_secret(tmp_path, STRONG) == [".env"]
    with pytest.raises(LookupError, match="long enough"):
        files_with_secret(tmp_path, "abc")


def test_the_history_is_looked_at_by_the_tool_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init")
    tools = tmp_path / "bin"
    tools.mkdir()
    monkeypatch.setenv("PATH", str(tools), prepend=os.pathsep)
    monkeypatch.setattr(
        "shutil.which", lambda name: str(tools / name) if (tools / name).exists() else None
    )
    with pytest.raises(LookupError, match="neither gitleaks nor detect-secrets"):
        history_findings(tmp_path)

    tool = tools / "gitleaks"
    tool.write_text("#!/bin/sh\necho '[{}, {}]'\n")
    tool.chmod(0o755)
    assert history_findings(tmp_path) == 2


# -- the command ---------------------------------------------------------------------------------------------


@no_sqlite
def test_the_command_writes_each_format_and_ends_with_the_right_code(tmp_path: Path) -> None:
    create_store("sqlite:///a.db").close()

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        call = [sys.executable, "-m", "store_conformance.cli", "check", *words]
        return subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=120)

    text, wrong = run("sqlite:///a.db", "--all"), run("sqlite:///b.db")
    tmp_path.chmod(0o755)
    (tmp_path / "a.db").chmod(0o644)
    shaped = run("sqlite:///a.db", "--format", "json", "--out", "c.json")
    told = json.loads((tmp_path / "c.json").read_text())

    assert text.returncode == 0 and "  ok    SL2   the file is sound: ok" in text.stdout
    assert shaped.returncode == 1 and told["counts"]["fail"] == 1 and told["version"] == 1
    assert wrong.returncode == 2 and "no file" in wrong.stderr and "Traceback" not in wrong.stderr
    assert as_markdown(check("sqlite:///a.db")).count("\n| ") == len(told["lines"]) + 1


@pytest.mark.parametrize("url", ["memory:"])
def test_what_has_no_checklist_says_so(url: str) -> None:
    with pytest.raises(BackendError, match="no checklist"):
        check(url)


def test_a_scheme_that_is_none_is_called_so() -> None:
    with pytest.raises(BackendError, match="did you mean 'sqlite'"):
        check("sqllite:///a.db")
