"""
S5, S8, O5, V9 and L6: many small items that are large together, beyond the page of an engine or of its protocol.
"""

from __future__ import annotations

from typing import Any

from store_conformance.contract import Capability
from store_conformance.harness.case import case
from store_conformance.harness.compat import GetOp, PutOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.harness.text import message_of
from store_conformance.suite.support.limits import limits_taken
from store_conformance.suite.support.shapes import limit_named, varied_text

VECTORS = (Capability.VECTORS,)
D = ("d",)
PIECE = 12_000
"""Characters of a value: far below what any engine refuses in one item."""
VOLUMES = {"above 1 MB": 100, "above 4 MB": 370, "above 16 MB": 1_450}
"""Numbers of items that together pass the page of an engine or the message of a protocol."""
_TEXT = varied_text(2 * PIECE)


def _value(n: int) -> dict[str, Any]:
    return {"n": n, "third": n % 3 == 0, "body": _TEXT[n % PIECE : n % PIECE + PIECE]}


def _inhabit(lab: Lab, store: Subject, count: int, *, word: str | None = None) -> None:
    """Put the items in small batches; a store that refuses them by name ends the case."""
    text = {} if word is None else {"text": word}
    for start in range(0, count, 40):
        ops = [
            PutOp(D, f"k{n}", {**_value(n), **{k: f"{w}, {n}" for k, w in text.items()}})
            for n in range(start, min(count, start + 40))
        ]
        error = lab.attempt(lambda ops=ops: store.batch(ops))  # type: ignore[misc]
        if error is not None:
            named = limit_named(error)
            lab.true(
                named,
                "items of 12 kB are stored, or refused by an error that names a limit",
                got=error,
            )
            lab.unsupported(
                f"items of 12 kB in batches of 40 are refused: {message_of(error, 160)}"
            )


def _whole(lab: Lab, found: list[Any], numbers: list[int], what: str) -> None:
    """Every item once and with its own value."""
    got = sorted(i.value["n"] for i in found)
    lab.equal(len(got), len(numbers), f"the number of items of {what}")
    lab.equal(got, numbers, f"the items of {what}")
    wrong = [i.key for i in found if i.value != {**i.value, **_value(i.value["n"])}]
    lab.equal(wrong, [], f"items of {what} that have another value")


@case("S5", params=VOLUMES, seconds=180)
def test_many_items_that_are_large_together_are_all_found(lab: Lab, count: int) -> None:
    """
    One page, pages walked and a filter find every item, also where their values pass the engine's page.

    If this fails, look at a page of the engine that ends by bytes and says so in its answer.
    """
    store = lab.open()
    _inhabit(lab, store, count)

    everything = list(range(count))
    page = count // 2 + 1
    for limit in limits_taken(lab, store, [count + 100]):
        _whole(lab, store.search(D, limit=limit), everything, "one page")
    found = store.search(D, filter={"third": True}, limit=page)
    _whole(lab, found, everything[::3], "a filter")
    _whole(lab, store.walk(D, page=page), everything, f"pages of {page}")


@case("O5", params={name: VOLUMES[name] for name in ("above 1 MB", "above 4 MB")})
def test_a_batch_of_gets_that_is_large_together_is_answered(lab: Lab, count: int) -> None:
    """
    A batch of gets finds every item, also where their values pass the engine's page.

    If this fails, look at keys that the engine leaves for another request.
    """
    store = lab.open()
    _inhabit(lab, store, count)

    results = store.batch([GetOp(D, f"k{n}") for n in range(count)])

    missing = [n for n, item in enumerate(results) if item is None]
    lab.equal(missing, [], "the items that a batch of gets does not find")
    _whole(lab, results, list(range(count)), "the batch")


@case("V9", needs=VECTORS, params={name: VOLUMES[name] for name in ("above 1 MB", "above 4 MB")})
def test_a_ranking_that_is_large_together_is_whole(lab: Lab, count: int) -> None:
    """
    A page of a query holds every item, also where their values pass the engine's page.
    """
    store = lab.indexed("text")
    _inhabit(lab, store, count, word="apple")

    _whole(lab, store.search(D, query="apple", limit=count), list(range(count)), "a ranking")
    found = store.search(D, query="apple", filter={"third": True}, limit=count)
    _whole(lab, found, list(range(0, count, 3)), "a filtered ranking")


@case("L6")
def test_a_listing_that_is_large_in_bytes_is_whole(lab: Lab) -> None:
    """
    Namespaces whose names are long together are all listed, as they are.
    """
    store = lab.open()
    names = [("d", f"n{n:04}", "x" * 200, f"{n}" + "y" * 200) for n in range(600)]
    for start in range(0, len(names), 100):
        ops = [PutOp(name, "k", {"n": 1}) for name in names[start : start + 100]]
        if lab.attempt(lambda ops=ops: store.batch(ops)) is not None:  # type: ignore[misc]
            lab.unsupported("labels of 200 characters are refused")
    bodies = [PutOp(name, "body", {"b": _TEXT[:PIECE]}) for name in names[:150]]
    for start in range(0, len(bodies), 30):
        store.batch(bodies[start : start + 30])

    lab.equal(sorted(store.list_namespaces(limit=1_000)), names, "the namespaces of one page")
    listed = store.list_namespaces(max_depth=2, limit=1_000)
    lab.equal(sorted(listed), [n[:2] for n in names], "the namespaces to depth 2")
