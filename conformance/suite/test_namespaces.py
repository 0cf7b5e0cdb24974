"""
Group N: which namespaces there are, and that no two of them are ever taken for one another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conformance.case import case
from conformance.compat import (
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    MatchCondition,
    PutOp,
    SearchOp,
    since,
)
from conformance.lab import Lab
from conformance.subject import Subject
from conformance.suite.shapes import LOOKALIKES, SEPARATORS, Namespace, every_lookalike, fill, values_of

READERS: dict[str, Callable[[Subject, Any], Any]] = {
    "get": lambda store, ns: store.get(ns, "k"),
    "search": lambda store, ns: store.search(ns),
    "delete": lambda store, ns: store.delete(ns, "k"),
    "list by prefix": lambda store, ns: store.list_namespaces(prefix=ns),
    "list by suffix": lambda store, ns: store.list_namespaces(suffix=ns),
}


# -- N1, N2: what the methods refuse --------------------------------------------------------------


GROUPS: dict[str, tuple[Any, ...]] = {
    "empty label": (("a", ""), ("", "a"), ("",), ("a", "", "b")),
    "dot": (("a.b",), ("a", "b.c"), ("a", "."), ("a.",), (".a", "b"), ("a..b",)),
    "no text": (("a", 1), (1, "a"), (None, "a"), ("a", None), (b"a",), ("a", ("b",)), (1.5,), (True,)),
    "NUL": (("a\x00b",), ("a", "\x00"), ("a\x00", "b")),
}
"""Namespaces with a bad label, by what is bad."""


@case("N1", params={**GROUPS, "no label": ((),), "root langgraph": (("langgraph",), ("langgraph", "x"), ("langgraph", "a", "b"))})
def test_put_refuses_a_bad_namespace(lab: Lab, namespaces: tuple[Any, ...]) -> None:
    """
    A put into a namespace that cannot be is refused with InvalidNamespaceError, and stores nothing.

    If this fails, look at a put that is overridden without the checks of the base class.
    """
    if namespaces is GROUPS["NUL"] and not since("4.3.1"):
        lab.unverified("labels with NUL are refused since langgraph-checkpoint 4.3.1")
    store = lab.open()
    for namespace in namespaces:
        with lab.refuses(InvalidNamespaceError, f"a put into {namespace!r}") as errors:
            store.put(namespace, "k", {"n": 1})
        lab.true(isinstance(errors[0], ValueError), "the error is a ValueError", got=errors[0])

    lab.equal(store.search(()), [], "the items after the refusals")
    lab.equal(store.list_namespaces(), [], "the namespaces after the refusals")


@case("N2", params=READERS)
def test_reads_refuse_bad_labels(lab: Lab, read: Callable[[Subject, Any], Any]) -> None:
    """
    get, search, delete and list_namespaces refuse a bad label, as put does.

    If this fails, look at a method that is overridden without the checks of the base class.
    """
    if not since("4.3.0"):
        lab.unverified("reads refuse bad labels since langgraph-checkpoint 4.3.0")
    store = lab.open()
    store.put(("a",), "k", {"n": 1})
    store.put(("a", "b"), "k", {"n": 2})
    for name, namespaces in GROUPS.items():
        for namespace in namespaces if name != "NUL" or since("4.3.1") else ():
            with lab.refuses(InvalidNamespaceError, f"the labels of {namespace!r}"):
                read(store, namespace)

    got = values_of(store, [(("a",), "k"), (("a", "b"), "k")])
    lab.equal(got, [{"n": 1}, {"n": 2}], "the items after the refusals")


@case("N2")
def test_reads_take_the_empty_namespace(lab: Lab) -> None:
    """
    The namespace () is allowed for reads: everything for search and list, nothing for get and delete.

    If this fails, look at checks for put that are used for reads too.
    """
    store = lab.open()
    store.put(("a",), "k", {"n": 1})
    lab.equal(store.list_namespaces(prefix=()), [("a",)], "list by the prefix ()")
    lab.equal(store.list_namespaces(suffix=()), [("a",)], "list by the suffix ()")
    lab.equal(store.keys(()), ["k"], "search under ()")
    lab.equal(store.get((), "k"), None, "get in the namespace ()")
    lab.equal(store.delete((), "k"), None, "delete in the namespace ()")
    lab.same(store.value(("a",), "k"), {"n": 1}, "the item that no delete named")


@case("N2")
def test_reads_take_the_root_langgraph(lab: Lab) -> None:
    """
    The root label ``langgraph`` is refused by put only: reads of it find nothing.

    If this fails, look at checks for put that are used for reads too.
    """
    store = lab.open()
    store.put(("a", "langgraph"), "k", {"n": 1})
    lab.equal(store.list_namespaces(suffix=("langgraph",)), [("a", "langgraph")], "list by its suffix")
    for namespace in (("langgraph",), ("langgraph", "x")):
        lab.equal(store.list_namespaces(prefix=namespace), [], f"list by the prefix {namespace}")
        lab.equal(store.search(namespace), [], f"search under {namespace}")
        lab.equal(store.get(namespace, "k"), None, f"get in {namespace}")


# -- N3: what batch refuses -----------------------------------------------------------------------

NEIGHBOURS: tuple[Namespace, ...] = (("a",), ("a", "b"), ("a", "b", "c"), ("b",), ("ab",), ("a", "1"), ("1", "a"), ("a", "None"))
REFUSALS = (ValueError, TypeError)


@case("N3", params=GROUPS)
def test_a_bad_label_in_a_batch_reaches_no_other_namespace(lab: Lab, namespaces: tuple[Any, ...]) -> None:
    """
    An operation of a batch with a bad label is refused, or means that odd namespace and no other.

    If this fails, call ``validate_op_namespace`` for every operation before labels are joined.
    """
    _check_age(lab, namespaces)
    store = lab.open()
    fill(store, [(ns, "k", {"at": list(ns)}) for ns in NEIGHBOURS])
    for namespace in namespaces:
        written = _tried(lab, lambda ns=namespace: store.batch([PutOp(ns, "k", {"odd": True})]))  # type: ignore[misc]
        _check_neighbours(lab, store, f"a put into {namespace!r}")
        _check_odd_reads(lab, store, namespace, written=written)
        deleted = _tried(lab, lambda ns=namespace: store.batch([PutOp(ns, "k", None)]))  # type: ignore[misc]
        _check_neighbours(lab, store, f"a delete in {namespace!r}")
        _check_odd_reads(lab, store, namespace, written=written and not deleted)


@case("N3", params=GROUPS)
def test_a_bad_label_in_a_condition_matches_no_other_namespace(lab: Lab, namespaces: tuple[Any, ...]) -> None:
    """
    A condition with a bad label is refused in a batch, or matches nothing.

    If this fails, call ``validate_op_namespace`` for every operation before labels are joined.
    """
    _check_age(lab, namespaces)
    store = lab.open()
    fill(store, [(ns, "k", {"at": list(ns)}) for ns in NEIGHBOURS])
    for namespace in namespaces:
        for kind in ("prefix", "suffix"):
            answers: list[Any] = []
            op = ListNamespacesOp(match_conditions=(MatchCondition(match_type=kind, path=namespace),))
            if _tried(lab, lambda op=op: answers.extend(store.batch([op]))):  # type: ignore[misc]
                lab.equal(answers[0], [], f"the namespaces by the {kind} {namespace!r}")


@case("N3")
def test_a_refused_operation_in_a_batch_touches_no_namespace(lab: Lab) -> None:
    """
    Where a batch with a bad label is refused, its namespaces are as they were before.

    If this fails, look at operations that run before the last one was checked.
    """
    _check_age(lab, ())
    store = lab.open()
    fill(store, [(ns, "k", {"at": list(ns)}) for ns in NEIGHBOURS])
    for namespace in (("a.b",), ("a", ""), ("a", 1)):
        _tried(lab, lambda ns=namespace: store.batch([PutOp(ns, "k", {"odd": 1}), PutOp(ns, "k", None)]))  # type: ignore[misc]
        _tried(lab, lambda ns=namespace: store.batch([GetOp(("a",), "k"), PutOp(ns, "k", None)]))  # type: ignore[misc]
        _check_neighbours(lab, store, f"a batch with {namespace!r}")


@case("N3")
def test_what_batch_does_with_reserved_namespaces(lab: Lab) -> None:
    """
    Operations on () and on the root ``langgraph`` in a batch are the store's choice: recorded only.

    If this fails, the store does not work after such an operation was tried.
    """
    store = lab.open()
    for namespace in ((), ("langgraph",), ("langgraph", "x")):
        error = lab.attempt(lambda ns=namespace: store.batch([PutOp(ns, "k", {"n": 1})]))  # type: ignore[misc]
        lab.observe(f"batch put into {namespace}", "refused" if error else "accepted", error=repr(error)[:160])
    store.put(("a",), "k", {"n": 2})
    lab.same(store.value(("a",), "k"), {"n": 2}, "a put after these operations")


def _check_age(lab: Lab, namespaces: tuple[Any, ...]) -> None:
    needed = "4.3.1" if namespaces is GROUPS["NUL"] else "4.3.0"
    if not since(needed):
        lab.unverified(f"operations of a batch are checked so since langgraph-checkpoint {needed}")


def _tried(lab: Lab, work: Callable[[], Any]) -> bool:
    """Whether the operation was accepted; a refusal must be a ValueError or a TypeError."""
    error = lab.attempt(work)
    if error is not None and not isinstance(error, REFUSALS):
        lab.fail("a bad label is refused with an InvalidNamespaceError", expected="ValueError or TypeError", got=error)
    return error is None


def _check_neighbours(lab: Lab, store: Subject, after: str) -> None:
    got = values_of(store, [(ns, "k") for ns in NEIGHBOURS])
    lab.equal(got, [{"at": list(ns)} for ns in NEIGHBOURS], f"the items of {NEIGHBOURS} after {after}")


def _check_odd_reads(lab: Lab, store: Subject, namespace: Any, *, written: bool) -> None:
    """Reads of the odd namespace give what was put there, or nothing, never a neighbour's item."""
    allowed: list[Any] = [{"odd": True}] if written else []
    answers: list[Any] = []
    if _tried(lab, lambda: answers.extend(store.batch([GetOp(namespace, "k")]))):
        got = [] if answers[0] is None else [answers[0].value]
        lab.equal(got, allowed, f"what get finds in {namespace!r}")
    answers.clear()
    if _tried(lab, lambda: answers.extend(store.batch([SearchOp(namespace)]))):
        lab.equal([i.value for i in answers[0]], allowed, f"what search finds under {namespace!r}")


