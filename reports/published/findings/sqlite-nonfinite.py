"""
SqliteStore turns NaN, infinities and datetimes into null and text without a word.

Seen with langgraph-checkpoint 4.3.2, langgraph-checkpoint-sqlite 3.1.2.
Exits 1 on the bug and 0 when it is fixed.
"""

import sys
from langgraph.store.sqlite import SqliteStore

with SqliteStore.from_conn_string(":memory:") as store:
    store.setup()
    try:
        store.put(("a",), "k", {"x": float("inf")})
        got = store.get(("a",), "k").value
    except Exception:
        got = {"x": float("inf")}  # refused: that is promised too
    promised = {"x": float("inf")}
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
