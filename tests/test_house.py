"""
The house: which room may import which (the contracts in pyproject.toml), and that a wrong import is seen;
that its functions are short enough to be read at a glance; and that nothing is left open by its tests.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.link_packages import ROOT, link_packages

LINES = 40
"""What a function may take, from its ``def`` on, its docstring and the lines of its parameters included."""
LONG = {
    "backends/inspection/postgres.py": {
        "_contents": "one question to the server after another",
        "_vectors": "one question to the server after another",
    },
    "backends/inspection/sqlite.py": {"_contents": "one question to the file after another"},
    "conformance/cli/choices.py": {"targets": "one pass over the words that name what is tested"},
    "conformance/runs/repro.py": {
        "_body": "the text of a program, from its first line to its last"
    },
    "conformance/runs/run_file.py": {"merge_runs": "one check after another of what may be merged"},
    "reports/sharing.py": {"scalability": "one table, column by column"},
}
"""Those that take more, each with what they consist of."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    pytest.importorskip("importlinter", reason="unverified: import-linter is not installed")
    return link_packages(tmp_path / "tree")


def linted(tree: Path) -> subprocess.CompletedProcess[str]:
    """The contracts of pyproject.toml, checked on a tree of links."""
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-P" if sys.version_info >= (3, 11) else "-s", "-c", code, "--no-cache"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def with_import(tree: Path, place: str, line: str) -> None:
    """The same tree with a line more in one module; what was a link there becomes a copy."""
    path = tree / "store_conformance"
    for part in place.split("/"):
        path /= part
        if path.is_symlink() and path.is_dir():
            source = path.resolve()
            path.unlink()
            path.mkdir()
            for entry in source.iterdir():
                (path / entry.name).symlink_to(entry)
    text = path.read_text(encoding="utf-8")
    path.unlink()
    path.write_text(f"{text}\n{line}\n", encoding="utf-8")


def test_every_import_points_down(tree: Path) -> None:
    done = linted(tree)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("place", "line"),
    [
        pytest.param(
            "harness/case.py", "import store_conformance.suite.register", id="an arrow up"
        ),
        pytest.param(
            "contract/rules.py",
            "def late():\n    import store_conformance.harness.text",
            id="an arrow up within a function",
        ),
        pytest.param(
            "backends/memory.py", "import store_conformance.harness.errors", id="a backend"
        ),
        pytest.param("reports/text.py", "import store_conformance.backends.base", id="reports"),
        pytest.param(
            "runs/session.py", "import store_conformance.backends.registry", id="past a door"
        ),
        pytest.param(
            "cli/commands.py", "import store_conformance.reports.diff", id="past the other door"
        ),
        pytest.param("runs/session.py", "import psycopg", id="a client outside of backends"),
    ],
)
def test_a_wrong_import_is_refused(tree: Path, place: str, line: str) -> None:
    with_import(tree, place, line)

    done = linted(tree)

    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN" in done.stdout
    importer = f"store_conformance.{place.removesuffix('.py').replace('/', '.')}->"
    assert importer in "".join(done.stdout.split())  # its lines are broken to fit a terminal


def long_functions(text: str) -> Iterator[tuple[str, int]]:
    """Names and lengths of the functions of a module that take more than they may."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > LINES:
                yield node.name, length


def test_functions_are_short() -> None:
    found = {}
    for folder in ("conformance", "backends", "reports"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            place = path.relative_to(ROOT).as_posix()
            for name, length in long_functions(path.read_text(encoding="utf-8")):
                if name not in LONG.get(place, {}):
                    found[f"{place}: {name}"] = length

    assert found == {}, f"more than {LINES} lines; split them by what their parts mean"


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_long_function_is_seen(kind: str) -> None:
    body = "        pass\n" * (LINES - 1)
    within = f"class C:\n    {kind} f(self):\n{body}"

    assert list(long_functions(within)) == []
    assert list(long_functions(f"{within}        pass\n")) == [("f", LINES + 1)]