# -- N4, N5: what labels may be -------------------------------------------------------------------


@case("N4")
def test_langgraph_is_a_label_below_the_root(lab: Lab) -> None:
    """
    The label ``langgraph`` is allowed anywhere but at the root, and so are its look-alikes at the root.

    If this fails, the check looks at more than the first label, or does not compare it exactly.
    """
    store = lab.open()
    spaces = [("a", "langgraph"), ("a", "langgraph", "b"), ("a", "b", "langgraph"), ("LangGraph",), ("langgraph2",)]
    spaces += [("langgraph ",), ("my-langgraph", "langgraph")]
    for ns in spaces:
        store.put(ns, "k", {"at": list(ns)})

    lab.equal(values_of(store, [(ns, "k") for ns in spaces]), [{"at": list(ns)} for ns in spaces], "the items")
    lab.equal(sorted(store.list_namespaces()), sorted(spaces), "the namespaces")
    lab.equal(len(store.search(("a", "langgraph"))), 2, "the items under ('a', 'langgraph')")


LABELS: dict[str, tuple[str, ...]] = {
    **LOOKALIKES,
    "separators": tuple(dict.fromkeys(s for s in SEPARATORS if s)),
}


@case("N5", params=LABELS)
def test_any_text_is_a_label(lab: Lab, labels: tuple[str, ...]) -> None:
    """
    Every text without a dot is a label: literal and case sensitive in put, get, search and delete.

    If this fails, look at LIKE, GLOB and regular expressions without escaping, and at collations.
    """
    store = lab.open()
    spaces = [ns for label in labels for ns in ((label,), ("in", label), (label, "in"), ("in", label, "in"))]
    spaces = list(dict.fromkeys(spaces))
    fill(store, [(ns, "k", {"at": list(ns)}) for ns in spaces])

    got = values_of(store, [(ns, "k") for ns in spaces])
    for ns, value in zip(spaces, got):
        lab.same(value, {"at": list(ns)}, f"the item of {ns!r}")
    for label in labels:
        for prefix in ((label,), ("in", label)):
            expected = sorted(ns for ns in spaces if ns[: len(prefix)] == prefix)
            found = sorted(tuple(i.namespace) for i in store.search(prefix, limit=1000))
            lab.equal(found, expected, f"the namespaces found under {prefix!r}")
    lab.equal(sorted(store.list_namespaces(limit=1000)), sorted(spaces), "the namespaces listed")


