"""
O23: callers that write and read the same keys at once agree on one order of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

from store_conformance.contract import Capability, Mode
from store_conformance.harness.case import case
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.oracle.registers import Deed, Said, Step, judge, meetings, plans
from store_conformance.suite.support.callers import (
    Answer,
    Answers,
    Ask,
    Scripts,
    Together,
    keys_in,
    value_in,
)

CALLERS = ("one", "two", "three", "four")
KEYS = ("k0", "k1", "k2")
STEPS = 12
"""Calls of a caller in a round; a key has about a third of those of all callers."""
SPAN = 1.5
"""Seconds after which no new round begins."""
ROUNDS = 8
ENOUGH = 10
"""Calls that met, below which nothing can be told."""


def _in_rounds(one_round: Callable[[int], None]) -> None:
    """Rounds as long as there is time, one at least."""
    until = time.monotonic() + SPAN
    for number in range(ROUNDS):
        one_round(number)
        if time.monotonic() > until:
            return


def _asked(at: tuple[str, ...], step: Step) -> Ask:
    if step.deed is Deed.PUT:
        return Ask.of("put", at, step.key, {"version": step.version})
    return Ask.of(step.deed.value, at, step.key)


def _version(item: Any) -> str | None:
    value = value_in(item)
    return None if value is None else str(value.get("version", value))


def _said(caller: str, step: Step, answer: Answer) -> Said:
    seen = _version(answer.result) if step.deed is Deed.GET else None
    return step.said(caller, answer.began, answer.ended, seen, answer.error)


def _errors(answers: Answers) -> list[str]:
    return [a.error for of in answers.values() for a in of if a.error]


def _agree(lab: Lab, store: Subject, together: Together) -> None:
    """Some order of all puts, deletes and gets of each key explains what every caller saw."""
    met = calls = unknown = 0
    disordered: list[str] = []

    def one_round(number: int) -> None:
        nonlocal met, calls, unknown
        at = ("registers", f"r{number}")
        steps = plans(lab.rng, together.callers, KEYS, STEPS)
        answers = together.run({c: [_asked(at, s) for s in own] for c, own in steps.items()})
        said = [_said(c, s, a) for c in steps for s, a in zip(steps[c], answers[c])]
        after = {key: _version(store.get(at, key)) for key in KEYS}
        found = judge(said, after, time.monotonic_ns())
        met, calls, unknown = met + meetings(said), calls + len(said), unknown + found.unknown
        disordered.extend(found.disordered)
        lab.equal(_errors(answers)[:3], [], "what the callers' calls raised")

    _in_rounds(one_round)
    lab.observe("concurrency.registers", met, calls=calls, untold=unknown)
    lab.equal(disordered[:2], [], "keys whose calls no single order explains")
    if met < ENOUGH:
        lab.unverified(f"only {met} of {calls} calls met another caller's call of the same key")
    if unknown:
        lab.unverified(f"the search for an order was given up for {unknown} keys")


def _overlapped(answers: Answers) -> int:
    """How many calls were under way while another caller's was."""
    spans = [(c, a.began, a.ended) for c, own in answers.items() for a in own]
    return sum(any(a[0] != b[0] and a[1] < b[2] and b[1] < a[2] for b in spans) for a in spans)


def _met(lab: Lab, met: int) -> None:
    if met < ENOUGH:
        lab.unverified(f"only {met} calls met another caller's")


def _upsert(lab: Lab, store: Subject, together: Together) -> None:
    """Callers put the same keys, and keys of their own beside them, at once: each is there once, as it was put."""
    keys = [f"k{n}" for n in range(8)]
    own = {c: [f"{c}-{n}" for n in range(8)] for c in together.callers}
    met = 0

    def one_round(number: int) -> None:
        nonlocal met
        at = ("upserts", f"r{number}")
        scripts: Scripts = {
            c: [Ask.of("put", at, k, {"version": f"{c}.{k}"}) for k in lab.rng.sample(mine, 16)]
            for c, mine in ((c, keys + own[c]) for c in together.callers)
        }
        answers = together.run(scripts)
        met += _overlapped(answers)
        lab.equal(_errors(answers)[:3], [], "what the callers' puts raised")
        found = store.search(at, limit=100)
        wanted = [*keys, *(k for c in together.callers for k in own[c])]
        lab.equal(sorted(i.key for i in found), sorted(wanted), "the keys that a search finds")
        for item in found:
            writers = [c for c in together.callers if item.key in keys + own[c]]
            written = [f"{c}.{item.key}" for c in writers]
            told = f"one of {written}"
            lab.true(_version(item) in written, "a value that was put", got=item, expected=told)
            lab.equal(store.value(at, item.key), item.value, f"get and search of {item.key!r}")

    _in_rounds(one_round)
    _met(lab, met)


