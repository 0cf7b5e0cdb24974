"""
O12: what several threads put first into a namespace is all there.
"""

from __future__ import annotations

from functools import partial

from store_conformance.contract import Capability, Mode
from store_conformance.harness.case import case
from store_conformance.harness.lab import Lab
from store_conformance.suite.support.callers import eager_threads
from store_conformance.suite.support.threads import in_threads, in_time, rounds_for

THREADS = 4


@case("O12", needs=(Capability.THREADS,), modes=(Mode.SYNC,), seconds=60)
def test_the_first_items_of_a_namespace_are_put_at_once(lab: Lab) -> None:
    """
    Of items that several threads put at once into a namespace which had none, each is there.

    If this fails, look for what a namespace is kept in and who makes it: two that find none both make one, and
    what is in the first is lost.
    """
    store = lab.open()
    rounds, made = rounds_for(store, calls=THREADS, most=250), [0]
    raised: list[BaseException] = []

    def put(number: int, me: int) -> None:
        store.raw.put(("first", f"n{number}"), f"k{me}", {"n": me})

    def all_rounds() -> None:
        for number in in_time(rounds, made, 0):
            raised.extend(in_threads([partial(put, number, me) for me in range(THREADS)]))
            if raised:
                return

    with eager_threads():
        store.timed("puts of several threads", all_rounds)

    lab.equal([repr(error) for error in raised[:3]], [], "what the threads raised")
    found = {(i.namespace[-1], i.key) for i in store.search(("first",), limit=1000)}
    wanted = [(f"n{number}", f"k{me}") for number in range(made[0]) for me in range(THREADS)]
    lost = [place for place in wanted if place not in found]
    lab.equal(lost[:5], [], "first items of their namespaces that no search finds")
