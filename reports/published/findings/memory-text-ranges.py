"""
InMemoryStore raises ValueError for a range over text.

Seen with langgraph-checkpoint 4.3.2.
Exits 1 on the bug, 0 when it is fixed, and 3 if it could not tell.
"""

import os, sys, traceback


def could_not_tell(*error):
    traceback.print_exception(*error)
    print("could not tell", flush=True)
    os._exit(3)


sys.excepthook = could_not_tell

from langgraph.store.memory import InMemoryStore

store = InMemoryStore()
store.put(("a",), "old", {"day": "2024-01-01"})
store.put(("a",), "new", {"day": "2025-01-01"})
promised = ["new"]
try:
    got = [i.key for i in store.search(("a",), filter={"day": {"$gt": "2024-06-01"}})]
except ValueError as error:
    got = f"ValueError: {error}"
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
