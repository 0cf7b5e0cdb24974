"""
The TTL sweeper of PostgresStore breaks the connection of the store: every later call raises.

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

import logging
import time
from langgraph.store.postgres import PostgresStore

logging.disable(logging.CRITICAL)
got, end = 0, time.time() + 5
try:
    with PostgresStore.from_conn_string(
        os.environ["POSTGRES_CONNECTION_STRING"], ttl={"default_ttl": 10}
    ) as store:
        store.setup()
        store.start_ttl_sweeper(0.0005)  # 30 ms, to see in seconds what takes hours at 5 minutes
        while time.time() < end:
            try:
                store.put(("a",), "k", {"n": 1})
            except Exception:
                got += 1
                time.sleep(0.1)
except Exception as error:
    print("closing raised", type(error).__name__)
got, promised = f"{got} puts raised" if got else "no put raised", "no put raised"
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
