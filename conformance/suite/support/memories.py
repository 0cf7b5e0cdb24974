"""
Small memories of each type for the restart and process cases, searchable by the exact embedder.

    (user,)                              agent_instructions, triage_*      procedural
    ("email_assistant", user, "examples")    labelled e-mails              semantic
    ("email_assistant", user, "collection")  what the agent noted          episodic
"""

from __future__ import annotations

from typing import Any

from store_conformance.contract import MemoryType

KINDS = {str(kind): kind for kind in MemoryType}
WORDS = ("apple", "banana", "cherry", "damson", "elder", "fig", "grape", "hazel", "iris", "juniper")
Entry = tuple[tuple[str, ...], str, dict[str, Any]]


def namespace_of(kind: MemoryType, user: str) -> tuple[str, ...]:
    if kind is MemoryType.PROCEDURAL:
        return (user,)
    return ("email_assistant", user, "examples" if kind is MemoryType.SEMANTIC else "collection")


def memory(kind: MemoryType, user: str, number: int) -> Entry:
    """The number-th memory of a user; its ``text`` names word ``number % 10`` once and is unique."""
    word = WORDS[number % len(WORDS)]
    text = f"{word} note {number} of {user}"
    if kind is MemoryType.PROCEDURAL:
        return namespace_of(kind, user), f"triage_rule_{number}", {"prompt": text, "text": text}
    if kind is MemoryType.SEMANTIC:
        email = {"author": f"{user}@example.com", "subject": f"About {word}", "thread": text}
        label = ("respond", "notify", "ignore")[number % 3]
        return (
            namespace_of(kind, user),
            f"example_{number}",
            {"email": email, "label": label, "text": text},
        )
    return namespace_of(kind, user), f"memory-{number}", {"content": text, "text": text}


def memories(
    kind: MemoryType, count: int, users: tuple[str, ...] = ("lance", "mira")
) -> list[Entry]:
    return [memory(kind, users[n % len(users)], n) for n in range(count)]
