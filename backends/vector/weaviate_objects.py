"""
How objects get into Weaviate so that what was acknowledged outlives a kill of the server.

One object goes straight over REST, where the server writes out everything before it answers; several
go as a batch of the client, whose last vectors the server keeps in memory until the next batch ends.
A write that broke off may leave objects of whose vectors the index knows nothing; they are given back
to it as soon as the server answers again.
"""

from __future__ import annotations

import threading
from collections.abc import Collection as Ids
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from store_conformance.backends.vector.driver import Record
from store_conformance.backends.vector.rest import RefusedError, Rest, behind_proxy, singles
from store_conformance.backends.vector.weaviate_repair import give_back
from store_conformance.backends.vector.weaviate_rows import to_object

if TYPE_CHECKING:
    from weaviate.collections import Collection

_SETTLED_AT_ONCE = 50
_TRIES = 5
_NOBODY = "00000000-0000-5000-8000-000000000000"
"""An id that no row has."""


def rest_of(url: str, api_key: str | None, timeout: float) -> Rest | None:
    """The REST side of a server; None where a proxy stands before it, which is left to the client."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if behind_proxy(parts.geturl()):
        return None
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    return Rest(urlunsplit((parts.scheme, parts.netloc, "", "", "")), headers, timeout)


class Objects:
    """The objects of one collection; ``rest`` is None where everything goes through the client."""

    def __init__(self, name: str, rest: Rest | None) -> None:
        self._name = name
        self._rest = rest
        self._unsure: set[str] = set()
        self._settling = threading.Lock()

    @property
    def direct(self) -> bool:
        return self._rest is not None

    def close(self) -> None:
        if self._rest is not None:
            self._rest.close()

    # One object

    def get(self, id: str) -> dict[str, Any] | None:
        """The properties of an object over REST."""
        assert self._rest is not None
        try:
            return dict(self._rest.ask("GET", self._path(id), None)["properties"])
        except RefusedError as error:
            if error.status_code == 404:
                return None
            raise

    def _put(self, record: Record, existed: bool) -> None:
        assert self._rest is not None
        row: dict[str, Any] = {
            "class": self._name,
            "id": record.id,
            "properties": to_object(record),
        }
        if record.vector is not None:
            row["vector"] = next(singles([record.vector]))
        for attempt in range(_TRIES):
            try:
                if existed:
                    self._rest.ask("PUT", self._path(record.id), row)
                else:
                    self._rest.ask("POST", "/v1/objects", row)
            except RefusedError as error:
                # Somebody else was quicker to delete or to write it.
                gone = existed and error.status_code == 404
                there = not existed and "already exists" in str(error)
                if attempt + 1 == _TRIES or not (gone or there):
                    raise
                existed = not existed
            else:
                return

    def _path(self, id: str) -> str:
        return f"/v1/objects/{self._name}/{id}"

    # Several

    def write(
        self, collection: Collection[Any, Any], records: Sequence[Record], existing: Ids[str]
    ) -> None:
        """
        Write whole rows; ``existing`` are ids of rows that are there already.

        The server breaks off a batch between any two rows, in no order.  So the rows that others refer
        to are safe before the first item is written.
        """
        items = [record for record in records if record.kind == "item"]
        others = [record for record in records if record.kind != "item"]
        vectors = {record.id for record in records if record.vector is not None}
        try:
            for rows in (others, items):
                if self.direct and len(rows) == 1:
                    self._put(rows[0], rows[0].id in existing)
                elif rows:
                    _insert(collection, rows)
        except Exception:
            with self._settling:
                self._unsure |= vectors
            raise

    def settle(self, collection: Collection[Any, Any]) -> None:
        """
        Give rows back to the vector index whose write did not come to its end.

        What others may have left that died with the server is ``weaviate_repair``'s to find.
        """
        if not self._unsure:
            return
        with self._settling:
            unsure = sorted(self._unsure)
            for begin in range(0, len(unsure), _SETTLED_AT_ONCE):
                give_back(collection, unsure[begin : begin + _SETTLED_AT_ONCE])
            if unsure:
                _flush(collection)
            self._unsure.difference_update(unsure)


def _insert(collection: Collection[Any, Any], records: Sequence[Record]) -> None:
    from weaviate.classes.data import DataObject

    objects = [
        DataObject(
            uuid=record.id,
            properties=to_object(record),
            vector=list(record.vector) if record.vector is not None else None,
        )
        for record in records
    ]
    answer = collection.data.insert_many(objects)
    if answer.has_errors:
        first = next(iter(answer.errors.values()))
        told = f"{len(answer.errors)} of {len(objects)} rows were refused: {first.message}"
        raise RefusedError(422, told)
    if any(record.vector is not None for record in records):
        _flush(collection)


def _flush(collection: Collection[Any, Any]) -> None:
    """
    Have the server write out the vectors it has acknowledged.

    It keeps the last ones of a batch in its own memory until the next batch ends, and loses them when
    it is killed.  A batch that deletes nothing is the cheapest that ends.
    """
    from weaviate.classes.query import Filter

    collection.data.delete_many(where=Filter.by_id().contains_any([_NOBODY]))
