"""
A plain str as namespace silently becomes one label for each character.

Seen with langgraph-checkpoint 4.3.2.
Exits 1 on the bug and 0 when it is fixed.
"""

import sys
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
