"""
Passwords and keys are taken out of every text that leaves a process of ours.
"""

from __future__ import annotations

import re
from typing import Any

_URL_PASSWORD = re.compile(r"(?P<head>[a-zA-Z][a-zA-Z0-9+.-]*://[^:/@\s]*:)[^@\s]+(?P<tail>@)")
_KEY_VALUE = re.compile(
    r"(?P<head>\b(?:password|passwd|pwd|api[_-]?key|token|secret)\b[\"']?\s*[=:]\s*[\"']?)[^\s\"',;)}&]+",
    re.IGNORECASE,
)
_SECRET_NAME = re.compile(r"password|passwd|pwd|api[_-]?key|token|secret", re.IGNORECASE)


def redact_text(text: str) -> str:
    """The text without the passwords of URLs and of ``password=...`` pairs."""
    text = _URL_PASSWORD.sub(r"\g<head>***\g<tail>", text)
    return _KEY_VALUE.sub(r"\g<head>***", text)


def redact(value: Any, name: str = "") -> Any:
    """The same JSON value with secrets replaced by ``***``, by key name and by shape."""
    if isinstance(value, dict):
        return {k: redact(v, str(k)) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact(v) for v in value]
    if isinstance(value, str):
        return "***" if _SECRET_NAME.search(name) else redact_text(value)
    return value
