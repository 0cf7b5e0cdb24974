"""
InMemoryStore: of two concurrent aput() of one key the slower embedding wins, not the last write.

Seen with langgraph-checkpoint 4.3.2.
Exits 1 on the bug, 0 when it is fixed, and 3 if it could not tell.
"""

import os, sys, traceback


def could_not_tell(*error):
    traceback.print_exception(*error)
    print("could not tell", flush=True)
    os._exit(3)


sys.excepthook = could_not_tell

import asyncio
from langchain_core.embeddings import Embeddings
from langgraph.store.memory import InMemoryStore


class Slow(Embeddings):
    def embed_documents(self, texts):
        return [[1.0, 2.0] for _ in texts]

    def embed_query(self, text):
        return [1.0, 2.0]

    async def aembed_documents(self, texts):
        await asyncio.sleep(0.2 if "old" in texts[0] else 0)
        return self.embed_documents(texts)


async def main():
    store = InMemoryStore(index={"dims": 2, "embed": Slow()})
    await asyncio.gather(
        store.aput(("a",), "k", {"t": "old"}), store.aput(("a",), "k", {"t": "new"})
    )
    return (await store.aget(("a",), "k")).value


got, promised = asyncio.run(main()), {"t": "new"}
print("got:     ", got)
print("promised:", promised)
sys.exit(got != promised)
