"""
Planted secrets, shown by a store in every way that it can, are in nothing that a run writes or prints.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from store_conformance.contract import secrets
from store_conformance.contract.secrets import HIDDEN, passwords_in, redact, redact_text, remember
from tests.page_parts import page_data

STORE = """
import itertools
import os
from contextlib import contextmanager
from langgraph.store.memory import InMemoryStore

turn = itertools.count()
given = {}

def say():
    return [
        "cannot reach postgresql://me:urlSECRET1%40x@db.example:5432/x",
        "failed: host=db user=me password=pairSECRET2 dbname=x",
        "failed: host=db password='quoted SECRET3 and more' dbname=x",
        f"refused for {os.environ['PGPASSWORD']}",
        f"the key {os.environ['MY_SERVICE_API_KEY']} is bad",
        "authentication of me with decoded@SECRET6 failed",
        f"the option was {given}",
        f"tried {given['api_key']}, then keywordSECRET8",
    ]

class Leaky(InMemoryStore):
    def batch(self, ops):
        list(ops)
        number = next(turn)
        if number % 9 == 8:
            raise RuntimeError("refused", {"password": "argsSECRET9"})
        raise RuntimeError(say()[number % 9])

    async def abatch(self, ops):
        return self.batch(ops)

@contextmanager
def open_store(at, index=None, ttl=None, **options):
    given.update(options)
    yield Leaky()
"""
pytestmark = pytest.mark.xdist_group("planted secrets")  # they share a run
ENVIRONMENT = {
    "PGPASSWORD": "variableSECRET4",
    "MY_SERVICE_API_KEY": "keySECRET5",
    "SHOP_DATABASE_URL": "postgresql://me:decoded%40SECRET6@db.example/x",
}
OPTIONS = ("api_key=optionSECRET7", "dsn=host=x password=keywordSECRET8")


def _unpacked(page: str) -> str:
    """The page and the data that it carries packed."""
    return f"{page}\n{page_data(page)}"


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Everything that a run of a store that shows its secrets writes and prints, scripts of its findings too."""
    folder = tmp_path_factory.mktemp("leaky")
    (folder / "leaky.py").write_text(STORE)
    options = [word for option in OPTIONS for word in ("--option", option)]
    run = [
        "run",
        "--store",
        "leaky.py:open_store",
        *options,
        "--rule",
        "K1,X2,L2",
        "--out",
        "out",
    ]
    shown = {}
    for name, words in (
        ("run", run),
        ("repro", ["repro", "out", "K1"]),
        ("report", ["report", "out"]),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "store_conformance.cli", *words],
            cwd=folder,
            env={**os.environ, **ENVIRONMENT},
            capture_output=True,
            text=True,
            check=False,
        )
        shown[f"what {name} prints"] = done.stdout + done.stderr
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "leaky.py" and "__pycache__" not in path.parts:
            text = path.read_text("utf-8", errors="replace")
            shown[str(path.relative_to(folder))] = (
                _unpacked(text) if path.suffix == ".html" else text
            )
    return shown


def test_no_artefact_of_a_run_shows_a_planted_secret(artefacts: dict[str, str]) -> None:
    assert {"what run prints", "out/run.jsonl", "out/report.html", "out/junit.xml"} <= set(
        artefacts
    )
    assert "RuntimeError" in artefacts["out/run.jsonl"], "the store's errors are told"
    assert HIDDEN in artefacts["out/run.jsonl"]

    found = {
        name: re.findall(r".{20}SECRET.{10}", text, re.DOTALL)[:3]
        for name, text in artefacts.items()
    }
    assert {name: texts for name, texts in found.items() if texts} == {}


def test_planted_secrets_would_be_seen() -> None:
    planted = STORE + repr(ENVIRONMENT) + repr(OPTIONS)

    assert set(re.findall(r"SECRET\d", planted)) == {f"SECRET{n}" for n in range(1, 10)}


@pytest.mark.parametrize(
    ("text", "passwords"),
    [
        ("postgresql://me:pa%40ssword@h/x", ["pa%40ssword", "pa@ssword"]),
        ("host=h password=verysecret user=me", ["verysecret"]),
        ("host=h password='very secret' user=me", ["very secret"]),
        ("redis://:onlypassword@h:1/0", ["onlypassword"]),
        ("http://h/x?a=b", []),
        ("postgresql://me@h/x", []),
    ],
)
def test_passwords_are_found_as_they_are_written_and_as_they_are_meant(
    text: str, passwords: list[str]
) -> None:
    assert passwords_in(text) == passwords


def test_secrets_of_the_environment_are_hidden_wherever_they_stand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOME_TOKEN", "t0k3n-of-mine")
    monkeypatch.setenv("POSTGRES_PASSWORD", "postgres")

    assert redact_text("got t0k3n-of-mine") == f"got {HIDDEN}"
    assert redact({"told": ["x t0k3n-of-mine"]}) == {"told": [f"x {HIDDEN}"]}
    assert redact_text("backend postgres") == "backend postgres", "a word that is in many texts"

    monkeypatch.delenv("SOME_TOKEN")
    assert redact_text("got t0k3n-of-mine") == "got t0k3n-of-mine"


def test_what_is_remembered_is_hidden_also_as_python_writes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(secrets, "_remembered", set())
    remember(["back\\slash9", "short"])

    assert redact_text("back\\slash9") == HIDDEN
    assert redact_text(repr("back\\slash9")) == f"'{HIDDEN}'"
    assert redact_text("short") == "short"
