"""
What a user's mistake comes to: one message with what to do, the right exit code, and no traceback.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from store_conformance.backends.base import BackendError, EngineUnavailableError
from store_conformance.backends.placing import UnprovenPlaceError
from store_conformance.backends.references import OwnCodeError
from store_conformance.backends.registry import UnknownBackendError
from store_conformance.backends.supplied import OnlyAsyncError
from store_conformance.cli import commands
from store_conformance.cli.parsing import main
from store_conformance.contract import UnknownRuleError, UserError, Verdict, rule
from store_conformance.corpus import CorpusError
from store_conformance.embedding import EmbeddingError
from store_conformance.factory.mistakes import FactoryError
from store_conformance.harness.errors import HarnessError
from store_conformance.migration.pages import EndlessPagesError
from store_conformance.migration.transfer import ImportRefusedError, MigrationError, Refusal
from store_conformance.runs.hosted import HostSilentError, StoreLostError
from store_conformance.runs.lines import RunFileError

STORES = """
from langgraph.store.memory import InMemoryStore
from store_conformance.backends.base import Backend
from store_conformance.backends.memory import MemoryBackend
from store_conformance.backends.vector.errors import EngineError

def open_store(at, index, ttl):
    return InMemoryStore()

class Closing(MemoryBackend):
    '''Its engine goes away after the first look.'''
    discarded = 0
    def discard(self, at):
        self.discarded += 1
        if self.discarded > 2:
            raise EngineError("acme", "https://me:s3cret@acme.test refused", "start it")

class Refuses(MemoryBackend):
    def start(self):
        raise EngineError("acme", "https://me:s3cret@acme.test refused", "start it")

class Gone(MemoryBackend):
    def start(self):
        raise RuntimeError("no such host")
