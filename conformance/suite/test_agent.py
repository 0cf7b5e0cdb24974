"""
E5: the same agent code runs unchanged on every backend: only the store differs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypedDict

from langchain_core.runnables import RunnableConfig

from store_conformance.contract import Capability, Mode
from store_conformance.embedding.exact import ExactEmbeddings
from store_conformance.harness.case import case
from store_conformance.harness.compat import BaseStore
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject
from store_conformance.suite.support.agent import Agent, invoke, parts_of
from store_conformance.suite.support.scale import by_cosine

INSTRUCTIONS = "Use these tools when appropriate to help manage tasks efficiently."


class Mail(TypedDict):
    """The state of the assistant's graph."""

    mail: str
    correction: str | None
    label: str | None


@dataclass
class Told:
    """What an agent's code got back from its store, as plain data."""

    prompt: Any = None
    examples: list[Any] = field(default_factory=list)
    respond: list[str] = field(default_factory=list)
    everything: list[str] = field(default_factory=list)
    gone: Any = "not asked"


def _about(meaning: bool, text: str) -> dict[str, Any]:
    """The query of a search, where the application has given its store an index."""
    return {"query": text} if meaning else {}


def agent_code(store: BaseStore, user_id: str, meaning: bool) -> Told:
    """What an e-mail agent does with its memory; it knows nothing of the store but its interface."""
    told = Told()
    namespace: tuple[str, ...] = (user_id,)
    store.put(namespace, "agent_instructions", {"prompt": INSTRUCTIONS})
    store.put(namespace, "triage_ignore", {"prompt": "Marketing newsletters"})
    result = store.get(namespace, "agent_instructions")
    told.prompt = result.value["prompt"] if result else None
    namespace = ("email_assistant", user_id, "examples")
    store.put(namespace, "example_1", {"email": {"subject": "apple*5"}, "label": "respond"})
    store.put(namespace, "example_2", {"email": {"subject": "banana*5"}, "label": "ignore"})
    results = store.search(namespace, limit=5, **_about(meaning, "a question about apple"))
    told.examples = [(r.key, r.value) for r in results]
    told.respond = [
        r.key
        for r in store.search(namespace, filter={"label": "respond"}, **_about(meaning, "apple"))
    ]
    store.delete((user_id,), "triage_ignore")
    told.gone = store.get((user_id,), "triage_ignore")
    told.everything = [i.key for i in store.search((user_id,))]
    return told


async def async_agent_code(store: BaseStore, user_id: str, meaning: bool) -> Told:
    """``agent_code`` with the awaitable methods."""
    told = Told()
    namespace: tuple[str, ...] = (user_id,)
    await store.aput(namespace, "agent_instructions", {"prompt": INSTRUCTIONS})
    await store.aput(namespace, "triage_ignore", {"prompt": "Marketing newsletters"})
    result = await store.aget(namespace, "agent_instructions")
    told.prompt = result.value["prompt"] if result else None
    namespace = ("email_assistant", user_id, "examples")
    await store.aput(namespace, "example_1", {"email": {"subject": "apple*5"}, "label": "respond"})
    await store.aput(namespace, "example_2", {"email": {"subject": "banana*5"}, "label": "ignore"})
    results = await store.asearch(namespace, limit=5, **_about(meaning, "a question about apple"))
    told.examples = [(r.key, r.value) for r in results]
    about = _about(meaning, "apple")
    found = await store.asearch(namespace, filter={"label": "respond"}, **about)
    told.respond = [r.key for r in found]
    await store.adelete((user_id,), "triage_ignore")
    told.gone = await store.aget((user_id,), "triage_ignore")
    told.everything = [i.key for i in await store.asearch((user_id,))]
    return told


def _open(lab: Lab) -> Subject:
    """``index={"dims": ..., "embed": ...}``, where the store offers vectors; the application's one line."""
    if not lab.offers(Capability.VECTORS):
        return lab.open()
    return lab.open(index={"dims": 16, "embed": ExactEmbeddings()})