@case("N5")
def test_a_label_is_literal_in_delete(lab: Lab) -> None:
    """
    A delete takes labels literally, whatever they would match as patterns.

    If this fails, look at the condition of the delete.
    """
    store = lab.open()
    labels = [*LOOKALIKES["patterns"], *LOOKALIKES["case"], *LOOKALIKES["whitespace"]]
    labels = list(dict.fromkeys(labels))
    fill(store, [(("in", label), "k", {"is": label}) for label in labels])
    for n, label in enumerate(labels):
        if n % 2:
            store.delete(("in", label), "k")

    got = values_of(store, [(("in", label), "k") for label in labels])
    lab.equal(got, [None if n % 2 else {"is": label} for n, label in enumerate(labels)], "the items left")


@case("N5")
def test_deep_and_long_namespaces(lab: Lab) -> None:
    """
    Namespaces of 40 labels and labels of 1,000 characters come back whole, or are refused.

    If this fails, look at columns with a length and at paths that are cut off.
    """
    store = lab.open()
    deep = tuple(f"l{n}" for n in range(40))
    long = ("x" * 999 + "a",), ("x" * 999 + "b",), ("x" * 999,)
    spaces = [deep, deep[:-1], (*deep[:-1], "other"), *long]
    kept = []
    for ns in spaces:
        error = lab.attempt(lambda ns=ns: store.put(ns, "k", {"at": list(ns)}))  # type: ignore[misc]
        lab.observe(f"namespace of {len(ns)} labels, {len(ns[0])} characters", "refused" if error else "stored")
        if error is None:
            kept.append(ns)

    got = values_of(store, [(ns, "k") for ns in kept])
    lab.equal(got, [{"at": list(ns)} for ns in kept], "the items of deep and long namespaces")
    lab.equal(sorted(store.list_namespaces()), sorted(kept), "the namespaces listed")
    for depth in (1, 20, 39):
        expected = sum(ns[:depth] == deep[:depth] for ns in kept)
        lab.equal(len(store.search(deep[:depth])), expected, f"the items under the first {depth} labels")


