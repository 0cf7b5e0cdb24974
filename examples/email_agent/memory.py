"""
The agent's three kinds of memory: where they are in the store, and how they begin.

Nothing here knows which store it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from langgraph.store.base import BaseStore

from store_conformance.corpus import PROMPT_KEYS, Corpus, Email

FIRST_EXAMPLES = 6
COLLECTION = ("email_assistant", "{langgraph_user_id}", "collection")
"""Episodic memory, as LangMem's tools fill it in."""


@dataclass(frozen=True)
class Memories:
    """One user's memories in a store."""

    store: BaseStore
    user: str

    @property
    def examples_space(self) -> tuple[str, ...]:
        return ("email_assistant", self.user, "examples")

    @property
    def collection_space(self) -> tuple[str, ...]:
        return ("email_assistant", self.user, "collection")

    # Procedural: prompts, one label deep

    def prompts(self) -> dict[str, str]:
        found = {key: self.store.get((self.user,), key) for key in PROMPT_KEYS}
        return {key: str(item.value["prompt"]) for key, item in found.items() if item is not None}

    def rewrite(self, key: str, prompt: str) -> None:
        self.store.put((self.user,), key, {"prompt": prompt})

    # Semantic: labelled e-mails that are like the one at hand

    def learn(self, email: Email, label: str) -> None:
        value = {
            "email": {"author": email.author, "subject": email.subject, "body": email.body},
            "label": label,
        }
        self.store.put(self.examples_space, email.id, value)

    def examples_like(self, email: Email, limit: int = 3) -> list[dict[str, Any]]:
        found = self.store.search(self.examples_space, query=email.text, limit=limit)
        return [item.value for item in found]

    # How far the agent is in its mailbox

    def started(self) -> int:
        """Count this start, and give its number."""
        far = self._far()
        self._note({**far, "starts": far["starts"] + 1})
        return int(far["starts"]) + 1

    def today(self) -> tuple[int, list[str]]:
        """The day that is to be gone through, and the e-mails of it that were handled before the agent was ended."""
        far = self._far()
        return int(far["day"]), list(far["handled"])

    def handled(self, email: Email) -> None:
        far = self._far()
        self._note({**far, "handled": [*far["handled"], email.id]})

    def day_is_over(self) -> None:
        far = self._far()
        self._note({**far, "day": far["day"] + 1, "handled": []})

    def _far(self) -> dict[str, Any]:
        item = self.store.get((self.user,), "progress")
        starts = 0 if item is None else int(item.value["starts"])
        # Each start was a day until a day could be gone on with.
        return {"starts": starts, "day": starts, "handled": [], **(item.value if item else {})}

    def _note(self, far: dict[str, Any]) -> None:
        self.store.put((self.user,), "progress", far, index=False)

    def begin(self, corpus: Corpus) -> bool:
        """
        Fill in what every agent begins with and this one lacks; gives whether there was nothing yet.

        One that was killed meanwhile goes on here; what was rewritten since is left as it is.
        """
        there = self.prompts()
        for key, text in corpus.prompts_of(self.user).items():
            if key not in there:
                self.rewrite(key, text)
        for email in corpus.emails_of(self.user)[-FIRST_EXAMPLES:]:
            if self.store.get(self.examples_space, email.id) is None:
                self.learn(email, email.label)
        return not there
