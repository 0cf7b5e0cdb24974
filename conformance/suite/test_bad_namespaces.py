"""
Group N, what is refused: namespaces that cannot be, in methods and in a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from store_conformance.contract import Capability
from store_conformance.harness.case import case
from store_conformance.harness.compat import (
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    MatchCondition,
    PutOp,
    SearchOp,
    since,
)
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.accepted import spaces_taken
from store_conformance.suite.support.shapes import Namespace, fill, values_of

READERS: dict[str, Callable[[Subject, Any], Any]] = {
    "get": lambda store, ns: store.get(ns, "k"),
    "search": lambda store, ns: store.search(ns),
    "delete": lambda store, ns: store.delete(ns, "k"),
    "list by prefix": lambda store, ns: store.list_namespaces(prefix=ns),
    "list by suffix": lambda store, ns: store.list_namespaces(suffix=ns),
    "list to a depth": lambda store, ns: store.list_namespaces(
        prefix=("a",), suffix=ns, max_depth=2, limit=5
    ),
    "search in full": lambda store, ns: store.search(ns, filter={"n": 1}, limit=5, offset=1),
}


# -- N1, N2: what the methods refuse --------------------------------------------------------------


GROUPS: dict[str, tuple[Any, ...]] = {
    "empty label": (("a", ""), ("", "a"), ("",), ("a", "", "b")),
    "dot": (("a.b",), ("a", "b.c"), ("a", "."), ("a.",), (".a", "b"), ("a..b",)),
    "no text": (
        ("a", 1),
        (1, "a"),
        (None, "a"),
        ("a", None),
        (b"a",),
        ("a", ("b",)),
        (1.5,),
        (True,),
    ),
    "NUL": (("a\x00b",), ("a", "\x00"), ("a\x00", "b")),
}
"""Namespaces with a bad label, by what is bad."""


WITH_NUL = GROUPS["NUL"]
DOCUMENTED = {name: bad for name, bad in GROUPS.items() if name != "NUL"}
"""What the docs name as invalid; a NUL is refused by the code of the base class only."""


@case(
    "N1",
    params={
        **DOCUMENTED,
        "no label": ((),),
        "root langgraph": (("langgraph",), ("langgraph", "x"), ("langgraph", "a", "b")),
    },
)
def test_put_refuses_a_bad_namespace(lab: Lab, namespaces: tuple[Any, ...]) -> None:
    """
    A put into a namespace that cannot be is refused with InvalidNamespaceError, and stores nothing.

    If this fails, look at a put that is overridden without the checks of the base class.
    """
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
        lab.unsupported("reads refuse bad labels since langgraph-checkpoint 4.3.0")
    store = lab.open()
    store.put(("a",), "k", {"n": 1})
    store.put(("a", "b"), "k", {"n": 2})
    for namespaces in DOCUMENTED.values():
        for namespace in namespaces:
            with lab.refuses(InvalidNamespaceError, f"the labels of {namespace!r}"):
                read(store, namespace)

    got = values_of(store, [(("a",), "k"), (("a", "b"), "k")])
    lab.equal(got, [{"n": 1}, {"n": 2}], "the items after the refusals")


@case("N8")
def test_a_label_with_nul_is_refused(lab: Lab) -> None:
    """
    A put, and every read, refuses a label with NUL as it refuses the labels that the docs name.

    If this fails, look at a method that is overridden without the checks of the base class.
    """
    if not since("4.3.1"):
        lab.unsupported("labels with NUL are refused since langgraph-checkpoint 4.3.1")
    store = lab.open()
    calls = {"put": lambda store, ns: store.put(ns, "k", {"n": 1}), **READERS}
    for namespace in WITH_NUL:
        for name, call in calls.items():
            with lab.refuses(InvalidNamespaceError, f"{name} of {namespace!r}"):
                call(store, namespace)

    lab.equal(store.search(()), [], "the items after the refusals")


@case("N2")
def test_reads_take_the_empty_namespace(lab: Lab) -> None:
    """
    The namespace () is allowed for search and list, where it is everything.

    What get and delete do with it is recorded: no item can be there.

    If this fails, look at checks for put that are used for reads too.
    """
    store = lab.open()
    store.put(("a",), "k", {"n": 1})
    lab.equal(store.list_namespaces(prefix=()), [("a",)], "list by the prefix ()")
    lab.equal(store.list_namespaces(suffix=()), [("a",)], "list by the suffix ()")
    lab.equal(store.keys(()), ["k"], "search under ()")
    _finds_nothing(lab, "get in ()", lambda: store.get((), "k"))
    _finds_nothing(lab, "delete in ()", lambda: store.delete((), "k"))
    lab.same(store.value(("a",), "k"), {"n": 1}, "the item that no delete named")


@case("N2")
def test_reads_take_the_root_langgraph(lab: Lab) -> None:
    """
    The docs refuse the root label ``langgraph`` to put only: reads of it find nothing, or are refused.

    If this fails, look at checks for put that are used for reads too.
    """
    store = lab.open()
    store.put(("a", "langgraph"), "k", {"n": 1})
    lab.equal(
        store.list_namespaces(suffix=("langgraph",)), [("a", "langgraph")], "list by its suffix"
    )
    for namespace in (("langgraph",), ("langgraph", "x")):
        listed = partial(store.list_namespaces, prefix=namespace)
        _finds_nothing(lab, f"list by the prefix {namespace}", listed)
        _finds_nothing(lab, f"search under {namespace}", partial(store.search, namespace))
        _finds_nothing(lab, f"get in {namespace}", partial(store.get, namespace, "k"))


def _finds_nothing(lab: Lab, what: str, read: Callable[[], Any]) -> None:
    """
    A read of a place where no item can be gives nothing, or is refused.

    No sentence of the docs names the error: () has no bad label, and the root is refused to put only.
    """
    answers: list[Any] = []
    error = lab.attempt(lambda: answers.append(read()))
    refused = f"refused: {type(error).__name__}"
    lab.observe(f"reserved.{what}", "nothing" if error is None else refused)
    if error is not None:
        lab.true(isinstance(error, REFUSALS), f"{what} is refused by name", got=error)
    else:
        lab.true(answers[0] in (None, []), f"{what} finds nothing", got=answers[0])


# -- N3: what batch refuses -----------------------------------------------------------------------

NEIGHBOURS: tuple[Namespace, ...] = (
    ("a",),
    ("a", "b"),
    ("a", "b", "c"),
    ("b",),
    ("ab",),
    ("a", "1"),
    ("1", "a"),
    ("a", "None"),
)
REFUSALS = (ValueError, TypeError)


@case("N3", params=GROUPS)
def test_a_bad_label_in_a_batch_reaches_no_other_namespace(
    lab: Lab, namespaces: tuple[Any, ...]
) -> None:
    """
    An operation of a batch with a bad label is refused, or means that odd namespace and no other.

    If this fails, call ``validate_op_namespace`` for every operation before labels are joined.
    """
    _check_age(lab, namespaces)
    store = lab.open()
    fill(store, [(ns, "k", {"at": list(ns)}) for ns in spaces_taken(lab, NEIGHBOURS)])
    for namespace in namespaces:
        _tried(lab, lambda: store.batch([PutOp(namespace, "k", {"odd": True})]))
        _check_neighbours(lab, store, f"a put into {namespace!r}")
        _check_odd_reads(lab, store, namespace)
        _tried(lab, lambda: store.batch([PutOp(namespace, "k", None)]))
        _check_neighbours(lab, store, f"a delete in {namespace!r}")
        _check_odd_reads(lab, store, namespace)


@case("N3", params=GROUPS)
def test_a_bad_label_in_a_condition_matches_no_other_namespace(
    lab: Lab, namespaces: tuple[Any, ...]
) -> None:
    """
    A condition with a bad label is refused in a batch, or matches nothing.

    If this fails, call ``validate_op_namespace`` for every operation before labels are joined.
    """
    _check_age(lab, namespaces)
    store = lab.open()
    fill(store, [(ns, "k", {"at": list(ns)}) for ns in spaces_taken(lab, NEIGHBOURS)])
    for namespace in namespaces:
        for kind in ("prefix", "suffix"):
            answers: list[Any] = []
            op = ListNamespacesOp(
                match_conditions=(MatchCondition(match_type=kind, path=namespace),)
            )
            if _tried(lab, lambda: answers.extend(store.batch([op]))):
                lab.equal(answers[0], [], f"the namespaces by the {kind} {namespace!r}")


@case("N3")
def test_a_refused_operation_in_a_batch_touches_no_namespace(lab: Lab) -> None:
    """
    Where a batch with a bad label is refused, its namespaces are as they were before.

    If this fails, look at operations that run before the last one was checked.
    """
    _check_age(lab, ())
    store = lab.open()
    fill(store, [(ns, "k", {"at": list(ns)}) for ns in spaces_taken(lab, NEIGHBOURS)])
    bad: list[Any] = [("a.b",), ("a", ""), ("a", 1)]
    for namespace in bad:
        _tried(
            lab,
            lambda: store.batch([PutOp(namespace, "k", {"odd": 1}), PutOp(namespace, "k", None)]),
        )
        _tried(lab, lambda: store.batch([GetOp(("a",), "k"), PutOp(namespace, "k", None)]))
        _check_neighbours(lab, store, f"a batch with {namespace!r}")


@case("N3")
def test_what_batch_does_with_reserved_namespaces(lab: Lab) -> None:
    """
    Operations on () and on the root ``langgraph`` in a batch are the store's choice: recorded only.

    If this fails, the store does not work after such an operation was tried.
    """
    store = lab.open()
    for namespace in ((), ("langgraph",), ("langgraph", "x")):
        error = lab.attempt(lambda: store.batch([PutOp(namespace, "k", {"n": 1})]))
        lab.observe(
            f"batch put into {namespace}",
            "refused" if error else "accepted",
            error=repr(error)[:160],
        )
    store.put(("a",), "k", {"n": 2})
    lab.same(store.value(("a",), "k"), {"n": 2}, "a put after these operations")


def _check_age(lab: Lab, namespaces: tuple[Any, ...]) -> None:
    needed = "4.3.1" if namespaces is WITH_NUL else "4.3.0"
    if not since(needed):
        lab.unsupported(f"operations of a batch are checked so since langgraph-checkpoint {needed}")


def _tried(lab: Lab, work: Callable[[], Any]) -> bool:
    """
    Whether the operation was accepted.

    The promise is that no other namespace is reached.  Which error refuses an operation that no method made is in
    no sentence but that of ``validate_op_namespace``, which stores may call: another one is recorded.
    """
    error = lab.attempt(work)
    if error is not None and not isinstance(error, InvalidNamespaceError):
        lab.observe(
            "a bad label in a batch", f"refused: {type(error).__name__}", error=repr(error)[:160]
        )
    return error is None


def _check_neighbours(lab: Lab, store: Subject, after: str) -> None:
    spaces = spaces_taken(lab, NEIGHBOURS)
    got = values_of(store, [(ns, "k") for ns in spaces])
    lab.equal(got, [{"at": list(ns)} for ns in spaces], f"the items of {spaces} after {after}")


def _check_odd_reads(lab: Lab, store: Subject, namespace: Any) -> None:
    """
    Reads of the odd namespace give what was put there, or nothing, never a neighbour's item.

    What a refused batch leaves of its own is O4's.
    """
    allowed: list[Any] = [[], [{"odd": True}]]
    wanted = "nothing, or what was put there if that was taken"
    answers: list[Any] = []
    if _tried(lab, lambda: answers.extend(store.batch([GetOp(namespace, "k")]))):
        got = [] if answers[0] is None else [answers[0].value]
        lab.true(got in allowed, f"what get finds in {namespace!r}", got=got, expected=wanted)
    answers.clear()
    if _tried(lab, lambda: answers.extend(store.batch([SearchOp(namespace)]))):
        got = [i.value for i in answers[0]]
        lab.true(got in allowed, f"what search finds under {namespace!r}", got=got, expected=wanted)


# -- N6: a str is no namespace --------------------------------------------------------------------


@case("N6")
def test_a_str_is_refused_as_a_namespace(lab: Lab) -> None:
    """
    A plain str is refused as a namespace: it would become one label for each character.

    Asked of put, get, search, delete and list_namespaces, in one mode where both are offered.  If this fails,
    check the type before the labels are looped over.
    """
    if lab.mode == "async" and lab.offers(Capability.SYNC):
        lab.unsupported("asked in sync mode; that both do the same is O7's")
    store = lab.open()
    store.put(("a", "b"), "k", {"n": 1})
    calls: dict[str, Callable[[], Any]] = {
        f"put into {text!r}": partial(store.put, text, "k", {"n": 1})  # type: ignore[arg-type]
        for text in ("users", "u")
    }
    calls |= {f"{name} of 'ab'": partial(read, store, "ab") for name, read in READERS.items()}
    taken = []
    for name, call in calls.items():
        error = lab.attempt(call)
        if error is None:
            taken.append(name)
        elif not isinstance(error, REFUSALS):
            lab.fail(f"{name} is refused by name", expected="ValueError or TypeError", got=error)
    what = "calls that take a text in place of a tuple of labels and do not refuse it"
    lab.equal(taken, [], what)
    lab.same(store.value(("a", "b"), "k"), {"n": 1}, "the item of ('a', 'b')")
