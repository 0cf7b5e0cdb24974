"""
The cases in an author's own suite: each a normal test, for ``-k``, ``-m``, ``--lf``, xdist and a report.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from store_conformance.backends.base import Backend
from store_conformance.contract import UserError
from store_conformance.pytest_plugin.own_suite import conformance_cases, reference_to

STORE = """
from langgraph.store.memory import InMemoryStore

places = {}

def open_store(at, index, ttl):
    return places.setdefault(at.name, InMemoryStore(index=index))

def broken(at, index, ttl):
    raise OSError("no such server: postgresql://me:secret-word@host/db")
"""
MODULE = """
from my_store import broken, open_store
from store_conformance.pytest_plugin.own_suite import conformance_cases

LACKS = "no-ttl,no-persistence,no-processes"
TestMine = conformance_cases({store}, declare=LACKS, {more})

def test_of_the_author():
    pass
"""
EXPECTED = """
backend = "my_store"

[[expect]]
rule = "K10"
kind = "*"
why = "the store hands out its own objects"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers -W error -ra\n")
    (tmp_path / "my_store.py").write_text(STORE)
    write(tmp_path)
    return tmp_path


def write(project: Path, store: str = "open_store", more: str = "rules=['K1', 'K10']") -> None:
    (project / "test_it.py").write_text(MODULE.format(store=store, more=more))


