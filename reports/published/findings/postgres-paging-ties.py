"""
PostgresStore pages repeat and lose items that one batch has written.

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

with PostgresStore.from_conn_string(os.environ["POSTGRES_CONNECTION_STRING"]) as store:
    store.setup()
    store.batch([PutOp(("a",), f"k{n}", {"n": n}) for n in range(100)])
    pages = [store.search(("a",), limit=10, offset=o) for o in range(0, 100, 10)]
    got = len({item.key for page in pages for item in page})
promised = 100
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
