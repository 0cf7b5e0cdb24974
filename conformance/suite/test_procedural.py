"""
E1: procedural memory, the prompts that a user's agent follows and an optimiser rewrites.

    (user,)  agent_instructions  triage_ignore  triage_notify  triage_respond  ...
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from store_conformance.contract import Capability, MemoryType, Mode
from store_conformance.harness.case import case
from store_conformance.harness.compat import PutOp
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.accepted import labels_taken
from store_conformance.suite.support.corpus import corpus_of
from store_conformance.suite.support.shapes import LARGE, put_large

ROUNDS = 32
AT_ONCE = 6
Prompts = dict[tuple[str, str], str]
"""The text by user and key."""

AWKWARD = {
    "percent": "Ignore 100 % discounts, %s, %(name)s, 50%_off and LIKE '%free%'.",
    "quotes": 'Say "no" to \'urgent\'; don\'t quote `code`; „Grüße“, «merci», \\"escaped\\".',
    "emoji": "Reply with 👩‍👩‍👧 or 🏳️‍🌈, never 🚀; flag 🇵🇱, zażółć gęślą jaźń, 你好, e\u0301 and é.",
    "newlines": "\n\n1. first\r\n2. second\n\t- nested\n\n  3. indented\u2028last line  \n",
    "templates": "Dear {name}, {{literal}} ${VALUE} $1 :param ?1 <prompt>&amp;</prompt> [[x]] #{y}",
    "sql": "'); DROP TABLE store; -- /* comment */ \\x00 \\u0041 \\n",
    "spaces": "   leading, trailing and \u00a0non-breaking\u200b   ",
    "long": "Answer kindly. " * 2000,
    "empty": "",
}
LOOK_ALIKES = ("lance", "Lance", "lance ", "lance2", "lan", "lance%", "l_nce")


def _prompts(lab: Lab) -> Prompts:
    return {(p.user, p.key): p.text for p in corpus_of(lab, "prompts").prompts}


def _save(store: Subject, prompts: Prompts) -> None:
    store.batch([PutOp((user,), key, {"prompt": text}) for (user, key), text in prompts.items()])


def _check(lab: Lab, store: Subject, prompts: Prompts, when: str) -> None:
    """Every prompt is there exactly, and each user has these keys and no other."""
    for (user, key), text in prompts.items():
        item = store.fetch((user,), key)
        lab.same(item.value, {"prompt": text}, f"the {key} of {user!r} {when}")
        lab.equal(tuple(item.namespace), (user,), f"whose prompt get({user!r}, {key!r}) is {when}")
    for user in dict.fromkeys(user for user, _ in prompts):
        wanted = sorted(key for owner, key in prompts if owner == user)
        lab.equal(store.keys((user,)), wanted, f"the keys under ({user!r},) {when}")


@case("E1", scenario=MemoryType.PROCEDURAL)
def test_every_user_reads_their_own_prompts_back(lab: Lab) -> None:
    """
    The prompts of all users, side by side in one store, read back exactly, also after it is reopened.

    Catches a store that keeps one item a key whoever owns it, or that shortens long texts.
    """
    prompts = _prompts(lab)
    store = lab.open()

    _save(store, prompts)

    _check(lab, store, prompts, "after it was saved")
    lab.equal(store.get(("nobody",), "agent_instructions"), None, "a prompt of a user who has none")
    if lab.offers(Capability.PERSISTENCE):
        _check(lab, lab.reopen(store), prompts, "after a restart")


@case("E1", scenario=MemoryType.PROCEDURAL)
def test_an_optimiser_loop_leaves_one_prompt_a_key(lab: Lab) -> None:
    """
    An optimiser rewrites every prompt more than thirty times, the users' turns mixed: the last text
    stays, once, and nobody else's prompt changes.

    Catches appended versions and lost updates.  When an item counts as created is judged by K4 and
    observed here: a prompt that reads back exactly is no failure of procedural memory.
    """
    prompts = _prompts(lab)
    others = labels_taken(lab, LOOK_ALIKES)  # whether a label is taken is N8's
    bystanders = {(user, "agent_instructions"): f"Leave {user!r} alone." for user in others}
    bystanders = {k: v for k, v in bystanders.items() if k not in prompts}
    store = lab.open()
    _save(store, {**prompts, **bystanders})
    owners = list(prompts)
    first = {slot: store.fetch((slot[0],), slot[1]) for slot in owners[:6]}
    current = dict(prompts)

    for number in range(ROUNDS):
        turn = lab.rng.sample(owners, len(owners))
        rewritten = {slot: f"{prompts[slot]}\n\nLesson {number}: {slot[0]}." for slot in turn}
        _save(store, rewritten)
        current.update(rewritten)
        user, key = turn[0]
        read = store.value((user,), key)["prompt"]
        lab.same(read, current[user, key], f"the {key!r} of {user!r} in round {number}")
        current[user, key] = f"{read} Checked."
        store.put((user,), key, {"prompt": current[user, key]})

    _check(lab, store, {**current, **bystanders}, f"after {ROUNDS} rewrites")
    created = _created(store, first)
    if lab.offers(Capability.PERSISTENCE):
        again = lab.reopen(store)
        _check(lab, again, {**current, **bystanders}, "after a restart")
    users = len({user for user, _ in owners})
    lab.observe("scenario.procedural", "kept", users=users, rewrites=ROUNDS, created_at=created)


def _created(store: Subject, first: dict[tuple[str, str], Any]) -> str:
    now = [(store.fetch((user,), key).created_at, item) for (user, key), item in first.items()]
    return "kept" if all(at == item.created_at for at, item in now) else "moved by an overwrite"


@case("E1", scenario=MemoryType.PROCEDURAL, params=AWKWARD)
def test_awkward_triage_prompts_come_back_exactly(lab: Lab, text: str) -> None:
    """
    A triage prompt with per cent signs, quotes, emoji, newlines or templates is kept to the character.

    Catches formatting, trimming, normalising and escaping on the way in or out.
    """
    store = lab.open()
    store.put(("lance",), "triage_ignore", {"prompt": "Ignore newsletters."})

    if len(text) > LARGE:  # what a value may be at most is K13's
        put_large(
            lab, store, ("mira",), "first", {"prompt": text}, f"a prompt of {len(text)} characters"
        )
        store.delete(("mira",), "first")
    store.put(("lance",), "triage_ignore", {"prompt": text})
    store.put(("mira",), "triage_ignore", {"prompt": text + "!"})

    lab.same(store.value(("lance",), "triage_ignore"), {"prompt": text}, "the prompt")
    found = [i.value for i in store.search(("lance",))]
    lab.same(found, [{"prompt": text}], "the prompt found by search")
    lab.same(store.value(("mira",), "triage_ignore"), {"prompt": text + "!"}, "the other user's")
    if lab.offers(Capability.PERSISTENCE):
        again = lab.reopen(store)
        lab.same(again.value(("lance",), "triage_ignore"), {"prompt": text}, "after a restart")


@case("E1", scenario=MemoryType.PROCEDURAL)
def test_many_users_optimise_at_once(lab: Lab) -> None:
    """
    The optimisers of all users run at the same time, each reading and rewriting its own user's prompt:
    none raises, and each ends with all of its own lessons and no other's.

    Catches writes lost or handed to another caller when calls overlap.
    """
    if lab.mode == Mode.SYNC and not lab.offers(Capability.THREADS):
        lab.unsupported("declared: no threads")
    users = list(dict.fromkeys(user for user, _ in _prompts(lab)))[:8]
    store = lab.open()
    _save(store, {(user, "agent_instructions"): user for user in users})

    if lab.mode == Mode.ASYNC:
        _optimise_in_loop(lab, store, users)
    else:
        with ThreadPoolExecutor(max_workers=len(users)) as pool:
            list(pool.map(lambda user: _optimise(store, user), users))

    wanted = {(u, "agent_instructions"): _lessons(u, AT_ONCE) for u in users}
    _check(lab, store, wanted, f"after {len(users)} optimisers at once")


def _lessons(user: str, count: int) -> str:
    return user + "".join(f" / {user} {number}" for number in range(count))


def _optimise(store: Subject, user: str) -> None:
    for number in range(AT_ONCE):
        text = store.value((user,), "agent_instructions")["prompt"]
        store.put((user,), "agent_instructions", {"prompt": f"{text} / {user} {number}"})


def _optimise_in_loop(lab: Lab, store: Subject, users: list[str]) -> None:
    async def one(user: str) -> None:
        for number in range(AT_ONCE):
            item = await store.raw.aget((user,), "agent_instructions")
            text = item.value["prompt"] if item is not None else "nothing was found"
            value = {"prompt": f"{text} / {user} {number}"}
            await store.raw.aput((user,), "agent_instructions", value)

    async def everyone() -> None:
        await asyncio.gather(*(one(user) for user in users))

    store.timed(f"{len(users)} optimisers at once", lambda: lab.loop_thread.run(everyone()))
