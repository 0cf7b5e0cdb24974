"""
SqliteStore loses created_at on overwrite and gives naive timestamps of whole seconds.

Seen with langgraph-checkpoint 4.3.2, langgraph-checkpoint-sqlite 3.1.2.
Exits 1 on the bug, 0 when it is fixed, and 3 if it could not tell.
"""

import os, sys, traceback


def could_not_tell(*error):
    traceback.print_exception(*error)
    print("could not tell", flush=True)
    os._exit(3)


sys.excepthook = could_not_tell

import time
from langgraph.store.sqlite import SqliteStore

with SqliteStore.from_conn_string(":memory:") as store:
    store.setup()
    store.put(("a",), "k", {"n": 1})
    first = store.get(("a",), "k")
    time.sleep(1.1)
    store.put(("a",), "k", {"n": 2})
    second = store.get(("a",), "k")
    got = (second.created_at == first.created_at, first.created_at.tzinfo is not None)
    promised = (True, True)  # created_at kept; a time zone
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
