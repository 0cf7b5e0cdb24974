"""
SqliteStore keeps the vectors of the old value when an item is overwritten with index=False or other paths.

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


def embed(texts):
    return [[float(t.count(w)) for w in ("apple", "banana")] for t in texts]


store = SqliteStore(
    connect(":memory:", check_same_thread=False, isolation_level=None),
    index={"dims": 2, "embed": embed},
)
store.setup()
store.put(("a",), "k", {"text": "apple"})
store.put(("a",), "k", {"text": "nothing"}, index=False)
got = [(i.key, i.score) for i in store.search(("a",), query="apple") if i.score]
promised = []
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
