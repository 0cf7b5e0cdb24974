"""
A Postgres place that an earlier store has set up: empty, known to nobody else, and of the same shape; else dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from store_conformance.backends.base import Backend
from store_conformance.backends.engines.postgres_reuse import MOST, Shape, UsedPlaces, shape_of
from store_conformance.backends.postgres import PostgresBackend
from store_conformance.contract import Location, Mode
from store_conformance.harness.lab import Lab
from store_conformance.harness.settings import Settings
from store_conformance.suite.register import all_cases
from tests.backend_use import INDEX, get, no_postgres, put, search, use

PLAIN = Shape("", Mode.SYNC)


def _schemas(backend: Backend) -> set[str]:
    assert isinstance(backend, PostgresBackend)
    return {name for (name,) in backend._running().execute("SELECT nspname FROM pg_namespace")}


def _counted(backend: Backend, what: str) -> int:
    """The rows of a table, or of some of it."""
    assert isinstance(backend, PostgresBackend)
    counting = "SELECT count(*) FROM"
    return int(backend._running().execute(f"{counting} {what}")[0][0])


def _place(backend: Backend, mode: Mode, **more: object) -> Location:
    index: Any = {**INDEX, **more}
    return backend.location_for(index, mode)


def _used(backend: Backend, mode: Mode) -> Location:
    """A place with an item in it, at which a store has set itself up."""
    at = _place(backend, mode)
    use(backend, at, mode, put(mode), index=INDEX)
    return at


@no_postgres
@pytest.mark.parametrize("mode", list(Mode))
def test_a_place_that_was_emptied_is_as_new_under_another_name(
    postgres: Backend, mode: Mode
) -> None:
    import psycopg

    at = _used(postgres, mode)
    late = psycopg.connect(postgres._conninfo(at), autocommit=True)  # type: ignore[attr-defined]
    late.execute("ANALYZE store")
    assert _counted(postgres, f"pg_statistic WHERE starelid = '{at.name}.store'::regclass")
    postgres.discard(at)

    again = _place(postgres, mode)
    left = _counted(postgres, f"{again.name}.store_vectors")
    learned = _counted(postgres, f"pg_statistic WHERE starelid = '{again.name}.store'::regclass")

    assert again.name in _schemas(postgres)
    assert at.name not in _schemas(postgres)
    assert (left, learned) == (0, 0)
    assert use(postgres, again, mode, get(mode), index=INDEX) is None
    use(postgres, again, mode, put(mode), index=INDEX)
    assert [i.key for i in use(postgres, again, mode, search(mode, "cat"), index=INDEX)] == ["k"]
    with pytest.raises(psycopg.Error):  # whoever still holds the old one is not led to the new one
        late.execute("SELECT count(*) FROM store")
    postgres.discard(again)


def _told_a_script(backend: Backend, at: Location) -> None:
    backend.snippet(at, Mode.SYNC)


def _told_another_process(backend: Backend, at: Location) -> None:
    del at
    backend.spec()


def _opened_by_another_shape(backend: Backend, at: Location) -> None:
    use(backend, at, "sync", get("sync"), index={**INDEX, "dims": 2})


@no_postgres
@pytest.mark.parametrize("done", [_told_a_script, _told_another_process, _opened_by_another_shape])
def test_a_place_that_others_may_know_is_dropped(
    postgres: Backend, done: Callable[[Backend, Location], None]
) -> None:
    at = _used(postgres, Mode.SYNC)
    before = _schemas(postgres)
    done(postgres, at)
    postgres.discard(at)

    assert _schemas(postgres) == before - {at.name}


@no_postgres
def test_an_index_of_another_kind_begins_at_a_new_place(postgres: Backend) -> None:
    postgres.discard(_used(postgres, Mode.SYNC))

    at = _place(postgres, Mode.SYNC, ann_index_config={"kind": "flat"})

    assert _counted(postgres, f"pg_tables WHERE schemaname = '{at.name}'") == 0
    postgres.discard(at)


@no_postgres
@pytest.mark.parametrize(("rule", "new"), [("O16", True), ("K1", False)])
def test_rules_about_setting_up_have_new_places(postgres: Backend, rule: str, new: bool) -> None:
    spec = next(s for s in all_cases() if s.rule_id == rule and Mode.SYNC in s.modes)
    lab = Lab(postgres, spec, Mode.SYNC, None, Settings())
    first = lab.open()
    lab.forget(first)
    count = postgres._database._count  # type: ignore[attr-defined]

    try:
        second = lab.open()
        made = postgres._database._count - count  # type: ignore[attr-defined]

        assert bool(made) is new
        assert second.at.name != first.at.name
    finally:
        assert lab.close() == []


# -- what is known of places, without a server -----------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (None, {"dims": 3, "embed": "e"}),
        ({"dims": 3, "embed": "e"}, {"dims": 4, "embed": "e"}),
        ({"dims": 3, "embed": "e"}, {"dims": 3, "embed": "e", "distance_type": "l2"}),
    ],
)
def test_shapes_differ_by_what_decides_the_tables(one: Any, other: Any) -> None:
    assert shape_of(one, Mode.SYNC) != shape_of(other, Mode.SYNC)
    assert shape_of(one, Mode.SYNC) != shape_of(one, Mode.ASYNC)
    assert shape_of({**other, "fields": ["a"]}, Mode.SYNC) == shape_of(other, Mode.SYNC)


@pytest.mark.parametrize(
    "index", [{"dims": "3"}, {}, [], {"dims": 3, "ann_index_config": object()}]
)
def test_what_is_no_index_has_no_shape(index: Any) -> None:
    assert shape_of(index, Mode.SYNC) is None


def test_a_place_is_kept_that_was_set_up_and_told_to_nobody() -> None:
    places = UsedPlaces()
    places.begin("one", PLAIN)
    places.opening("one", PLAIN._replace(mode=Mode.ASYNC))  # the other class, the same tables
    places.set_up("one")

    assert places.end("one") == PLAIN
    places.keep("two", PLAIN)
    assert places.take(PLAIN._replace(mode=Mode.ASYNC)) is None
    assert places.take(PLAIN) == "two"
    assert places.take(PLAIN) is None


@pytest.mark.parametrize(
    "known",
    [
        lambda places: places.forget("one"),
        lambda places: places.handed_over(),
        lambda places: places.opening("one", None),
        lambda places: places.opening("one", Shape('{"dims": 3}', Mode.SYNC)),
    ],
)
def test_a_place_that_may_be_otherwise_is_not_kept(known: Callable[[UsedPlaces], None]) -> None:
    places = UsedPlaces()
    places.begin("one", PLAIN)
    places.set_up("one")
    known(places)

    assert places.end("one") is None


def test_a_place_whose_store_never_came_up_is_not_kept() -> None:
    places = UsedPlaces()
    places.begin("one", PLAIN)

    assert places.end("one") is None


def test_no_more_places_are_kept_than_are_needed() -> None:
    places = UsedPlaces()
    for number in range(MOST):
        places.keep(f"kept{number}", PLAIN)
    places.begin("one", PLAIN)
    places.set_up("one")

    assert places.end("one") is None
