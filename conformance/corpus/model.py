"""
What a corpus is made of: people's e-mails, memories, questions and prompts, as frozen records.

Nothing here reads files (`store_conformance.corpus.reading`) or talks to a store.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from store_conformance.contract import UserError

LABELS = ("respond", "notify", "ignore")
"""The labels an e-mail may carry: answer it, tell the user, do nothing."""

PROMPT_KEYS = ("agent_instructions", "triage_ignore", "triage_notify", "triage_respond")
"""The prompts that an e-mail agent keeps for a user; a corpus may name others as well."""

EVERYONE = "everyone"
"""The user of a row that names none."""

PARTS = ("emails", "memories", "questions", "prompts")


class CorpusError(UserError):
    """A corpus that cannot be used: which file and line, what is wrong, and what to do."""

    def __init__(self, path: str, line: int | None, problem: str, hint: str) -> None:
        super().__init__(problem, hint)
        self.path = path
        self.line = line

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{place}: {super().__str__()}"


@dataclass(frozen=True)
class Email:
    """An incoming e-mail with the label that its user gave it."""

    id: str
    user: str
    author: str
    to: str
    subject: str
    body: str
    label: str

    @property
    def text(self) -> str:
        """What is embedded and searched: the headers and the body as a mail program shows them."""
        return f"From: {self.author}\nTo: {self.to}\nSubject: {self.subject}\n\n{self.body}"


@dataclass(frozen=True)
class Memory:
    """
    One remembered sentence or turn of a user.

    ``kind`` is free text (the shipped corpus has fact, preference, event, plan); ``date`` is as the
    set writes it and may be empty.
    """

    id: str
    user: str
    text: str
    kind: str = ""
    date: str = ""


@dataclass(frozen=True)
class Question:
    """A question of a user; ``answers`` are the ids of memories of that user that answer it."""

    id: str
    user: str
    text: str
    answers: tuple[str, ...]

    @property
    def answerable(self) -> bool:
        """Whether any memory answers it; if not, the right reply is that nobody said so."""
        return bool(self.answers)


@dataclass(frozen=True)
class Prompt:
    """A piece of procedural memory: what a user's agent is told under one key."""

    user: str
    key: str
    text: str


_Owned = TypeVar("_Owned", Email, Memory, Question, Prompt)


def _of(rows: tuple[_Owned, ...], user: str) -> tuple[_Owned, ...]:
    return tuple(row for row in rows if row.user == user)


@dataclass(frozen=True)
class Corpus:
    """
    A checked corpus: ids are unique within a part, and answers are memories of the asking user.

    Parts may be empty, though not all of them: ask `missing` or `require` before relying on one.
    ``notes`` says what the reader left out and why.
    """

    name: str
    emails: tuple[Email, ...] = ()
    memories: tuple[Memory, ...] = ()
    questions: tuple[Question, ...] = ()
    prompts: tuple[Prompt, ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)

    @cached_property
    def users(self) -> tuple[str, ...]:
        """Everybody who owns a row, in the order of appearance."""
        rows: tuple[Email | Memory | Question | Prompt, ...] = (
            *self.emails,
            *self.memories,
            *self.questions,
            *self.prompts,
        )
        return tuple(dict.fromkeys(row.user for row in rows))

    @cached_property
    def digest(self) -> str:
        """Twelve hex digits of a SHA-256 over the rows: equal for equal contents, whatever the file."""
        parts = {part: [asdict(row) for row in getattr(self, part)] for part in PARTS}
        text = json.dumps(parts, ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]

    def emails_of(self, user: str) -> tuple[Email, ...]:
        """The e-mails in that user's mailbox."""
        return _of(self.emails, user)

    def memories_of(self, user: str) -> tuple[Memory, ...]:
        """The memories of that user."""
        return _of(self.memories, user)

    def questions_of(self, user: str) -> tuple[Question, ...]:
        """The questions of that user."""
        return _of(self.questions, user)

    def prompts_of(self, user: str) -> dict[str, str]:
        """That user's prompts by key."""
        return {prompt.key: prompt.text for prompt in _of(self.prompts, user)}

    def missing(self) -> tuple[str, ...]:
        """The parts that this corpus does not have."""
        return tuple(part for part in PARTS if not getattr(self, part))

    def require(self, *parts: str) -> None:
        """Raise a `CorpusError` that names the parts of these which are not there."""
        lacking = [part for part in parts if part in self.missing()]
        if lacking:
            names = " and ".join(f"{part}.jsonl" for part in lacking)
            problem = f"the corpus has no {' and no '.join(lacking)}"
            raise CorpusError(self.name, None, problem, f"add {names}, or leave this scenario out")

    def summary(self) -> dict[str, Any]:
        """The counts that a report's header shows."""
        labels = {label: sum(mail.label == label for mail in self.emails) for label in LABELS}
        return {
            "name": self.name,
            "digest": self.digest,
            "users": len(self.users),
            "emails": len(self.emails),
            "labels": labels if self.emails else {},
            "memories": len(self.memories),
            "questions": len(self.questions),
            "unanswerable": sum(not question.answerable for question in self.questions),
            "prompts": len(self.prompts),
            "notes": list(self.notes),
        }
