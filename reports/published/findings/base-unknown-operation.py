"""
SqliteStore and PostgresStore answer an unknown operation with None.

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
        got = store.batch([object()])
    except Exception:
        got = "an error"
    promised = "an error"
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
