"""
PostgresStore gives the score NaN for a zero vector, and ranks it first.

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

VECTORS = {"same": [1.0, 0.0], "zero": [0.0, 0.0]}
index = {"dims": 2, "embed": lambda texts: [VECTORS[t] for t in texts], "fields": ["text"]}
with PostgresStore.from_conn_string(os.environ["POSTGRES_CONNECTION_STRING"], index=index) as store:
    store.setup()
    for text in VECTORS:
        store.put(("a",), text, {"text": text})
    got = [i.key for i in store.search(("a",), query="same") if not -1 <= i.score <= 1]
promised = []
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
