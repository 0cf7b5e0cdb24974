"""
The first example of PostgresStore's docstring fails: setup() raises with a plain connection.

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

from psycopg import Connection, Error
from langgraph.store.postgres import PostgresStore

try:
    with Connection.connect(os.environ["POSTGRES_CONNECTION_STRING"]) as conn:
        store = PostgresStore(conn)
        store.setup()
        store.put(("users", "123"), "prefs", {"theme": "dark"})
        got = store.get(("users", "123"), "prefs").value
except (Error, TypeError) as error:
    got = error
promised = {"theme": "dark"}
print("got:     ", repr(got))
print("promised:", promised)
sys.exit(got != promised)
