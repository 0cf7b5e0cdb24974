"""
Group N, what is allowed: any label, and no two namespaces are taken for one another.
"""

from __future__ import annotations

from typing import Any

from store_conformance.harness.case import case
from store_conformance.harness.compat import PutOp
from store_conformance.harness.lab import Lab
from store_conformance.suite.support.accepted import keys_taken, refusals, spaces_taken
from store_conformance.suite.support.families import FAMILIES
from store_conformance.suite.support.shapes import (
    LOOKALIKES,
    SEPARATORS,
    Namespace,
    every_lookalike,
    fill,
    values_of,
)

# -- N4, N5: what labels may be -------------------------------------------------------------------


@case("N4")
def test_langgraph_is_a_label_below_the_root(lab: Lab) -> None:
    """
    The label ``langgraph`` is allowed anywhere but at the root, and so are its look-alikes at the root.

    If this fails, the check looks at more than the first label, or does not compare it exactly.
    """
    store = lab.open()
    spaces = [
        ("a", "langgraph"),
        ("a", "langgraph", "b"),
        ("a", "b", "langgraph"),
        ("LangGraph",),
        ("langgraph2",),
    ]
    spaces += [*spaces_taken(lab, [("langgraph ",)]), ("my-langgraph", "langgraph")]
    for ns in spaces:
        store.put(ns, "k", {"at": list(ns)})

    lab.equal(
        values_of(store, [(ns, "k") for ns in spaces]),
        [{"at": list(ns)} for ns in spaces],
        "the items",
    )
    lab.equal(sorted(store.list_namespaces()), sorted(spaces), "the namespaces")
    lab.equal(len(store.search(("a", "langgraph"))), 2, "the items under ('a', 'langgraph')")


LENGTHS = (33, 65, 129, 200)
"""Characters of labels such as are made of ids and addresses."""
LABELS: dict[str, tuple[str, ...]] = {
    **LOOKALIKES,
    "separators": tuple(dict.fromkeys(s for s in SEPARATORS if s)),
}


@case("N5", params=LABELS)
def test_any_text_is_a_label(lab: Lab, labels: tuple[str, ...]) -> None:
    """
    A label is literal and case sensitive in put, get, search and delete, whatever text it is.

    If this fails, look at LIKE, GLOB and regular expressions without escaping, and at collations.
    """
    store = lab.open()
    spaces: list[Namespace] = [
        ns
        for label in labels
        for ns in ((label,), ("in", label), (label, "in"), ("in", label, "in"))
    ]
    spaces = spaces_taken(lab, spaces)
    fill(store, [(ns, "k", {"at": list(ns)}) for ns in spaces])

    got = values_of(store, [(ns, "k") for ns in spaces])
    for ns, value in zip(spaces, got):
        lab.same(value, {"at": list(ns)}, f"the item of {ns!r}")
    for label in dict.fromkeys(label for ns in spaces for label in ns):
        for prefix in ((label,), ("in", label)):
            expected = sorted(ns for ns in spaces if ns[: len(prefix)] == prefix)
            found = sorted(tuple(i.namespace) for i in store.search(prefix, limit=1000))
            lab.equal(found, expected, f"the namespaces found under {prefix!r}")
    lab.equal(sorted(store.list_namespaces(limit=1000)), sorted(spaces), "the namespaces listed")


@case("N8")
def test_no_label_is_refused_that_the_docs_allow(lab: Lab) -> None:
    """
    Every label of text without a dot or NUL is taken: the docs name no other that is invalid.

    If this fails, look at characters that the engine cannot hold, and escape them.
    """
    groups = {name: [(text,) for text in texts] for name, texts in LABELS.items()}
    groups["long"] = [("x" * length,) for length in LENGTHS]
    every = [(space, "k") for spaces in groups.values() for space in spaces]
    refused = refusals(lab, every)
    told = {
        name: [space[0] for space in spaces if (space, "k") in refused]
        for name, spaces in groups.items()
    }
    told = {name: labels for name, labels in told.items() if labels}
    first = next(iter(refused.values()), "")
    lab.equal(told, {}, f"labels that are refused ({first[:160]})")


