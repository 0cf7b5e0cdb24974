"""
Where ``check`` has looked for the tables of a store, and what it says where they are not.
"""

from __future__ import annotations

import pytest

from store_conformance.backends.base import Backend, BackendError
from store_conformance.backends.inspection.gathering import Gathered
from store_conformance.backends.inspection.postgres import inspect
from store_conformance.backends.opening.address import parse_address
from store_conformance.checklist.looking import judged
from store_conformance.contract.errors import UserError
from tests.backend_use import no_postgres
from tests.between import StartupProxy
from tests.test_store_factory import execute, server

PASSWORD = "9mQ-secret-of-the-test"  # noqa: S105 - of a role of the test's own


def said(url: str) -> tuple[str, str]:
    found: Gathered = inspect(parse_address(url), read_only=True)
    return next((line.status, line.said) for line in judged(found).lines if line.check.id == "PG3")


@no_postgres
def test_the_schema_is_named_in_which_there_is_a_store_or_none(postgres: Backend) -> None:
    url = server(postgres)
    execute(
        url,
        "DROP SCHEMA IF EXISTS shop CASCADE",
        "CREATE SCHEMA shop",
        "CREATE TABLE shop.store (prefix text, key text, value jsonb, expires_at timestamptz)",
        "DROP SCHEMA IF EXISTS bare CASCADE",
        "CREATE SCHEMA bare",
        "DROP ROLE IF EXISTS weak",
        f"CREATE ROLE weak LOGIN PASSWORD '{PASSWORD}'",
    )
    weak = f"postgresql://weak:{PASSWORD}@{url.rpartition('@')[2]}"
    proxy = StartupProxy(
        int(url.rpartition(":")[2].partition("/")[0]),
        lambda params: {name: value for name, value in params.items() if name != "options"},
    )
    between = f"{url.rpartition(':')[0]}:{proxy.port}/postgres"
    try:
        assert said(f"{url}?schema=shop") == ("pass", "there is a table store in shop")
        for place, words in (
            (f"{url}?schema=bare", "there is none in bare; there is one in "),
            (f"{url}?schema=nowhere", "there is no schema nowhere; there is one in "),
            (f"{weak}?schema=shop", "weak may not use the schema shop: GRANT USAGE"),
            (f"{between}?schema=shop", "schema=shop did not arrive, as something between drops it"),
        ):
            status, told = said(place)
            assert (status, told.startswith(words)) == ("fail", True), told
            assert PASSWORD not in told
    finally:
        proxy.close()
        execute(url, "DROP SCHEMA shop CASCADE", "DROP SCHEMA bare CASCADE", "DROP ROLE weak")


@pytest.mark.parametrize("password", ["a?b", "a?#&b", "p%40?x&y"])
def test_a_question_mark_in_a_password_is_named(password: str) -> None:
    with pytest.raises((BackendError, UserError), match="write \\? in a password as %3F"):
        parse_address(f"postgresql://me:{password}@127.0.0.1:5432/d?schema=a")


def test_an_at_sign_in_a_parameter_is_none_of_a_password() -> None:
    assert parse_address("postgresql://h/d?user=me@home&x=y@z").parameters["user"] == "me@home"
