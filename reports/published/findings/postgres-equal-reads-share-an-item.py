"""
Two equal reads of one PostgresStore batch share one value.

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

from langgraph.store.base import GetOp
from langgraph.store.postgres import PostgresStore

with PostgresStore.from_conn_string(os.environ["POSTGRES_CONNECTION_STRING"]) as store:
    store.setup()
    store.put(("a",), "k", {"n": 1})
    one, other = store.batch([GetOp(("a",), "k"), GetOp(("a",), "k")])
    one.value["n"] = "changed"
    got, promised = other.value, {"n": 1}
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
