"""
A store with one bug a method, for ``test_blame.py``: copied into folders of many names.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone
from typing import Any

from langgraph.store.base import Item
from langgraph.store.memory import InMemoryStore

NOW = datetime.now(timezone.utc)


class Hostile:
    """An answer that has nothing that an answer has."""


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class OddItem(Item):
    @property
    def value(self) -> Any:
        raise RuntimeError("the value went missing")

    @value.setter
    def value(self, value: Any) -> None:
        pass


class Buggy(InMemoryStore):
    def get(self, namespace: Any, key: str, **more: Any) -> Any:
        if key == "raises":
            nothing: dict[str, Any] = {}
            return nothing["a bug of the store"]
        if key == "raises what has no text":
            raise UnspeakableError
        if key == "nonsense":
            return Hostile()
        if key == "odd item":
            return OddItem(value={}, key=key, namespace=("a",), created_at=NOW, updated_at=NOW)
        if key == "embeds wrongly":
            return self.embeddings.embed_documents([None])  # type: ignore[union-attr, list-item]
        return super().get(namespace, key, **more)

    async def aget(self, namespace: Any, key: str, **more: Any) -> Any:
        if key == "late":
            await asyncio.sleep(60)
        if key == "cancelled":
            asyncio.current_task().cancel()  # type: ignore[union-attr]
            await asyncio.sleep(0)
        return self.get(namespace, key, **more)


def open_store(at: Any, index: Any, ttl: Any) -> Buggy:
    return Buggy(index=index)
