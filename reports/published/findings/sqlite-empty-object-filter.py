"""
SqliteStore: the filter {"f": {}} finds every item, also those without the field.

Seen with langgraph-checkpoint 4.3.2, langgraph-checkpoint-sqlite 3.1.2.
Exits 1 on the bug and 0 when it is fixed.
"""

import sys
from langgraph.store.sqlite import SqliteStore

with SqliteStore.from_conn_string(":memory:") as store:
    store.setup()
    store.put(("a",), "object", {"f": {}})
    store.put(("a",), "text", {"f": "x"})
    store.put(("a",), "missing", {"g": 1})
    found = sorted(i.key for i in store.search(("a",), filter={"f": {}}))
got, promised = [k for k in found if k != "object"], []
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
