"""
A put that is cancelled while its text is embedded is executed all the same.

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

import asyncio
from langgraph.store.postgres import AsyncPostgresStore


async def embed(texts):
    await asyncio.sleep(0.3)
    return [[1.0, 0.0] for _ in texts]


async def main():
    url, index = os.environ["POSTGRES_CONNECTION_STRING"], {"dims": 2, "embed": embed}
    async with AsyncPostgresStore.from_conn_string(url, index=index) as store:
        await store.setup()
        put = asyncio.create_task(store.aput(("a",), "k", {"text": "cancelled"}))
        await asyncio.sleep(0.1)
        put.cancel()
        await asyncio.sleep(0.6)
        item = await store.aget(("a",), "k")
        return item and item.value


got, promised = asyncio.run(main()), None
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
