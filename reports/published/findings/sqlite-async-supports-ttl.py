"""
AsyncSqliteStore says that it has no time to live, and has one.

Seen with langgraph-checkpoint 4.3.2, langgraph-checkpoint-sqlite 3.1.2.
Exits 1 on the bug, 0 when it is fixed, and 3 if it could not tell.
"""

import os, sys, traceback


def could_not_tell(*error):
    traceback.print_exception(*error)
    print("could not tell", flush=True)
    os._exit(3)


sys.excepthook = could_not_tell

import asyncio
from langgraph.store.sqlite.aio import AsyncSqliteStore


async def main():
    async with AsyncSqliteStore.from_conn_string(":memory:") as store:
        await store.setup()
        await store.aput(("a",), "k", {"n": 1}, ttl=-1)
        await store.sweep_ttl()
        return store.supports_ttl, await store.aget(("a",), "k") is None


says, expires = asyncio.run(main())
print("got:      supports_ttl is", says, "and an item with a ttl", "expires" if expires else "stays")
print("promised: supports_ttl is", expires)
sys.exit(says != expires)
