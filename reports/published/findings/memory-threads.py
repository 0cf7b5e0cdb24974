"""
InMemoryStore.search raises 'dictionary changed size during iteration' beside puts of other threads.

Seen with langgraph-checkpoint 4.3.2.
Exits 1 on the bug, 0 when it is fixed, and 3 if it could not tell.
"""

import os, sys, traceback


def could_not_tell(*error):
    traceback.print_exception(*error)
    print("could not tell", flush=True)
    os._exit(3)


sys.excepthook = could_not_tell

import threading, time
from langgraph.store.memory import InMemoryStore

store, got, end = InMemoryStore(), [], time.monotonic() + 10
sys.setswitchinterval(1e-6)


def write(me):
    n = 0
    while not got and time.monotonic() < end:
        store.put(("a", f"{me}-{n}"), "k", {"n": n})
        n += 1


def read():
    while not got and time.monotonic() < end:
        try:
            store.search(("a",), limit=100_000)
        except RuntimeError as error:
            got.append(str(error))


threads = [threading.Thread(target=write, args=(i,)) for i in (1, 2)] + [
    threading.Thread(target=read)
]
[t.start() for t in threads]
[t.join() for t in threads]
got, promised = got[:1], []
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
