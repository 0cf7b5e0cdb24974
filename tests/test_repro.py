"""
Reproducers: they show the bug, import nothing of ours, and are never shown as proof when they fail to.
"""

from __future__ import annotations

import ast
import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.embeddings import Embeddings

from store_conformance.backends.base import Backend
from store_conformance.backends.factory import user_supplied
from store_conformance.backends.memory import MemoryBackend
from store_conformance.contract import Mode, declared
from store_conformance.contract.records import Run
from store_conformance.embedding.exact import ExactEmbeddings
from store_conformance.harness.runner import Outcome, run_case
from store_conformance.harness.settings import Settings
from store_conformance.runs.embedder_source import embedder_source
from store_conformance.runs.findings import Finding, findings, write_finding
from store_conformance.runs.repro import EXIT_UNTOLD, confirm, reproducer
from store_conformance.suite.register import all_cases
from store_conformance.suite.support.embedders import (
    SPOILED,
    TableEmbeddings,
    TroubledEmbeddings,
    TwoSidedEmbeddings,
    WaitingEmbeddings,
)

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


def script_of(backend: Backend, case: str, mode: Mode = Mode.SYNC) -> str:
    made = reproducer(failed(backend, case, mode), backend, backend.facts().packages)
    assert made is not None
    return made.text


def exit_code(script: str) -> int:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60)
    return done.returncode


FIXED = """
from langgraph.store.memory import InMemoryStore
class Fixed(InMemoryStore):
    def list_namespaces(self, **kwargs):
        items = self.search((), limit=1000)
        return sorted({i.namespace for i in items})
InMemoryStore = Fixed
"""


def test_a_script_exits_0_when_the_bug_is_fixed_1_on_it_and_3_when_it_cannot_tell() -> None:
    script = script_of(MemoryBackend(), "delete_reach::asking_creates_nothing")
    line = "from langgraph.store.memory import InMemoryStore\n"
    assert line in script

    assert exit_code(script) == 1
    assert exit_code(script.replace(line, FIXED)) == 0
    assert exit_code(script.replace(line, "from nowhere import InMemoryStore\n")) == EXIT_UNTOLD
    unset = line + "import os; os.environ['NO_SUCH_VARIABLE_HERE']\n"
    assert exit_code(script.replace(line, unset)) == EXIT_UNTOLD
    broken = line + "InMemoryStore.batch = None\n"
    assert exit_code(script.replace(line, broken)) == EXIT_UNTOLD


@pytest.mark.parametrize(
    ("case", "step"),
    [
        ("aliasing::the_callers_dict_is_not_the_stored_one", "spoil_inside(v0)"),
        ("aliasing::a_returned_value_is_the_readers_own", "spoil(r2.value)"),
        ("aliasing::a_returned_item_is_the_readers_own", "spoil_item(r2)"),
        ("aliasing::two_readers_get_separate_objects", "spoil("),
    ],
)
def test_what_the_case_did_to_an_object_is_in_its_script(case: str, step: str) -> None:
    script = script_of(MemoryBackend(), case)

    assert step in script
    assert confirm(script, {}).confirmed
    removed = "\n".join(line for line in script.splitlines() if line.strip() != f"{step}")
    removed = removed.replace("    spoil(r", "    id(r")
    assert exit_code(removed) == 0, "without the step there is nothing to see"


def test_an_embedder_is_an_object_as_in_the_run_and_embeds_the_same() -> None:
    case = "vector_embedder::vectors_of_wrong_number_or_size_are_refused"
    script = script_of(MemoryBackend(), case)
    assert "class Troubled(Exact)" in script
    assert confirm(script, {}).confirmed

    texts = ["apple banana*2.5", "no word", "trouble kiwi", "Apples apple_pie fig"]
    table = TableEmbeddings({"fig": [0.0, 1.0], "kiwi": [0.5]})
    embedders: list[ExactEmbeddings] = [
        ExactEmbeddings(dims=20),
        table,
        TwoSidedEmbeddings(),
        *(TroubledEmbeddings(kind) for kind in SPOILED),
    ]
    for embedder in embedders:
        embedder.embed_documents(texts)
        source = embedder_source(embedder, "embed")
        assert source is not None
        space: dict[str, Any] = {}
        exec("\n".join([*source[0], source[1]]), space)
        made = space["embed"]
        assert isinstance(made, Embeddings)
        assert made.embed_documents(list(texts)) == embedder.embed_documents(texts)
        for text in texts:
            assert made.embed_documents([text]) == embedder.embed_documents([text])
            assert made.embed_query(text) == embedder.embed_query(text)
    assert embedder_source(WaitingEmbeddings(), "embed") is None, "time is in no record"


TYPES = """
from langgraph.store.memory import InMemoryStore

class Floats(InMemoryStore):
    def put(self, namespace, key, value, *args, **kwargs):
        value = {k: float(v) if type(v) is int else v for k, v in value.items()}
        super().put(namespace, key, value, *args, **kwargs)

def open_store(at):
    return Floats()
"""


def test_a_difference_in_type_alone_shows(tmp_path: Path) -> None:
    (tmp_path / "floats.py").write_text(TYPES)
    backend = user_supplied(f"{tmp_path}/floats.py:open_store")
    outcome = failed(backend, "values::a_json_value_comes_back_as_it_was")
    made = reproducer(outcome, backend, {})

    assert made is not None
    done = confirm(made.text, made.environment)
    assert done.confirmed, done.output


def test_an_error_that_the_case_went_over_is_gone_over_by_its_script() -> None:
    script = script_of(MemoryBackend(), "batch::a_failing_batch_changes_nothing")
    assert "except Exception: pass" in script
    assert confirm(script, {}).confirmed


WALKS = """
from langgraph.store.memory import InMemoryStore

class Short(InMemoryStore):
    def search(self, *args, **kwargs):
        found = super().search(*args, **kwargs)
        return found[:-1] if kwargs.get("offset") and BROKEN else found

BROKEN = True

def open_store(at, index=None):
    return Short(index=index)
"""


PAGES = "vector_index::paging_counts_items_where_items_have_several_vectors"


def test_pages_are_walked_to_their_end(tmp_path: Path) -> None:
    (tmp_path / "walks.py").write_text(WALKS)
    backend = user_supplied(f"{tmp_path}/walks.py:open_store")
    made = reproducer(failed(backend, PAGES), backend, {})

    assert made is not None
    assert "offset +=" in made.text
    assert confirm(made.text, {}).confirmed
    (tmp_path / "walks.py").write_text(WALKS.replace("BROKEN = True", "BROKEN = False"))
    assert exit_code(made.text) == 0


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
    assert "sys.excepthook = could_not_tell" in script
    assert "confirmed in a clean process" in draft
    assert f"({path.stem}.md)" in (PUBLISHED / "README.md").read_text("utf-8")


def test_a_published_script_that_lacks_what_it_needs_could_not_tell() -> None:
    bare = {k: v for k, v in os.environ.items() if k != "POSTGRES_CONNECTION_STRING"}
    done = subprocess.run(
        [sys.executable, str(PUBLISHED / "postgres-zero-vector.py")],
        env=bare, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == EXIT_UNTOLD
    assert "could not tell" in done.stdout


@pytest.mark.parametrize("name", ["base-text-as-namespace", "memory-failing-batch"])
def test_a_published_script_runs(name: str) -> None:
    done = subprocess.run(
        [sys.executable, str(PUBLISHED / f"{name}.py")], capture_output=True, text=True, timeout=60
    )
    assert done.returncode in (0, 1), done.stderr
    assert "got:" in done.stdout
