"""
PostgresStore's semantic search loses items: later pages are empty, and one item's many vectors crowd out the others.

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

from langgraph.store.base import PutOp
from langgraph.store.postgres import PostgresStore

index = {"dims": 2, "embed": lambda ts: [[1.0, len(t) / 9] for t in ts], "fields": ["text"]}
with PostgresStore.from_conn_string(os.environ["POSTGRES_CONNECTION_STRING"], index=index) as store:
    store.setup()
    store.batch([PutOp(("a",), f"k{n}", {"text": "x" * (n + 1)}) for n in range(30)])
    got = [len(store.search(("a",), query="x", limit=5, offset=o)) for o in (0, 10, 20)]
promised = [5, 5, 5]
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
