"""
Small memories of each type for the restart and process cases, searchable by the exact embedder.

    (user,)                              agent_instructions, triage_*      procedural
    ("email_assistant", user, "examples")    labelled e-mails              semantic
    ("email_assistant", user, "collection")  what the agent noted          episodic
"""

from __future__ import annotations

from typing import Any

KINDS = {"procedural": "procedural", "semantic": "semantic", "episodic": "episodic"}
WORDS = ("apple", "banana", "cherry", "damson", "elder", "fig", "grape", "hazel", "iris", "juniper")
Entry = tuple[tuple[str, ...], str, dict[str, Any]]


def namespace_of(kind: str, user: str) -> tuple[str, ...]:
    if kind == "procedural":
        return (user,)
    return ("email_assistant", user, "examples" if kind == "semantic" else "collection")


def memory(kind: str, user: str, number: int) -> Entry:
    """The number-th memory of a user; its ``text`` names word ``number % 10`` once and is unique."""
    word = WORDS[number % len(WORDS)]
    text = f"{word} note {number} of {user}"
    if kind == "procedural":
        return namespace_of(kind, user), f"triage_rule_{number}", {"prompt": text, "text": text}
    if kind == "semantic":
        email = {"author": f"{user}@example.com", "subject": f"About {word}", "thread": text}
        label = ("respond", "notify", "ignore")[number % 3]
        return (
            namespace_of(kind, user),
            f"example_{number}",
            {"email": email, "label": label, "text": text},
        )
    return namespace_of(kind, user), f"memory-{number}", {"content": text, "text": text}


def memories(kind: str, count: int, users: tuple[str, ...] = ("lance", "mira")) -> list[Entry]:
    return [memory(kind, users[n % len(users)], n) for n in range(count)]
