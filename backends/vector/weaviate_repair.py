"""
Objects that Weaviate keeps and its vector index does not know are given back to the index.

The server writes the objects of a request first and their vectors afterwards.  Killed in between, it comes back
with objects, of rows that were there before as well, which no search by meaning finds.  Who wrote them and lives
on gives them back (``Objects.settle``).  Where the writer died with the server, nobody knows of them: so whoever
opens the collection, or has lost the server for a while, looks at the rows that were written last.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weaviate import WeaviateClient
    from weaviate.collections import Collection

LAST_SECONDS = 300
"""How long before the newest row a row may have been written to be looked at: a disk is behind by less."""
MOST = 10_000
"""Rows that are looked at; an offset and a limit reach no further."""
IN_FLIGHT_SECONDS = 1.0
"""After that long a row that the index still lacks is no row that somebody is about to write."""
_STEPS_SECONDS = (120, 3_600, 86_400, 86_400 * 30, 86_400 * 365, 86_400 * 365 * 50)
_EXACT_SECONDS = 120.0
_AT_ONCE = 1_000
_TRIES = 5


def give_back_last(client: WeaviateClient, name: str, dims: int) -> int:
    """
    Give back those of the last rows that the index lacks, and say how many they were.

    Nothing is done while the server itself is behind with its index, nor in a collection whose rows cannot be found
    by their time, which was made before this was there.
    """
    collection = client.collections.use(name)
    if not collection.config.get().inverted_index_config.index_timestamps:
        return 0
    missing = _unknown(collection, _last_rows(collection), dims)
    if not missing:
        return 0
    time.sleep(IN_FLIGHT_SECONDS)
    missing = _unknown(collection, list(missing), dims)
    if not missing or _is_behind(client, name):
        return 0
    ids = list(missing)
    for begin in range(0, len(ids), _AT_ONCE):
        give_back(collection, ids[begin : begin + _AT_ONCE])
    return len(missing)


def give_back(collection: Collection[Any, Any], ids: Sequence[str]) -> None:
    """
    Write the vectors of these objects again until the index knows all of them.

    An update with the same vector changes nothing, so it gets another length; the cosine stays.  Nothing but the
    vector is written: a row deleted in the meantime stays deleted.
    """
    left = vectors_by_id(collection, ids)
    for longer in range(1, _TRIES + 1):
        for id, vector in left.items():
            update(collection, id, vector=[x * (1.0 + longer / 512) for x in vector])
        if not left:
            return
        known = _known(collection, list(left), next(iter(left.values())))
        left = {id: vector for id, vector in left.items() if id not in known}


def update(collection: Collection[Any, Any], id: str, **what: Any) -> None:
    """Change an object in part, if it is still there."""
    from weaviate.exceptions import UnexpectedStatusCodeError

    try:
        collection.data.update(id, **what)
    except UnexpectedStatusCodeError as error:
        if error.status_code != 404:
            raise


def vectors_by_id(collection: Collection[Any, Any], ids: Sequence[str]) -> dict[str, Any]:
    """The vectors of the objects that have one."""
    found = collection.query.fetch_objects_by_ids(
        ids, limit=len(ids), return_properties=[], include_vector=True
    )
    every = {str(one.uuid): one.vector.get("default") for one in found.objects}
    return {id: vector for id, vector in every.items() if vector}


def _unknown(
    collection: Collection[Any, Any], ids: Sequence[str], dims: int
) -> Mapping[str, Sequence[float]]:
    """Those of the rows that have a vector and are not in the index, with their vectors."""
    probe = [1.0, *[0.0] * (dims - 1)]
    missing: dict[str, Sequence[float]] = {}
    for begin in range(0, len(ids), _AT_ONCE):
        some = ids[begin : begin + _AT_ONCE]
        known = _known(collection, some, probe)
        lacking = [id for id in some if id not in known]
        if lacking:  # or they have no vector at all
            missing.update(vectors_by_id(collection, lacking))
    return missing


def _known(
    collection: Collection[Any, Any], ids: Sequence[str], vector: Sequence[float]
) -> set[str]:
    """Those of the rows that the index knows: of so few a filter leaves, it compares each."""
    from weaviate.classes.query import Filter

    found = collection.query.near_vector(
        list(vector), limit=len(ids), return_properties=[], filters=Filter.by_id().contains_any(list(ids))
    )  # fmt: skip
    return {str(one.uuid) for one in found.objects}


def _last_rows(collection: Collection[Any, Any]) -> list[str]:
    """The ids of the rows written last, as far as they may have vectors."""
    from weaviate.classes.query import Filter

    newest = _newest(collection)
    if newest is None:
        return []
    span = float(LAST_SECONDS)
    while _count(collection, newest - timedelta(seconds=span)) > MOST and span > 1.0:
        span /= 2
    ranked = Filter.by_property("kind").contains_any(["item", "vector"])
    found = collection.query.fetch_objects(
        filters=ranked & _since(newest - timedelta(seconds=span)), limit=MOST, return_properties=[]
    )
    return [str(one.uuid) for one in found.objects]


def _newest(collection: Collection[Any, Any]) -> datetime | None:
    """
    About when the newest row was written: none is newer, and one is at most two minutes older.

    The server could sort by that time, for which it reads every object; counting is done by its index.
    """
    now = datetime.now(timezone.utc) + timedelta(seconds=_EXACT_SECONDS / 2)  # clocks differ
    none = 0.0
    for some in map(float, _STEPS_SECONDS):
        if _count(collection, now - timedelta(seconds=some)):
            break
        none = some
    else:
        return None
    while some - none > _EXACT_SECONDS:
        between = (some + none) / 2
        if _count(collection, now - timedelta(seconds=between)):
            some = between
        else:
            none = between
    return now - timedelta(seconds=none)


def _since(moment: datetime) -> Any:
    from weaviate.classes.query import Filter

    return Filter.by_update_time().greater_or_equal(moment)


def _count(collection: Collection[Any, Any], since: datetime) -> int:
    """How many rows were written since."""
    counted = collection.aggregate.over_all(total_count=True, filters=_since(since))
    return counted.total_count or 0


def _is_behind(client: WeaviateClient, name: str) -> bool:
    """Whether vectors still wait for the index, as with ``ASYNC_INDEXING``."""
    nodes = client.cluster.nodes(collection=name, output="verbose")
    return any(shard.vector_queue_length for node in nodes for shard in node.shards or ())
