"""
An embedder that raises CancelledError leaves the caller waiting for ever.

Seen with langgraph-checkpoint 4.3.2, langgraph-checkpoint-sqlite 3.1.2.
Exits 1 on the bug, 0 when it is fixed, and 3 if it could not tell.
"""

import os, sys, traceback


def could_not_tell(*error):
    traceback.print_exception(*error)
    print("could not tell", flush=True)
    os._exit(3)


sys.excepthook = could_not_tell


try:
    from pysqlite3.dbapi2 import connect  # a Python whose sqlite3 cannot load extensions
except ImportError:
    from sqlite3 import connect
import asyncio, aiosqlite
from langchain_core.embeddings import Embeddings
from langgraph.store.sqlite.aio import AsyncSqliteStore


class Cancelled(Embeddings):
    def embed_documents(self, texts):
        return [[1.0, 2.0] for _ in texts]

    def embed_query(self, text):
        return [1.0, 2.0]

    async def aembed_documents(self, texts):
        raise asyncio.CancelledError


async def main():
    async with aiosqlite.Connection(lambda: connect(":memory:", isolation_level=None), 64) as conn:
        store = AsyncSqliteStore(conn, index={"dims": 2, "embed": Cancelled()})
        await store.setup()
        call = asyncio.ensure_future(store.aput(("a",), "k", {"t": "x"}))
        done, _ = await asyncio.wait([call], timeout=3)
        return "answered" if done else "no answer within 3 s"


got, promised = asyncio.run(main()), "answered"
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
