"""
The workflows: checked by actionlint and zizmor where these are installed, and by what they must say.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+(\.\d+)*")
UNSAFE = """
on: push
jobs:
  one:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@v4
      - run: echo "${{ github.event.head_commit.message }} ${{ matrix.none }}"
"""


def linted(tool: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """One of the linters' answer; skips where it is not installed."""
    program = shutil.which(tool)
    if program is None:
        pytest.skip(f"unverified: {tool} is not installed")
    return subprocess.run(
        [program, *words], capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture
def unsafe(tmp_path: Path) -> Path:
    """The control: a workflow with a tag for a hash, and a text of others in a command."""
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    path = folder / "unsafe.yml"
    path.write_text(UNSAFE)
    return path


def used(path: Path) -> list[str]:
    """The actions that a workflow uses, with the version beside the hash."""
    return re.findall(r"uses: (\S+(?: # \S+)?)", path.read_text(encoding="utf-8"))


def test_actionlint_has_no_finding() -> None:
    done = linted("actionlint", *WORKFLOWS)

    assert done.returncode == 0, done.stdout + done.stderr


def test_actionlint_sees_what_is_wrong(unsafe: Path) -> None:
    done = linted("actionlint", unsafe)

    assert done.returncode == 1
    assert "potentially untrusted" in done.stdout


def test_zizmor_has_no_finding() -> None:
    done = linted("zizmor", "--offline", "--persona", "pedantic", *WORKFLOWS)

    assert done.returncode == 0, done.stdout + done.stderr


def test_zizmor_sees_what_is_wrong(unsafe: Path) -> None:
    done = linted("zizmor", "--offline", unsafe)

    assert done.returncode != 0
    assert {"template-injection", "unpinned-uses"} <= set(re.findall(r"[a-z]+-[a-z]+", done.stdout))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_by_its_commit(path: Path) -> None:
    actions = used(path)

    assert actions
    assert [a for a in actions if not PINNED.fullmatch(a)] == []


def test_an_action_without_its_commit_is_seen(unsafe: Path) -> None:
    assert [a for a in used(unsafe) if not PINNED.fullmatch(a)] == ["actions/checkout@v4"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_nothing_is_permitted_but_what_a_job_asks_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert re.search(r"^permissions: \{\}$", text, re.MULTILINE)
    written = set(re.findall(r"^\s+([\w-]+): (?:write|write-all)\b", text, re.MULTILINE))
    assert written == ({"id-token", "pages"} if path.name == "docs.yml" else set())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_nothing_but_the_machine_itself_is_named_as_a_host(path: Path) -> None:
    hosts = re.findall(r"\w+://([\w.-]+)", path.read_text(encoding="utf-8"))

    assert set(hosts) <= {"127.0.0.1"}