"""
HEADER = {"kind": "header", "schema": 1, "suite_version": "0", "backends": {"memory": {}}}
ROW = {"kind": "verdict", "backend": "memory", "rule": "K1", "level": "MUST", "case": "c::d"}
FOOTER = {
    "kind": "footer",
    "counts": {"pass": 1},
    "rows": 1,
    "seconds": {"total": 1, "in_store": 1},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(STORES)
    (tmp_path / "bad.toml").write_text("backend = 7")
    (tmp_path / "bad.jsonl").write_text("{}")
    rows = [{**ROW, "mode": "sync", "verdict": v, "message": ""} for v in ("pass", "passed")]
    for name, row in zip(("good", "unknown"), rows):
        lines = [json.dumps(line) for line in (HEADER, row, FOOTER)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    (tmp_path / "taken" / "report.md").mkdir(parents=True)
    return tmp_path


def call(*arguments: str) -> Result:
    """The command, in this process."""
    return CliRunner().invoke(main, list(arguments))


def is_one_message(done: Result, code: int, said: str) -> None:
    assert said in done.stderr
    assert done.stderr.startswith("error")
    assert "Traceback" not in done.output
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == code


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("rules", "K99"), 2, "unknown rule 'K99'. Hint: did you mean 'K9'?"),
        (("run", "-b", "memory", "--scenario", "x"), 2, "Hint: known are procedural, semantic"),
        (("run", "-b", "memory", "--option", "x"), 2, "Hint: write --option size=3"),
        (("run", "--store", "mine.py:open_store", "--declare", "no-x"), 2, "unknown capability"),
        (
            ("run", "--store", "mine.py:open_store", "--declare", "no-sync,no-async"),
            2,
            "leaves nothing to check. Hint: declare one of them",
        ),
        (("run", "-b", "memroy"), 2, "Hint: did you mean 'memory'"),
        (("run", "--store", "mine.py:Gone"), 2, "raised RuntimeError: no such host"),
        (
            ("run", "-b", "postgres", "--url", "postgresql://u:s3cret@127.0.0.1:1/x"),
            3,
            "cannot connect",
        ),
        (("run", "-b", "memory", "--expectations", "bad.toml"), 2, "names no backend"),
        (("run", "-b", "memory", "--expectations", "no.toml"), 2, "no.toml: cannot be read"),
        (("run", "-b", "memory", "--embed", "rael"), 2, 'Hint: did you mean "real"'),
        (("run", "-b", "memory", "--data", "nowhere"), 2, "nowhere: no such directory. Hint:"),
        (("run", "-b", "memory", "--out", "mine.py/x"), 2, "Hint: give another folder"),
        (("run", "--store", "mine.py:Closing", "--rule", "K1"), 2, "acme: https://me:***@acme"),
        (("self-test", "--only", "no_such"), 2, "no mutant or variant is called 'no_such'"),
        (("report", "bad.jsonl"), 65, "not a record of a run. Hint: give a run file"),
        (("report", "unknown.jsonl"), 65, "'passed' is not a valid Verdict"),
        (("diff", "good.jsonl", "nowhere"), 65, "cannot be read (No such file or directory)"),
        (("repro", "good.jsonl"), 2, "good.jsonl has no finding"),
        (("report", "good.jsonl", "good.jsonl"), 2, "Hint: give one of them another --name"),
        (("report", "good.jsonl", "--out", "taken"), 2, "cannot be written: taken/report.md"),
        (
            ("export", "--store", "mine.py:open_store", "--out", "no/m.jsonl"),
            2,
            "Hint: make it, or give another --out",
        ),
        (("import", "--store", "mine.py:open_store", "--from", "bad.jsonl"), 2, "is no export"),
    ],
)
def test_every_mistake_gets_one_message_and_its_code(
    folder: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = call(*arguments)

    is_one_message(done, code, said)
    assert "s3cret" not in done.output


def _raising(error: BaseException) -> Callable[..., Any]:
    def raise_it(*args: Any, **kwargs: Any) -> Any:
        raise error

    return raise_it


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (HarnessError("the suite could not be run"), 1, "error of the harness: the suite"),
        (OSError(28, "No space left on device"), 2, "error: [Errno 28] No space left on device"),
        (UserError("password=s3cret is wrong", "see it", 3), 3, "password=*** is wrong. Hint"),
    ],
)
def test_what_ends_a_command_has_its_exit_code(
    error: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "rules", _raising(error))

    done = call("rules")

    assert said in done.stderr
    assert done.exit_code == code
    assert isinstance(done.exception, SystemExit)


def test_a_bug_of_ours_is_no_mistake_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "rules", _raising(ValueError("a bug")))

    done = call("rules")

    assert isinstance(done.exception, ValueError), "its traceback is what we need"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--conformance-backend=memory", "--conformance-rule=K99"), "did you mean 'K9'?"),
        (("--conformance-backend=memory", "--conformance-run-file=mine.py/x"), "mine.py"),
        (("--conformance-store=mine.py:Refuses",), "acme: https://me:***@acme.test refused"),
    ],
)
def test_pytest_tells_a_mistake_in_one_message_too(
    folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--pyargs", "store_conformance.suite", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert said in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert done.returncode == pytest.ExitCode.USAGE_ERROR


# -- the class itself -------------------------------------------------------------------------------

KINDS: tuple[tuple[UserError, int, str], ...] = (
    (UserError("it is wrong"), 2, "it is wrong"),
    (UserError("it is wrong.", "mend it", 65), 65, "it is wrong. Hint: mend it"),
    (UnknownRuleError("rule", "K99", ["K9"]), 2, "unknown rule 'K99'. Hint: did you mean 'K9'?"),
    (BackendError("x", "does not run.", "start it"), 2, "x: does not run. Hint: start it"),
    (BackendError("x", "does not run."), 2, "x: does not run."),
    (OnlyAsyncError("x", "needs a loop.", "run one"), 2, "x: needs a loop. Hint: run one"),
    (UnprovenPlaceError("x", "is not ours.", "mend it"), 3, "x: is not ours. Hint: mend it"),
    (EngineUnavailableError("x", "is gone.", "start it"), 3, "x: is gone. Hint: start it"),
    (
        UnknownBackendError("memroy", ["memory"]),
        2,
        "memroy: there is no such backend. Hint: did you mean 'memory'? Known are memory.",
    ),
    (OnlyAsyncError("x", "it opens in a loop."), 2, "x: it opens in a loop."),
    (EmbeddingError("no model", "install it"), 2, "no model. Hint: install it"),
    (FactoryError("STORE_URL is empty", "set it"), 2, "STORE_URL is empty. Hint: set it"),
    (CorpusError("a.jsonl", 3, "no text", "write one"), 2, "a.jsonl:3: no text. Hint: write one"),
    (RunFileError("r.jsonl", "is cut", "run again"), 65, "r.jsonl: is cut. Hint: run again"),
    (
        StoreLostError("a.py:f ended its process", "run it"),
        2,
        "a.py:f ended its process. Hint: run it",
    ),
    (
        OwnCodeError("a.py:f", "it raised OSError.", "run it"),
        2,
        "a.py:f: it raised OSError. Hint: run it",
    ),
    (
        HostSilentError("it stands still", "see what it waits for"),
        2,
        "it stands still. Hint: see what it waits for",
    ),
    (MigrationError("it is cut off", "export again"), 2, "it is cut off. Hint: export again"),
    (EndlessPagesError("they do not end", "wait"), 2, "they do not end. Hint: wait"),
    (
        ImportRefusedError([Refusal(("a",), "k", "too large")]),
        2,
        (
            "the store cannot hold 1 item(s), nothing was written: ('a',) 'k': too large. "
            "Hint: leave them out or change them, then import again"
        ),
    ),
)


@pytest.mark.parametrize(("error", "code", "text"), KINDS, ids=lambda v: type(v).__name__)
def test_an_error_says_problem_and_hint_and_travels_between_processes(
    error: UserError, code: int, text: str
) -> None:
    again = pickle.loads(pickle.dumps(error))

    for one in (error, again):
        assert (type(one), str(one), one.exit_code) == (type(error), text, code)
        assert (one.problem, one.hint, one.verdict) == (error.problem, error.hint, error.verdict)


def test_every_kind_of_user_error_is_tried_here() -> None:
    def below(kind: type[UserError]) -> set[type[UserError]]:
        return {kind}.union(*(below(k) for k in kind.__subclasses__()))

    public = {k for k in below(UserError) if not k.__name__.startswith("_")}
    assert public == {type(error) for error, _, _ in KINDS}


def _unknown_rule() -> None:
    rule("K99")


def test_an_error_of_a_worker_arrives_whole() -> None:
    with ProcessPoolExecutor(1) as pool, pytest.raises(UnknownRuleError, match="did you mean 'K9'"):
        pool.submit(_unknown_rule).result()


def test_only_a_missing_engine_leaves_a_case_unverified() -> None:
    verdicts = {type(error).__name__: error.verdict for error, _, _ in KINDS}

    for missing in ("EngineUnavailableError", "UnprovenPlaceError"):
        assert verdicts.pop(missing) is Verdict.UNVERIFIED
    for of_a_store in ("MigrationError", "ImportRefusedError", "EndlessPagesError"):
        assert verdicts.pop(of_a_store) is Verdict.FAIL
    assert set(verdicts.values()) == {Verdict.ERROR}
