"""
Values and messages as text of a readable length.
"""

from __future__ import annotations

from collections import Counter

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


_LISTS = (list, tuple, set, frozenset)


def contrasted(expected: object, got: object) -> tuple[str, str]:
    """
    Both as text; of two long lists only what the other has not, as what is cut off may be what differs.
    """
    whole = represent(expected), represent(got)
    if type(expected) not in _LISTS or type(got) not in _LISTS:  # a store's own class may not count
        return whole
    if max(len(represent(side, _PAGES)) for side in (expected, got)) <= MAX_TEXT:
        return whole
    wanted, found = _texts(expected), _texts(got)
    missing, further = list((wanted - found).elements()), list((found - wanted).elements())
    if not (missing or further) or not (expected and got):
        return whole
    lacks = f"missing of {wanted.total()}", f"all {wanted.total()} of them"
    has = f"unexpected of {found.total()}", f"nothing beyond {found.total()} of them"
    return _part(missing, *lacks), _part(further, *has)


def _texts(side: object) -> Counter[str]:
    assert isinstance(side, _LISTS)
    return Counter(represent(one, _PAGES) for one in side)


def _part(elements: list[str], what: str, none: str) -> str:
    return shorten(f"{len(elements)} {what}: {', '.join(elements)}") if elements else none