@case("N5")
def test_a_label_is_literal_in_delete(lab: Lab) -> None:
    """
    A delete takes labels literally, whatever they would match as patterns.

    If this fails, look at the condition of the delete.
    """
    store = lab.open()
    labels = [*LOOKALIKES["patterns"], *LOOKALIKES["case"], *LOOKALIKES["whitespace"]]
    labels = [label for _, label in spaces_taken(lab, [("in", label) for label in labels])]
    fill(store, [(("in", label), "k", {"is": label}) for label in labels])
    for n, label in enumerate(labels):
        if n % 2:
            store.delete(("in", label), "k")

    got = values_of(store, [(("in", label), "k") for label in labels])
    lab.equal(
        got, [None if n % 2 else {"is": label} for n, label in enumerate(labels)], "the items left"
    )


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
        error = lab.attempt(lambda: store.put(ns, "k", {"at": list(ns)}))
        lab.observe(
            f"namespace of {len(ns)} labels, {len(ns[0])} characters",
            "refused" if error else "stored",
        )
        if error is None:
            kept.append(ns)

    got = values_of(store, [(ns, "k") for ns in kept])
    lab.equal(got, [{"at": list(ns)} for ns in kept], "the items of deep and long namespaces")
    lab.equal(sorted(store.list_namespaces()), sorted(kept), "the namespaces listed")
    for depth in (1, 20, 39):
        if depth > 1 and deep not in kept:
            break  # a prefix as deep may be refused as the namespace was
        expected = sum(ns[:depth] == deep[:depth] for ns in kept)
        lab.equal(
            len(store.search(deep[:depth])), expected, f"the items under the first {depth} labels"
        )


# -- N7: no two namespaces are one ----------------------------------------------------------------


@case("N7", params=FAMILIES)
def test_different_namespaces_are_different(lab: Lab, spaces: list[Namespace]) -> None:
    """
    Namespaces that resemble one another each hold their own item, and are found and listed apart.

    If this fails, look at how labels are joined, escaped and compared.
    """
    store = lab.open()
    spaces = spaces_taken(lab, spaces)
    for start in range(0, len(spaces), 60):
        store.batch([PutOp(ns, "k", {"at": list(ns)}) for ns in spaces[start : start + 60]])

    got = values_of(store, [(ns, "k") for ns in spaces])
    for ns, value in zip(spaces, got):
        lab.same(value, {"at": list(ns)}, f"the item of {ns!r}")
    listed = store.list_namespaces(limit=1000)
    lab.equal(sorted(listed), sorted(spaces), "the namespaces listed")
    every = store.search((), limit=1000)
    lab.equal(
        sorted(tuple(i.namespace) for i in every), sorted(spaces), "the namespaces of all items"
    )
    for item in every:
        lab.same(
            item.value, {"at": list(item.namespace)}, f"the item of {item.namespace!r} in search"
        )


@case("N7", params=FAMILIES)
def test_a_search_finds_no_namespace_that_only_resembles_its_prefix(
    lab: Lab, spaces: list[Namespace]
) -> None:
    """
    A search under a namespace gives that one and those below it, never one that resembles it.

    If this fails, look at how a prefix of labels becomes a condition on joined text.
    """
    store = lab.open()
    spaces = spaces_taken(lab, spaces)
    fill(store, [(ns, "k", {"n": 1}) for ns in spaces])
    for prefix in spaces:
        expected = sorted(ns for ns in spaces if ns[: len(prefix)] == prefix)
        found = sorted(tuple(i.namespace) for i in store.search(prefix, limit=1000))
        lab.equal(found, expected, f"the namespaces found under {prefix!r}")


@case("N7", params=FAMILIES)
def test_a_write_reaches_no_namespace_that_resembles_its_own(
    lab: Lab, spaces: list[Namespace]
) -> None:
    """
    An overwrite or a delete in one namespace leaves the items of those that resemble it.

    If this fails, look at how labels are joined, escaped and compared.
    """
    store = lab.open()
    spaces = spaces_taken(lab, spaces)
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
    places: list[tuple[Namespace, str]] = [
        (("a",), "b"),
        (("a", "b"), ""),
        (("a", "b"), "c"),
        (("a",), "b.c"),
        (("a",), "c"),
    ]
    for sep in (*SEPARATORS, "."):
        places += [(("a",), f"b{sep}c"), (("a",), f"{sep}b"), (("a",), f"b{sep}")]
        if sep != ".":
            places += [((f"a{sep}b",), "c"), ((f"a{sep}",), "b")]
    taken = set(keys_taken(lab, [key for _, key in places]))
    spaces = set(spaces_taken(lab, [ns for ns, _ in places]))
    places = [p for p in dict.fromkeys(places) if p[1] in taken and p[0] in spaces]
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
    users = ["u1", "u10", "u", "U1", "u1 ", "u_", "u%", *every_lookalike()[::4]]
    users = [user for _, user in spaces_taken(lab, [("app", user) for user in users])]
    fill(
        store,
        [
            ((kind, user, "memories"), "m", {"of": user})
            for user in users
            for kind in ("app", "app2")
        ],
    )

    for user in users:
        found = store.search(("app", user), limit=1000)
        lab.equal([i.value for i in found], [{"of": user}], f"what is found for the user {user!r}")
        listed = [
            ns for ns in store.list_namespaces(prefix=("app", user), limit=1000) if user != "*"
        ]
        lab.equal(
            listed,
            [("app", user, "memories")] if user != "*" else [],
            f"the namespaces of {user!r}",
        )
