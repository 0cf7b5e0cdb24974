"""
Values and messages as text of a readable length.
"""

from __future__ import annotations

MAX_TEXT = 600


def shorten(text: str, limit: int = MAX_TEXT) -> str:
    """The text, cut in the middle where it is longer than ``limit`` characters."""
    if len(text) <= limit:
        return text
    half = (limit - 20) // 2
    return f"{text[:half]} ...[{len(text) - 2 * half} more]... {text[-half:]}"


def message_of(error: BaseException, limit: int = MAX_TEXT) -> str:
    """What an exception says, which may itself be broken, cut to ``limit`` characters."""
    try:
        return shorten(str(error), limit)
    except Exception as broken:  # noqa: BLE001 - the exception is a store's
        return f"<whose text raised {type(broken).__name__}>"


def represent(value: object, limit: int = MAX_TEXT) -> str:
    """``repr`` of a store's answer, which may itself be broken, cut to ``limit`` characters."""
    try:
        return shorten(repr(value), limit)
    except Exception as error:  # noqa: BLE001 - an Item with a broken field raises in its own repr
        return f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
