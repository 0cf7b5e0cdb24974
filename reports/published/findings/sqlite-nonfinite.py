"""
SqliteStore turns NaN, infinities and datetimes into null and text without a word.

Seen with langgraph-checkpoint 4.3.2, langgraph-checkpoint-sqlite 3.1.2.
Exits 1 on the bug, 0 when it is fixed, and 3 if it could not tell.
"""

import os, sys, traceback


def could_not_tell(*error):
    traceback.print_exception(*error)
    print("could not tell", flush=True)
    os._exit(3)


sys.excepthook = could_not_tell

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