# -- N6: a str is no namespace --------------------------------------------------------------------


@case("N6")
def test_put_refuses_a_str_as_namespace(lab: Lab) -> None:
    """
    A plain str is refused as a namespace: it would become one label for each character.

    If this fails, check the type before the labels are looped over.
    """
    store = lab.open()
    for text in ("users", "u"):
        with lab.refuses(REFUSALS, f"a put into the str {text!r}"):
            store.put(text, "k", {"n": 1})  # type: ignore[arg-type]
    lab.equal(store.list_namespaces(), [], "the namespaces after the refusals")


@case("N6", params=READERS)
def test_reads_refuse_a_str_as_namespace(lab: Lab, read: Callable[[Subject, Any], Any]) -> None:
    """
    A plain str is refused as the namespace of get, search, delete and list_namespaces.

    If this fails, check the type before the labels are looped over.
    """
    store = lab.open()
    store.put(("a", "b"), "k", {"n": 1})
    with lab.refuses(REFUSALS, "the str 'ab' as a namespace"):
        read(store, "ab")
    lab.same(store.value(("a", "b"), "k"), {"n": 1}, "the item of ('a', 'b')")


# -- N7: no two namespaces are one ----------------------------------------------------------------


def _arrangements() -> list[Namespace]:
    """The same few letters, cut into labels in every way."""
    return [
        *(("a",), ("b",), ("a", "b"), ("b", "a"), ("ab",), ("ba",), ("a", "a"), ("aa",), ("aa", "a"), ("a", "aa")),
        *(("a", "b", "c"), ("ab", "c"), ("a", "bc"), ("abc",), ("a", "a", "a"), ("aaa",), ("a", "b", "a", "b")),
        *(("1", "a"), ("1a",), ("2", "ab"), ("1:a",), ("1:a", "1:b"), ("1:a,1:b",), ("[a, b]",), ('["a", "b"]',)),
        *(('["a","b"]',), ("('a', 'b')",), ("('a',)",), ('"a"', '"b"'), ('"a","b"',), ("a\\", "b"), ("a\\b",), ("a", "\\b")),
        *(("{a,b}",), ('{"a","b"}',), ("a%2Eb",), ("a%2eb",), ("a%2Fb",), ("a/b", "c"), ("a", "b/c"), ("a/b/c",), ("/a/b",)),
    ]


def _separated() -> list[Namespace]:
    found: dict[Namespace, None] = {("a", "b"): None, ("a",): None, ("b",): None}
    for sep in SEPARATORS:
        for ns in ((f"a{sep}b",), (f"a{sep}", "b"), ("a", f"{sep}b"), ("a", sep, "b"), ("a", f"b{sep}")):
            found[ns] = None
    return list(found)


FAMILIES: dict[str, list[Namespace]] = {
    "arrangement": list(dict.fromkeys(_arrangements())),
    "separators": _separated(),
    **{
        name: [ns for text in texts for ns in ((text,), ("x", text), (text, "x"))]
        for name, texts in LOOKALIKES.items()
        if name in ("case", "whitespace", "normal form", "invisible", "numbers", "words")
    },
}


