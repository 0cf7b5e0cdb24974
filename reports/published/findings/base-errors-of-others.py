"""
One caller's bad operation fails every operation that was issued in the same tick.

Seen with langgraph-checkpoint 4.3.2, langgraph-checkpoint-sqlite 3.1.2.
Exits 1 on the bug and 0 when it is fixed.
"""

import sys
import asyncio
from langgraph.store.sqlite.aio import AsyncSqliteStore


async def main():
    async with AsyncSqliteStore.from_conn_string(":memory:") as store:
        await store.setup()
        bad = store.aput(("a",), "bad", {"x": object()})
        good = store.aput(("a",), "good", {"n": 1})
        return [type(r).__name__ for r in await asyncio.gather(bad, good, return_exceptions=True)][
            1
        ]


got, promised = asyncio.run(main()), "NoneType"
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
