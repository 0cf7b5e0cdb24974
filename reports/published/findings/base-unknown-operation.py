"""
SqliteStore and PostgresStore answer an unknown operation with None.

Seen with langgraph-checkpoint 4.3.2, langgraph-checkpoint-sqlite 3.1.2.
Exits 1 on the bug and 0 when it is fixed.
"""

import sys
from langgraph.store.sqlite import SqliteStore

with SqliteStore.from_conn_string(":memory:") as store:
    store.setup()
    try:
        got = store.batch([object()])
    except Exception:
        got = "an error"
    promised = "an error"
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
