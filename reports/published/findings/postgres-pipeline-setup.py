"""
PostgresStore with pipeline=True cannot be set up on a fresh database.

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

from psycopg import Error
from langgraph.store.postgres import PostgresStore

url = os.environ["POSTGRES_CONNECTION_STRING"]
try:
    with PostgresStore.from_conn_string(url, pipeline=True) as store:
        store.setup()
        store.put(("users", "123"), "prefs", {"theme": "dark"})
        got = store.get(("users", "123"), "prefs").value
except Error as error:
    got = error
promised = {"theme": "dark"}
print("got:     ", repr(got))
print("promised:", promised)
sys.exit(got != promised)
