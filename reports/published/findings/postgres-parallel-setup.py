"""
PostgresStore.setup() fails when several processes or threads set a fresh database up at once.

Seen with langgraph-checkpoint 4.3.2, langgraph-checkpoint-postgres 3.2.0.
Needs the environment variable POSTGRES_CONNECTION_STRING: a database that may be written to.
Exits 1 on the bug and 0 when it is fixed.
"""

import sys
import os
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
