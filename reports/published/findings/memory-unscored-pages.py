"""
InMemoryStore: the pages of a query do not end where items have no vector.

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

store = InMemoryStore(index={"dims": 1, "embed": lambda ts: [[1.0] for _ in ts], "fields": ["text"]})
for key in "abc":
    store.put(("n",), key, {"text": "x"}, index=False)
pages = [store.search(("n",), query="x", limit=2, offset=2 * n) for n in range(4)]
got = [[i.key for i in page] for page in pages]
promised = [["a", "b"], ["c"], [], []]
print("got:     ", got)
print("promised:", promised)
sys.exit(got not in (promised, [[], [], [], []]))
