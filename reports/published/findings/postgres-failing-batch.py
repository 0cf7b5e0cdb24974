"""
PostgresStore.batch() keeps the deletes of a batch whose put cannot be written.

Seen with langgraph-checkpoint 4.3.2, langgraph-checkpoint-postgres 3.2.0.
Needs the environment variable POSTGRES_CONNECTION_STRING: a database that may be written to.
Exits 1 on the bug, 0 when it is fixed, and 3 if it could not tell.
"""

import os, sys, traceback


def could_not_tell(*error):
    traceback.print_exception(*error)
    print("could not tell", flush=True)
    os._exit(3)


sys.excepthook = could_not_tell

from langgraph.store.base import PutOp
from langgraph.store.postgres import PostgresStore

with PostgresStore.from_conn_string(os.environ["POSTGRES_CONNECTION_STRING"]) as store:
    store.setup()
    store.put(("batch",), "gone", {"n": 1})
    try:
        store.batch([PutOp(("batch",), "gone", None), PutOp(("batch",), "new", {"x": object()})])
    except TypeError:
        pass
    got = store.get(("batch",), "gone") is not None
    promised = True
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
