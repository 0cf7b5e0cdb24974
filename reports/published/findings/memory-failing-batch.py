"""
InMemoryStore.batch() keeps the puts before one that fails.

Seen with langgraph-checkpoint 4.3.2.
Exits 1 on the bug, 0 when it is fixed, and 3 if it could not tell.
"""

import os, sys, traceback


def could_not_tell(*error):
    traceback.print_exception(*error)
    print("could not tell", flush=True)
    os._exit(3)


sys.excepthook = could_not_tell

from langgraph.store.base import PutOp
from langgraph.store.memory import InMemoryStore

store = InMemoryStore()
try:
    store.batch([PutOp(("a",), "new", {"n": 1}), PutOp(("a",), "bad", 42)])
except TypeError:
    pass
got, promised = store.get(("a",), "new"), None
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
