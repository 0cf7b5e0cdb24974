"""
One caller's bad operation fails every operation that was issued in the same tick.

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
        bad = store.aput(("a",), "bad", {"x": object()})
        good = store.aput(("a",), "good", {"n": 1})
        return [type(r).__name__ for r in await asyncio.gather(bad, good, return_exceptions=True)][
            1
        ]


got, promised = asyncio.run(main()), "NoneType"
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