def _run(lab: Lab, store: Subject, user: str) -> Told:
    told: Told
    meaning = lab.offers(Capability.VECTORS)
    if lab.mode == Mode.ASYNC:
        told = store.timed(
            "agent_code", lambda: lab.loop_thread.run(async_agent_code(store.raw, user, meaning))
        )
    else:
        told = store.timed("agent_code", lambda: agent_code(store.raw, user, meaning))
    return told


def _check(lab: Lab, told: Told, user: str) -> None:
    lab.same(told.prompt, INSTRUCTIONS, f"the instructions of {user!r}")
    examples = [
        ("example_1", {"email": {"subject": "apple*5"}, "label": "respond"}),
        ("example_2", {"email": {"subject": "banana*5"}, "label": "ignore"}),
    ]
    ranked = lab.offers(Capability.VECTORS) and by_cosine(lab)
    got = told.examples if ranked else sorted(told.examples, key=lambda example: example[0])
    lab.same(got, examples, f"the examples of {user!r}, the nearest first")
    lab.equal(told.respond, ["example_1"], f"the examples of {user!r} to respond to")
    lab.equal(told.gone, None, f"the prompt that {user!r} removed")
    lab.equal(told.everything, ["agent_instructions"], f"what is left under ({user!r},)")


@case("E5")
def test_the_same_agent_code_runs_unchanged(lab: Lab) -> None:
    """
    An agent's puts, gets, searches and deletes do for two users what they do on every other store.

    Catches any difference that application code would have to know of.
    """
    store = _open(lab)
    for user in ("lance", "mira"):
        _check(lab, _run(lab, store, user), user)
    _check(lab, _run(lab, store, "lance"), "lance")  # the next session of the same user


@case("E5")
def test_a_test_script_for_persistence_passes(lab: Lab) -> None:
    """
    A script stores a prompt and an example, finds both, and finds them again through a second store
    object, as after a restart.

    Catches a store whose second object at the same place begins empty.
    """
    store = _open(lab)
    store.put(("test_user",), "agent_instructions", {"prompt": "Test prompt"})
    lab.same(store.value(("test_user",), "agent_instructions"), {"prompt": "Test prompt"}, "stored")
    namespace = ("email_assistant", "test_user", "examples")
    example = {"email": {"subject": "Test", "author": "test@example.com"}, "label": "respond"}
    store.put(namespace, "example_1", example)

    about = _about(lab.offers(Capability.VECTORS), "test email")
    results = store.search(namespace, limit=1, **about)

    lab.same([r.value for r in results], [example], "what the search found")
    if not lab.offers(Capability.PERSISTENCE):
        return
    second = lab.reopen(store)
    found = second.get(("test_user",), "agent_instructions")
    lab.true(found is not None, "the data is lost in a second store object at the same place")
    lab.same(second.value(("test_user",), "agent_instructions"), {"prompt": "Test prompt"}, "kept")
    again = second.search(namespace, limit=1, **about)
    lab.same([r.value for r in again], [example], "what the search found after the restart")


