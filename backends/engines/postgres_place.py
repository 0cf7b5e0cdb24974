"""
Where a connection to Postgres really is: looked at on the connection that the store will use.

The search path of a place travels in ``options``, which a pooler may drop without a word
(``ignore_startup_parameters = options``), and a database's name may be mapped to another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from store_conformance.backends.placing import UNTOUCHED, UnprovenPlaceError
from store_conformance.contract import Location

OWN = "own_server"
"""The option of a location that says whether its server is the run's own."""
REMARK = "made by store-conformance; may be dropped"
TABLES = ("store", "store_migrations", "store_vectors", "vector_migrations")
"""The tables of ``PostgresStore``, which it names without their schema."""

DROPPED = (
    "something between (a pooler with ignore_startup_parameters = options?) dropped the setting"
)
MENDED = (
    "give the URL of the server itself; or let the user create databases (ALTER ROLE ... CREATEDB;"
    " CREATE EXTENSION vector in template1), then each place is a database and needs no search path"
)

_LOOK = """
SELECT current_database()::text AS database,
  current_schema()::text AS schema,
  current_setting('search_path') AS path,
  ARRAY(
    SELECT n.nspname::text || '.' || c.relname::text
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname::text = ANY (%(tables)s) AND n.nspname = ANY (current_schemas(true))
  ) AS tables,
  obj_description(to_regnamespace(quote_ident(current_schema())), 'pg_namespace') AS schema_mark,
  shobj_description(
    (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()), 'pg_database'
  ) AS database_mark
"""

_HERE = "SELECT current_database()::text AS database, current_schema()::text AS schema"

_TABLES = """
SELECT current_database()::text AS database,
  ARRAY(
    SELECT n.nspname::text || '.' || c.relname::text
    FROM unnest(%(tables)s::text[]) AS wanted
    JOIN pg_catalog.pg_class c ON c.oid = to_regclass(wanted)
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  ) AS tables
"""
Fresh = Callable[[], bool]
_ASKED = {"tables": list(TABLES)}


