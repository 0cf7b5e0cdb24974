"""
Reproducers: they show the bug, import nothing of ours, and are never shown as proof when they fail to.
"""

from __future__ import annotations

import ast
import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from store_conformance.backends.base import Backend
from store_conformance.backends.factory import user_supplied
from store_conformance.backends.memory import MemoryBackend
from store_conformance.contract import Mode, declared
from store_conformance.contract.records import Run
from store_conformance.harness.runner import Outcome, run_case
from store_conformance.harness.settings import Settings
from store_conformance.runs.findings import Finding, findings, write_finding
from store_conformance.runs.repro import confirm, reproducer
from store_conformance.suite.register import all_cases

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
PUBLISHED = ROOT / "reports" / "published" / "findings"
OURS = {"store_conformance"}
VERSIONS = {"langgraph-checkpoint": "4.3.2"}
SIMPLE = (
    "delete_reach::an_empty_namespace_is_not_listed",
    "delete_reach::asking_creates_nothing",
    "timestamps::created_at_is_kept_by_every_overwrite",
)


def failed(backend: Backend, case: str, mode: Mode = Mode.SYNC) -> Outcome:
    """The first failed run of a case."""
    spec = next(s for s in all_cases() if s.id == case)
    backend.start()
    try:
        for param in spec.expand():
            outcome = run_case(backend, spec, mode, param, Settings(seed=1))
            if outcome.row.verdict == "fail":
                return outcome
    finally:
        backend.stop()
    raise AssertionError(f"{case} does not fail here")


def imported(script: str) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(script)):
        if isinstance(node, ast.Import):
            names |= {a.name.split(".")[0] for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module).split(".")[0])
    return names


def code_lines(script: str) -> list[str]:
    """The lines below the header that are code."""
    body = script.split('"""')[2]
    return [line for line in body.splitlines() if line.strip()]


@pytest.mark.parametrize("case", SIMPLE)
def test_a_script_shows_the_bug_in_a_clean_process(case: str) -> None:
    made = reproducer(failed(MemoryBackend(), case), MemoryBackend(), VERSIONS)
    assert made is not None
    assert not imported(made.text) & OURS
    assert len(code_lines(made.text)) <= 25
    assert "langgraph-checkpoint 4.3.2" in made.text, "the header names the versions"
    done = confirm(made.text, made.environment)
    assert done.confirmed, done.output
    assert "got:" in done.output
    assert "promised:" in done.output


def test_an_async_finding_makes_an_async_script() -> None:
    made = reproducer(failed(MemoryBackend(), SIMPLE[0], Mode.ASYNC), MemoryBackend(), VERSIONS)
    assert made is not None
    assert "asyncio.run(main())" in made.text
    assert confirm(made.text, made.environment).confirmed


ONCE_ONLY = """
from contextlib import contextmanager
from langgraph.store.memory import InMemoryStore

@contextmanager
def open_store(at, index=None, ttl=None):
    (at.path / "made").mkdir()
    yield InMemoryStore()

def plain(at):
    return InMemoryStore()
"""


def test_a_store_that_opens_once_only_is_shown_by_opening_it_twice(tmp_path: Path) -> None:
    (tmp_path / "once_only.py").write_text(ONCE_ONLY)
    backend = user_supplied(f"{tmp_path}/once_only.py:open_store")
    case = "lifecycle::what_was_acknowledged_survives_close_and_reopen"

    outcome = failed(backend, case)
    made = reproducer(outcome, backend, backend.facts().packages)

    assert made is not None
    assert "langgraph-checkpoint " in made.text
    done = confirm(made.text, made.environment)
    assert done.confirmed, done.output
    assert "FileExistsError" in done.output


def test_a_function_that_gives_a_store_has_scripts_too(tmp_path: Path) -> None:
    (tmp_path / "plain_store.py").write_text(ONCE_ONLY)
    backend = user_supplied(f"{tmp_path}/plain_store.py:plain")

    made = reproducer(failed(backend, SIMPLE[0]), backend, backend.facts().packages)

    assert made is not None
    assert confirm(made.text, made.environment).confirmed


