"""
PostgresStore's semantic search gives half-empty pages once a few thousand items are stored.

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

import random
from langgraph.store.base import PutOp
from langgraph.store.postgres import PostgresStore


def embed(texts):
    return [[random.gauss(m, 0.3) for m in (1, *[0] * 63)] for _ in texts]


with PostgresStore.from_conn_string(
    os.environ["POSTGRES_CONNECTION_STRING"], index={"dims": 64, "embed": embed}
) as store:
    store.setup()
    for n in range(0, 4000, 500):
        ops = [PutOp((f"user{m % 5}",), f"k{m}", {"n": m}) for m in range(n, n + 500)]
        store.batch(ops)
    store.conn.execute("ANALYZE")  # what autovacuum does within a minute
    got = [len(store.search(("user1",), query="x", limit=n)) for n in (10, 20, 50)]
promised = [10, 20, 50]
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
