"""
Stores that break the rules of namespaces (N1 to N7).
"""

from __future__ import annotations

import unicodedata
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Any

from langgraph.store.base import (
    NOT_PROVIDED,
    GetOp,
    InvalidNamespaceError,
    Item,
    ListNamespacesOp,
    Op,
    PutOp,
    SearchItem,
    SearchOp,
)
from langgraph.store.base import _ensure_ttl as ensure_ttl

from store_conformance.mutants.groups import ALL, LABELS
from store_conformance.mutants.reference import COLUMNS, Address, ItemRow, ReferenceStore


class LaxPut(ReferenceStore):
    """A base for stores whose put accepts some bad namespaces."""

    accepts_async = True
    accepts_sync = True

    def lax(self, namespace: Any) -> bool:
        return False

    def rename(self, namespace: Any) -> tuple[str, ...]:
        return tuple(str(label) for label in namespace)

    def op(self, namespace: Any, key: Any, value: Any, index: Any, ttl: Any) -> PutOp:
        ttl = ensure_ttl(self.ttl_config, ttl)
        return PutOp(self.rename(namespace), str(key), value, index, ttl)

    def validate_namespaces(self, op: Op) -> None:
        if not (isinstance(op, PutOp) and self.lax(op.namespace)):
            super().validate_namespaces(op)

    def put(
        self, namespace: Any, key: Any, value: Any, index: Any = None, *, ttl: Any = NOT_PROVIDED
    ) -> None:
        if self.accepts_sync and self.lax(namespace):
            self.batch([self.op(namespace, key, value, index, ttl)])
        else:
            super().put(namespace, key, value, index, ttl=ttl)

    async def aput(
        self, namespace: Any, key: Any, value: Any, index: Any = None, *, ttl: Any = NOT_PROVIDED
    ) -> None:
        if self.accepts_async and self.lax(namespace):
            await self.abatch([self.op(namespace, key, value, index, ttl)])
        else:
            await super().aput(namespace, key, value, index, ttl=ttl)


# N1


class EmptyNamespaceIsAccepted(LaxPut):
    """``put`` takes the namespace ``()``."""

    breaks = "N1"
    also = ("O7",)

    def lax(self, namespace: Any) -> bool:
        return bool(namespace == ())


class RootLanggraphIsAccepted(LaxPut):
    """``put`` takes the root ``langgraph``."""

    breaks = "N1"
    also = ("O7",)

    def lax(self, namespace: Any) -> bool:
        return bool(namespace[:1] == ("langgraph",))


class LanggraphAloneIsAccepted(LaxPut):
    """``put`` takes the root ``langgraph`` when labels follow."""

    breaks = "N1"
    also = ("O7",)

    def lax(self, namespace: Any) -> bool:
        return namespace[:1] == ("langgraph",) and len(namespace) > 1


class EmptyLabelIsAccepted(LaxPut):
    """``put`` takes an empty label."""

    breaks = "N1"
    also = ("N3", "O7", "N6")

    def lax(self, namespace: Any) -> bool:
        return "" in namespace


class EmptyLastLabelIsAccepted(LaxPut):
    """``put`` takes an empty label at the end."""

    breaks = "N1"
    also = ("N3", "O7")

    def lax(self, namespace: Any) -> bool:
        return bool(namespace[-1:] == ("",))


class DotsAreAccepted(LaxPut):
    """``put`` takes a label with a dot."""

    breaks = "N1"
    also = ("N3", "N7", "O7", "O10", "O4")

    def lax(self, namespace: Any) -> bool:
        return any(isinstance(label, str) and "." in label for label in namespace)


class NumbersAreAccepted(LaxPut):
    """``put`` turns a label that is no str into text."""

    breaks = "N1"
    also = ("N3", "O7")

    def lax(self, namespace: Any) -> bool:
        return any(not isinstance(label, str) for label in namespace)


class NulIsAccepted(LaxPut):
    """``put`` takes a label with NUL."""

    breaks = "N8"
    also = ("N3", "O7", "K7")

    def lax(self, namespace: Any) -> bool:
        return any(isinstance(label, str) and "\x00" in label for label in namespace)


