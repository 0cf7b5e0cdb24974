"""
PostgresStore changes keys of a value that are not text, without a word.

Seen with langgraph-checkpoint 4.3.2, langgraph-checkpoint-postgres 3.2.0.
Needs the environment variable POSTGRES_CONNECTION_STRING: a fresh database with pgvector.
Exits 1 on the bug, 0 when it is fixed, and 3 if it could not tell.
"""

import os, sys, traceback


def could_not_tell(*error):
    traceback.print_exception(*error)
    print("could not tell", flush=True)
    os._exit(3)


sys.excepthook = could_not_tell

from langgraph.store.postgres import PostgresStore

with PostgresStore.from_conn_string(os.environ["POSTGRES_CONNECTION_STRING"]) as store:
    store.setup()
    try:
        store.put(("a",), "k", {"counts": {1: "one", None: "none"}})
        got = store.get(("a",), "k").value["counts"]
    except TypeError:
        got = "refused"
promised = "refused"
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
