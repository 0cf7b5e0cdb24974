"""
The example agent: it ends, starts again and remembers, on every store that this machine has.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from langgraph.store.memory import InMemoryStore

from examples.email_agent.memory import FIRST_EXAMPLES, Memories
from store_conformance.backends.base import Backend
from store_conformance.corpus import LABELS, PROMPT_KEYS, load_corpus
from store_conformance.factory.environment import VARIABLES
from tests.backend_use import HERE, no_postgres
from tests.test_store_factory import execute, own_environment, server

__all__ = ["own_environment"]
for _needed in ("langgraph.prebuilt", "wordllama"):
    pytest.importorskip(_needed, reason="unverified: the extra scenarios is not installed")
if sys.version_info < (3, 11):
    pytest.skip("unverified: LangMem cannot be imported by Python 3.10", allow_module_level=True)
pytest.importorskip("langmem", reason="unverified: the extra scenarios is not installed")
pytestmark = pytest.mark.slow
DAY = 3
"""So many e-mails has a day of this user's."""
STORES = """
default = "memories"
[stores]
prompts = "sqlite:///p.db"
memories = "qdrant+edge:///e"
[[routes]]
store = "prompts"
depth = 1
"""


def start(folder: Path, url: str | None, *words: str) -> subprocess.CompletedProcess[str]:
    """One life of the agent in a process of its own."""
    call = [sys.executable, "-m", "examples.email_agent", *words]
    return subprocess.run(
        call, cwd=folder, env=surroundings(url), capture_output=True, text=True, timeout=240
    )


def surroundings(url: str | None) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    environment |= {"PYTHONPATH": str(HERE.parent), "PYTHONWARNINGS": "ignore"}
    return environment if url is None else {**environment, "STORE_URL": url}


def killed(folder: Path, url: str, emails: int) -> list[str]:
    """What a life said that was killed when it had told of so many e-mails."""
    told = []
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "examples.email_agent"],
        cwd=folder,
        env=surroundings(url),
        stdout=subprocess.PIPE,
        text=True,
    ) as agent:
        assert agent.stdout is not None
        for line in agent.stdout:
            told.append(line)
            if len(handled(told)) == emails:
                agent.kill()
                break
    return told


def handled(told: list[str]) -> list[str]:
    """The labels of the e-mails of which lines tell."""
    return [line.split()[0] for line in told if line.split()[0] in LABELS]


def life(url: str, capsys: pytest.CaptureFixture[str]) -> str:
    """One life of the agent in this process: its store is opened, used and closed."""
    from examples.email_agent.__main__ import run

    os.environ.update(STORE_URL=url, EMBEDDINGS="real")
    assert run("amara", "scripted") == 0
    return capsys.readouterr().out


def counts(told: str) -> tuple[int, ...]:
    """Prompts, their lines, examples and episodes in a sentence of the agent's."""
    found = re.search(r"(\d+) prompts of (\d+) lines, (\d+) examples, (\d+) episodes", told)
    assert found, told
    return tuple(map(int, found.groups()))


def remembers(first: str, second: str) -> None:
    """What two lives, one after the other, said."""
    assert "start 1" in first and "nothing was remembered" in first
    assert "start 2" in second
    left = counts(first.splitlines()[-1])
    assert counts(second.splitlines()[0]) == left
    grown = counts(second.splitlines()[-1])
    assert left[0] == 4 and left[2] == 9 and left[3] >= 1
    assert grown[2] == 12 and grown[3] > left[3]
    assert "prompt was rewritten" in first + second and grown[1] > 4


def test_the_agent_remembers_in_another_process(tmp_path: Path) -> None:
    pytest.importorskip("langgraph.store.sqlite")
    lives = [start(tmp_path, "sqlite:///a.db") for _ in range(2)]

    assert [one.returncode for one in lives] == [0, 0], lives[-1].stderr
    remembers(lives[0].stdout, lives[1].stdout)


