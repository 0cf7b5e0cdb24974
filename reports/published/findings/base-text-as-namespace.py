"""
A plain str as namespace silently becomes one label for each character.

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
try:
    store.put("users", "k", {"n": 1})
    got = store.list_namespaces()
except (TypeError, ValueError):
    got = "refused"
promised = "refused"
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