def test_the_url_of_a_store_is_not_written_into_its_script(tmp_path: Path) -> None:
    (tmp_path / "plain_url.py").write_text(ONCE_ONLY)
    url = "http://user:planted-s3cret@127.0.0.1:9"
    backend = user_supplied(f"{tmp_path}/plain_url.py:plain", url=url)

    made = reproducer(failed(backend, SIMPLE[0]), backend, {})

    assert made is not None
    assert "planted-s3cret" not in made.text
    assert made.environment == {"STORE_URL": url}
    assert confirm(made.text, made.environment).confirmed


def test_a_script_for_a_broken_control_shows_it() -> None:
    reference = "store_conformance.mutants.broken_keyvalue:FirstValueWins.open_store"
    backend = user_supplied(reference, name="first", capabilities=declared(()))
    outcome = failed(backend, "keyvalue::" + first_case("keyvalue", "K3"))
    made = reproducer(outcome, backend, {})
    assert made is not None
    done = confirm(made.text, made.environment)
    assert done.confirmed, done.output


def first_case(module: str, rule_id: str) -> str:
    return next(
        s.id.split("::")[1] for s in all_cases() if s.rule_id == rule_id and s.id.startswith(module)
    )


@pytest.mark.parametrize(
    "script",
    [
        "import sys; print('got: nothing wrong'); sys.exit(0)",
        "import sys; sys.exit(1)",
        "raise RuntimeError('got: a traceback is no proof')",
        "import os; os._exit(3)",
    ],
)
def test_a_script_that_does_not_show_it_is_unconfirmed(script: str) -> None:
    assert not confirm(script, {}).confirmed


def test_an_unconfirmed_finding_says_so(tmp_path: Path) -> None:
    row = failed(MemoryBackend(), SIMPLE[0]).row
    row = dataclasses.replace(row, script="print('fine')\n", confirmed=False)
    draft = write_finding(Finding(row, VERSIONS), tmp_path).read_text("utf-8")
    assert "UNCONFIRMED" in draft
    row = dataclasses.replace(row, script=None, confirmed=None)
    draft = write_finding(Finding(row, VERSIONS), tmp_path).read_text("utf-8")
    assert "no script" in draft


def test_a_draft_is_ready_to_paste(tmp_path: Path) -> None:
    outcome = failed(MemoryBackend(), SIMPLE[0])
    made = reproducer(outcome, MemoryBackend(), VERSIONS)
    assert made is not None
    row = dataclasses.replace(outcome.row, script=made.text, confirmed=True)
    header = {"backends": {"memory": {"packages": VERSIONS, "engine": "none"}}}
    (found,) = findings(Run(header, (row,), (), {}), "X5")
    path = write_finding(found, tmp_path)
    draft = path.read_text("utf-8")
    for part in ("**Promise** (X5", "## To reproduce", made.text, "langgraph-checkpoint 4.3.2"):
        assert part in draft
    assert path.with_suffix(".py").read_text("utf-8") == made.text


@pytest.mark.parametrize("path", sorted(PUBLISHED.glob("*.py")), ids=lambda p: p.stem)
def test_a_published_script_is_short_and_free_of_us(path: Path) -> None:
    script = path.read_text("utf-8")
    assert not imported(script) & OURS
    assert 8 <= len(code_lines(script)) <= 32
    draft = path.with_suffix(".md").read_text("utf-8")
    assert script in draft, "the draft shows another script"
    assert "confirmed in a clean process" in draft
    assert f"({path.stem}.md)" in (PUBLISHED / "README.md").read_text("utf-8")


@pytest.mark.parametrize("name", ["base-text-as-namespace", "memory-failing-batch"])
def test_a_published_script_runs(name: str) -> None:
    done = subprocess.run(
        [sys.executable, str(PUBLISHED / f"{name}.py")], capture_output=True, text=True, timeout=60
    )
    assert done.returncode in (0, 1), done.stderr
    assert "got:" in done.stdout
