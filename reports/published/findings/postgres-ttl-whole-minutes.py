"""
A refresh in PostgresStore rounds the ttl to whole minutes, so short-lived items die of being read.

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

with PostgresStore.from_conn_string(
    os.environ["POSTGRES_CONNECTION_STRING"], ttl={"refresh_on_read": True}
) as store:
    store.setup()
    store.put(("a",), "read", {"n": 1}, ttl=0.4)  # 24 seconds
    store.put(("a",), "unread", {"n": 1}, ttl=0.4)
    store.get(("a",), "read", refresh_ttl=True)
    store.sweep_ttl()
    keys = ("read", "unread")
    got = [k for k in keys if store.get(("a",), k, refresh_ttl=False)]
promised = ["read", "unread"]
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