def _came_back(name: str, answers: Sequence[Answer]) -> list[str]:
    """Which own keys a caller's searches show after their deletes were acknowledged."""
    gone: set[str] = set()
    seen = []
    for answer in answers:
        if answer.ask.name == "delete" and not answer.error:
            gone.add(answer.ask.args[1])
        elif answer.ask.name == "search":
            seen += [f"{name!r} sees {key!r}" for key in keys_in(answer.result) if key in gone]
    return seen


def _delete(lab: Lab, store: Subject, together: Together) -> None:
    """What a caller has deleted none of its later searches shows."""
    met = 0
    store.search(("deletes",), limit=100)  # a store may name a smaller page
    page = min(100, store.largest_page)

    def script(at: tuple[str, ...], caller: str) -> list[Ask]:
        asks = []
        for n in range(4):
            key = f"{caller}{n}"
            asks += [Ask.of("put", at, key, {"n": n}), Ask.of("delete", at, key)]
            asks += [Ask.of("search", at, limit=page)]
        return [*asks, Ask.of("put", at, f"{caller}-stays", {"n": 1})]

    def one_round(number: int) -> None:
        nonlocal met
        at = ("deletes", f"r{number}")
        answers = together.run({c: script(at, c) for c in together.callers})
        met += _overlapped(answers)
        lab.equal(_errors(answers)[:3], [], "what the callers' calls raised")
        back = [found for c in answers for found in _came_back(c, answers[c])]
        lab.equal(back, [], "deleted keys that a later search of their caller shows")
        wanted = sorted(f"{c}-stays" for c in together.callers)
        lab.equal(store.keys(at), wanted, "the keys that are left at the end")

    _in_rounds(one_round)
    _met(lab, met)


def _in_one_process(lab: Lab) -> tuple[Lab, Subject, Together]:
    """Threads in sync mode, tasks in async mode."""
    store = lab.open()
    return lab, store, Together(lab, store, CALLERS, processes=False)


@case("O23", seconds=90)
def test_callers_agree_on_one_order_of_each_key(lab: Lab) -> None:
    """
    Each key behaves as one register: some order of all puts, deletes and gets explains what every caller saw.

    If this fails, look for reads from a copy or cache, and for writes that are acknowledged before others can see them.
    """
    _agree(*_in_one_process(lab))


@case("O23", needs=(Capability.THREADS,), modes=(Mode.SYNC,))
def test_threads_that_take_turns_see_one_another(lab: Lab) -> None:
    """
    What one thread has written, another one reads that has read the item before, and the reverse.

    If this fails, look for what each thread keeps for itself: a cache, or a connection that is still in a transaction.
    """
    store = lab.open()
    at = ("turns",)
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as two:

        def call(pool: Executor, name: str, *args: Any, **kwargs: Any) -> Any:
            method = getattr(store.raw, name)
            told = f"{name} in a thread of its own"
            return store.timed(told, lambda: pool.submit(method, *args, **kwargs).result(60))

        for n in range(6):
            writer, reader = (one, two) if n % 2 else (two, one)
            value = None if n == 4 else {"version": n}
            call(writer, *(("put", at, "k", value) if value else ("delete", at, "k")))
            for pool in (reader, writer):
                got = value_in(call(pool, "get", at, "k"))
                lab.equal(got, value, f"a get after write {n} by another thread, and its own")
                found = keys_in(call(pool, "search", at, limit=5))
                lab.equal(found, ["k"] if value else [], f"a search after write {n}")


@case("O23", seconds=90)
def test_upserts_at_once_leave_each_key_once(lab: Lab) -> None:
    """
    After callers have put the same keys, and keys of their own, at once, each is there once, as one of them put it.

    If this fails, look for an upsert that looks first and inserts then, and for a write that gives up in silence
    when others change the same document, namespace or table.
    """
    _upsert(*_in_one_process(lab))


@case("O23", seconds=90)
def test_a_deleted_key_is_in_no_later_search(lab: Lab) -> None:
    """
    What a caller has deleted none of its later searches shows, whatever others put and delete beside it.

    If this fails, look for a write of others that brings an older state of the namespace back.
    """
    _delete(*_in_one_process(lab))


@case("O23", needs=(Capability.PERSISTENCE, Capability.PROCESSES), serial=True, seconds=110)
def test_processes_agree_on_each_key(lab: Lab) -> None:
    """
    Callers in processes of their own agree on one order of each key, lose and double none, and see no deleted one.

    If this fails, look for what a process keeps of the database in its memory.
    """
    store = lab.open()
    together = Together(lab, store, CALLERS[:3], processes=True)
    _agree(lab, store, together)
    _upsert(lab, store, together)
    _delete(lab, store, together)
