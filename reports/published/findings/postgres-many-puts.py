"""
PostgresStore cannot take a batch of about 16,000 puts or more.

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
    try:
        store.batch([PutOp(("many",), f"k{n}", {"n": n}) for n in range(20_000)])
        got = "stored"
    except Exception as error:
        got = f"{type(error).__name__}: {str(error)[:80]}"
    promised = "stored"
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
