"""
Where one store keeps its bytes.

A location is handed to ``open_store(at, index, ttl)``.  Opening the same location again, from this
process or another one, must find whatever was acknowledged there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from store_conformance.contract.json_value import JsonValue


@dataclass(frozen=True)
class Location:
    """
    A place that belongs to one store alone and outlives the process.

    ``path`` is an existing empty directory (at the first opening).  ``url`` is an engine's address, if
    the user gave one or a backend started one.  ``name`` is unique for this location within the engine
    (letters, digits and underscores, starting with a letter, at most 40 characters): a schema, a
    collection, a prefix.
    """

    path: Path
    url: str | None = None
    name: str = "conformance"
    options: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, JsonValue]:
        return {
            "path": str(self.path),
            "url": self.url,
            "name": self.name,
            "options": dict(self.options),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Location:
        return cls(Path(data["path"]), data["url"], data["name"], dict(data["options"]))