@pytest.mark.parametrize(
    ("url", "needs"),
    [
        ("qdrant:///q", "qdrant_client"),
        ("qdrant+edge:///e", "qdrant_edge"),
        ("chroma:///c", "chromadb"),
        ("hybrid:stores.toml", "qdrant_edge"),
    ],
)
def test_the_agent_remembers_after_its_end(
    url: str, needs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip(needs)
    (tmp_path / "stores.toml").write_text(STORES)
    remembers(life(url, capsys), life(url, capsys))


def remembers_after_a_kill(
    folder: Path, url: str, capsys: pytest.CaptureFixture[str], emails: int = 2
) -> None:
    """Of every e-mail that the killed life had told of there is an example, and an episode of each answer."""
    before = handled(killed(folder, url, emails))
    told = life(url, capsys).splitlines()

    assert len(before) == emails and "start 2" in told[0]
    prompts, _, examples, episodes = counts(told[0])
    assert prompts == len(PROMPT_KEYS)
    assert examples >= FIRST_EXAMPLES + emails and episodes >= before.count("respond")
    # The rest of the day's mail is not skipped, and what was told of is not handled again.
    assert counts(told[-1])[2] == FIRST_EXAMPLES + DAY
    assert len(handled(told)) <= DAY - emails


@pytest.mark.parametrize(
    ("url", "needs"), [("chroma:///c", "chromadb"), ("hybrid:stores.toml", "qdrant_edge")]
)  # a life costs seconds: SQLite and Qdrant Edge are in the hybrid
def test_the_agent_remembers_after_it_was_killed(
    url: str, needs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip(needs)
    (tmp_path / "stores.toml").write_text(STORES)

    remembers_after_a_kill(tmp_path, url, capsys)


@no_postgres
def test_the_agent_remembers_in_postgres_after_it_was_killed(
    postgres: Backend, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = server(postgres)
    execute(url, "DROP SCHEMA IF EXISTS killed CASCADE", "CREATE SCHEMA killed")

    remembers_after_a_kill(tmp_path, url + "?schema=killed", capsys)


def test_an_agent_that_was_killed_at_its_very_beginning_goes_on_there() -> None:
    corpus, store = load_corpus(), InMemoryStore()
    memories = Memories(store, "amara")
    memories.rewrite(PROMPT_KEYS[0], "my own by now")
    memories.learn(corpus.emails_of("amara")[-1], "respond")

    assert not memories.begin(corpus)
    assert memories.prompts()[PROMPT_KEYS[0]] == "my own by now"
    assert len(memories.prompts()) == len(PROMPT_KEYS)
    assert len(store.search(memories.examples_space)) == FIRST_EXAMPLES
    assert Memories(InMemoryStore(), "amara").begin(corpus)


@no_postgres
def test_the_agent_remembers_in_postgres(
    postgres: Backend, capsys: pytest.CaptureFixture[str]
) -> None:
    url = server(postgres)
    execute(url, "DROP SCHEMA IF EXISTS mail CASCADE", "CREATE SCHEMA mail")

    url += "?schema=mail"
    remembers(life(url, capsys), life(url, capsys))


def test_in_memory_it_says_that_it_forgets_and_does(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        caplog.clear()
        told = life("memory:", capsys)
        assert "lost when the process ends" in caplog.text
        assert "start 1" in told and "nothing was remembered" in told


def test_a_mistake_of_the_user_is_one_line(tmp_path: Path) -> None:
    none, nobody = start(tmp_path, None), start(tmp_path, "memory:", "--user", "nobody")

    assert none.returncode == 2 and "STORE_URL" in none.stderr and "Traceback" not in none.stderr
    assert nobody.returncode == 2 and "there are amara" in nobody.stderr


def test_a_day_is_gone_on_with_until_it_is_over() -> None:
    memories = Memories(InMemoryStore(), "amara")
    memories.store.put(("amara",), "progress", {"starts": 2})  # as it was before there were days
    email = load_corpus().emails_of("amara")[0]

    assert memories.started() == 3 and memories.today() == (2, [])
    memories.handled(email)
    assert memories.started() == 4 and memories.today() == (2, [email.id])
    memories.day_is_over()
    assert memories.today() == (3, [])
