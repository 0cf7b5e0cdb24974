"""
InMemoryStore loses acknowledged puts of threads that put at once into a namespace which had no items.

Seen with langgraph-checkpoint 4.3.2 on Python 3.11.
Exits 1 on the bug, 0 when it is fixed, and 3 if it could not tell.
"""

import os, sys, traceback


def could_not_tell(*error):
    traceback.print_exception(*error)
    print("could not tell", flush=True)
    os._exit(3)


sys.excepthook = could_not_tell

import gc, threading, time
from langgraph.store.memory import InMemoryStore

# So that it need not be waited for: threads take turns often, garbage is collected often, and something that
# watches collections is called, as profilers do. Any of it makes the loss likelier, none of it makes it.
sys.setswitchinterval(1e-6)
gc.set_threshold(1)
gc.callbacks.append(lambda phase, info: None)

store, got, end = InMemoryStore(), [], time.monotonic() + 20


def put(namespace, key, start):
    start.wait()
    store.put(namespace, key, {"by": key})


n = 0
while not got and time.monotonic() < end:
    n += 1
    namespace, start = ("a", str(n)), threading.Barrier(4)
    threads = [threading.Thread(target=put, args=(namespace, k, start)) for k in "wxyz"]
    [t.start() for t in threads]
    [t.join() for t in threads]
    found = {item.key for item in store.search(namespace)}
    got = [f"{key} of {namespace}: lost" for key in "wxyz" if key not in found]

promised = []
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