class OnlyTheFirstLabelIsChecked(LaxPut):
    """``put`` checks the first label only."""

    breaks = "N1"
    also = (*("N3", "N7", "O7", "K7"), "O4", "O10", "N8")

    def lax(self, namespace: Any) -> bool:
        first = namespace[:1]
        good = bool(first) and isinstance(first[0], str) and first[0] not in ("", "langgraph")
        return good and "." not in first[0] and "\x00" not in first[0] and type(namespace) is tuple


class AsyncPutChecksNothing(LaxPut):
    """``aput`` takes every namespace."""

    breaks = "N1"
    also = ("N3", "N6", "N7", "O7", "O10", "O4", "N8")
    modes = ("async",)
    accepts_sync = False

    def lax(self, namespace: Any) -> bool:
        bad = not namespace or namespace[0] == "langgraph"
        return bad or any(not str(label) or "." in str(label) for label in namespace)


class BadNamespacesRaiseKeyError(ReferenceStore):
    """``put`` refuses a bad namespace with a KeyError."""

    breaks = "N1"
    also = LABELS

    def put(self, namespace: Any, *args: Any, **kwargs: Any) -> None:
        try:
            super().put(namespace, *args, **kwargs)
        except InvalidNamespaceError as error:
            raise KeyError(str(error)) from error

    async def aput(self, namespace: Any, *args: Any, **kwargs: Any) -> None:
        try:
            await super().aput(namespace, *args, **kwargs)
        except InvalidNamespaceError as error:
            raise KeyError(str(error)) from error


class BadNamespacesAreIgnored(ReferenceStore):
    """``put`` into a bad namespace is acknowledged and ignored."""

    breaks = "N1"
    also = LABELS

    def put(self, namespace: Any, *args: Any, **kwargs: Any) -> None:
        try:
            super().put(namespace, *args, **kwargs)
        except InvalidNamespaceError:
            return

    async def aput(self, namespace: Any, *args: Any, **kwargs: Any) -> None:
        try:
            await super().aput(namespace, *args, **kwargs)
        except InvalidNamespaceError:
            return


# N2


class GetChecksNothing(ReferenceStore):
    """``get`` answers None for a bad namespace."""

    breaks = "N2"
    also = ("N6", "O7", "N8")

    def get(self, namespace: Any, key: Any, **kwargs: Any) -> Item | None:
        try:
            return super().get(namespace, key, **kwargs)
        except InvalidNamespaceError:
            return None

    async def aget(self, namespace: Any, key: Any, **kwargs: Any) -> Item | None:
        try:
            return await super().aget(namespace, key, **kwargs)
        except InvalidNamespaceError:
            return None


class SearchChecksNothing(ReferenceStore):
    """``search`` answers nothing for a bad prefix."""

    breaks = "N2"
    also = ("N6", "O7", "N8")

    def search(self, prefix: Any, /, **kwargs: Any) -> list[SearchItem]:
        try:
            return super().search(prefix, **kwargs)
        except InvalidNamespaceError:
            return []

    async def asearch(self, prefix: Any, /, **kwargs: Any) -> list[SearchItem]:
        try:
            return await super().asearch(prefix, **kwargs)
        except InvalidNamespaceError:
            return []


class DeleteChecksNothing(ReferenceStore):
    """``delete`` ignores a bad namespace."""

    breaks = "N2"
    also = ("N6", "O7", "X2", "N8")

    def delete(self, namespace: Any, key: Any) -> None:
        try:
            super().delete(namespace, key)
        except InvalidNamespaceError:
            return

    async def adelete(self, namespace: Any, key: Any) -> None:
        try:
            await super().adelete(namespace, key)
        except InvalidNamespaceError:
            return


class ListPrefixIsNotChecked(ReferenceStore):
    """``list_namespaces`` answers nothing for a bad prefix."""

    breaks = "N2"
    also = ("N6", "O7", "N8")

    def list_namespaces(self, *, prefix: Any = None, **kwargs: Any) -> list[tuple[str, ...]]:
        try:
            self.validate_namespaces(SearchOp(prefix or ()))
        except InvalidNamespaceError:
            return []
        return super().list_namespaces(prefix=prefix, **kwargs)

    async def alist_namespaces(self, *, prefix: Any = None, **kwargs: Any) -> list[tuple[str, ...]]:
        try:
            self.validate_namespaces(SearchOp(prefix or ()))
        except InvalidNamespaceError:
            return []
        return await super().alist_namespaces(prefix=prefix, **kwargs)


