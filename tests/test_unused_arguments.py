"""
What a store's function says by the arguments that it does not use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from store_conformance.backends.arguments import Arguments
from store_conformance.backends.references import Reference
from store_conformance.backends.supplied_function import FunctionBackend
from store_conformance.contract import ALL, Capability, declared


def uses_all(at: Any, index: Any, ttl: Any) -> object:
    return at, index, ttl


@contextmanager
def uses_all_in_a_context(at: Any, index: Any, ttl: Any) -> Iterator[object]:
    yield uses_all(at, index=index, ttl=ttl)


def uses_inside(at: Any, index: Any, ttl: Any) -> object:
    return lambda: (index, ttl)


def uses_everything_at_once(at: Any, index: Any, ttl: Any) -> object:
    return locals()


def passes_words_on(at: Any, **words: Any) -> object:
    return words


def passes_all_on(*everything: Any) -> object:
    return everything


class Opener:
    def __call__(self, at: Any, index: Any, ttl: Any) -> object:
        return None


USED: dict[str, Callable[..., object]] = {
    "plain": uses_all,
    "a context manager": uses_all_in_a_context,
    "a function inside": uses_inside,
    "locals()": uses_everything_at_once,
    "**words": passes_words_on,
    "*everything": passes_all_on,
    "an object": Opener(),
    "a partial": partial(uses_all),
    "built in": dict,
}


@pytest.mark.parametrize("function", USED.values(), ids=USED)
def test_what_is_used_or_cannot_be_told_counts_as_used(function: Callable[..., object]) -> None:
    assert Arguments.plan("x", function, {}).unused() == frozenset()


@contextmanager
def leaves_ttl(at: Any, index: Any, ttl: Any) -> Iterator[object]:
    yield index


def deletes_both(at: Any, index: Any, ttl: Any) -> object:
    del index, ttl
    return at


def takes_the_place_only(at: Any) -> object:
    return at


def takes_nothing() -> object:
    return None


def has_another_ttl(at: Any, index: Any, ttl: Any) -> object:
    return at.ttl, index


UNUSED: list[tuple[Callable[..., object], set[str]]] = [
    (leaves_ttl, {"ttl"}),
    (deletes_both, {"index", "ttl"}),
    (takes_the_place_only, {"index", "ttl"}),
    (takes_nothing, {"index", "ttl"}),
    (has_another_ttl, {"ttl"}),
]


@pytest.mark.parametrize(("function", "names"), UNUSED)
def test_what_nothing_is_done_with_is_unused(
    function: Callable[..., object], names: set[str]
) -> None:
    assert Arguments.plan("x", function, {}).unused() == names


def _backend(
    function: Callable[..., object], capabilities: frozenset[Capability] = ALL
) -> FunctionBackend:
    return FunctionBackend(function, Reference.parse("x:y"), "x", capabilities, {}, None)


def test_an_unused_index_counts_as_no_vectors_and_is_told() -> None:
    backend = _backend(takes_the_place_only)

    assert backend.capabilities == declared(("no-vectors", "no-ttl-config"))
    assert [note.split("--declare ")[1] for note in backend.notes] == [
        "no-vectors",
        "no-ttl-config",
    ]


def test_what_is_declared_is_not_told_again() -> None:
    assert _backend(takes_the_place_only, declared(("no-vectors", "no-ttl"))).notes == ()


def test_one_of_two_functions_that_uses_an_argument_is_enough() -> None:
    def opens(at: Any, index: Any) -> object:
        return index

    opens.for_async = uses_all  # type: ignore[attr-defined]

    assert _backend(opens).capabilities == ALL
