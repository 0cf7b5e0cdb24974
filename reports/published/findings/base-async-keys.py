"""
aget, aput and adelete of the async stores do not turn a key into text as get, put and delete do.

Seen with langgraph-checkpoint 4.3.2, langgraph-checkpoint-sqlite 3.1.2.
Exits 1 on the bug and 0 when it is fixed.
"""

import sys
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
