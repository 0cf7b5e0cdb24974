"""
PostgresStore raises DeadlockDetected where two connections batch puts of the same keys in opposite orders.

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

import threading, time
from langgraph.store.base import PutOp
from langgraph.store.postgres import PostgresStore
from psycopg.errors import DeadlockDetected

threading.excepthook = lambda raised: could_not_tell(*raised[:3])
ADDRESS = os.environ["POSTGRES_CONNECTION_STRING"]
KEYS = [f"k{n:03}" for n in range(200)]
got, end = [], time.monotonic() + 60


def write(keys):
    with PostgresStore.from_conn_string(ADDRESS) as store:
        while not got and time.monotonic() < end:
            try:
                store.batch([PutOp(("crossed",), key, {"n": 1}) for key in keys])
            except DeadlockDetected as error:
                got.append(f"{type(error).__name__}: {str(error).splitlines()[0]}")


with PostgresStore.from_conn_string(ADDRESS) as store:
    store.setup()
threads = [threading.Thread(target=write, args=(keys,)) for keys in (KEYS, KEYS[::-1])]
[t.start() for t in threads]
[t.join() for t in threads]
promised = []
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
