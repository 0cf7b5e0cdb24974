"""
An agent with LangMem's memory tools, compiled as a LangGraph graph that is given nothing but a store.

Its chat model is scripted: it calls the tools that the user's message lists, so no key and no network
is needed and every run does the same.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

from store_conformance.contract import Capability, Mode
from store_conformance.harness.compat import BaseStore, PutOp, SearchItem, SearchOp
from store_conformance.harness.errors import CheckFailedError, UnverifiedError
from store_conformance.harness.lab import Lab
from store_conformance.harness.subject import Subject

NAMESPACE = ("email_assistant", "{langgraph_user_id}", "collection")
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
Tool = dict[str, Any]


def create(content: str) -> Tool:
    return {"name": "manage_memory", "args": {"action": "create", "content": content}}


def update(key: str, content: str) -> Tool:
    return {"name": "manage_memory", "args": {"action": "update", "id": key, "content": content}}


def delete(key: str) -> Tool:
    return {"name": "manage_memory", "args": {"action": "delete", "id": key}}


def find(query: str, **args: Any) -> Tool:
    return {"name": "search_memory", "args": {"query": query, **args}}


@lru_cache(maxsize=1)
def _parts() -> Any:
    """The modules that the agent is made of; raises what their import raises."""

    @dataclass(frozen=True)
    class Parts:
        graph: Any
        prebuilt: Any
        langmem: Any
        messages: Any
        model: Any

    messages = importlib.import_module("langchain_core.messages")
    return Parts(
        graph=importlib.import_module("langgraph.graph"),
        prebuilt=importlib.import_module("langgraph.prebuilt"),
        langmem=importlib.import_module("langmem"),
        messages=messages,
        model=_scripted_model(messages),
    )


def parts_of(lab: Lab) -> Any:
    """The agent's modules; ends the case where they are missing or cannot work with this store."""
    if lab.mode == Mode.ASYNC and sys.version_info < (3, 11):
        raise UnverifiedError("LangGraph hands a graph's store to async tools from Python 3.11 on")
    if lab.mode == Mode.SYNC and not lab.offers(Capability.THREADS):
        lab.unsupported("declared: no threads, and LangGraph runs sync tools in threads")
    try:
        parts = _parts()
    except ImportError as error:
        hint = "pip install 'langgraph-store-conformance[scenarios]'"
        raise UnverifiedError(
            f"the agent needs langgraph and langmem: {error}. Hint: {hint}"
        ) from None
    except Exception as error:  # noqa: BLE001 - whatever their modules raise, it is not the store's
        # LangMem uses typing.NotRequired, so it cannot be imported by Python 3.10.
        raise UnverifiedError(
            "the agent needs langgraph and langmem, which this Python"
            f" ({sys.version.split()[0]}) cannot import: {type(error).__name__}: {error}"
        ) from None
    trouble = _rehearsal()
    if trouble:
        raise UnverifiedError(f"the agent does not run here on a plain dict either: {trouble}")
    return parts


class _DictStore(BaseStore):
    """As much of a store as one turn of the agent needs."""

    def __init__(self) -> None:
        self.items: dict[Any, Any] = {}

    def batch(self, ops: Iterable[Any]) -> list[Any]:
        answers: list[Any] = []
        now = datetime.now(timezone.utc)
        for op in ops:
            found = None
            if isinstance(op, PutOp):
                self.items[op.namespace, op.key] = op.value
            elif isinstance(op, SearchOp):
                found = [
                    SearchItem(namespace=n, key=k, value=value, created_at=now, updated_at=now)
                    for (n, k), value in self.items.items()
                ]
            answers.append(found)
        return answers

    async def abatch(self, ops: Iterable[Any]) -> list[Any]:
        return self.batch(ops)


@lru_cache(maxsize=1)
def _rehearsal() -> str:
    """
    What goes wrong with the agent on a dict; empty where nothing does.

    Releases of LangGraph and LangMem that do not fit each other must not be a store's fault, and
    InMemoryStore is itself one of those that are checked.
    """
    try:
        parts = _parts()
        message = parts.messages.HumanMessage(content=json.dumps([create("a"), find("a")]))
        config = {"configurable": {"langgraph_user_id": "someone", "thread_id": "one"}}
        with importlib.import_module("langsmith").tracing_context(enabled=False):
            answer = compile_agent(parts, _DictStore()).invoke({"messages": [message]}, config)
        told = [m for m in answer["messages"] if isinstance(m, parts.messages.ToolMessage)]
        return "" if len(told) == 2 else f"two tool calls got {len(told)} answers"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the environment's
        return f"{type(error).__name__}: {error}"


