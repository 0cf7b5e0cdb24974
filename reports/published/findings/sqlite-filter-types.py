"""
SqliteStore filters mix up types: text equals a list, True equals 1, text is in a range of numbers, 2**53 + 1 equals 2**53.

Seen with langgraph-checkpoint 4.3.2, langgraph-checkpoint-sqlite 3.1.2.
Exits 1 on the bug, 0 when it is fixed, and 3 if it could not tell.
"""

import os, sys, traceback


def could_not_tell(*error):
    traceback.print_exception(*error)
    print("could not tell", flush=True)
    os._exit(3)


sys.excepthook = could_not_tell

from langgraph.store.sqlite import SqliteStore

with SqliteStore.from_conn_string(":memory:") as store:
    store.setup()
    for key, value in {
        "list": [1, 2],
        "text": "[1,2]",
        "one": 1,
        "true": True,
        "word": "abc",
        "big": 2**53,
    }.items():
        store.put(("a",), key, {"f": value})

    def found(wanted):
        return sorted(i.key for i in store.search(("a",), filter={"f": wanted}))

    got = [found("[1,2]"), found(True), found({"$lt": 1}), found(2**53 + 1)]
    promised = [["text"], ["true"], [], []]
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
