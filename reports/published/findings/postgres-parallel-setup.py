"""
PostgresStore.setup() fails when several processes or threads set a fresh database up at once.

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

from langgraph.store.postgres import PostgresStore
import threading

got, barrier = [], threading.Barrier(4)


def work():
    with PostgresStore.from_conn_string(os.environ["POSTGRES_CONNECTION_STRING"]) as store:
        barrier.wait()
        try:
            store.setup()
        except Exception as error:
            got.append(type(error).__name__)


threads = [threading.Thread(target=work) for _ in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
promised = []
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
