"""
E3: episodic memory, what an agent notes for itself with LangMem's tools inside a compiled graph.

    ("email_assistant", user, "collection")  {"content": "..."} under a random id
"""

from __future__ import annotations

from typing import Any

from store_conformance.contract import Capability, MemoryType
from store_conformance.embedding.exact import ExactEmbeddings
from store_conformance.harness.case import case
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.oracle.recall import ExactIndex, index_recall
from store_conformance.suite.support.accepted import labels_taken
from store_conformance.suite.support.agent import Agent, create, delete, parts_of, update
from store_conformance.suite.support.corpus import (
    asked,
    corpus_of,
    embedded,
    scenario_index,
    text_of,
)
from store_conformance.suite.support.scale import by_cosine

MOST_USERS = 3
MOST_MEMORIES = 6
"""Below the search tool's limit of ten, so that a store without vectors finds all of them too."""


def _namespace(user: str) -> tuple[str, ...]:
    return ("email_assistant", user, "collection")


def _open(lab: Lab) -> Subject:
    """A store as the agent's author would open it: indexed, if it can be, over the whole value."""
    parts_of(lab)
    if not lab.offers(Capability.VECTORS):
        return lab.open()
    return lab.open(index={"dims": 16, "embed": ExactEmbeddings()})


def _stored(store: Subject, user: str) -> dict[str, Any]:
    return {i.key: i.value for i in store.search(_namespace(user), limit=100)}


@case("E3", scenario=MemoryType.EPISODIC)
def test_an_agent_creates_and_finds_memories_across_threads(lab: Lab) -> None:
    """
    What the agent noted in one conversation it finds in another one of the same user, the most alike
    first, and a user who noted nothing finds nothing.

    Catches a store that ignores the query or the namespace, and memories bound to a conversation.
    """
    store = _open(lab)
    agent = Agent(lab, store)

    keys = agent.create(
        "lance", "monday", "apple*5 pie on Fridays", "banana*5 bread", "cherry*5 cake"
    )

    lab.equal(len(set(keys)), 3, "distinct ids of three memories")
    wanted = ["apple*5 pie on Fridays", "banana*5 bread", "cherry*5 cake"]
    stored = dict(zip(keys, ({"content": c} for c in wanted)))
    lab.same(
        _stored(store, "lance"),
        stored,
        "the items in the namespace after LangMem's tool created three",
    )
    _check_found(lab, agent, keys, wanted)


def _check_found(lab: Lab, agent: Agent, keys: list[str], wanted: list[str]) -> None:
    found = agent.find("lance", "tuesday", "banana")
    lab.equal(
        sorted(i["value"]["content"] for i in found),
        wanted,
        "what LangMem's search tool finds in another conversation of the user",
    )
    lab.equal(
        [tuple(i["namespace"]) for i in found],
        [_namespace("lance")] * 3,
        "the namespaces of what it finds",
    )
    if lab.offers(Capability.VECTORS):
        lab.equal(
            found[0]["key"], keys[1], "the id of what the search tool finds first for 'banana'"
        )
        one = agent.contents("lance", "wednesday", "cherry", limit=1)
        lab.equal(one, ["cherry*5 cake"], "what the search tool finds for 'cherry' with limit=1")
    others = agent.contents("mira", "monday", "banana")
    lab.equal(
        others,
        [],
        "what the search tool finds for a user who has noted nothing, beside one who has",
    )


@case("E3", scenario=MemoryType.EPISODIC)
def test_an_agent_updates_and_deletes_its_memories(lab: Lab) -> None:
    """
    An updated memory is found by its new text under its old id, a deleted one not at all, and both stay
    so after the store was reopened.

    Catches updates that add a second item, and deletes that leave the memory findable.
    """
    store = _open(lab)
    agent = Agent(lab, store)
    first, second, third = agent.create("lance", "t1", "apple*5", "banana*5", "cherry*5")

    agent.turn("lance", "t2", update(first, "damson*5"), delete(third))

    wanted = {first: {"content": "damson*5"}, second: {"content": "banana*5"}}
    _check_story(lab, agent, store, wanted, first, "")
    if lab.offers(Capability.PERSISTENCE):
        again = lab.reopen(store)
        _check_story(lab, Agent(lab, again), again, wanted, first, " after a restart")


