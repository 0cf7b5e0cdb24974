"""
InMemoryStore filters: True matches 1, ranges round integers, an unknown operator passes behind a false one.

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
for key, value in {"one": 1, "true": True, "big": 2**53 + 1}.items():
    store.put(("a",), key, {"f": value})


def found(wanted):
    try:
        return sorted(i.key for i in store.search(("a",), filter={"f": wanted}))
    except ValueError:
        return "ValueError"


got = [found(True), found({"$gt": 2**53}), found({"$gt": 2**60, "$unknown": 1})]
promised = [["true"], ["big"], "ValueError"]
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
