"""
Stores that fail a user's story or a history (E1, E2, E3, E5, E7 to E9).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Any

from langgraph.store.base import Op, PutOp, SearchItem, SearchOp

from store_conformance.mutants.groups import ALL, FILTERS, LISTS
from store_conformance.mutants.reference import (
    Address,
    Embedded,
    ItemRow,
    Plan,
    ReferenceStore,
    Vector,
    Write,
)

TEXTS = ("K1", "K6", "K7", "K13", "E1", "E2", "E3", "E5", "E7")

# E1


class Texts(ReferenceStore):
    """A base for stores that alter some texts."""

    also: tuple[str, ...] = TEXTS

    def alter(self, text: str) -> str:
        return text

    def walk(self, part: Any) -> Any:
        if isinstance(part, dict):
            return {key: self.walk(inner) for key, inner in part.items()}
        if isinstance(part, (list, tuple)):
            return [self.walk(inner) for inner in part]
        return self.alter(part) if isinstance(part, str) else part

    def encode_value(self, value: Mapping[str, Any]) -> str:
        return json.dumps(self.walk(dict(value)))


class PromptsLoseTheirLastNewline(Texts):
    """A newline at the end of a text of several lines is lost."""

    breaks = "E1"

    def alter(self, text: str) -> str:
        return text.rstrip("\n") if text.count("\n") > 1 else text


class PromptsAreFormatted(Texts):
    """Double braces come back single."""

    breaks = "E1"
    also = ("F14",)

    def alter(self, text: str) -> str:
        return text.replace("{{", "{").replace("}}", "}")


class PromptsLoseIndentation(Texts):
    """White space at the start of the lines of a text is lost."""

    breaks = "E1"

    def alter(self, text: str) -> str:
        return re.sub(r"\n[ \t]+", "\n", text)


class LongPromptsAreCut(Texts):
    """A text is cut at 2000 characters."""

    breaks = "E1"
    also = (*Texts.also, "K3", "O5", "V9", "V16")

    def alter(self, text: str) -> str:
        return text[:2000]


class ManyOverwritesAreLost(ReferenceStore):
    """An item takes ten overwrites and no more."""

    breaks = "E1"
    also = ("K3", "K4", "O11", "O12", "O13", "E5", "E6", "E4", "T7", "X4")

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        name = "count:" + "".join(write.address)
        sql = "INSERT INTO facts VALUES (?, 1) ON CONFLICT DO UPDATE SET value = value + 1"
        self.connection.execute(sql, (name,))
        sql = "SELECT value FROM facts WHERE name = ?"
        count = int(self.connection.execute(sql, (name,)).fetchone()[0])
        if old is None or count <= 11:
            super().write_item(write, old)


class UsersAreMixedUp(ReferenceStore):
    """Users are told apart by the letters of their name, not by its digits."""

    breaks = "E1"
    also = ALL

    def encode_namespace(self, namespace: tuple[str, ...]) -> str:
        names: dict[Any, str] = self.__dict__.setdefault("names", {})
        text = super().encode_namespace(namespace)
        return names.setdefault(re.sub(r"\d", "", text), text)


class RootNamespacesAreLostAtClose(ReferenceStore):
    """Items in a namespace of one label are lost when the store is closed."""

    breaks = "E1"
    also = ALL

    def close(self) -> None:
        for row in self.scan():
            if len(self.decode_namespace(row.namespace_text)) == 1:
                self.remove_item(row.address)
        super().close()


# E2


class ExamplesOfOtherUsersAreFound(ReferenceStore):
    """A query below a prefix of three labels looks at the first and the last of them only."""

    breaks = "E2"
    also = ("S1", "V9", "V10", "V18", "E3", "N7", "E5")

    def candidates(self, op: SearchOp) -> list[ItemRow]:
        prefix = op.namespace_prefix
        if not (op.query and self.embeddings and len(prefix) == 3):
            return super().candidates(op)
        rows = super().candidates(op._replace(namespace_prefix=prefix[:1]))
        names = [self.decode_namespace(row.namespace_text) for row in rows]
        return [row for row, name in zip(rows, names) if name[2:3] == prefix[2:]]


class LabelsAreIgnoredWithAQuery(ReferenceStore):
    """With a query only the first field of a filter counts."""

    breaks = "E2"
    also = ("V10", *FILTERS)

    def wanted(self, row: ItemRow, op: SearchOp) -> bool:
        label = op.query and op.filter and "label" in op.filter
        return bool(label) or super().wanted(row, op)


class ExamplesAreFoundByTheirFirstWords(ReferenceStore):
    """Only the first 20 characters of a text are embedded."""

    breaks = "E2"
    also = ("V2", "V3", "V5", "V12", "V15", "V16", "E3", "E5")

    def texts_at(self, value: dict[str, Any], path: str) -> list[str]:
        return [text[:20] for text in super().texts_at(value, path)]


class VectorsAreForgottenOneByOne(ReferenceStore):
    """Each opening loses the vectors of the item that was written first."""

    breaks = "E2"
    also = ("V17", "E4", "O13", "O14", "O15", "O16", "O17", "E6", "V11")

    def setup(self) -> None:
        super().setup()
        with self.transaction():
            self.connection.execute(
                "DELETE FROM vectors WHERE (namespace, key) IN"
                " (SELECT namespace, key FROM items ORDER BY rowid LIMIT 1)"
            )


class ExamplesOfThreeLabelsAreNotIndexed(ReferenceStore):
    """Items in a namespace of three labels get no vector."""

    breaks = "E2"
    also = ("V18", "V9", "V10", "E3", "E4", "E5", "S1", "V4")

    def fields(self, op: PutOp) -> list[str]:
        return [] if len(op.namespace) == 3 else super().fields(op)


# E3


class MemoriesCannotBeUpdated(ReferenceStore):
    """An item whose key is a UUID is never overwritten."""

    breaks = "E3"
    also = ("K3", "K11", "E5", "K9")

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        if old is None or not re.fullmatch(r'"[0-9a-f]{8}(-[0-9a-f]{4}){3}-.*"', write.address[1]):
            super().write_item(write, old)


class MemoriesCannotBeDeleted(ReferenceStore):
    """An item whose key is a UUID is never deleted."""

    breaks = "E3"
    also = ("X1", "K11", "E5", "K9")

    def remove_item(self, address: Address) -> None:
        if not re.fullmatch(r'"[0-9a-f]{8}(-[0-9a-f]{4}){3}-.*"', address[1]):
            super().remove_item(address)


class DashesInKeysAreLost(ReferenceStore):
    """The dashes of a UUID in a key are lost."""

    breaks = "E3"
    also = ("K1", "K11", "E5", "E7", "K9")

    def encode_key(self, key: str) -> str:
        plain = re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", str(key))
        return super().encode_key(key.replace("-", "") if plain else key)


class ContentIsReserved(ReferenceStore):
    """The field ``content`` is kept under another name."""

    breaks = "E3"
    also = ALL

    def encode_value(self, value: Mapping[str, Any]) -> str:
        return json.dumps({"page_content" if k == "content" else k: v for k, v in value.items()})


class MemoriesNeedALabel(ReferenceStore):
    """A value whose only field is ``content`` is acknowledged and not stored."""

    breaks = "E3"
    also = ("E5", "E2", "K1", "O16")

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        if write.op.value is None or set(write.op.value) != {"content"}:
            super().write_item(write, old)


class MemoriesOfAllUsersAreFound(ReferenceStore):
    """A query below a prefix that ends in ``collection`` looks at every user."""

    breaks = "E3"
    also = ("E5", "S1", "V18")

    def matches_prefix(self, namespace: tuple[str, ...], prefix: tuple[str, ...]) -> bool:
        if prefix[-1:] == ("collection",):
            namespace, prefix = namespace[-1:], prefix[-1:]
        return super().matches_prefix(namespace, prefix)


# E5


class SearchNeedsALimit(ReferenceStore):
    """``search`` cannot be called without a limit."""

    breaks = "E5"
    also = ALL

    def search(  # type: ignore[override]  # the sin
        self, prefix: Any, /, *, limit: int, **kwargs: Any
    ) -> list[SearchItem]:
        return super().search(prefix, limit=limit, **kwargs)

    async def asearch(  # type: ignore[override]  # the sin
        self, prefix: Any, /, *, limit: int, **kwargs: Any
    ) -> list[SearchItem]:
        return await super().asearch(prefix, limit=limit, **kwargs)


class PutNeedsAUser(ReferenceStore):
    """``put`` wants a namespace of two labels at least."""

    breaks = "E5"
    also = ALL

    def validate_namespaces(self, op: Op) -> None:
        super().validate_namespaces(op)
        if isinstance(op, PutOp) and len(op.namespace) < 2:
            raise ValueError("A namespace needs a user.")


class SearchResultsCannotBeIndexed(ReferenceStore):
    """The value of a search result is a text that has to be parsed."""

    breaks = "E5"
    also = ALL

    def read_search(self, op: SearchOp, query: Vector | None) -> list[SearchItem]:
        found = super().read_search(op, query)
        for item in found:
            item.value = json.dumps(item.value)  # type: ignore[assignment]
        return found


class GetNeedsNamedArguments(ReferenceStore):
    """``get`` and ``put`` take named arguments only."""

    breaks = "E5"
    also = ALL

    def get(self, *, namespace: Any, key: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        return super().get(namespace, key, **kwargs)

    async def aget(self, *, namespace: Any, key: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        return await super().aget(namespace, key, **kwargs)


# E7


class BatchedPutsLoseNulls(ReferenceStore):
    """A put among several loses its fields that are null."""

    breaks = "E7"
    also = ("K6", "O1", "O5", "F1", "F7", "O3", "F13", "F2")

    def plan(self, ops: Any) -> Plan:
        ops = list(ops)
        self.many = len(ops) > 1
        return super().plan(ops)

    def encode_value(self, value: Mapping[str, Any]) -> str:
        drop = getattr(self, "many", False)
        return json.dumps({k: v for k, v in value.items() if v is not None or not drop})


class BatchedPutsLoseTheLast(ReferenceStore):
    """Of a batch of 20 puts or more the last is lost."""

    breaks = "E7"
    also = ALL

    def run(self, plan: Plan, writes: list[Write], embedded: Embedded) -> Any:
        return super().run(plan, writes[:-1] if len(writes) > 19 else writes, embedded)


class DeepNamespacesAreNotListed(ReferenceStore):
    """Namespaces of more than three labels are not listed."""

    breaks = "L1"
    also = (*LISTS, "E7")

    def sort_namespaces(self, namespaces: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
        return [name for name in super().sort_namespaces(namespaces) if len(name) <= 3]


class BigValuesAreCutAtImport(ReferenceStore):
    """A text of more than 10000 characters is cut in silence."""

    breaks = "E7"
    also = (*TEXTS,)

    def encode_value(self, value: Mapping[str, Any]) -> str:
        cut = {k: v[:10_000] if isinstance(v, str) else v for k, v in value.items()}
        return json.dumps(cut)


# E8


class Tells(ReferenceStore):
    """A base for stores whose errors say too much."""

    also: tuple[str, ...] = ()

    def secret(self) -> str:
        return str(self.at.url)

    def tell(self, error: Exception) -> Exception:
        try:
            return type(error)(f"{error} [{self.secret()}]")
        except TypeError:
            return ValueError(f"{error} [{self.secret()}]")

    def batch(self, ops: Any) -> Any:
        try:
            return super().batch(ops)
        except Exception as error:  # noqa: BLE001
            raise self.tell(error) from None

    async def abatch(self, ops: Any) -> Any:
        try:
            return await super().abatch(ops)
        except Exception as error:  # noqa: BLE001
            raise self.tell(error) from None


class ErrorsShowTheUrl(Tells):
    """An error shows the whole connection string."""

    breaks = "E8"


class ErrorsShowTheOptions(Tells):
    """An error shows where the store is and with which options."""

    breaks = "E8"

    def secret(self) -> str:
        return repr(self.at)


class ErrorsShowTheEnvironment(Tells):
    """An error shows the environment."""

    breaks = "E8"

    def secret(self) -> str:
        return repr(dict(os.environ))


class ErrorsShowThePassword(Tells):
    """An error shows the password of the connection string."""

    breaks = "E8"

    def secret(self) -> str:
        found = re.search(r"//[^:/@]*:([^@]*)@", str(self.at.url))
        return found[1] if found else ""


class OpeningErrorsShowTheUrl(ReferenceStore):
    """An error at opening shows the whole connection string."""

    breaks = "E8"
    also = ("O16",)

    def connect(self, database: str) -> Any:
        try:
            return super().connect(database)
        except Exception as error:  # noqa: BLE001
            raise type(error)(f"{error}: cannot connect to {self.at.url}") from None


class CausesShowTheUrl(Tells):
    """The cause of an error shows the whole connection string."""

    breaks = "E8"

    def tell(self, error: Exception) -> Exception:
        error.__cause__ = ConnectionError(f"while talking to {self.at.url}")
        return error

    def batch(self, ops: Any) -> Any:
        try:
            return ReferenceStore.batch(self, ops)
        except Exception as error:  # noqa: BLE001
            raise self.tell(error)  # noqa: B904


# E9


class EverySeventhWriteIsLost(ReferenceStore):
    """Of seven overwrites one is acknowledged and ignored."""

    breaks = "E9"
    also = ALL

    def write_item(self, write: Write, old: ItemRow | None) -> None:
        self.count: int = self.__dict__.get("count", 0) + 1
        if self.count % 7 or old is None:
            super().write_item(write, old)


class EveryThirdDeleteIsLost(ReferenceStore):
    """Of three deletes one is acknowledged and ignored."""

    breaks = "E9"
    also = ALL

    def remove_item(self, address: Address) -> None:
        self.count: int = self.__dict__.get("count", 0) + 1
        if self.count % 3:
            super().remove_item(address)