def _check_story(
    lab: Lab, agent: Agent, store: Subject, wanted: dict[str, Any], updated: str, when: str
) -> None:
    lab.same(
        _stored(store, "lance"),
        wanted,
        f"the items in the namespace after LangMem's tools updated one and deleted one{when}",
    )
    found = agent.find("lance", "t3", "damson")
    got = {i["key"]: i["value"] for i in found}
    lab.same(got, wanted, f"what LangMem's search tool finds after that{when}")
    lab.equal(
        len(found),
        len(wanted),
        f"how many memories the search tool gives, each counted as often as it comes{when}",
    )
    if lab.offers(Capability.VECTORS):
        lab.true(updated in got, f"the memory found by its new text{when}", got=sorted(got))
    if lab.offers(Capability.VECTORS) and by_cosine(lab):
        lab.equal(found[0]["key"], updated, f"the memory found first by its new text{when}")
        stale = agent.find("lance", "t3", "apple")
        scores = [i["score"] for i in stale]
        lab.true(
            all(s is None or s < 0.5 for s in scores),
            f"a memory is still found by the text it had before{when}",
            got=[(i["value"], i["score"]) for i in stale],
        )


@case("E3", scenario=MemoryType.EPISODIC)
def test_agents_of_several_users_keep_their_memories_apart(lab: Lab) -> None:
    """
    Users whose names are alike each find, update and delete their own memories only.

    Catches namespaces matched by their beginning, without regard to case, or not at all.
    """
    store = _open(lab)
    agent = Agent(lab, store)
    users = labels_taken(lab, ("lance", "lance2", "Lance", "lan_e"))
    stranger, victim = users[-2:]
    keys = {u: agent.create(u, "t1", f"apple*5 of {u}", f"banana of {u}")[0] for u in users}

    agent.turn("lance", "t2", update(keys["lance"], "apple*5 is over"))
    agent.turn("lance2", "t2", delete(keys["lance2"]))
    agent.turn(stranger, "t2", delete(keys[victim]))  # an id of somebody else: nothing there

    wanted = {u: sorted((f"apple*5 of {u}", f"banana of {u}")) for u in users}
    wanted["lance"] = ["apple*5 is over", "banana of lance"]
    wanted["lance2"] = ["banana of lance2"]
    for user in users:
        got = sorted(agent.contents(user, "t3", "apple"))
        lab.equal(
            got,
            wanted[user],
            f"what LangMem's search tool finds for {user!r}, beside users whose names are alike",
        )
    names = sorted(store.list_namespaces(prefix=("email_assistant",), limit=20))
    lab.equal(
        names,
        sorted(_namespace(user) for user in users),
        "the namespaces that the store lists, one for each user",
    )


@case("E3", scenario=MemoryType.EPISODIC)
def test_an_agent_remembers_the_corpus(lab: Lab) -> None:
    """
    Memories of the corpus, noted by the agents of several users in turn, come back word for word, and
    its questions find the nearest of them as exact cosine ranks them, also after a restart.

    Catches texts altered on their way, and a search that is right for made-up words only.
    """
    parts_of(lab)
    corpus = corpus_of(lab, "memories")
    users = list(dict.fromkeys(memory.user for memory in corpus.memories))[:MOST_USERS]
    texts = {u: list(dict.fromkeys(m.text for m in corpus.memories_of(u))) for u in users}
    texts = {u: mine[:MOST_MEMORIES] for u, mine in texts.items()}
    store = lab.open(index=scenario_index(lab) if lab.offers(Capability.VECTORS) else None)
    agent = Agent(lab, store)

    for number in range(MOST_MEMORIES):
        for user in users:
            if number < len(texts[user]):
                agent.turn(user, f"day {number}", create(texts[user][number]))

    _check_memories(lab, store, texts, "")
    if lab.offers(Capability.PERSISTENCE):
        _check_memories(lab, lab.reopen(store), texts, " after a restart")
    lab.observe("scenario.episodic", "kept", users=len(users), corpus=corpus.name)


def _check_memories(lab: Lab, store: Subject, texts: dict[str, list[str]], when: str) -> None:
    agent = Agent(lab, store)
    for user, mine in texts.items():
        got = sorted(value["content"] for value in _stored(store, user).values())
        lab.equal(
            got,
            sorted(mine),
            f"the texts in the namespace of {user!r} after LangMem's tool created them{when}",
        )
        if lab.offers(Capability.VECTORS):
            _check_questions(lab, agent, user, mine, when)


def _check_questions(lab: Lab, agent: Agent, user: str, texts: list[str], when: str) -> None:
    corpus = corpus_of(lab, "memories")
    questions = [q.text for q in corpus.questions_of(user)][:3] or texts[:1]
    stored = {text: text_of({"content": text}) for text in texts}
    vectors = embedded(lab, list(stored.values()))
    exact = ExactIndex({text: vectors[stored[text]] for text in texts})
    for question, vector in asked(lab, questions).items():
        limit = min(3, len(stored))
        got = agent.contents(user, "questions", question, limit=limit)
        lab.equal(
            len(got),
            limit,
            f"how many memories the search tool finds for {question!r} of {user!r}{when}",
        )
        lab.true(
            index_recall(got, exact.scores(vector), limit) == 1 or not by_cosine(lab),
            f"the memories nearest to {question!r} of {user!r} are not all found{when}",
            got=got,
            expected=[text for text, _ in exact.nearest(vector, limit)],
        )