class ListSuffixIsNotChecked(ReferenceStore):
    """``list_namespaces`` answers nothing for a bad suffix."""

    breaks = "N2"
    also = ("N6", "O7", "N8")

    def list_namespaces(self, *, suffix: Any = None, **kwargs: Any) -> list[tuple[str, ...]]:
        try:
            self.validate_namespaces(SearchOp(suffix or ()))
        except InvalidNamespaceError:
            return []
        return super().list_namespaces(suffix=suffix, **kwargs)

    async def alist_namespaces(self, *, suffix: Any = None, **kwargs: Any) -> list[tuple[str, ...]]:
        try:
            self.validate_namespaces(SearchOp(suffix or ()))
        except InvalidNamespaceError:
            return []
        return await super().alist_namespaces(suffix=suffix, **kwargs)


class AsyncReadsCheckNothing(ReferenceStore):
    """``aget`` and ``asearch`` answer nothing for a bad namespace."""

    breaks = "N2"
    also = ("N6", "O7", "N8")
    modes = ("async",)

    async def aget(self, namespace: Any, key: Any, **kwargs: Any) -> Item | None:
        try:
            return await super().aget(namespace, key, **kwargs)
        except InvalidNamespaceError:
            return None

    async def asearch(self, prefix: Any, /, **kwargs: Any) -> list[SearchItem]:
        try:
            return await super().asearch(prefix, **kwargs)
        except InvalidNamespaceError:
            return []


class ReadsOfRootLanggraphCrash(ReferenceStore):
    """Reads of the root ``langgraph`` end in an error that names no namespace."""

    breaks = "N2"
    also = ("N3", "O7")

    def validate_namespaces(self, op: Op) -> None:
        super().validate_namespaces(op)
        name = getattr(op, "namespace", getattr(op, "namespace_prefix", ()))
        if tuple(name[:1]) == ("langgraph",):
            raise RuntimeError("Internal error.")


class SearchRefusesTheEmptyPrefix(ReferenceStore):
    """``search`` refuses the prefix ``()``."""

    breaks = "N2"
    also = ALL

    def validate_namespaces(self, op: Op) -> None:
        super().validate_namespaces(op)
        if isinstance(op, SearchOp) and op.namespace_prefix == ():
            raise InvalidNamespaceError("A prefix must not be empty.")


class GetOfTheEmptyNamespaceCrashes(ReferenceStore):
    """``get`` and ``delete`` in the namespace ``()`` end in an error that names no namespace."""

    breaks = "N2"
    also = ("N3", "O7", "K2", "X2")

    def validate_namespaces(self, op: Op) -> None:
        super().validate_namespaces(op)
        read = isinstance(op, GetOp) or (isinstance(op, PutOp) and op.value is None)
        if read and op.namespace == ():  # type: ignore[union-attr]
            raise IndexError("tuple index out of range")


# N3, for stores that keep the labels as joined text


class Joined(ReferenceStore):
    """A base for stores that join the labels with a separator."""

    separator = "."

    def encode_namespace(self, namespace: tuple[str, ...]) -> str:
        return self.separator.join(map(str, namespace))

    def decode_namespace(self, text: str) -> tuple[str, ...]:
        return tuple(text.split(self.separator)) if text else ()


class BatchChecksNothing(Joined):
    """``batch`` joins the labels by dots and checks none of them."""

    breaks = "N3"
    also = ("N6", "N7", "O7")

    def validate_namespaces(self, op: Op) -> None:
        return None


class BatchChecksPutsOnly(Joined):
    """``batch`` joins the labels by dots and checks those of puts only."""

    breaks = "N3"
    also = ("N6", "N7", "O7")

    def validate_namespaces(self, op: Op) -> None:
        if isinstance(op, PutOp):
            super().validate_namespaces(op)


class BatchChecksReadsOnly(Joined):
    """``batch`` joins the labels by dots and checks those of reads only."""

    breaks = "N3"
    also = ("N6", "N7", "O7", "O4")

    def validate_namespaces(self, op: Op) -> None:
        if not isinstance(op, PutOp):
            super().validate_namespaces(op)


