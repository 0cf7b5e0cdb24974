"""
Values and messages as text of a readable length.
"""

from __future__ import annotations

from store_conformance.contract.secrets import redact_text

MAX_TEXT = 600
_PAGES = 20_000


def shorten(text: str, limit: int = MAX_TEXT) -> str:
    """The text, cut in the middle where it is longer than ``limit`` characters."""
    if len(text) <= limit:
        return text
    half = (limit - 20) // 2
    return f"{text[:half]} ...[{len(text) - 2 * half} more]... {text[-half:]}"


def sendable(text: str) -> str:
    """The text with what no encoding has (lone surrogates) as escapes, so that every pipe and file takes it."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _clean(text: str) -> str:
    """
    Without secrets, before it is cut or its numbers are left out: half a password is not found any more.

    Values of many pages are cut first, as looking through them takes long.
    """
    return sendable(redact_text(text if len(text) <= _PAGES else shorten(text, _PAGES)))


def message_of(error: BaseException, limit: int = MAX_TEXT) -> str:
    """What an exception says, which may itself be broken, cut to ``limit`` characters."""
    try:
        return shorten(_clean(str(error)), limit)
    except KeyboardInterrupt:  # the user's
        raise
    except BaseException as broken:  # noqa: BLE001 - the exception is a store's, and may even exit
        return f"<whose text raised {type(broken).__name__}>"


def represent(value: object, limit: int = MAX_TEXT) -> str:
    """``repr`` of a store's answer, which may itself be broken, cut to ``limit`` characters."""
    try:
        return shorten(_clean(repr(value)), limit)
    except KeyboardInterrupt:  # the user's
        raise
    except BaseException as error:  # noqa: BLE001 - an Item with a broken field raises in its own repr
        return f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