def _scripted_model(kinds: Any) -> Any:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.outputs import ChatGeneration, ChatResult

    class ScriptedModel(BaseChatModel):
        """Calls the tools that the last human message lists as JSON, then repeats what they said."""

        @property
        def _llm_type(self) -> str:
            return "scripted"

        def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
            return self

        def _generate(
            self, messages: list[Any], stop: Any = None, run_manager: Any = None, **kwargs: Any
        ) -> Any:
            last = messages[-1]
            if isinstance(last, kinds.HumanMessage):
                calls = json.loads(str(last.content))
                numbered = [
                    {**c, "id": f"call-{n}", "type": "tool_call"} for n, c in enumerate(calls)
                ]
                reply = kinds.AIMessage(content="", tool_calls=numbered)
            else:
                reply = kinds.AIMessage(content=f"Done: {last.content}")
            return ChatResult(generations=[ChatGeneration(message=reply)])

    return ScriptedModel()


def compile_agent(parts: Any, store: BaseStore) -> Any:
    """The agent: model, tools, model again.  The store is the only thing that differs between backends."""
    tools = [
        parts.langmem.create_manage_memory_tool(namespace=NAMESPACE),
        parts.langmem.create_search_memory_tool(namespace=NAMESPACE),
    ]
    model = parts.model.bind_tools(tools)

    def think(state: Any) -> Any:
        return {"messages": [model.invoke(state["messages"])]}

    async def athink(state: Any) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    runnable = importlib.import_module("langchain_core.runnables").RunnableLambda(think, athink)
    graph = parts.graph.StateGraph(parts.graph.MessagesState)
    graph.add_node("model", runnable)
    # Errors of the store must come out: a model would be told of them and carry on.
    graph.add_node("tools", parts.prebuilt.ToolNode(tools, handle_tool_errors=False))
    graph.add_edge(parts.graph.START, "model")
    graph.add_conditional_edges("model", parts.prebuilt.tools_condition)
    graph.add_edge("tools", "model")
    return graph.compile(store=store)


class Agent:
    """The compiled agent on one store; ``turn`` is one message of a user in one thread."""

    def __init__(self, lab: Lab, store: Subject) -> None:
        self._lab = lab
        self._store = store
        self._parts = parts_of(lab)
        self._graph = compile_agent(self._parts, store.raw)

    def turn(self, user: str, thread: str, *calls: Tool) -> list[str]:
        """What the tools answered, in the order of the calls; an error in them fails the case."""
        message = self._parts.messages.HumanMessage(content=json.dumps(calls))
        config = {"configurable": {"langgraph_user_id": user, "thread_id": thread}}
        state = {"messages": [message]}
        label = ", ".join(f"{c['name']}({c['args'].get('action', 'search')})" for c in calls)

        def work() -> Any:
            # Whoever has tracing switched on wants no traces of this.
            with importlib.import_module("langsmith").tracing_context(enabled=False):
                return invoke(self._lab, self._graph, state, config)

        # What the tools raise is the store's: the rest of the graph is the same on every backend.
        answer = self._store.timed(f"agent of {user}, thread {thread}: {label}", work)
        told = [m for m in answer["messages"] if isinstance(m, self._parts.messages.ToolMessage)]
        for message in told:
            if (
                getattr(message, "status", "success") == "error"
                or "Error" in str(message.content)[:20]
            ):
                raise CheckFailedError(f"a memory tool failed in the graph: {message.content}")
        if len(told) != len(calls):
            raise CheckFailedError(f"{len(calls)} tool calls got {len(told)} answers", got=told)
        return [str(message.content) for message in told]

    def create(self, user: str, thread: str, *contents: str) -> list[str]:
        """Create memories, all in one turn; gives their keys."""
        return [key_of(a) for a in self.turn(user, thread, *(create(c) for c in contents))]

    def find(self, user: str, thread: str, query: str, **args: Any) -> list[dict[str, Any]]:
        """
        What the search tool answered, as the items' dicts.

        The tool always asks by a query; of a store without vectors the same is asked without one.
        """
        if not self._lab.offers(Capability.VECTORS):
            namespace = tuple(label.replace("{langgraph_user_id}", user) for label in NAMESPACE)
            limit = args.get("limit", 10)
            return [item.dict() for item in self._store.search(namespace, limit=limit)]
        (answer,) = self.turn(user, thread, find(query, **args))
        return list(_items(answer))

    def contents(self, user: str, thread: str, query: str, **args: Any) -> list[str]:
        """The contents that the search tool found, in its order."""
        return [item["value"]["content"] for item in self.find(user, thread, query, **args)]


def invoke(lab: Lab, graph: Any, state: Any, config: Any) -> Any:
    """Run a graph once, in the store's loop or in the case's thread."""
    if lab.mode == Mode.ASYNC:
        return lab.loop_thread.run(graph.ainvoke(state, config))
    return graph.invoke(state, config)


def key_of(answer: str) -> str:
    """The memory's id in what the manage tool says (``created memory <uuid>``)."""
    found = _ID.search(answer)
    if found is None:
        raise CheckFailedError(
            "the manage tool names no memory", expected="created memory ID", got=answer
        )
    return found.group()


def _items(answer: str) -> Iterator[dict[str, Any]]:
    for item in json.loads(answer):
        if not isinstance(item, dict) or not isinstance(item.get("value"), dict):
            raise CheckFailedError("the search tool's answer holds no items", got=answer)
        yield item
