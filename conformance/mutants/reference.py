"""
A store that keeps every rule of the contract, and is simple on purpose.

One SQLite file is used as a dumb table.  Matching, ranking and paging happen in Python, in small
methods, so that a store which breaks one rule is a subclass that overrides one method.
"""

from __future__ import annotations

import asyncio
import json
import math
import sqlite3
import threading
import time
from array import array
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import lru_cache, partial
from operator import ge, gt, le, lt, mul
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from langgraph.store.base import (
    BaseStore,
    GetOp,
    IndexConfig,
    InvalidNamespaceError,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    TTLConfig,
    ensure_embeddings,
    get_text_at_path,
    validate_op_namespace,
)

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MINUTE = 60_000_000
NEVER = 2**62
DEEPEST = 400
MISSING: Any = object()
RANGES: dict[str, Callable[[Any, Any], bool]] = {"$gt": gt, "$gte": ge, "$lt": lt, "$lte": le}
OPERATORS = frozenset({"$eq", "$ne", *RANGES})
TABLES = """
CREATE TABLE IF NOT EXISTS items (
    namespace TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL, ttl REAL, expires_at INTEGER, PRIMARY KEY (namespace, key));
CREATE TABLE IF NOT EXISTS vectors (
    namespace TEXT NOT NULL, key TEXT NOT NULL, path TEXT NOT NULL, number INTEGER NOT NULL,
    vector BLOB NOT NULL, PRIMARY KEY (namespace, key, path, number));
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
COLUMNS = "rowid, namespace, key, created_at, updated_at, ttl, expires_at"

Vector = Sequence[float]
Address = tuple[str, str]


@lru_cache(maxsize=8192)
def _labels(text: str) -> tuple[str, ...]:
    """The namespace of a row; the same few are read over and over, and are not changed by anybody."""
    return tuple(json.loads(text))


@lru_cache(maxsize=8192)
def _key(text: str) -> str:
    return json.loads(text)  # type: ignore[no-any-return]


class ItemRow(NamedTuple):
    """One item without its value, which is loaded only for those that are looked into."""

    rowid: int
    namespace_text: str
    key_text: str
    created_at: int
    updated_at: int
    ttl: float | None
    expires_at: int | None

    @property
    def address(self) -> Address:
        return self.namespace_text, self.key_text


_item_row: Callable[[Any], ItemRow] = partial(tuple.__new__, ItemRow)
"""What ``ItemRow._make`` does, without a call in Python for each of some thousand rows."""


class Scan(NamedTuple):
    """All rows at one state of the database, and what was decoded of their values since then."""

    connection: sqlite3.Connection
    written: int
    """The rows that this connection has written in its life."""
    version: int
    """Another number after a write by any other connection."""
    rows: list[ItemRow]
    values: dict[int, dict[str, Any]]


@dataclass(frozen=True)
class Write:
    """A put that is ready to be applied; ``text`` is None for a delete."""

    op: PutOp
    address: Address
    text: str | None
    texts: tuple[tuple[str, int, str], ...] = ()


@dataclass(frozen=True)
class Plan:
    """A checked batch: nothing of it has been executed yet."""

    ops: list[Op]
    writes: list[Write]
    texts: list[str]
    queries: list[str]


@dataclass(frozen=True)
class Embedded:
    """What the embedder answered, by text."""

    documents: dict[str, Vector] = field(default_factory=dict)
    queries: dict[str, Vector] = field(default_factory=dict)


class ReferenceStore(BaseStore):
    """
    Keeps every rule, for any number of threads and processes on one location.

    The sync methods also work inside a running loop: they block it for the time of one transaction.
    """

    supports_ttl = True
    declares: ClassVar[tuple[str, ...]] = ()
    modes: ClassVar[tuple[str, ...]] = ("sync", "async")

    def __init__(
        self, at: Any, *, index: IndexConfig | None = None, ttl: TTLConfig | None = None
    ) -> None:
        self.at = at
        self.index_config = self.accept_index(index)
        self.ttl_config = ttl
        self.embeddings = (
            ensure_embeddings(self.index_config["embed"]) if self.index_config else None
        )
        self.lock = threading.RLock()
        self.connection = self.connect(self.database())
        self.last_now = 0
        self.issued = 0
        self.last_scan: Scan | None = None
        self.pending: set[int] = set()
        self.newest: dict[Address, int] = {}
        self.sweeper: threading.Thread | None = None
        self.sweeper_stop = threading.Event()

    # opening and closing

    @classmethod
    @contextmanager
    def open_store(
        cls, at: Any, index: IndexConfig | None = None, ttl: TTLConfig | None = None
    ) -> Iterator[BaseStore]:
        store = cls(at, index=index, ttl=ttl)
        try:
            store.setup()
            yield store
        finally:
            store.close()

    def accept_index(self, index: IndexConfig | None) -> IndexConfig | None:
        return index

    def database(self) -> str:
        return str(Path(self.at.path) / "store.sqlite3")

    def connect(self, database: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            database, timeout=60, isolation_level=None, check_same_thread=False
        )
        self.choose_journal(connection)
        connection.execute("PRAGMA synchronous = OFF")  # enough against the death of a process
        connection.execute("PRAGMA secure_delete = ON")
        return connection

    def choose_journal(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode = TRUNCATE")

    def setup(self) -> None:
        with self.transaction():
            for statement in TABLES.split(";"):
                self.connection.execute(statement)

    def close(self) -> None:
        self.stop_ttl_sweeper()
        with self.lock:
            self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self.lock:
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self.connection.execute("ROLLBACK")
                self.last_scan = None
                raise
            self.connection.execute("COMMIT")

    # the text forms

    def encode_text(self, text: Any) -> Any:
        """JSON keeps a lone surrogate, but it would join two of them into one character."""
        if isinstance(text, str) and not text.isascii() and json.loads(json.dumps(text)) != text:
            raise ValueError("Text with a pair of separate surrogates cannot be stored.")
        return text

    def encode_namespace(self, namespace: tuple[str, ...]) -> str:
        return json.dumps([self.encode_text(label) for label in namespace])

    def decode_namespace(self, text: str) -> tuple[str, ...]:
        return _labels(text)

    def encode_key(self, key: str) -> str:
        return json.dumps(self.encode_text(key))

    def decode_key(self, text: str) -> str:
        return _key(text)

    def address(self, namespace: tuple[str, ...], key: str) -> Address:
        return self.encode_namespace(namespace), self.encode_key(key)

    def encode_value(self, value: Mapping[str, Any]) -> str:
        return json.dumps(dict(value))

    def decode_value(self, text: str) -> dict[str, Any]:
        return json.loads(text)  # type: ignore[no-any-return]

    def encode_vector(self, vector: Vector) -> bytes:
        return array("d", vector).tobytes()

    def decode_vector(self, data: bytes) -> Vector:
        return array("d", data)

    def to_datetime(self, micros: int) -> datetime:
        return EPOCH + timedelta(microseconds=micros)

    # checks, all of them before anything is changed

    def validate(self, op: Op) -> None:
        if not isinstance(op, (GetOp, PutOp, SearchOp, ListNamespacesOp)):
            raise ValueError(f"Unknown operation type: {type(op).__name__}")
        self.validate_namespaces(op)
        if isinstance(op, SearchOp):
            self.check_filter(op.filter)
        if isinstance(op, PutOp) and op.value is not None:
            if not isinstance(op.value, Mapping):
                raise TypeError(f"A value must be a mapping, not {type(op.value).__name__}.")
            self.check_value(dict(op.value))
            self.check_ttl(op.ttl)
            if isinstance(op.index, str):
                raise TypeError("index must be False or a list of paths, not a str.")

    def validate_namespaces(self, op: Op) -> None:
        paths = [getattr(op, "namespace", ()), getattr(op, "namespace_prefix", ())]
        paths += [c.path for c in getattr(op, "match_conditions", None) or ()]
        if any(isinstance(path, str) for path in paths):
            raise InvalidNamespaceError("A namespace must be a tuple of str, not a str.")
        validate_op_namespace(op)

    def check_value(self, value: Any, depth: int = 0) -> None:
        """Refuse what JSON would alter in silence."""
        if depth > DEEPEST:
            raise ValueError(f"A value nested deeper than {DEEPEST} cannot be stored.")
        if isinstance(value, dict):
            for key, inner in value.items():
                if type(key) is not str:
                    raise TypeError(f"A key in a value must be a str, not {type(key).__name__}.")
                self.encode_text(key)
                self.check_value(inner, depth + 1)
        elif isinstance(value, (list, tuple)):
            for inner in value:
                self.check_value(inner, depth + 1)
        elif type(value) is str:
            self.encode_text(value)
        elif value is not None and type(value) not in (int, float, bool):
            raise TypeError(f"A {type(value).__name__} in a value cannot be stored.")

    def check_ttl(self, ttl: float | None) -> None:
        if ttl is not None and not math.isfinite(ttl):
            raise ValueError("ttl must be a finite number of minutes.")

    def check_filter(self, wanted: Any, below: bool = False) -> None:
        if not isinstance(wanted, dict):
            return
        operators = below and any(str(name).startswith("$") for name in wanted)
        for name, value in wanted.items():
            if operators and name not in OPERATORS:
                raise ValueError(f"Unsupported filter operator: {name}")
            if not operators:
                self.check_filter(value, below=True)

    # batches

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        plan = self.plan(ops)
        with self.turn() as turn:
            return self.execute(plan, self.embed(plan), turn)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        plan = self.plan(ops)
        with self.turn() as turn:
            return self.execute(plan, await self.aembed(plan), turn)

    def plan(self, ops: Iterable[Op]) -> Plan:
        ops = list(ops)
        for op in ops:
            self.validate(op)
        writes = [self.prepare(op) for op in self.dedupe(ops)]
        texts = list(dict.fromkeys(text for write in writes for _, _, text in write.texts))
        searches = [op for op in ops if isinstance(op, SearchOp)]
        queries = [op.query for op in searches if op.query and self.embeddings]
        return Plan(ops, writes, texts, list(dict.fromkeys(queries)))

    def dedupe(self, ops: list[Op]) -> list[PutOp]:
        """The last operation of each key."""
        last = {self.address(op.namespace, op.key): op for op in ops if isinstance(op, PutOp)}
        return list(last.values())

    def prepare(self, op: PutOp) -> Write:
        address = self.address(op.namespace, op.key)
        if op.value is None:
            return Write(op, address, None)
        text = self.encode_value(op.value)
        return Write(op, address, text, tuple(self.texts_to_embed(op, text)))

    @contextmanager
    def turn(self) -> Iterator[int]:
        """
        The place of a call in the order of issue.

        A call whose text is embedded slowly is overtaken by later ones; what they wrote it must not
        overwrite.
        """
        with self.lock:
            self.issued += 1
            turn = self.issued
            self.pending.add(turn)
        try:
            yield turn
        finally:
            with self.lock:
                self.pending.discard(turn)
                if not self.pending:
                    self.newest.clear()

    def overtaken(self, address: Address, turn: int) -> bool:
        return self.newest.get(address, 0) > turn

    def execute(self, plan: Plan, embedded: Embedded, turn: int) -> list[Result]:
        with self.lock:
            writes = [write for write in plan.writes if not self.overtaken(write.address, turn)]
            with self.transaction():
                results = self.run(plan, writes, embedded)
            for write in writes:
                self.newest[write.address] = turn
        return results

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> list[Result]:
        """Reads see the state before the batch."""
        results = [self.read(op, embedded) for op in plan.ops]
        for write in writes:
            self.apply(write, embedded)
        return results

    def read(self, op: Op, embedded: Embedded) -> Result:
        if isinstance(op, GetOp):
            return self.read_item(op)
        if isinstance(op, SearchOp):
            return self.read_search(op, embedded.queries.get(op.query or ""))
        if isinstance(op, ListNamespacesOp):
            return self.read_namespaces(op)
        return None

    # get and put

    def find(self, address: Address) -> ItemRow | None:
        found = self.connection.execute(
            f"SELECT {COLUMNS} FROM items WHERE namespace = ? AND key = ?", address
        ).fetchone()
        return ItemRow(*found) if found else None

    def load_value(self, row: ItemRow) -> dict[str, Any]:
        found = self.connection.execute("SELECT value FROM items WHERE rowid = ?", (row.rowid,))
        return self.decode_value(found.fetchone()[0])

    def read_item(self, op: GetOp) -> Item | None:
        row = self.find(self.address(op.namespace, op.key))
        if row is None or self.hidden(row):
            return None
        self.refresh([row], op.refresh_ttl)
        return Item(**self.facts(row))

    def facts(self, row: ItemRow) -> dict[str, Any]:
        return {
            "namespace": self.decode_namespace(row.namespace_text),
            "key": self.decode_key(row.key_text),
            "value": self.load_value(row),
            "created_at": self.to_datetime(row.created_at),
            "updated_at": self.to_datetime(row.updated_at),
        }

    def apply(self, write: Write, embedded: Embedded) -> None:
        old = self.find(write.address)
        self.remove_vectors(write.address)
        if write.text is None:
            self.remove_item(write.address)
        else:
            self.write_item(write, old)
            self.write_vectors(write, embedded.documents)

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        now = self.now()
        created, updated = self.timestamps(old, now)
        ttl = write.op.ttl
        self.connection.execute(
            "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (namespace, key) DO UPDATE"
            " SET value = excluded.value, created_at = excluded.created_at,"
            " updated_at = excluded.updated_at, ttl = excluded.ttl, expires_at = excluded.expires_at",
            (*write.address, write.text, created, updated, ttl, self.expiry(ttl, now)),
        )

    def timestamps(self, old: ItemRow | None, now: int) -> tuple[int, int]:
        if old is None:
            return now, now
        updated = max(now, old.updated_at + 1)
        return (updated if self.hidden(old) else old.created_at), updated

    def remove_item(self, address: Address) -> None:
        self.connection.execute("DELETE FROM items WHERE namespace = ? AND key = ?", address)

    def clock(self) -> int:
        return time.time_ns() // 1000

    def now(self) -> int:
        """Microseconds since 1970, never twice the same from one store."""
        self.last_now = max(self.clock(), self.last_now + 1)
        return self.last_now

    # vectors

    def fields(self, op: PutOp) -> list[str]:
        if not self.index_config or op.index is False:
            return []
        return (self.index_config.get("fields") or ["$"]) if op.index is None else op.index

    def texts_to_embed(self, op: PutOp, text: str) -> Iterator[tuple[str, int, str]]:
        paths = list(dict.fromkeys(self.fields(op)))
        value = self.decode_value(text) if paths else {}
        for path in paths:
            for number, found in enumerate(self.texts_at(value, path)):
                yield path, number, found

    def texts_at(self, value: dict[str, Any], path: str) -> list[str]:
        return get_text_at_path(value, path)

    def embed(self, plan: Plan) -> Embedded:
        if not self.embeddings:
            return Embedded()
        documents = self.embeddings.embed_documents(plan.texts) if plan.texts else []
        queries = [self.embeddings.embed_query(query) for query in plan.queries]
        return self.check_vectors(plan, documents, queries)

    async def aembed(self, plan: Plan) -> Embedded:
        if not self.embeddings:
            return Embedded()
        documents = await self.embeddings.aembed_documents(plan.texts) if plan.texts else []
        queries = [await self.embeddings.aembed_query(query) for query in plan.queries]
        return self.check_vectors(plan, documents, queries)

    def check_vectors(
        self, plan: Plan, documents: Sequence[Vector], queries: Sequence[Vector]
    ) -> Embedded:
        if len(documents) != len(plan.texts):
            raise ValueError(f"Got {len(documents)} embeddings for {len(plan.texts)} texts.")
        for vector in (*documents, *queries):
            self.check_vector(vector)
        return Embedded(
            dict(zip(plan.texts, documents, strict=True)),
            dict(zip(plan.queries, queries, strict=True)),
        )

    def check_vector(self, vector: Vector) -> None:
        dims = (self.index_config or {}).get("dims")
        if dims is not None and len(vector) != dims:
            raise ValueError(f"An embedding has {len(vector)} dimensions, the index {dims}.")
        if not all(map(math.isfinite, vector)):
            raise ValueError("An embedding holds a number that is not finite.")

    def write_vectors(self, write: Write, documents: dict[str, Vector]) -> None:
        for path, number, text in write.texts:
            self.check_dims(len(documents[text]))
            self.connection.execute(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?, ?)",
                (*write.address, path, number, self.encode_vector(documents[text])),
            )

    def check_dims(self, dims: int) -> None:
        """The first vector decides for the location, whatever index it is opened with later."""
        self.connection.execute("INSERT OR IGNORE INTO facts VALUES ('dims', ?)", (str(dims),))
        found = self.connection.execute("SELECT value FROM facts WHERE name = 'dims'").fetchone()
        if int(found[0]) != dims:
            raise ValueError(f"The location holds vectors of {found[0]} dimensions, not {dims}.")

    def remove_vectors(self, address: Address) -> None:
        self.connection.execute("DELETE FROM vectors WHERE namespace = ? AND key = ?", address)

    def similarity(self, query: Vector, vector: Vector) -> float:
        kind = (self.index_config or {}).get("distance_type") or "cosine"
        if kind == "l2":
            return -math.dist(query, vector)
        dot = math.fsum(map(mul, query, vector))
        return dot if kind == "inner_product" else self.cosine(dot, query, vector)

    def cosine(self, dot: float, query: Vector, vector: Vector) -> float:
        """A zero vector is like nothing, so it stands below everything that has a direction."""
        lengths = math.hypot(*query) * math.hypot(*vector)
        return max(-1.0, min(1.0, dot / lengths)) if lengths else -1.0

    # search

    def scan(self) -> list[ItemRow]:
        """Searches often come one after the other: the rows are read again when something was written."""
        connection = self.connection
        version = int(connection.execute("PRAGMA data_version").fetchone()[0])
        known, state = self.last_scan, (connection, connection.total_changes, version)
        if known is None or known[:3] != state:
            found = connection.execute(f"SELECT {COLUMNS} FROM items")
            known = self.last_scan = Scan(*state, list(map(_item_row, found)), {})
        return list(known.rows)

    def order(self, rows: list[ItemRow]) -> list[ItemRow]:
        return sorted(rows)

    def visible(self) -> list[ItemRow]:
        living = [r for r in self.scan() if r.expires_at is None or not self.hidden(r)]
        return self.order(living)

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        rows = self.candidates(op)
        hits = [(row, None) for row in rows] if query is None else self.ranked(rows, query)
        hits = self.page(hits, op.limit, op.offset)
        self.refresh([row for row, _ in hits], op.refresh_ttl)
        return [SearchItem(**self.facts(row), score=score) for row, score in hits]

    def candidates(self, op: SearchOp) -> list[ItemRow]:
        in_scope: dict[str, bool] = {}
        rows = []
        for row in self.visible():
            text = row.namespace_text
            if text not in in_scope:
                namespace = self.decode_namespace(text)
                in_scope[text] = self.matches_prefix(namespace, op.namespace_prefix)
            if in_scope[text] and self.wanted(row, op):
                rows.append(row)
        return rows

    def wanted(self, row: ItemRow, op: SearchOp) -> bool:
        return not op.filter or self.matches_filter(self.value_to_compare(row), op.filter)

    def value_to_compare(self, row: ItemRow) -> dict[str, Any]:
        """The value of a row of the last scan, which nobody changes: decoded once for all searches until a write."""
        scan = self.last_scan
        if scan is None or scan[:2] != (self.connection, self.connection.total_changes):
            return self.load_value(row)
        if row.rowid not in scan.values:
            scan.values[row.rowid] = self.load_value(row)
        return scan.values[row.rowid]

    def matches_prefix(self, namespace: tuple[str, ...], prefix: tuple[str, ...]) -> bool:
        return namespace[: len(prefix)] == tuple(prefix)

    def page(self, found: list[Any], limit: int, offset: int) -> list[Any]:
        start = max(offset, 0)
        return found[start : start + max(limit, 0)]

    def ranked(self, rows: list[ItemRow], query: Vector) -> list[tuple[ItemRow, float | None]]:
        scores: dict[Address, list[float]] = {row.address: [] for row in rows}
        for namespace, key, data in self.connection.execute(
            "SELECT namespace, key, vector FROM vectors"
        ):
            if (namespace, key) in scores:
                scores[namespace, key].append(self.score(query, self.decode_vector(data)))
        return self.rank([(row, scores[row.address]) for row in rows])

    def score(self, query: Vector, vector: Vector) -> float:
        if len(query) != len(vector):
            raise ValueError(
                f"The location holds vectors of {len(vector)} dimensions, the query {len(query)}."
            )
        return self.similarity(query, vector)

    def rank(self, scored: list[tuple[ItemRow, list[float]]]) -> list[tuple[ItemRow, float | None]]:
        hits: list[tuple[ItemRow, float | None]] = [(row, max(s)) for row, s in scored if s]
        return sorted(hits, key=lambda hit: -(hit[1] or 0.0))

    # filters

    def matches_filter(self, value: dict[str, Any], wanted: dict[str, Any]) -> bool:
        return all(self.matches_field(value.get(k, MISSING), v) for k, v in wanted.items())

    def matches_field(self, actual: Any, wanted: Any) -> bool:
        if not isinstance(wanted, dict):
            return self.equal(actual, wanted)
        if any(str(name).startswith("$") for name in wanted):
            return all(self.operate(name, actual, operand) for name, operand in wanted.items())
        return isinstance(actual, dict) and self.matches_filter(actual, wanted)

    def operate(self, operator: str, actual: Any, operand: Any) -> bool:
        if operator == "$eq":
            return self.equal(actual, operand)
        if operator == "$ne":
            return not self.equal(actual, operand)
        return self.compare(operator, actual, operand)

    def compare(self, operator: str, actual: Any, operand: Any) -> bool:
        kinds = self.kind(actual), self.kind(operand)
        return kinds in (("number",) * 2, ("str",) * 2) and RANGES[operator](actual, operand)

    def kind(self, value: Any) -> str:
        if isinstance(value, bool):
            return "bool"
        return "number" if isinstance(value, (int, float)) else type(value).__name__

    def equal(self, left: Any, right: Any) -> bool:
        """Equality of JSON values: 1 equals 1.0 but not true, at any depth."""
        if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
            return len(left) == len(right) and all(map(self.equal, left, right))
        if isinstance(left, dict) and isinstance(right, dict):
            return left.keys() == right.keys() and all(self.equal(left[k], right[k]) for k in left)
        return self.kind(left) == self.kind(right) and bool(left == right)

    # namespaces

    def read_namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        texts = dict.fromkeys(row.namespace_text for row in self.visible())
        found = [self.decode_namespace(text) for text in texts]
        for condition in op.match_conditions or ():
            found = [name for name in found if self.matches_condition(name, condition)]
        found = list(dict.fromkeys(self.truncate(name, op.max_depth) for name in found))
        return self.page(self.sort_namespaces(found), op.limit, op.offset)

    def matches_condition(self, namespace: tuple[str, ...], condition: MatchCondition) -> bool:
        path = tuple(condition.path)
        if condition.match_type not in ("prefix", "suffix"):
            raise ValueError(f"Unsupported match type: {condition.match_type}")
        if len(namespace) < len(path):
            return False
        start = 0 if condition.match_type == "prefix" else len(namespace) - len(path)
        return all(map(self.matches_label, namespace[start:], path))

    def matches_label(self, label: str, wanted: str) -> bool:
        return wanted == "*" or label == wanted

    def truncate(self, namespace: tuple[str, ...], depth: int | None) -> tuple[str, ...]:
        return namespace if depth is None else namespace[:depth]

    def sort_namespaces(self, namespaces: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
        return sorted(namespaces)

    # time to live

    def expiry(self, ttl: float | None, now: int) -> int | None:
        if ttl is None:
            return None
        return int(max(-NEVER, min(NEVER, now + ttl * MINUTE)))

    def expired(self, row: ItemRow, now: int) -> bool:
        return row.expires_at is not None and row.expires_at <= now

    def hidden(self, row: ItemRow) -> bool:
        omit = (self.ttl_config or {}).get("omit_expired", False)
        return bool(omit) and self.expired(row, self.clock())

    def refresh(self, rows: list[ItemRow], wanted: bool) -> None:
        """The dead stay dead, also where they are still shown."""
        now = self.clock()
        for row in rows if wanted else ():
            if row.ttl is not None and not self.expired(row, now):
                self.set_expiry(row, self.expiry(row.ttl, now))

    def set_expiry(self, row: ItemRow, expires_at: int | None) -> None:
        self.connection.execute(
            "UPDATE items SET expires_at = ? WHERE rowid = ?", (expires_at, row.rowid)
        )

    def sweep_ttl(self) -> Any:
        return self.sweep()

    def sweep(self) -> int:
        with self.transaction():
            now = self.clock()
            dead = [row for row in self.scan() if self.expired(row, now)]
            for row in dead:
                self.remove_vectors(row.address)
                self.remove_item(row.address)
        return len(dead)

    def sweep_seconds(self, minutes: float | None) -> float:
        configured = (self.ttl_config or {}).get("sweep_interval_minutes")
        return 60.0 * (minutes or configured or 5)

    def start_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> Any:
        seconds = self.sweep_seconds(sweep_interval_minutes)

        def run() -> None:
            while not self.sweeper_stop.wait(seconds):
                self.sweep()

        if self.sweeper is None or not self.sweeper.is_alive():
            self.sweeper_stop.clear()
            self.sweeper = threading.Thread(target=run, name="ttl-sweeper", daemon=True)
            self.sweeper.start()
        return self.sweeper

    def stop_ttl_sweeper(self, timeout: float | None = None) -> Any:
        if self.sweeper is None:
            return True
        self.sweeper_stop.set()
        self.sweeper.join(timeout)
        return not self.sweeper.is_alive()


class AsyncReferenceStore(ReferenceStore):
    """
    The same store bound to one loop, for callers that are async.

    The calls of one tick are taken together, but each runs on its own: the error, the cancellation or
    the slow embedder of one caller is none of the others' business.
    """

    def __init__(
        self, at: Any, *, index: IndexConfig | None = None, ttl: TTLConfig | None = None
    ) -> None:
        super().__init__(at, index=index, ttl=ttl)
        self.loop = asyncio.get_running_loop()
        self.waiting: list[tuple[list[Op], asyncio.Future[list[Result]]]] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.sweeping: asyncio.Task[None] | None = None

    @classmethod
    @asynccontextmanager
    async def open_store(  # type: ignore[override]
        cls, at: Any, index: IndexConfig | None = None, ttl: TTLConfig | None = None
    ) -> AsyncIterator[BaseStore]:
        store = cls(at, index=index, ttl=ttl)
        try:
            await store.setup()
            yield store
        finally:
            await store.aclose()

    async def setup(self) -> None:  # type: ignore[override]
        super().setup()

    async def aclose(self) -> None:
        await self.stop_ttl_sweeper()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        with self.lock:
            self.connection.close()

    def in_own_loop(self) -> bool:
        try:
            return asyncio.get_running_loop() is self.loop
        except RuntimeError:
            return False

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        if self.in_own_loop():
            raise asyncio.InvalidStateError(
                "A synchronous call inside the store's own loop would block it; await the async twin."
            )
        return asyncio.run_coroutine_threadsafe(self.abatch(ops), self.loop).result()

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        if not self.in_own_loop():
            abroad = asyncio.run_coroutine_threadsafe(self.abatch(ops), self.loop)
            return await asyncio.wrap_future(abroad)
        future: asyncio.Future[list[Result]] = self.loop.create_future()
        if not self.waiting:
            self.loop.call_soon(self.drain)
        self.waiting.append((list(ops), future))
        return await future

    def drain(self) -> None:
        calls, self.waiting = self.waiting, []
        for ops, future in calls:
            if not future.done():
                self.start(ops, future)

    def start(self, ops: list[Op], future: asyncio.Future[list[Result]]) -> None:
        task = self.loop.create_task(self.answer(ops, future))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        future.add_done_callback(lambda _: task.cancel() if future.cancelled() else None)

    async def answer(self, ops: list[Op], future: asyncio.Future[list[Result]]) -> None:
        try:
            results = await super().abatch(ops)
        except asyncio.CancelledError:
            future.cancel()
            raise
        except BaseException as error:  # noqa: BLE001
            if not future.done():
                future.set_exception(error)
        else:
            if not future.done():
                future.set_result(results)

    async def sweep_ttl(self) -> int:
        return self.sweep()

    async def start_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> Any:
        seconds = self.sweep_seconds(sweep_interval_minutes)

        async def run() -> None:
            while True:
                await asyncio.sleep(seconds)
                self.sweep()

        if self.sweeping is None or self.sweeping.done():
            self.sweeping = self.loop.create_task(run())
        return self.sweeping

    async def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:
        if self.sweeping is None:
            return True
        self.sweeping.cancel()
        await asyncio.wait([self.sweeping], timeout=timeout)
        return self.sweeping.done()


for kind in (ReferenceStore, AsyncReferenceStore):
    vars(kind)["open_store"].__func__.backup = "copy"  # all there is lies below at.path