def run(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The author's pytest, as the author starts it; where tox sets a folder, all pytest share what failed last."""
    ours = ("PYTEST", "COV", "TOX")
    variables = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *words],
        cwd=project,
        env={**variables, "COLUMNS": "300"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def ended(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """How many tests ended in which way, by the last line."""
    last = done.stdout.strip().splitlines()[-1]
    found = {word: int(number) for number, word in re.findall(r"(\d+) ([a-z]+)", last)}
    assert found, done.stdout + done.stderr
    return found


def test_each_case_is_a_test_with_a_report(project: Path) -> None:
    done = run(project, "--junit-xml", "out.xml")
    count = ended(done)

    assert done.returncode == 1
    assert count["passed"] > 10 and count["failed"] > 10, done.stdout
    assert "test_it.py::TestMine::K10::test_two_readers_get_separate_objects[sync]" in done.stdout
    assert "K10 (SHOULD) fail: " in done.stdout and "  promise: " in done.stdout
    assert "reproducer" in done.stdout
    # Where CI is set, pytest repeats each message in its summary.
    commands = sorted(
        {line.partition("again: ")[2] for line in done.stdout.splitlines() if "  again: " in line}
    )
    assert len(commands) == count["failed"]
    assert ended(run(project, *shlex.split(commands[0])[1:])) == {"failed": 1}
    assert "own_suite.py" not in done.stdout  # no traceback through our code
    cases = list(ET.parse(project / "out.xml").iter("testcase"))
    told = {
        p.get("value")
        for c in cases
        for p in c.iter("property")
        if p.get("name") == "conformance_rule"
    }
    assert told == {"K1", "K10"}
    assert len(cases) == count["passed"] + count["failed"]

    again = run(project, "--lf")

    assert ended(again)["failed"] == count["failed"], done.stdout + again.stdout
    assert "passed" not in ended(again), done.stdout + again.stdout


def test_the_plugins_items_say_how_they_are_run_again(project: Path) -> None:
    words = ("--pyargs", "store_conformance.suite.test_aliasing", "--conformance-store")
    given = ("--conformance-declare", "no-async")
    done = run(project, *words, "my_store.py:open_store", *given, "--conformance-rule", "K10")
    told = next(line for line in done.stdout.splitlines() if "  again: " in line)
    command = shlex.split(told.partition("again: ")[2])

    assert command[0] == "pytest" and "--conformance-declare" in command
    assert "--conformance-rule" not in command  # the test is named
    assert ended(run(project, *command[1:])) == {"failed": 1}


@pytest.mark.slow
def test_rules_are_picked_by_keyword_marker_and_name_also_by_workers(project: Path) -> None:
    listed = run(project, "--collect-only", "-k", "K1").stdout
    assert "::K1::" in listed and "::K10::" in listed  # a keyword is a part of a name
    assert "test_of_the_author" not in listed

    by_name = run(project, "-n", "2", "test_it.py::TestMine::K1")
    assert by_name.returncode == 0, by_name.stdout
    if tuple(map(int, pytest.__version__.split(".")[:2])) >= (8, 3):
        exact = run(project, "--collect-only", "-m", "conformance(rule='K1')").stdout
        assert "test_of_the_author" not in exact
        assert "::K1::" in exact and "::K10::" not in exact
        assert exact.count("::K1::") == ended(by_name)["passed"]


def test_a_known_failure_is_an_expected_one(project: Path) -> None:
    (project / "expected.toml").write_text(EXPECTED)
    write(project, more="rules=['K10'], expectations=['expected.toml']")
    done = run(project, "-k", "two_readers")
    counted = run(project, "-k", "two_readers", "--runxfail")

    assert ended(done)["xfailed"] == 2, done.stdout
    assert "expected: the store hands out its own objects" in done.stdout
    assert ended(counted)["failed"] == 2


def test_what_is_declared_away_is_skipped_and_says_so(project: Path) -> None:
    write(project, more="rules=['T2']")
    done = run(project)

    assert done.returncode == 0
    assert "unsupported" in done.stdout
    assert ended(done)["passed"] == 1  # the author's own


def test_a_store_that_cannot_be_opened_is_told_without_traceback(project: Path) -> None:
    write(project, "broken", "rules=['K1']")
    done = run(project, "-x")

    assert ended(done) == {"error": 1}
    assert "no such server" in done.stdout, done.stdout
    assert "own_suite.py" not in done.stdout and "secret-word" not in done.stdout


@pytest.mark.parametrize(
    ("store", "rules", "told"),
    [
        pytest.param("a.py:f", ["K999"], "unknown rule 'K999'", id="rule"),
        pytest.param(lambda at: None, ["K1"], "top level of a module", id="a lambda"),
    ],
)
def test_wrong_arguments_end_the_module_in_a_line(
    store: str | Callable[..., object], rules: list[str], told: str
) -> None:
    with pytest.raises(pytest.fail.Exception, match=told) as raised:
        conformance_cases(store, rules=rules)

    assert raised.value.pytrace is False


def test_another_process_can_find_what_a_reference_names() -> None:
    """A function of a package that Python finds, of a file that it does not find, and of no module."""
    assert reference_to("a.py:f") == "a.py:f"
    assert reference_to(Backend.open) == "store_conformance.backends.base:Backend.open"
    with pytest.raises(UserError, match="top level of a module"):
        reference_to(lambda: None)


def test_the_plugins_own_items_carry_their_rule(project: Path) -> None:
    """``pytest --pyargs store_conformance.suite ... -k K1`` selects the cases of rules that begin so."""
    words = ("--pyargs", "store_conformance.suite.test_delete", "--conformance-backend", "memory")
    picked = run(project, *words, "--collect-only", "-k", "X1").stdout
    none = run(project, *words, "--collect-only", "-k", "Z9")

    counted = re.search(r"(\d+)/(\d+) tests collected", picked)
    assert counted and 0 < int(counted[1]) < int(counted[2]), picked
    assert none.returncode == pytest.ExitCode.NO_TESTS_COLLECTED


def test_outside_of_pytest_the_module_can_be_loaded(project: Path) -> None:
    """A process of a case loads the file of the store, which may be the test module."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import test_it; print(test_it.TestMine.K1.__doc__)"],
        cwd=project, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() not in ("", "None")


def test_the_class_is_made_of_the_rules_that_were_asked_for() -> None:
    made = conformance_cases("a.py:f", rules=["X1"])

    assert [name for name in vars(made) if name[0].isupper()] == ["X1"]