class BatchChecksTheFirstOpOnly(Joined):
    """``batch`` joins the labels by dots and checks its first operation only."""

    breaks = "N3"
    also = ("N6", "N7", "O7", "O4")

    def plan(self, ops: Any) -> Any:
        self.first = True
        return super().plan(ops)

    def validate_namespaces(self, op: Op) -> None:
        if self.first:
            super().validate_namespaces(op)
        self.first = False


class BatchDoesNotCheckListConditions(Joined):
    """``batch`` does not check the labels in the conditions of a list."""

    breaks = "N3"
    also = ("N6", "O7", "L1")

    def validate_namespaces(self, op: Op) -> None:
        if not isinstance(op, ListNamespacesOp):
            super().validate_namespaces(op)

    def matches_condition(self, namespace: tuple[str, ...], condition: Any) -> bool:
        path = tuple(".".join(map(str, condition.path)).split("."))
        return super().matches_condition(namespace, condition._replace(path=path))


class AbatchChecksNothing(Joined):
    """``abatch`` joins the labels by dots and checks none of them."""

    breaks = "N3"
    also = ("N6", "N7", "O7")
    modes = ("async",)

    async def abatch(self, ops: Any) -> Any:
        self.careless = True
        try:
            return await super().abatch(ops)
        finally:
            self.careless = False

    def validate_namespaces(self, op: Op) -> None:
        if not getattr(self, "careless", False):
            super().validate_namespaces(op)


class BatchTakesNumbers(ReferenceStore):
    """``batch`` turns labels that are no str into text."""

    breaks = "N3"
    also = ("N6", "N7", "O7")

    def validate_namespaces(self, op: Op) -> None:
        if not isinstance(op, (GetOp, PutOp)) or all(type(x) is str for x in op.namespace):
            super().validate_namespaces(op)

    def encode_namespace(self, namespace: tuple[str, ...]) -> str:
        return super().encode_namespace(tuple(map(str, namespace)))


# N4


class LanggraphIsRefusedBelowTheRoot(ReferenceStore):
    """The label ``langgraph`` is refused everywhere."""

    breaks = "N4"
    also = ("N2", "N3")

    def validate_namespaces(self, op: Op) -> None:
        super().validate_namespaces(op)
        name = getattr(op, "namespace", getattr(op, "namespace_prefix", ()))
        if "langgraph" in name[1:]:
            raise InvalidNamespaceError("The label langgraph is reserved.")


