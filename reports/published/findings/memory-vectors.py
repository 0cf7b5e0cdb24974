"""
InMemoryStore takes vectors of any size, and a zero query vector scores NaN.

Seen with langgraph-checkpoint 4.3.2.
Exits 1 on the bug, 0 when it is fixed, and 3 if it could not tell.
"""

import os, sys, traceback


def could_not_tell(*error):
    traceback.print_exception(*error)
    print("could not tell", flush=True)
    os._exit(3)


sys.excepthook = could_not_tell

import math
from langgraph.store.memory import InMemoryStore


def embed(texts):
    return [[0.0, 0.0] if t == "zero" else [1.0, 2.0] for t in texts]


store = InMemoryStore(index={"dims": 2, "embed": embed, "fields": ["t"]})
store.put(("a",), "k", {"t": "apple"})
score = store.search(("a",), query="zero")[0].score
wrong = InMemoryStore(index={"dims": 3, "embed": embed, "fields": ["t"]})
try:
    wrong.put(("a",), "k", {"t": "apple"})
    kept = "stored"
except Exception:
    kept = "refused"
got, promised = (score is None or math.isfinite(score), kept), (True, "refused")
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
