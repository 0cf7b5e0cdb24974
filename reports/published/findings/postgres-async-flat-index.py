"""
AsyncPostgresStore cannot be set up with the documented index kind "flat".

Seen with langgraph-checkpoint 4.3.2, langgraph-checkpoint-postgres 3.2.0.
Needs the environment variable POSTGRES_CONNECTION_STRING: a fresh database with pgvector.
Exits 1 on the bug, 0 when it is fixed, and 3 if it could not tell.
"""

import asyncio, os, sys, traceback


def could_not_tell(*error):
    traceback.print_exception(*error)
    print("could not tell", flush=True)
    os._exit(3)


sys.excepthook = could_not_tell

from langgraph.store.postgres.aio import AsyncPostgresStore


def embed(texts):
    return [[1.0, float(len(text))] for text in texts]


async def main():
    index = {"dims": 2, "embed": embed, "ann_index_config": {"kind": "flat"}}
    url = os.environ["POSTGRES_CONNECTION_STRING"]
    async with AsyncPostgresStore.from_conn_string(url, index=index) as store:
        try:
            await store.setup()
        except ValueError as error:
            return f"{type(error).__name__}: {error}"
    return None


got, promised = asyncio.run(main()), None
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