@case("N7", params=FAMILIES)
def test_different_namespaces_are_different(lab: Lab, spaces: list[Namespace]) -> None:
    """
    Namespaces that resemble one another each hold their own item, and are found and listed apart.

    If this fails, look at how labels are joined, escaped and compared.
    """
    store = lab.open()
    for start in range(0, len(spaces), 60):
        store.batch([PutOp(ns, "k", {"at": list(ns)}) for ns in spaces[start : start + 60]])

    got = values_of(store, [(ns, "k") for ns in spaces])
    for ns, value in zip(spaces, got):
        lab.same(value, {"at": list(ns)}, f"the item of {ns!r}")
    listed = store.list_namespaces(limit=1000)
    lab.equal(sorted(listed), sorted(spaces), "the namespaces listed")
    every = store.search((), limit=1000)
    lab.equal(sorted(tuple(i.namespace) for i in every), sorted(spaces), "the namespaces of all items")
    for item in every:
        lab.same(item.value, {"at": list(item.namespace)}, f"the item of {item.namespace!r} in search")


@case("N7", params=FAMILIES)
def test_a_search_finds_no_namespace_that_only_resembles_its_prefix(lab: Lab, spaces: list[Namespace]) -> None:
    """
    A search under a namespace gives that one and those below it, never one that resembles it.

    If this fails, look at how a prefix of labels becomes a condition on joined text.
    """
    store = lab.open()
    fill(store, [(ns, "k", {"n": 1}) for ns in spaces])
    for prefix in spaces:
        expected = sorted(ns for ns in spaces if ns[: len(prefix)] == prefix)
        found = sorted(tuple(i.namespace) for i in store.search(prefix, limit=1000))
        lab.equal(found, expected, f"the namespaces found under {prefix!r}")


@case("N7", params=FAMILIES)
def test_a_write_reaches_no_namespace_that_resembles_its_own(lab: Lab, spaces: list[Namespace]) -> None:
    """
    An overwrite or a delete in one namespace leaves the items of those that resemble it.

    If this fails, look at how labels are joined, escaped and compared.
    """
    store = lab.open()
    fill(store, [(ns, "k", {"at": list(ns)}) for ns in spaces])
    expected: list[Any] = [{"at": list(ns)} for ns in spaces]
    for n, ns in enumerate(spaces):
        if n % 3 == 1:
            store.delete(ns, "k")
            expected[n] = None
        elif n % 3 == 2:
            store.put(ns, "k", {"new": n})
            expected[n] = {"new": n}

    got = values_of(store, [(ns, "k") for ns in spaces])
    wrong = [ns for ns, one, other in zip(spaces, got, expected) if one != other]
    lab.equal(wrong, [], "namespaces whose item is not as it should be")


@case("N7")
def test_a_key_is_no_part_of_the_namespace(lab: Lab) -> None:
    """
    A label that becomes part of the key, or a key part of the namespace, is another address.

    If this fails, namespace and key are joined into one text without escaping.
    """
    store = lab.open()
    places: list[tuple[Namespace, str]] = [(("a",), "b"), (("a", "b"), ""), (("a", "b"), "c"), (("a",), "b.c"), (("a",), "c")]
    for sep in (*SEPARATORS, "."):
        places += [(("a",), f"b{sep}c"), (("a",), f"{sep}b"), (("a",), f"b{sep}")]
        if sep != ".":
            places += [((f"a{sep}b",), "c"), ((f"a{sep}",), "b")]
    places = list(dict.fromkeys(places))
    fill(store, [(ns, key, {"at": [list(ns), key]}) for ns, key in places])

    got = values_of(store, places)
    for (ns, key), value in zip(places, got):
        lab.same(value, {"at": [list(ns), key]}, f"the item {key!r} of {ns!r}")
    lab.equal(len(store.search((), limit=1000)), len(places), "the number of items")


@case("N7")
def test_one_users_memories_are_not_anothers(lab: Lab) -> None:
    """
    Users whose names resemble one another never see one another's items.

    If this fails, memories leak from one user to the next.
    """
    store = lab.open()
    users = list(dict.fromkeys(["u1", "u10", "u", "U1", "u1 ", "u_", "u%", *every_lookalike()[::4]]))
    fill(store, [((kind, user, "memories"), "m", {"of": user}) for user in users for kind in ("app", "app2")])

    for user in users:
        found = store.search(("app", user), limit=1000)
        lab.equal([i.value for i in found], [{"of": user}], f"what is found for the user {user!r}")
        listed = [ns for ns in store.list_namespaces(prefix=("app", user), limit=1000) if user != "*"]
        lab.equal(listed, [("app", user, "memories")] if user != "*" else [], f"the namespaces of {user!r}")
