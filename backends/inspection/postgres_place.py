"""
In which schema of a database the store's tables are, or why they are not where the URL says.
"""

from __future__ import annotations

from typing import Any

from store_conformance.backends.inspection.gathering import Gathered

_MOST = 5


def find_store(seen: Gathered, conn: Any, asked: str | None) -> None:
    """``has_store`` and ``store_said``; tables of another schema than the one that was asked for are another store."""
    seen.see("has_store store_said", lambda: _looked(conn, asked))


def _looked(conn: Any, asked: str | None) -> tuple[bool, str]:
    where = _one(
        conn,
        "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.oid = to_regclass('store')",
    )
    if where is not None and asked in (None, where):
        return True, f"there is a table store in {where}"
    return False, _why_not(conn, asked)


def _why_not(conn: Any, asked: str | None) -> str:
    path = list(_one(conn, "SELECT current_schemas(false)::text[]"))
    if asked is None:
        return f"there is none in {', '.join(path) or 'no schema at all'}{_elsewhere(conn)}"
    if _one(conn, "SELECT to_regnamespace(quote_ident(%s))", asked) is None:
        return f"there is no schema {asked}{_elsewhere(conn)}"
    if not _one(conn, "SELECT has_schema_privilege(%s, 'USAGE')", asked):
        user = _one(conn, "SELECT current_user")
        return f'{user} may not use the schema {asked}: GRANT USAGE ON SCHEMA "{asked}" TO "{user}"'
    if asked not in path:
        told = _one(conn, "SHOW search_path")
        return (
            f"schema={asked} did not arrive, as something between drops it (search_path is {told})"
        )
    return f"there is none in {asked}{_elsewhere(conn)}"


def _elsewhere(conn: Any) -> str:
    rows = conn.execute(
        "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'prefix'"
        f" WHERE c.relname = 'store' AND c.relkind IN ('r', 'p') ORDER BY 1 LIMIT {_MOST}"
    ).fetchall()
    others = [row[0] for row in rows]
    return f"; there is one in {', '.join(others)}, which schema= would name" if others else ""


def _one(conn: Any, query: str, *values: Any) -> Any:
    row = conn.execute(query, values or None).fetchone()
    return None if row is None else row[0]
