"""
Group K: every kind of scalar at every depth, long names, sizes that change from one put to the next, files of large items.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from store_conformance.contract import Capability
from store_conformance.harness.case import case
from store_conformance.harness.compat import GetOp, SearchOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.accepted import names_taken, numbers_taken
from store_conformance.suite.support.shapes import fill, limit_named, varied_text

NS = ("values", "shapes")
# Floats that are whole numbers are K8's.
SCALARS: list[Any] = [
    *(0.1, 0.30000000000000004, 1e-300, 1.5e-5, -2.5, 0.1234567890123456),
    *(0, 1, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)),
    *(True, False, None, "", "a", "1", "1.0", "true", "null", "a\r\nb", " a ", "é", "e\u0301"),
    *("2024-05-17T10:00:00", "[1]", "{}", [], {}, [[]], [{}], {"d": {}}),
]


def _dicts(depth: int, inner: Any) -> Any:
    for _ in range(depth):
        inner = {"d": inner}
    return inner


SHAPES: dict[str, Callable[[Any], Any]] = {
    "two dicts": lambda v: _dicts(1, v),
    "four dicts": lambda v: _dicts(3, v),
    "eight dicts": lambda v: _dicts(7, v),
    "list": lambda v: [v, v],
    "list in list": lambda v: [[v], [v, v]],
    "dict in list": lambda v: [{"d": v}, {"d": [v]}],
    "list in dicts": lambda v: _dicts(3, [v, {"e": [v]}]),
}


@case("K6", params={name: name for name in SHAPES})
def test_every_scalar_is_kept_at_every_depth(lab: Lab, shape: str) -> None:
    """
    Numbers, texts, bools, null and what is empty come back as they were, however deep in dicts and lists they are.

    If this fails, look at a conversion that is made on the way down, and at one that stops at some depth.
    """
    store = lab.open()
    value = {f"v{n}": SHAPES[shape](scalar) for n, scalar in enumerate(numbers_taken(lab, SCALARS))}
    store.put(NS, "k", value)
    lab.same(store.value(NS, "k"), value, "the value in get")
    lab.same(store.search(NS)[0].value, value, "the value in search")


@case("K6")
def test_long_names_of_fields_are_kept_whole(lab: Lab) -> None:
    """
    Fields whose long names differ at their end are different fields, at the top of a value and below.

    If this fails, look for a column or an index that holds the beginning of a name.
    """
    store = lab.open()
    lengths = (31, 63, 64, 127, 128, 255, 256, 1000)
    names = names_taken(lab, [f"n{'x' * (n - 2)}{end}" for n in lengths for end in "ab"])
    value = {**{name: n for n, name in enumerate(names)}, "in": {name: name for name in names}}
    store.put(NS, "k", value)
    lab.same(store.value(NS, "k"), value, "the value in get")
    for n, name in enumerate(names):
        kept = store.keys(NS, filter={name: n}) == ["k"]
        lab.true(kept, f"a filter finds the item by a name of {len(name)} characters")


# -- K3: sizes that change --------------------------------------------------------------------------------

SIZES = (10, 200_000, 10, 5_000, 70_000, 1, 10, 300_000, 300_000, 1_000)
"""Characters of one value after the other: what is large may be kept elsewhere."""


@case("K3", params={"overwritten": False, "deleted in between": True})
def test_values_that_grow_and_shrink_replace_one_another(lab: Lab, deleted: bool) -> None:
    """
    The last value counts, whether it is larger or smaller than the one before, or than the one that was deleted.

    If this fails, look at what is large and kept elsewhere, and who removes it there.
    """
    store = lab.open()
    store.put(NS, "beside", {"n": -1})
    left_out = []
    for n, size in enumerate(SIZES, start=1):
        value = {"n": n, "text": varied_text(size)}
        if not _taken(lab, store, value):
            left_out.append(size)
            continue
        got = [store.value(NS, "k"), *(i.value for i in store.search(NS, filter={"n": n}))]
        batch = store.batch([GetOp(NS, "k"), SearchOp(NS, filter={"n": n})])
        got += [batch[0].value, *(i.value for i in batch[1])]
        lab.true(got == [value] * 4, f"the value of {size} characters, by every read",
                 expected=f"n={n}, four times", got=[v.get("n") for v in got])  # fmt: skip
        lab.equal(store.keys(NS), ["beside", "k"], "the keys")
        if deleted:
            store.delete(NS, "k")  # whether it is gone is X1's
    if left_out:
        lab.observe("refused.sizes", left_out)


def _taken(lab: Lab, store: Subject, value: dict[str, Any]) -> bool:
    """Whether a value is stored; one that is refused names the limit, as K13 has it."""
    error = lab.attempt(lambda: store.put(NS, "k", value))
    named = error is None or limit_named(error)
    lab.true(named, "a value is stored, or refused by an error that names the limit", got=error)
    return error is None


# -- X4: files -----------------------------------------------------------------------------------------

FILES = 6


@case("X4", needs=(Capability.PERSISTENCE,), params={"deleted": True, "overwritten": False})
def test_no_item_leaves_a_file_of_its_own(lab: Lab, deleted: bool) -> None:
    """
    Where a large value has a file to itself, the file goes when the item does, or when a small value replaces it.

    Files that many items share may hold old bytes for a while.  If this fails, look at who removes the file.
    """
    store = lab.open()
    texts = {f"k{n}": f"mark{n}q{varied_text(200_000 + n)}" for n in range(FILES)}
    for key, text in texts.items():
        if lab.attempt(lambda k=key, t=text: store.put(NS, k, {"text": t})) is not None:  # type: ignore[misc]
            lab.unsupported("a value of 200,000 characters is refused, which K13 judges")
    fill(store, [(NS, key, None if deleted else {"n": 1}) for key in texts])
    store.close()

    marks = [f"mark{n}q".encode() for n in range(FILES)]
    held = [_marks_in(path, marks) for path in store.at.path.rglob("*") if path.is_file()]
    alone = sorted(found[0].decode() for found in held if len(found) == 1)
    own = alone == sorted(mark.decode() for mark in marks)
    lab.true(not own, "no file is left of each item, with nothing but that item's value in it",
             expected="none", got=alone)  # fmt: skip


def _marks_in(path: Path, marks: list[bytes]) -> list[bytes]:
    data = path.read_bytes()
    return [mark for mark in marks if mark in data]
