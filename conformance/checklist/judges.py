"""
Whether facts keep a promise: one pure function a check, which knows no database.

A judge gives what it saw and whether that is well.  A fact that it asks for and that is not there makes
its line "not visible from here".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

Facts = Mapping[str, Any]
Judgement = tuple[bool, str]
Judge = Callable[[Facts], Judgement]

JUDGES: dict[str, Judge] = {}

_KNOWN_PASSWORDS = frozenset(
    [
        "postgres",
        "password",
        "secret",
        "admin",
        "root",
        "test",
        "user",
        "changeme",
        "letmein",
        "qwerty",
        "123456",
        "12345678",
        "123456789",
        "pass",
        "langgraph",
        "agent",
        "example",
        "postgresql",
        "your_password",
        "yourpassword",
        "mysecretpassword",
    ]
)
_LEAKED = frozenset(
    {"none", "null", "undefined", "nan", "unknown", "default", "test", "{}", "[object object]"}
)
_NEAR_MILLISECONDS = 20.0
_SMALL = 10_000
"""With fewer rows the planner is right not to use an index."""
_MEGABYTE = 1_000_000
_LOCAL_MODE = 20_000
"""Points from which on qdrant-client itself warns of its local mode."""


def judge(check: str) -> Callable[[Judge], Judge]:
    def register(function: Judge) -> Judge:
        JUDGES[check] = function
        return function

    return register


# -- of every engine ----------------------------------------------------------------------------------


@judge("G1")
def known_credentials(facts: Facts) -> Judgement:
    word = facts["password"]
    if not word:
        return True, "no password or key is given"
    lowered = word.lower()
    same = lowered == str(facts.get("user") or "").lower()
    if lowered in _KNOWN_PASSWORDS or same or lowered.strip("0123456789!") in _KNOWN_PASSWORDS:
        return False, "the password is one of those that are tried first"
    return True, "the password is none of those that are tried first"


@judge("G2")
def strong_password(facts: Facts) -> Judgement:
    word = facts["password"]
    if not word:
        return True, "no password or key is given"
    kinds = [str.islower, str.isupper, str.isdigit, lambda c: not c.isalnum()]
    sizes = (26, 26, 10, 32)
    alphabet = sum(size for kind, size in zip(kinds, sizes, strict=True) if any(map(kind, word)))
    bits = len(set(word)) / len(word) * len(word) * math.log2(alphabet or 1)
    return bits >= 60, f"about {bits:.0f} bits by its length and characters (60 are enough)"


@judge("G3")
def no_secret_in_files(facts: Facts) -> Judgement:
    found = facts["files_with_secret"]
    return not found, f"in git: {', '.join(found[:5])}" if found else "no file in git has it"


@judge("G4")
def no_secret_in_history(facts: Facts) -> Judgement:
    found = facts["history_findings"]
    return not found, f"{found} findings" if found else "nothing found"


@judge("G5")
def no_leaked_tenants(facts: Facts) -> Judgement:
    odd = [".".join(namespace) for namespace in facts["namespaces"] if any(map(_is_odd, namespace))]
    if odd:
        return False, f"{len(odd)} of {len(facts['namespaces'])}: {', '.join(odd[:3])}"
    return True, f"{len(facts['namespaces'])} namespaces, none of them odd"


def _is_odd(label: str) -> bool:
    return label.strip().lower() in _LEAKED or not label.strip() or "{" in label or "}" in label


@judge("G6")
def swept(facts: Facts) -> Judgement:
    count = facts["expired_unswept"]
    return not count, f"{count} items expired more than an hour ago"


@judge("G7")
def no_orphans(facts: Facts) -> Judgement:
    if not facts["has_vectors"]:
        return True, "there are no vectors"
    count = facts["orphan_vectors"]
    if not count and facts.get("foreign_key", True) is False:
        return False, "none yet, but the foreign key that sees to it is gone"
    return not count, f"{count} vectors without an item"


@judge("G8")
def with_vectors(facts: Facts) -> Judgement:
    if not facts["has_vectors"]:
        return not facts.get("embeddings"), "there are no vectors at all"
    without, looked_at = facts["without_vectors"]
    without = without or 0
    return (
        without * 10 <= looked_at,
        f"{without} of {looked_at} items that were looked at have none",
    )


@judge("G9")
def right_dims(facts: Facts) -> Judgement:
    if not facts["has_vectors"]:
        return True, "there are no vectors"
    stored, asked = facts["dims"], facts["embedder_dims"]
    if len(stored) > 1:
        return False, f"vectors of {' and '.join(map(str, stored))} numbers side by side"
    if not stored:
        return True, "no vector is stored yet"
    return stored[0] == asked, f"{stored[0]} are stored, {asked} are made by EMBEDDINGS"


@judge("G10")
def migrated(facts: Facts) -> Judgement:
    lines = [facts["migrations"]] + ([facts["vector_migrations"]] if facts["has_vectors"] else [])
    behind = [f"{done} of {known}" for done, known in lines if done < known]
    return not behind, f"{', '.join(behind)} are done" if behind else "all are done"


@judge("G11")
def room(facts: Facts) -> Judgement:
    used = facts["bytes"] + (facts.get("vector_bytes") or 0)
    items = max(1, facts["items"])
    free = facts.get("free_bytes")
    said = f"{used / _MEGABYTE:.1f} MB, {used // items} bytes an item; ten times as much is {used * 10 / _MEGABYTE:.0f} MB"
    if free is None:
        return True, f"{said}; whether the server's disk has it is not visible from here"
    return free > used * 9, f"{said}, {free / _MEGABYTE:.0f} MB are free"


# -- Postgres ------------------------------------------------------------------------------------------


@judge("PG1")
def supported(facts: Facts) -> Judgement:
    major = facts["server_version"] // 10_000
    return major >= 14, f"PostgreSQL {major}"


@judge("PG2")
def pgvector(facts: Facts) -> Judgement:
    version = facts["vector_version"]
    if version is None:
        return not (facts["has_vectors"] or facts.get("embeddings")), "it is not installed here"
    numbers = [int(part) for part in version.split(".")[:2]]
    return numbers >= [0, 8], f"pgvector {version}"


@judge("PG3")
@judge("SL1")
def tables(facts: Facts) -> Judgement:
    told = "there is a table store" if facts["has_store"] else "there is none"
    return facts["has_store"], facts.get("store_said", told)


@judge("PG4")
def round_trip(facts: Facts) -> Judgement:
    wrong = facts["round_trip"]
    return (
        not wrong,
        f"came back wrong: {wrong}"
        if wrong
        else "written, read and removed in a schema of its own",
    )


@judge("PG5")
def utf8(facts: Facts) -> Judgement:
    return facts["server_encoding"] == "UTF8", facts["server_encoding"]


@judge("PG6")
def writable(facts: Facts) -> Judgement:
    if facts["in_recovery"]:
        return False, "a replica"
    if facts["read_only_by_default"]:
        return False, "a primary with default_transaction_read_only = on"
    return True, "a primary"


@judge("PG7")
def known_pooler(facts: Facts) -> Judgement:
    between, named = facts["pooler_between"], facts["pooler"]
    return not between or named != "off", f"between: {_yes(between)}, named: {named}"


@judge("PG10")
def encrypted(facts: Facts) -> Judgement:
    if facts["local"]:
        return True, "the server is on this machine"
    return facts["tls"], "TLS" if facts["tls"] else "in the clear"


@judge("PG11")
def verified(facts: Facts) -> Judgement:
    if facts["local"]:
        return True, "the server is on this machine"
    mode = facts["sslmode"]
    return mode == "verify-full", f"sslmode={mode}"


@judge("PG12")
def plain_refused(facts: Facts) -> Judgement:
    if facts["local"]:
        return True, "the server is on this machine"
    return not facts["plain_accepted"], "accepted" if facts["plain_accepted"] else "refused"


@judge("PG13")
def wrong_password_refused(facts: Facts) -> Judgement:
    taken = facts["any_password_accepted"]
    return not taken, "any password is taken" if taken else "refused"


@judge("PG14")
def no_superuser(facts: Facts) -> Judgement:
    return not facts["superuser"], f"{facts['user']}: {_yes(facts['superuser'])}"


@judge("PG15")
def few_rights(facts: Facts) -> Judgement:
    names = [n for n in ("createdb", "createrole", "bypassrls") if facts[n]]
    return not names, ", ".join(names) or "none of them"


@judge("PG16")
def public_closed(facts: Facts) -> Judgement:
    return not facts["public_may_create"], f"everybody may: {_yes(facts['public_may_create'])}"


@judge("PG17")
def memories_closed(facts: Facts) -> Judgement:
    return not facts["public_may_read"], f"granted to PUBLIC: {_yes(facts['public_may_read'])}"


@judge("PG18")
def scram(facts: Facts) -> Judgement:
    kind = facts["password_encryption"]
    return kind == "scram-sha-256", kind


@judge("PG19")
def logins_logged(facts: Facts) -> Judgement:
    return facts["log_connections"] not in (
        "off",
        "",
    ), f"log_connections = {facts['log_connections']!r}"


@judge("PG20")
def audited(facts: Facts) -> Judgement:
    libraries = facts["shared_preload_libraries"]
    return "pgaudit" in libraries, f"shared_preload_libraries = {libraries!r}"


@judge("PG30")
def crash_safe(facts: Facts) -> Judgement:
    off = [n for n in ("fsync", "full_page_writes") if facts[n] != "on"]
    return not off, f"off: {', '.join(off)}" if off else "fsync and full_page_writes are on"


@judge("PG31")
def commit_waits(facts: Facts) -> Judgement:
    return facts[
        "synchronous_commit"
    ] != "off", f"synchronous_commit = {facts['synchronous_commit']}"


@judge("PG32")
def logged(facts: Facts) -> Judgement:
    found = facts["unlogged"]
    return not found, f"unlogged: {', '.join(found)}" if found else "they are logged"


@judge("PG33")
def checksums(facts: Facts) -> Judgement:
    return facts["data_checksums"] == "on", f"data_checksums = {facts['data_checksums']}"


@judge("PG34")
def archived(facts: Facts) -> Judgement:
    on = facts["archive_mode"] in ("on", "always") and facts["wal_level"] != "minimal"
    return on, f"archive_mode = {facts['archive_mode']}, wal_level = {facts['wal_level']}"


@judge("PG35")
def archiving_works(facts: Facts) -> Judgement:
    if facts["archive_mode"] == "off":
        return True, "nothing is archived"
    return not facts["archive_failing"], f"failing: {_yes(facts['archive_failing'])}"


@judge("PG36")
def replicated(facts: Facts) -> Judgement:
    return facts["replicas"] > 0, f"{facts['replicas']} connected"


@judge("PG37")
def no_idle_slot(facts: Facts) -> Judgement:
    found = facts["idle_slots"]
    return not found, f"idle: {', '.join(found)}" if found else "none"


@judge("PG40")
def vector_index(facts: Facts) -> Judgement:
    if not facts["has_vectors"]:
        return True, "there are no vectors"
    found = _vector_indexes(facts)
    broken = facts["invalid_indexes"]
    if broken:
        return False, f"invalid: {', '.join(broken)}"
    if not found and facts["vectors"] < _SMALL:
        return True, f"none, and {facts['vectors']} vectors need none"
    return bool(found), found[0].partition("USING ")[2] if found else "there is none"


@judge("PG41")
def right_opclass(facts: Facts) -> Judgement:
    found = _vector_indexes(facts) if facts["has_vectors"] else []
    if not found:
        return True, "there is no vector index"
    return any("cosine_ops" in line for line in found), found[0].partition("USING ")[2]


def _vector_indexes(facts: Facts) -> list[str]:
    return [line for line in facts["indexes"] if "USING hnsw" in line or "USING ivfflat" in line]


@judge("PG42")
def index_used(facts: Facts) -> Judgement:
    if not facts["has_vectors"] or not _vector_indexes(facts):
        return True, "there is no vector index"
    names = [line.split(" INDEX ")[1].split(" ")[0] for line in _vector_indexes(facts)]
    used = any(name in facts["search_plan"] for name in names)
    if not used and facts["vectors"] < _SMALL:
        return True, f"not used, and {facts['vectors']} vectors need none"
    return used, "used" if used else "the planner reads all vectors"


@judge("PG43")
def enough_candidates(facts: Facts) -> Judgement:
    if not facts["has_vectors"]:
        return True, "there are no vectors"
    looked, scan = int(facts["hnsw_ef_search"]), facts["hnsw_iterative_scan"]
    said = f"hnsw.ef_search = {looked}, hnsw.iterative_scan = {scan}"
    return looked >= 100 and scan not in (None, "off"), said


@judge("PG44")
def pool_fits(facts: Facts) -> Judgement:
    most = int(facts["max_connections"]) - int(facts["superuser_reserved_connections"])
    limit = facts["connection_limit"]
    most = most if limit < 0 else min(most, limit)
    fit = most // facts["pool_max"]
    return (
        fit >= 4,
        f"{fit} processes with pools of {facts['pool_max']} fit into {most} connections",
    )


@judge("PG45")
def timeouts(facts: Facts) -> Judgement:
    ends = {n: facts["timeouts_ms"][n] or facts["url_timeouts_ms"][n] for n in facts["timeouts_ms"]}
    none = [name for name, value in ends.items() if not value]
    alone = [name for name, value in facts["timeouts_ms"].items() if not value and name not in none]
    if none:
        return False, f"none: {', '.join(none)}"
    if alone:
        return True, f"set by create_store alone: {', '.join(alone)}"
    return True, "set at the server"


@judge("PG46")
def connect_timeout(facts: Facts) -> Judgement:
    seconds = facts["connect_timeout"]
    return 0 < seconds <= 60, f"connect_timeout = {seconds}"


@judge("PG47")
@judge("VS9")
def near(facts: Facts) -> Judgement:
    took = facts["latency_ms"]
    return took <= _NEAR_MILLISECONDS, f"{took:g} ms for the smallest question"


@judge("PG48")
def vacuumed(facts: Facts) -> Judgement:
    if facts["autovacuum"] != "on" or facts["autovacuum_off_for"]:
        return (
            False,
            f"autovacuum is off for {', '.join(facts['autovacuum_off_for']) or 'the server'}",
        )
    dead, live = facts["dead_rows"]
    return dead < 10_000 or dead < live, f"{dead} dead rows, {live} live ones"


@judge("PG49")
def slow_queries_seen(facts: Facts) -> Judgement:
    least = facts["log_min_duration_statement"]
    if least != "-1":
        return True, f"log_min_duration_statement = {least}"
    libraries = facts["shared_preload_libraries"]
    seen = "pg_stat_statements" in libraries or "auto_explain" in libraries
    return seen, f"shared_preload_libraries = {libraries!r}, log_min_duration_statement = -1"


@judge("PG50")
def nothing_left_open(facts: Facts) -> Judgement:
    return not facts["old_transactions"], f"{facts['old_transactions']} idle for five minutes"


@judge("PG51")
def dump_at_hand(facts: Facts) -> Judgement:
    here, server = facts["pg_dump_major"], facts["server_version"] // 10_000
    return here >= server, f"pg_dump {here} for a server of {server}"


# -- SQLite --------------------------------------------------------------------------------------------


@judge("SL2")
def sound(facts: Facts) -> Judgement:
    return facts["integrity"] == "ok", facts["integrity"]


@judge("SL3")
def write_ahead(facts: Facts) -> Judgement:
    return facts["journal_mode"] == "wal", f"journal_mode = {facts['journal_mode']}"


@judge("SL4")
def synchronous(facts: Facts) -> Judgement:
    told = facts["url"]["synchronous"]
    return told != "normal", f"synchronous = {told}, by create_store"


@judge("SL5")
def busy(facts: Facts) -> Judgement:
    told = facts["url"]["busy_seconds"]
    return told >= 5, f"{told:g} s, by create_store"


@judge("SL6")
def private(facts: Facts) -> Judgement:
    mode = facts["file_mode"]
    shut = facts["folder_mode"] & 0o077 == 0
    return mode & 0o077 == 0 or shut, f"mode {mode:03o}" + (" in a private folder" if shut else "")


@judge("SL7")
def folder_writable(facts: Facts) -> Judgement:
    return facts["folder_writable"], "writable" if facts["folder_writable"] else "not writable"


@judge("SL8")
def local_disk(facts: Facts) -> Judgement:
    return not facts["network_file_system"], "network" if facts["network_file_system"] else "local"


@judge("SL9")
def nothing_unfinished(facts: Facts) -> Judgement:
    hot = facts["hot_journal"]
    return not hot, "a rollback journal lies beside it" if hot else "none"


@judge("SL10")
def not_held(facts: Facts) -> Judgement:
    return not facts["locked"], "locked against readers" if facts["locked"] else "free"


@judge("SL11")
def not_empty(facts: Facts) -> Judgement:
    pages, free = facts["pages"]
    return pages < 1000 or free * 2 < pages, f"{free} of {pages} pages are free"


@judge("SL12")
def loads_extensions(facts: Facts) -> Judgement:
    return facts["loads_extensions"], "it can" if facts["loads_extensions"] else "it cannot"


@judge("SL13")
def log_folded_in(facts: Facts) -> Judgement:
    size = facts["wal_bytes"]
    return size < max(64 * _MEGABYTE, facts["bytes"]), f"{size / _MEGABYTE:.1f} MB of log"


@judge("SL14")
def backed_up(facts: Facts) -> Judgement:
    days = facts["newest_backup_days"]
    return days <= 7, f"the newest beside it is {days:.1f} days old"


# -- servers that speak HTTP -----------------------------------------------------------------------------


@judge("VS1")
def known_version(facts: Facts) -> Judgement:
    version, least = facts["version"], facts["least_version"]
    numbers = [[int(p) for p in v.split("-")[0].split(".")[:2]] for v in (version, least)]
    return numbers[0] >= numbers[1], f"{version}, {least} or newer is needed"


@judge("VS2")
def asks_for_a_key(facts: Facts) -> Judgement:
    if facts["local"]:
        return True, "the server is on this machine"
    return not facts["open_without_key"], "open" if facts["open_without_key"] else "it does"


@judge("VS3")
def https(facts: Facts) -> Judgement:
    if facts["local"]:
        return True, "the server is on this machine"
    return facts["tls"], "https" if facts["tls"] else "http"


@judge("VS4")
def collection(facts: Facts) -> Judgement:
    there = facts["has_store"]
    return there, f"{facts['collection']}: {'there' if there else 'not there'}"


@judge("VS5")
def has_replica(facts: Facts) -> Judgement:
    return facts["replication_factor"] > 1, f"factor {facts['replication_factor']}"


@judge("VS6")
def has_snapshot(facts: Facts) -> Judgement:
    return facts["snapshots"] > 0, f"{facts['snapshots']} snapshots"


@judge("VS7")
def fields_indexed(facts: Facts) -> Judgement:
    missing = [name for name in facts["needed_fields"] if name not in facts["indexed_fields"]]
    return not missing, f"not indexed: {', '.join(missing)}" if missing else "all of them"


@judge("VS8")
def in_order(facts: Facts) -> Judgement:
    return facts["state"] == "green", f"status {facts['state']}"


@judge("VS10")
def backups(facts: Facts) -> Judgement:
    names = [name for name in facts["modules"] if name.startswith("backup-")]
    return bool(names), ", ".join(names) or "no backup module"


@judge("VS11")
def folder_copied(facts: Facts) -> Judgement:
    return facts["folder_copied"], _yes(facts["folder_copied"])


# -- folders of engines in the process -----------------------------------------------------------------


@judge("FD1")
def folder_has_collection(facts: Facts) -> Judgement:
    return facts["has_store"], facts["store_said"]


@judge("FD2")
def folder_private(facts: Facts) -> Judgement:
    return private(facts)


@judge("FD3")
def engine_may_write(facts: Facts) -> Judgement:
    return folder_writable(facts)


@judge("FD4")
def folder_local(facts: Facts) -> Judgement:
    return local_disk(facts)


@judge("FD5")
def folder_room(facts: Facts) -> Judgement:
    used, free = facts["bytes"], facts["free_bytes"]
    return free > used, f"{used / _MEGABYTE:.1f} MB, {free / _MEGABYTE:.0f} MB are free"


@judge("FD6")
def folder_sound(facts: Facts) -> Judgement:
    return sound(facts)


@judge("FD7")
def small_enough(facts: Facts) -> Judgement:
    return facts["points"] <= _LOCAL_MODE, f"{facts['points']} points"


@judge("FD8")
def folder_indexed(facts: Facts) -> Judgement:
    return fields_indexed(facts)


@judge("FD9")
def folder_backed_up(facts: Facts) -> Judgement:
    return folder_copied(facts)


@judge("FD10")
def flushed(facts: Facts) -> Judgement:
    return facts["flush"], f"flush={'on' if facts['flush'] else 'off'} in the URL"


# -- Pinecone --------------------------------------------------------------------------------------------


@judge("PC1")
def index_there(facts: Facts) -> Judgement:
    return facts["has_store"], facts["store_said"]


@judge("PC2")
def index_of_cosines(facts: Facts) -> Judgement:
    size = facts["dense_dimension"]
    return size is not None, f"{size} dimensions" if size else "its fields are others"


@judge("PC3")
def index_ready(facts: Facts) -> Judgement:
    return facts["ready"], facts["state"]


@judge("PC4")
def protected(facts: Facts) -> Judgement:
    said = facts["deletion_protection"]
    return said == "enabled", f"deletion protection is {said}"


@judge("PC5")
def index_backed_up(facts: Facts) -> Judgement:
    return facts["backed_up"], "a backup is there" if facts["backed_up"] else "there is none"


def _yes(value: object) -> str:
    return "yes" if value else "no"
