"""
The agent as a LangGraph graph: triage, then an answer by a model with LangMem's memory tools.

The graph is given a store when it is compiled; that is all it knows of where its memories are.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import HumanMessage, SystemMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langmem import create_manage_memory_tool, create_search_memory_tool

from examples.email_agent.memory import COLLECTION, Memories
from examples.email_agent.model import RESPOND, REWRITE, TRIAGE
from store_conformance.corpus import LABELS, Email


@dataclass(frozen=True)
class Handled:
    """What became of one e-mail."""

    email: Email
    label: str
    answer: str | None

    @property
    def right(self) -> bool:
        return self.label == self.email.label


class EmailAgent:
    """One user's agent on a store."""

    def __init__(self, memories: Memories, model: Any) -> None:
        self._memories = memories
        self._model = model
        self._graph = self._compiled()

    def handle(self, email: Email) -> Handled:
        """Triage an e-mail and answer it if it asks for one."""
        label = self._label(email)
        if label != "respond":
            return Handled(email, label, None)
        config = {"configurable": {"langgraph_user_id": self._memories.user, "thread_id": email.id}}
        state = {"messages": [HumanMessage(content=email.text)]}
        done = self._graph.invoke(state, config)
        return Handled(email, label, str(done["messages"][-1].content))

    def learn_from(self, handled: Handled) -> None:
        """The user's own label becomes an example; a mistake rewrites the prompt that made it."""
        self._memories.learn(handled.email, handled.email.label)
        if handled.right:
            return
        key = f"triage_{handled.email.label}"
        told = {
            "prompt": self._memories.prompts().get(key, ""),
            "author": handled.email.author.partition(" <")[0],
            "label": handled.email.label,
            "mistake": f"it was labelled {handled.label}",
        }
        task = f"{REWRITE} the prompt so that the mistake does not happen again. Answer with the new prompt alone."
        said = self._model.invoke(
            [SystemMessage(content=task), HumanMessage(content=json.dumps(told))]
        )
        self._memories.rewrite(key, str(said.content))

    def _label(self, email: Email) -> str:
        prompts = self._memories.prompts()
        rules = "\n".join(
            f"{key}: {text}" for key, text in prompts.items() if key.startswith("triage_")
        )
        shots = "\n".join(
            f"From: {e['email']['author']} Subject: {e['email']['subject']} label: {e['label']}"
            for e in self._memories.examples_like(email)
        )
        task = f"{TRIAGE} the e-mail: answer with one word of {', '.join(LABELS)}.\n{rules}\nExamples, the most alike first:\n{shots}"
        said = str(
            self._model.invoke(
                [SystemMessage(content=task), HumanMessage(content=email.text)]
            ).content
        )
        word = said.strip().lower().strip(".\"'")
        return word if word in LABELS else "notify"

    def _compiled(self) -> Any:
        tools = [
            create_manage_memory_tool(namespace=COLLECTION),
            create_search_memory_tool(namespace=COLLECTION),
        ]
        bound = self._model.bind_tools(tools)

        def respond(state: MessagesState) -> dict[str, Any]:
            told = self._memories.prompts().get("agent_instructions", "")
            task = f"{RESPOND} to the e-mail. Look in your memory first and keep what is worth it.\n{told}"
            return {"messages": [bound.invoke([SystemMessage(content=task), *state["messages"]])]}

        graph = StateGraph(MessagesState)
        graph.add_node("respond", respond)
        # An error of the store must come out: a model would be told of it and carry on.
        graph.add_node("tools", ToolNode(tools, handle_tool_errors=False))
        graph.add_edge(START, "respond")
        graph.add_conditional_edges("respond", tools_condition, {"tools": "tools", END: END})
        graph.add_edge("tools", "respond")
        return graph.compile(store=self._memories.store)
