"""
SqliteStore ranks the farthest item first for distance_type l2, and by the L1 distance for inner_product.

Seen with langgraph-checkpoint 4.3.2, langgraph-checkpoint-sqlite 3.1.2.
Exits 1 on the bug, 0 when it is fixed, and 3 if it could not tell.
"""

import os, sys, traceback


def could_not_tell(*error):
    traceback.print_exception(*error)
    print("could not tell", flush=True)
    os._exit(3)


sys.excepthook = could_not_tell


try:
    from pysqlite3.dbapi2 import connect  # a Python whose sqlite3 cannot load extensions
except ImportError:
    from sqlite3 import connect
from langgraph.store.sqlite import SqliteStore

PLACES = {"near": [1.0, 0.0], "far": [9.0, 9.0], "query": [1.0, 0.1]}
got = {}
for kind in ("l2", "inner_product"):
    index = {
        "dims": 2,
        "embed": lambda ts: [PLACES[t.split('"')[3] if '"' in t else t] for t in ts],
        "distance_type": kind,
    }
    store = SqliteStore(
        connect(":memory:", check_same_thread=False, isolation_level=None), index=index
    )
    store.setup()
    for key in ("near", "far"):
        store.put(("a",), key, {"text": key})
    got[kind] = [i.key for i in store.search(("a",), query="query")]
promised = {"l2": ["near", "far"], "inner_product": ["far", "near"]}
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
