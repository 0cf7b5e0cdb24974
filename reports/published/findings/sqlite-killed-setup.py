"""
SqliteStore cannot be opened any more once setup() was killed between a migration and its record.

Seen with langgraph-checkpoint 4.3.2, langgraph-checkpoint-sqlite 3.1.2.
Exits 1 on the bug, 0 when it is fixed, and 3 if it could not tell.
"""

import os, sys, traceback


def could_not_tell(*error):
    traceback.print_exception(*error)
    print("could not tell", flush=True)
    os._exit(3)


sys.excepthook = could_not_tell

import signal, subprocess, tempfile
from langgraph.store.sqlite import SqliteStore

if len(sys.argv) > 1:
    seen = []

    def die_after_the_column(statement):
        if "INSERT INTO store_migrations" in statement and "ADD COLUMN" in "".join(seen):
            os.kill(os.getpid(), signal.SIGKILL)
        seen.append(statement)

    with SqliteStore.from_conn_string(sys.argv[1]) as store:
        store.conn.set_trace_callback(die_after_the_column)
        store.setup()
    sys.exit(0)

path = os.path.join(tempfile.mkdtemp(), "store.db")
killed = subprocess.run([sys.executable, __file__, path]).returncode
assert killed == -signal.SIGKILL, "the process was not killed where it should be"
got = "works"
try:
    with SqliteStore.from_conn_string(path) as store:
        store.setup()
        store.put(("a",), "k", {"n": 1})
except Exception as error:
    got = f"{type(error).__name__}: {error}"
promised = "works"
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
