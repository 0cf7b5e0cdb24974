"""
PostgresStore embeds queries as documents.

Seen with langgraph-checkpoint 4.3.2, langgraph-checkpoint-postgres 3.2.0.
Needs the environment variable POSTGRES_CONNECTION_STRING: a fresh database with pgvector.
Exits 1 on the bug, 0 when it is fixed, and 3 if it could not tell.
"""

import os, sys, traceback


def could_not_tell(*error):
    traceback.print_exception(*error)
    print("could not tell", flush=True)
    os._exit(3)


sys.excepthook = could_not_tell

from langchain_core.embeddings import Embeddings
from langgraph.store.postgres import PostgresStore


class Model(Embeddings):
    def embed_documents(self, texts):
        calls.append("embed_documents")
        return [[1.0, 0.0] for _ in texts]

    def embed_query(self, text):
        calls.append("embed_query")
        return [1.0, 0.0]


calls = []
with PostgresStore.from_conn_string(
    os.environ["POSTGRES_CONNECTION_STRING"], index={"dims": 2, "embed": Model()}
) as store:
    store.setup()
    store.search(("a",), query="a question")
got, promised = calls, ["embed_query"]
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