@case("E5")
def test_an_assistant_graph_uses_all_three_memories(lab: Lab) -> None:
    """
    A compiled graph triages mail by examples and prompts, learns from a correction, and notes memories
    with LangMem's tools, given nothing but ``store=``.

    Catches a store that works by itself and not from the threads or tasks that LangGraph calls it in.
    """
    parts = parts_of(lab)
    store = _open(lab)
    graph = _assistant(lab, parts, store.raw)
    store.put(("lance",), "triage_default", {"prompt": "notify"})

    first = _triage(lab, store, graph, "lance", "apple*3")
    taught = _triage(lab, store, graph, "lance", "apple*3", correction="respond")
    later = _triage(lab, store, graph, "lance", "apple*2")
    other = _triage(lab, store, graph, "mira", "apple*2")

    lab.equal(first, "notify", "the label before anything was learnt, by the user's prompt")
    lab.equal(taught, "respond", "the label that the user corrected")
    lab.equal(later, "respond", "the label of the next e-mail like it")
    lab.equal(other, "ignore", "the label for a user who taught nothing and has no prompt")
    agent = Agent(lab, store)
    (key,) = agent.create("lance", "t1", "answers apple mail at once")
    lab.same(
        store.value(("email_assistant", "lance", "collection"), key),
        {"content": "answers apple mail at once"},
        "the memory that the tool noted",
    )
    names = sorted(store.list_namespaces(prefix=("email_assistant",), limit=20))
    wanted = [("email_assistant", "lance", kind) for kind in ("collection", "examples")]
    lab.equal(names, wanted, "the namespaces of examples and memories")
    if lab.offers(Capability.PERSISTENCE):
        again = lab.reopen(store)
        fresh = _assistant(lab, parts, again.raw)
        after = _triage(lab, again, fresh, "lance", "apple")
        lab.equal(after, "respond", "the label by what was learnt before the restart")


def _triage(
    lab: Lab, store: Subject, graph: Any, user: str, mail: str, correction: str | None = None
) -> Any:
    config = {"configurable": {"langgraph_user_id": user, "thread_id": mail}}
    state = {"mail": mail, "correction": correction, "label": None}
    answer = store.timed(f"assistant of {user}", lambda: invoke(lab, graph, state, config))
    return answer["label"]


def _key(mail: str) -> str:
    """Letters and digits alone: whether a store takes other keys is K11's."""
    return "".join(c for c in mail if c.isalnum())


def _label(examples: list[Any], prompt: Any) -> str:
    """The label of the nearest example; without any, what the user's prompt says."""
    if examples:
        return str(examples[0].value["label"])
    return str(prompt.value["prompt"]) if prompt is not None else "ignore"


def _assistant(lab: Lab, parts: Any, store: BaseStore) -> Any:
    """Two nodes, as an application writes them: LangGraph hands each the graph's store."""
    meaning = lab.offers(Capability.VECTORS)

    def triage(state: Mail, config: RunnableConfig, *, store: BaseStore) -> dict[str, Any]:
        user = config["configurable"]["langgraph_user_id"]
        namespace = ("email_assistant", user, "examples")
        examples = store.search(namespace, limit=1, **_about(meaning, state["mail"]))
        return {"label": _label(examples, store.get((user,), "triage_default"))}

    def learn(state: Mail, config: RunnableConfig, *, store: BaseStore) -> dict[str, Any]:
        if not state["correction"]:
            return {}
        user = config["configurable"]["langgraph_user_id"]
        value = {"email": {"subject": state["mail"]}, "label": state["correction"]}
        store.put(("email_assistant", user, "examples"), _key(state["mail"]), value)
        return {"label": state["correction"]}

    async def atriage(state: Mail, config: RunnableConfig, *, store: BaseStore) -> dict[str, Any]:
        user = config["configurable"]["langgraph_user_id"]
        namespace = ("email_assistant", user, "examples")
        examples = await store.asearch(namespace, limit=1, **_about(meaning, state["mail"]))
        return {"label": _label(examples, await store.aget((user,), "triage_default"))}

    async def alearn(state: Mail, config: RunnableConfig, *, store: BaseStore) -> dict[str, Any]:
        if not state["correction"]:
            return {}
        user = config["configurable"]["langgraph_user_id"]
        value = {"email": {"subject": state["mail"]}, "label": state["correction"]}
        await store.aput(("email_assistant", user, "examples"), _key(state["mail"]), value)
        return {"label": state["correction"]}

    graph = parts.graph.StateGraph(Mail)
    graph.add_node("triage", atriage if lab.mode == Mode.ASYNC else triage)
    graph.add_node("learn", alearn if lab.mode == Mode.ASYNC else learn)
    graph.add_edge(parts.graph.START, "triage")
    graph.add_edge("triage", "learn")
    return graph.compile(store=store)
