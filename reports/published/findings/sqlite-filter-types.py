"""
SqliteStore filters mix up types: text equals a list, True equals 1, text is in a range of numbers, 2**53 + 1 equals 2**53.

Seen with langgraph-checkpoint 4.3.2, langgraph-checkpoint-sqlite 3.1.2.
Exits 1 on the bug and 0 when it is fixed.
"""

import sys
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
