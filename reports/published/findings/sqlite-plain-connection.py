"""
The first example of SqliteStore's docstring fails: a plain connection cannot put.

Seen with langgraph-checkpoint 4.3.2, langgraph-checkpoint-sqlite 3.1.2.
Exits 1 on the bug, 0 when it is fixed, and 3 if it could not tell.
"""

import os, sys, traceback


def could_not_tell(*error):
    traceback.print_exception(*error)
    print("could not tell", flush=True)
    os._exit(3)


sys.excepthook = could_not_tell

import sqlite3
from langgraph.store.sqlite import SqliteStore

conn = sqlite3.connect(":memory:")
store = SqliteStore(conn)
store.setup()
try:
    store.put(("users", "123"), "prefs", {"theme": "dark"})
    got = store.get(("users", "123"), "prefs").value
except sqlite3.OperationalError as error:
    got = error
promised = {"theme": "dark"}
print("got:     ", repr(got))
print("promised:", promised)
sys.exit(got != promised)
