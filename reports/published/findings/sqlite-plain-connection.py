"""
The first example of SqliteStore's docstring fails: a plain connection cannot put.

Seen with langgraph-checkpoint 4.3.2, langgraph-checkpoint-sqlite 3.1.2.
Exits 1 on the bug and 0 when it is fixed.
"""

import sqlite3
import sys
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
