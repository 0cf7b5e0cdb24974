"""
PostgresStore: the filter {"f": {}} finds every item, also those without the field.

Seen with langgraph-checkpoint 4.3.2, langgraph-checkpoint-postgres 3.2.0.
Needs the environment variable POSTGRES_CONNECTION_STRING: a fresh database.
Exits 1 on the bug, 0 when it is fixed, and 3 if it could not tell.
"""

import os, sys, traceback


def could_not_tell(*error):
    traceback.print_exception(*error)
    print("could not tell", flush=True)
    os._exit(3)


sys.excepthook = could_not_tell

from langgraph.store.postgres import PostgresStore

with PostgresStore.from_conn_string(os.environ["POSTGRES_CONNECTION_STRING"]) as store:
    store.setup()
    store.put(("a",), "object", {"f": {}})
    store.put(("a",), "text", {"f": "x"})
    store.put(("a",), "missing", {"g": 1})
    found = sorted(i.key for i in store.search(("a",), filter={"f": {}}))
got, promised = [k for k in found if k != "object"], []
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