class LanggraphIsNotListed(ReferenceStore):
    """A namespace that holds the label ``langgraph`` is not listed."""

    breaks = "N4"
    also = ("L1", "N2")

    def sort_namespaces(self, namespaces: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
        return [name for name in super().sort_namespaces(namespaces) if "langgraph" not in name]


# N5


class PercentIsAWildcardInGet(ReferenceStore):
    """``get`` takes a label for a LIKE pattern."""

    breaks = "N5"
    also = ("N7", "X7", "K1", "K2")

    def read_item(self, op: GetOp) -> Item | None:
        found = self.connection.execute(
            "SELECT namespace FROM items WHERE namespace LIKE ? AND key = ?",
            self.address(op.namespace, op.key),
        ).fetchone()
        name = self.decode_namespace(found[0]) if found else op.namespace
        return super().read_item(op._replace(namespace=name))


class LabelsAreLikePatternsInSearch(ReferenceStore):
    """``search`` takes its prefix for a LIKE pattern."""

    breaks = "N5"
    also = ("S1", "N7", "V18")

    def matches_prefix(self, namespace: tuple[str, ...], prefix: tuple[str, ...]) -> bool:
        return len(namespace) >= len(prefix) and all(
            self.connection.execute("SELECT ? LIKE ?", pair).fetchone()[0]
            for pair in zip(namespace, prefix)
        )


class LabelsAreGlobsInSearch(ReferenceStore):
    """``search`` takes its prefix for a shell pattern."""

    breaks = "N5"
    also = ("S1", "S3", "N7")

    def matches_prefix(self, namespace: tuple[str, ...], prefix: tuple[str, ...]) -> bool:
        return len(namespace) >= len(prefix) and all(map(fnmatchcase, namespace, prefix))


class QuestionMarkIsAWildcardInSearch(ReferenceStore):
    """``search`` takes a question mark for any character."""

    breaks = "N5"
    also = ("S1", "N7")

    def matches_prefix(self, namespace: tuple[str, ...], prefix: tuple[str, ...]) -> bool:
        return len(namespace) >= len(prefix) and all(
            len(label) == len(wanted) and all(w in ("?", x) for x, w in zip(label, wanted))
            for label, wanted in zip(namespace, prefix)
        )


class UnderscoreIsAWildcardInDelete(ReferenceStore):
    """``delete`` takes its namespace for a LIKE pattern."""

    breaks = "N5"
    also = ("N7", "X7", "X1")

    def remove_item(self, address: Address) -> None:
        self.connection.execute("DELETE FROM items WHERE namespace LIKE ? AND key = ?", address)


class Renames(ReferenceStore):
    """A base for stores that alter labels on their way in."""

    def label(self, label: str) -> str:
        return label

    def encode_namespace(self, namespace: tuple[str, ...]) -> str:
        return super().encode_namespace(tuple(map(self.label, namespace)))

    def matches_prefix(self, namespace: tuple[str, ...], prefix: tuple[str, ...]) -> bool:
        return super().matches_prefix(namespace, tuple(map(self.label, prefix)))


class LabelsAreLowered(Renames):
    """Labels are in small letters."""

    breaks = "N5"
    also = (*LABELS, "E2", "E3", "K2", "V18")

    def label(self, label: str) -> str:
        return label.lower()


class BackslashesInLabelsAreEaten(Renames):
    """A backslash in a label is lost."""

    breaks = "N5"
    also = (*LABELS, "E4")

    def label(self, label: str) -> str:
        return label.replace("\\", "")


class QuotesInLabelsAreDoubled(Renames):
    """A quote in a label comes back twice."""

    breaks = "N5"
    also = LABELS

    def label(self, label: str) -> str:
        return label.replace("'", "''")


class SpacesInLabelsAreReplaced(Renames):
    """A space in a label becomes an underscore."""

    breaks = "N5"
    also = LABELS

    def label(self, label: str) -> str:
        return label.replace(" ", "_")


class EmojiInLabelsAreReplaced(Renames):
    """What is not ASCII in a label becomes a question mark."""

    breaks = "N5"
    also = LABELS

    def label(self, label: str) -> str:
        return label.encode("ascii", "replace").decode()


class StarsInLabelsAreRefused(ReferenceStore):
    """A put into a namespace with a star is refused."""

    breaks = "N8"

    def validate_namespaces(self, op: Op) -> None:
        super().validate_namespaces(op)
        if isinstance(op, PutOp) and any("*" in label for label in op.namespace):
            raise InvalidNamespaceError("A label must not hold a star.")


class NewlinesInLabelsAreRefused(ReferenceStore):
    """A put into a namespace with a newline is refused."""

    breaks = "N8"

    def validate_namespaces(self, op: Op) -> None:
        super().validate_namespaces(op)
        if isinstance(op, PutOp) and any("\n" in label for label in op.namespace):
            raise InvalidNamespaceError("A label must be one line.")


# N6


class TextIsTakenForANamespace(ReferenceStore):
    """A str is taken for a tuple of its characters."""

    breaks = "N6"
    also = ("O7",)

    def validate_namespaces(self, op: Op) -> None:
        if isinstance(op, (GetOp, PutOp)):
            op = op._replace(namespace=tuple(op.namespace))
        elif isinstance(op, SearchOp):
            op = op._replace(namespace_prefix=tuple(op.namespace_prefix))
        super().validate_namespaces(op)


class TextIsTakenForANamespaceByPut(ReferenceStore):
    """``put`` takes a str for a tuple of its characters."""

    breaks = "N6"
    also = ("O7",)

    def validate_namespaces(self, op: Op) -> None:
        if isinstance(op, PutOp) and op.value is not None:
            op = op._replace(namespace=tuple(op.namespace))
        super().validate_namespaces(op)


class TextIsTakenForAPrefix(ReferenceStore):
    """``search`` takes a str for a tuple of its characters."""

    breaks = "N6"
    also = ("O7",)

    def validate_namespaces(self, op: Op) -> None:
        if isinstance(op, SearchOp):
            op = op._replace(namespace_prefix=tuple(op.namespace_prefix))
        super().validate_namespaces(op)


class TextIsOneLabel(ReferenceStore):
    """A str is taken for a namespace of one label."""

    breaks = "N6"
    also = ("O7",)

    def plan(self, ops: Any) -> Any:
        return super().plan(
            op._replace(namespace=(op.namespace,))
            if isinstance(getattr(op, "namespace", None), str)
            else op
            for op in ops
        )


# N7


class SlashJoined(Joined):
    """Labels are joined by a slash, so ("a/b",) is ("a", "b")."""

    breaks = "N7"
    also = (*LABELS, "X7")
    separator = "/"


class ColonJoined(Joined):
    """Labels are joined by a colon, so ("a:b",) is ("a", "b")."""

    breaks = "N7"
    also = (*LABELS, "X7", "E3")
    separator = ":"


class PipeJoined(Joined):
    """Labels are joined by a pipe, so ("a|b",) is ("a", "b")."""

    breaks = "N7"
    also = (*LABELS, "X7")
    separator = "|"


class UnitSeparatorJoined(Joined):
    """Labels are joined by the unit separator, which a label may hold."""

    breaks = "N7"
    also = (*LABELS, "X7")
    separator = "\x1f"


class CommaJoined(Joined):
    """Labels are joined by a comma, so ("a,b",) is ("a", "b")."""

    breaks = "N7"
    also = (*LABELS, "X7")
    separator = ","


class DashJoined(Joined):
    """Labels are joined by two underscores, so ("a__b",) is ("a", "b")."""

    breaks = "N7"
    also = (*LABELS, "X7", "E1", "E2", "E3")
    separator = "__"


class NewlineJoined(Joined):
    """Labels are joined by a newline, so ("a\\nb",) is ("a", "b")."""

    breaks = "N7"
    also = (*LABELS, "X7")
    separator = "\n"


class FoldedNamespaces(ReferenceStore):
    """Namespaces that differ in case are one."""

    breaks = "N7"
    also = (*(*LABELS, "X7"), "E1", "K2")

    def find(self, address: Address) -> ItemRow | None:
        found = self.connection.execute(
            f"SELECT {COLUMNS} FROM items WHERE lower(namespace) = lower(?) AND key = ?", address
        ).fetchone()
        return ItemRow(*found) if found else None


class LabelsLoseTrailingSpace(Renames):
    """A space at the end of a label is lost."""

    breaks = "N7"
    also = (*LABELS, "X7")

    def label(self, label: str) -> str:
        return label.rstrip(" ") or label


class LabelsAreTrimmed(Renames):
    """White space around a label is lost."""

    breaks = "N7"
    also = (*LABELS, "X7")

    def label(self, label: str) -> str:
        return label.strip() or label


class LabelsLoseTrailingNewline(Renames):
    """A newline at the end of a label is lost."""

    breaks = "N7"
    also = (*LABELS, "X7")

    def label(self, label: str) -> str:
        return label.rstrip("\n") or label


class LabelsAreNormalised(Renames):
    """Labels that differ in normal form are one."""

    breaks = "N7"
    also = (*LABELS, "X7")

    def label(self, label: str) -> str:
        return unicodedata.normalize("NFC", label)


class NamespacesAreHashedShort(ReferenceStore):
    """A namespace is known by the first byte of its hash."""

    breaks = "N7"
    also = ALL

    def encode_namespace(self, namespace: tuple[str, ...]) -> str:
        text = super().encode_namespace(namespace)
        names: dict[str, str] = self.__dict__.setdefault("names", {})
        return names.setdefault(sha256(text.encode()).hexdigest()[:1], text)


class OrderOfLabelsIsLost(ReferenceStore):
    """("a", "b") and ("b", "a") are one namespace."""

    breaks = "N7"
    also = ALL

    def encode_namespace(self, namespace: tuple[str, ...]) -> str:
        text = super().encode_namespace(namespace)
        names: dict[str, str] = self.__dict__.setdefault("names", {})
        return names.setdefault("".join(sorted(map(str, namespace))), text)


class DeepNamespacesAreCut(ReferenceStore):
    """A namespace keeps its first five labels."""

    breaks = "N7"
    also = (*LABELS, "K1", "S1", "E7")

    def encode_namespace(self, namespace: tuple[str, ...]) -> str:
        return super().encode_namespace(namespace[:5])
