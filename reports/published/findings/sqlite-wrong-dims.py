"""
SqliteStore stores vectors of any size, whatever dims says.

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
    return [[1.0, 2.0, 3.0] for t in texts]  # three numbers where dims is 2


store = SqliteStore(
    connect(":memory:", check_same_thread=False, isolation_level=None),
    index={"dims": 2, "embed": embed},
)
store.setup()
try:
    store.put(("a",), "k", {"text": "apple"})
    got = "stored"
except Exception as error:
    got = "refused"
promised = "refused"
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
