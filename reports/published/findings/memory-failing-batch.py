"""
InMemoryStore.batch() keeps the puts before one that fails.

Seen with langgraph-checkpoint 4.3.2.
Exits 1 on the bug and 0 when it is fixed.
"""

import sys
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
