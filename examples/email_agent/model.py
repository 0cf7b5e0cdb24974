"""
The model: a scripted one that needs no key and does the same each time, or a real one by provider string.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, ChatResult

SCRIPTED = "scripted"
TRIAGE, RESPOND, REWRITE = "TRIAGE", "RESPOND", "REWRITE"
"""The first word of each system prompt; a real model takes it as a heading."""


class ScriptedModel(BaseChatModel):
    """
    Does what its prompts say as far as rules can.

    Triage: the label of the example that is most like the e-mail, which is the first; a line of the
    prompts that names the author wins.  Answer: look the author up, remember that they wrote, reply.
    """

    @property
    def _llm_type(self) -> str:
        return SCRIPTED

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        return self

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        system = next((str(m.content) for m in messages if isinstance(m, SystemMessage)), "")
        human = next((str(m.content) for m in messages if isinstance(m, HumanMessage)), "")
        task = system.split(maxsplit=1)[0]
        if task == TRIAGE:
            reply = AIMessage(content=_triage(system, human))
        elif task == REWRITE:
            reply = AIMessage(content=_rewritten(human))
        else:
            reply = _answer(messages, human)
        return ChatResult(generations=[ChatGeneration(message=reply)])


def model_from_name(name: str) -> Any:
    """``scripted``, or what LangChain's ``init_chat_model`` makes of a name such as ``openai:gpt-4o-mini``."""
    if name == SCRIPTED:
        return ScriptedModel()
    from langchain.chat_models import init_chat_model

    return init_chat_model(name)


def _author(text: str) -> str:
    found = re.search(r"^From: (.+?)(?: <.*)?$", text, re.MULTILINE)
    return found[1].strip() if found else "somebody"


def _triage(system: str, email: str) -> str:
    told = re.search(rf"Mail of {re.escape(_author(email))}: (respond|notify|ignore)", system)
    if told:
        return told[1]
    like = re.search(r"label: (respond|notify|ignore)", system)
    return like[1] if like else "notify"


def _rewritten(human: str) -> str:
    """The prompt with a line more about the mistake."""
    told = json.loads(human)
    line = f"Mail of {told['author']}: {told['label']}"
    return str(told["prompt"]) if line in told["prompt"] else f"{told['prompt']}\n{line}"


def _answer(messages: Sequence[BaseMessage], email: str) -> AIMessage:
    author = _author(email)
    subject = re.search(r"^Subject: (.*)$", email, re.MULTILINE)
    results = [m for m in messages if m.type == "tool"]
    if not results:
        memory = (
            f"{author} wrote about {subject[1] if subject else 'something'!r} and got an answer."
        )
        calls = [
            ("search_memory", {"query": f"{author} wrote"}),
            ("manage_memory", {"action": "create", "content": memory}),
        ]
        numbered = [
            {"name": name, "args": args, "id": f"call-{n}", "type": "tool_call"}
            for n, (name, args) in enumerate(calls)
        ]
        return AIMessage(content="", tool_calls=numbered)
    known = author in str(results[0].content)
    return AIMessage(
        content=f"Dear {author}, {'again ' if known else ''}thank you, I will see to it."
    )