@dataclass(frozen=True)
class Place:
    """A schema of a database, or a database as a whole with its schema ``public``."""

    kind: Literal["schema", "database"]
    schema: str
    database: str | None = None
    """None where the URL names none and the server chooses."""
    own: bool = False
    """Whether the run started the server: nobody is in between, and no tables of others are there to be led to."""

    # -- proofs ------------------------------------------------------------------------------------

    def prove(self, conn: Any, *, fresh: Fresh) -> None:
        """
        Raise ``UnprovenPlaceError`` unless the connection is here and alone.

        ``fresh`` says, once the look was taken, whether the place had to be empty.
        """
        if self.own and self._is_here(conn.execute(_HERE, prepare=False).fetchone()):
            return
        row = conn.execute(_LOOK, _ASKED, prepare=False).fetchone()
        self._judge(_named(row, ("database", "schema", "path", "tables", *_MARKS)), fresh=fresh)

    async def aprove(self, conn: Any, *, fresh: Fresh) -> None:
        if self.own:
            cursor = await conn.execute(_HERE, prepare=False)
            if self._is_here(await cursor.fetchone()):
                return
        cursor = await conn.execute(_LOOK, _ASKED, prepare=False)
        row = await cursor.fetchone()
        self._judge(_named(row, ("database", "schema", "path", "tables", *_MARKS)), fresh=fresh)

    def settled(self, conn: Any) -> None:
        """After ``setup()``: what the store's statements name is here and nowhere else."""
        if self.own:
            return
        row = conn.execute(_TABLES, _ASKED, prepare=False).fetchone()
        self._judge_tables(_named(row, ("database", "tables")))

    async def asettled(self, conn: Any) -> None:
        if self.own:
            return
        cursor = await conn.execute(_TABLES, _ASKED, prepare=False)
        self._judge_tables(_named(await cursor.fetchone(), ("database", "tables")))

    # -- what was seen -----------------------------------------------------------------------------

    def _is_here(self, row: Any) -> bool:
        """Whether a connection to a server of ours is where it should be; that is all there is to prove of it."""
        seen = _named(row, ("database", "schema"))
        return seen["schema"] == self.schema and self.database in (None, seen["database"])

    def _judge(self, seen: Mapping[str, Any], *, fresh: Fresh) -> None:
        self._judge_database(seen["database"])
        if seen["schema"] != self.schema:
            raise self._wrong_path(seen["path"], seen["schema"])
        own = f"{self.schema}."
        foreign = sorted(t for t in seen["tables"] if not t.startswith(own))
        if foreign:
            raise UnprovenPlaceError(
                "postgres",
                f"the search path {seen['path']} leads to {', '.join(foreign)}, which are not of this"
                f" run; {UNTOUCHED}.",
                "let the user create databases (ALTER ROLE ... CREATEDB), or give a database without"
                " them, or move pgvector out of their schema (ALTER EXTENSION vector SET SCHEMA ...)",
            )
        if seen[f"{self.kind}_mark"] != REMARK:
            raise UnprovenPlaceError(
                "postgres",
                f"the {self.kind} of the place does not carry the mark of a run; {UNTOUCHED}.",
                MENDED,
            )
        if seen["tables"] and fresh():
            raise UnprovenPlaceError(
                "postgres",
                f"a fresh place already holds {', '.join(sorted(seen['tables']))}; {UNTOUCHED}.",
                MENDED,
            )

    def _judge_database(self, found: str) -> None:
        if self.database is not None and found != self.database:
            raise UnprovenPlaceError(
                "postgres",
                f"the connection is in the database {found} although {self.database} was asked for:"
                f" something between (a pooler that maps databases?) changed it; {UNTOUCHED}.",
                "give the URL of the server itself, or one whose database is not mapped to another",
            )

    def _wrong_path(self, path: str, schema: str | None) -> UnprovenPlaceError:
        if self.kind == "database":
            return UnprovenPlaceError(
                "postgres",
                f"the connection's search_path is {path} (current schema: {schema}) although this"
                f" database sets {self.schema}: options in the URL or the user's settings change it;"
                f" {UNTOUCHED}.",
                "take search_path out of the URL and of ALTER ROLE ... SET",
            )
        return UnprovenPlaceError(
            "postgres",
            f"the connection's search_path is {path} although options ask for {self.schema}:"
            f" {DROPPED}; {UNTOUCHED}.",
            MENDED,
        )

    def _judge_tables(self, seen: Mapping[str, Any]) -> None:
        self._judge_database(seen["database"])
        own = f"{self.schema}."
        foreign = sorted(t for t in seen["tables"] if not t.startswith(own))
        if foreign:
            raise UnprovenPlaceError(
                "postgres",
                f"after setup() the store's tables are {', '.join(foreign)} and not in {self.schema}:"
                f" {DROPPED}; no row was written.",
                MENDED,
            )


def place_of(at: Location) -> Place:
    """The place that a location names in its options."""
    own = at.options.get(OWN) == "yes"
    if at.options["place"] == "database":
        return Place("database", "public", at.options["database"], own)
    return Place("schema", at.name, at.options["database"], own)


_MARKS = ("schema_mark", "database_mark")


def _named(row: Any, names: tuple[str, ...]) -> Mapping[str, Any]:
    """A row by its names, whichever way the connection gives rows."""
    if row is None:
        raise UnprovenPlaceError(
            "postgres", f"the server does not say where a connection is; {UNTOUCHED}.", MENDED
        )
    return row if isinstance(row, Mapping) else dict(zip(names, row, strict=True))


def pooled_by_transaction(connections: list[Any]) -> bool:
    """
    Whether several open connections share those of the server, transaction by transaction.

    Then nothing that is set in a session holds: each transaction may run somewhere else.
    """
    served: dict[int, int] = {}
    numbers = list(range(len(connections)))
    for turn in range(2 * len(numbers)):
        # In changing order, so that a pooler that goes round gives nobody the same one each time.
        order = numbers[turn:] + numbers[:turn]
        for number in order[:: -1 if turn % 2 else 1]:
            row = connections[number].execute("SELECT pg_backend_pid()").fetchone()
            if served.setdefault(int(row[0]), number) != number:
                return True
    return False
