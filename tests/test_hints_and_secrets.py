"""
The nearest right name, and texts without secrets.
"""

from __future__ import annotations

import pytest

from store_conformance.contract.hints import did_you_mean, nearest, suggestion
from store_conformance.contract.secrets import one_line, redact, redact_text, secrets_in

KNOWN = ("memory", "sqlite", "postgres", "K4", "no-sync")


@pytest.mark.parametrize(
    ("name", "near"),
    [("memroy", "memory"), ("k44", "K4"), ("POSTGRESS", "postgres"), ("sql", "sqlite"), ("zzz", None),
     ("", None)],
)  # fmt: skip
def test_the_nearest_name_is_found_whatever_its_case(name: str, near: str | None) -> None:
    assert nearest(name, KNOWN) == near
    assert did_you_mean(name, KNOWN) == (f"did you mean {near!r}? " if near else "")
    wanted = f"did you mean {near!r}?" if near else f"known are {', '.join(KNOWN)}"
    assert suggestion(name, KNOWN) == wanted


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("postgresql://anna:pa55@db:5432/x", "postgresql://anna:***@db:5432/x"),
        ("postgresql://anna:p@55w@rd@db/x is down", "postgresql://anna:***@db/x is down"),
        ("https://k3y@host/v1", "https://***@host/v1"),
        ("host=db password=pa55 dbname=x", "host=db password=*** dbname=x"),
        ("{'api_key': 'k3y', 'n': 1}", "{'api_key': '***', 'n': 1}"),
        ("OPENAI_API_KEY=k3y", "OPENAI_API_KEY=***"),
        ("Api-Key: k3y", "Api-Key: ***"),
        ("Authorization: Bearer k3y.abc; 401", "Authorization: Bearer ***; 401"),
        ("got Bearer k3y", "got Bearer ***"),
    ],
)
def test_secrets_are_found_by_their_shape(text: str, clean: str) -> None:
    assert redact_text(text) == clean
    assert redact_text(clean) == clean


@pytest.mark.parametrize(
    "text",
    ["http://127.0.0.1:8000/api/v2", "postgresql://anna@db:5432/x", "password authentication failed",
     "the key is missing", "mail anna@example.org", "3 tokens were written"],
)  # fmt: skip
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact_text(text) == text


def test_known_secrets_go_and_the_line_is_short() -> None:
    assert one_line("no\n  tok3n,\there", ["tok3n", None, ""]) == "no ***, here"
    assert one_line("a" * 400) == "a" * 297 + "..."
    assert secrets_in({"OPENAI_API_KEY": "sk-very", "MY_TOKEN": "a", "HOME": "/home/anna"}) == [
        "sk-very"
    ]


def test_json_is_redacted_by_name_and_by_shape() -> None:
    value = {"password": "x", "urls": ["redis://u:p@h/0", 3], "deep": {"api_key": "y", "ok": True}}
    assert redact(value) == {
        "password": "***",
        "urls": ["redis://u:***@h/0", 3],
        "deep": {"api_key": "***", "ok": True},
    }
