"""
SqliteStore: a batch that reads and writes fails with 'database is locked' beside another connection.

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
import time
from collections.abc import Mapping
from langgraph.store.base import GetOp, PutOp
from langgraph.store.sqlite import SqliteStore


class Late(Mapping):
    """A value that is read after the batch's reads; it gives the other connection time to write."""

    def __iter__(self):
        other.start()
        time.sleep(1)
        return iter(["n"])

    def __len__(self):
        return 1

    def __getitem__(self, name):
        return 1


got = None
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "store.db")
    with SqliteStore.from_conn_string(path) as one, SqliteStore.from_conn_string(path) as two:
        one.setup()
        two.setup()
        other = threading.Thread(target=lambda: two.put(("b",), "k", {"n": 2}))
        try:
            one.batch([GetOp(("a",), "k"), PutOp(("a",), "k", Late())])
        except Exception as error:
            got = error
        other.join()
print("got:     ", repr(got))
print("promised:", None)
sys.exit(got is not None)
