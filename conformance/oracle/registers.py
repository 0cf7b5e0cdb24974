"""
Keys that several callers write and read at once: what they are to call, whether their calls met, and whether one order
of them explains what each saw.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from store_conformance.oracle.linearizability import Call, Order, linearizable


@dataclass(frozen=True)
class Said:
    """One call of a caller on a key, with the times of its begin and end in nanoseconds."""

    caller: str
    key: str
    call: Call
    error: str = ""
    """What it raised; whether it took effect, nobody knows then, and its call has no end."""


def meetings(said: Sequence[Said]) -> int:
    """How many calls of one key were under way while another caller's call of that key was."""
    return sum(
        a.key == b.key and a.caller != b.caller and _overlap(a.call, b.call)
        for n, a in enumerate(said)
        for b in said[n + 1 :]
    )


def _overlap(a: Call, b: Call) -> bool:
    return (b.ended is None or a.began < b.ended) and (a.ended is None or b.began < a.ended)


def told(said: Iterable[Said]) -> str:
    """The calls of one key in the order of their begins, with milliseconds from the first one."""
    ordered = sorted(said, key=lambda one: one.call.began)
    first = ordered[0].call.began if ordered else 0
    words = []
    for one in ordered:
        call = one.call
        what = f"get {call.value}" if call.reads else f"put {call.value}"
        what = "delete" if call.value is None and not call.reads else what
        end = "" if call.ended is None else f"{(call.ended - first) / 1e6:.1f}"
        words.append(f"{one.caller} {what} {(call.began - first) / 1e6:.1f}-{end}")
    return ", ".join(words)


# -- what callers do --------------------------------------------------------------------------------


class Deed(str, Enum):
    """What a step does to its key."""

    PUT = "put"
    GET = "get"
    DELETE = "delete"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Step:
    """One call that a caller is to make; ``version`` is what a put says."""

    deed: Deed
    key: str
    version: str | None = None

    def said(self, caller: str, began: int, ended: int, seen: str | None, error: str) -> Said:
        """The step as it went."""
        reads = self.deed is Deed.GET
        value = seen if reads else self.version
        return Said(caller, self.key, Call(began, None if error else ended, value, reads), error)


def plans(
    chance: random.Random, callers: Sequence[str], keys: Sequence[str], steps: int
) -> dict[str, list[Step]]:
    """For each caller as many steps over the same keys; reads and writes by turns, no version twice."""
    deeds = (Deed.PUT, Deed.PUT, Deed.GET, Deed.GET, Deed.GET, Deed.DELETE)

    def step(caller: str, n: int) -> Step:
        deed = chance.choice(deeds)
        return Step(deed, chance.choice(keys), f"{caller}.{n}" if deed is Deed.PUT else None)

    return {caller: [step(caller, n) for n in range(steps)] for caller in callers}


# -- the judgement ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judgement:
    """What the calls on several keys came to."""

    disordered: tuple[str, ...]
    """A sentence for each key that no order explains."""
    unknown: int
    """Keys whose search for an order was given up."""


def judge(said: Sequence[Said], after: Mapping[str, str | None], now: int) -> Judgement:
    """
    Whether one order explains each key, which held nothing in the beginning, and ``after`` when all calls had ended.
    """
    disordered, unknown = [], 0
    for key, last in after.items():
        own = [one for one in said if one.key == key]
        calls = [one.call for one in own] + [Call(now, now + 1, last, reads=True)]
        order = linearizable(calls)
        unknown += order is Order.UNKNOWN
        if order is Order.NONE:
            disordered.append(
                f"{key}: no order of its {len(own)} calls explains what they saw: {f'{told(own)}; at the end {last}'!r}"
            )
    return Judgement(tuple(disordered), unknown)
