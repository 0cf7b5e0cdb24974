"""
aget, aput and adelete of the async stores do not turn a key into text as get, put and delete do.

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
        await store.aput(("a",), "42", {"n": 1})
        return (await store.aget(("a",), 42)) is not None


got, promised = asyncio.run(main()), True
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
