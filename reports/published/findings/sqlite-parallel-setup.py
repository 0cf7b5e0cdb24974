"""
SqliteStore.setup() fails when several threads or processes set a fresh file up at once.

Seen with langgraph-checkpoint 4.3.2, langgraph-checkpoint-sqlite 3.1.2.
Exits 1 on the bug, 0 when it is fixed, and 3 if it could not tell.
"""

import os, sys, traceback


def could_not_tell(*error):
    traceback.print_exception(*error)
    print("could not tell", flush=True)
    os._exit(3)


sys.excepthook = could_not_tell

import tempfile
import threading
from langgraph.store.sqlite import SqliteStore

got = []


def work(path, barrier):
    with SqliteStore.from_conn_string(path) as store:
        barrier.wait()
        try:
            store.setup()
        except Exception as error:
            got.append(type(error).__name__)


for n in range(20):
    path, barrier = os.path.join(tempfile.mkdtemp(), "store.db"), threading.Barrier(4)
    threads = [threading.Thread(target=work, args=(path, barrier)) for _ in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
promised = []
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
