"""
PostgresStore keeps the items of a put that failed because the embedder gave too few vectors.

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

index = {"dims": 2, "embed": lambda texts: [[1.0, 0.0]], "fields": ["text"]}  # always one
with PostgresStore.from_conn_string(os.environ["POSTGRES_CONNECTION_STRING"], index=index) as store:
    store.setup()
    try:
        store.batch([PutOp(("a",), k, {"text": k}) for k in ("x", "y", "z")])
    except Exception as error:
        print(type(error).__name__)
    got = [len(store.search(("a",))), len(store.search(("a",), query="x"))]
promised = [0, 0]
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
