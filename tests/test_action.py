"""
The action and the workflows that `init` writes: linted where the linters are installed, and what their steps
run is run here, with a command line of our own in place of the installed one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from store_conformance.cli.parsing import main
from tests.test_workflows import linted

ROOT = Path(__file__).resolve().parent.parent
ACTION = ROOT / "action.yml"
WHERE = ".github/workflows/store-conformance.yml"


def read(path: Path) -> dict[str, Any]:
    yaml = pytest.importorskip("yaml", reason="unverified: PyYAML is not installed")
    found: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return found


def script(steps: list[dict[str, Any]], name: str) -> str:
    """What the step of that name runs."""
    return str(next(step["run"] for step in steps if step.get("name") == name))


class Host:
    """Runs a step's script as GitHub does, in a folder of its own, and keeps what it hands on."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("bash") is None:
            pytest.skip("unverified: there is no bash")
        self.folder = folder
        programs = folder / "programs"
        programs.mkdir()
        (programs / "store-conformance").write_text(
            f'#!/bin/sh\nexec "{sys.executable}" -m store_conformance.cli "$@"\n', "utf-8"
        )
        (programs / "store-conformance").chmod(0o755)
        self.env = {
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_STEP_SUMMARY": str(folder / "summary"),
        }

    def run(self, script: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self.folder,
            env={**self.env, **env},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    @property
    def outputs(self) -> dict[str, str]:
        lines = (self.folder / "output").read_text("utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


# -- the action --------------------------------------------------------------------------------------


def act(host: Host, **given: str) -> subprocess.CompletedProcess[str]:
    """The action's steps one after the other but the installation; gives how the last one ended."""
    action = read(ACTION)
    steps = action["runs"]["steps"]
    inputs = {name: str(told["default"]) for name, told in action["inputs"].items()} | given
    named = {name: value for name, value in inputs.items() if name != "extras"}
    env = {name.upper(): value for name, value in named.items()}
    ran = host.run(script(steps, "Run the suite"), **env)
    assert ran.returncode == 0, ran.stderr
    told = host.run(script(steps, "Tell what was seen"), **env)
    ended = host.run(script(steps, "Whether the gate holds"), CODE=host.outputs["code"])
    return subprocess.CompletedProcess([], ended.returncode, ran.stdout + told.stdout, told.stderr)


@pytest.mark.slow
def test_the_action_runs_tells_and_holds(host: Host) -> None:
    done = act(host, backend="memory", arguments="--rule K1 -n 0 --no-confirm")

    assert done.returncode == 0, done.stdout + done.stderr
    assert (host.folder / host.outputs["run"]).is_file()
    assert "## LangGraph store conformance" in (host.folder / "summary").read_text("utf-8")
    assert "::error" not in done.stdout
    assert (host.folder / "conformance-run" / "report.sarif").is_file()


@pytest.mark.slow
def test_the_action_fails_with_the_gate_and_says_why(host: Host) -> None:
    (host.folder / "store.py").write_text(
        "from langgraph.store.memory import InMemoryStore\n"
        "def open_store(at, index, ttl):\n"
        "    return InMemoryStore()\n",
        "utf-8",
    )
    words = "--rule K10 -n 0 --no-confirm"  # InMemoryStore hands out its own objects

    done = act(host, store="store.py:open_store", name="mine", arguments=words)

    assert done.returncode == 1
    assert re.search(r"::error .*K10", done.stdout)
    assert "mine" in (host.folder / "summary").read_text("utf-8")


def test_a_run_that_could_not_begin_ends_the_action_with_its_code(host: Host) -> None:
    done = act(host, backend="memroy")

    assert done.returncode == 2
    assert not (host.folder / "summary").exists()


def test_every_input_reaches_a_step_and_every_step_takes_texts_from_its_environment() -> None:
    action, text = read(ACTION), ACTION.read_text("utf-8")

    given = set(re.findall(r"\$\{\{ inputs\.(\w+) \}\}", text))
    assert given == set(action["inputs"])
    assert [s["name"] for s in action["runs"]["steps"] if "${{" in s["run"]] == []


def test_zizmor_has_no_finding_in_the_action() -> None:
    done = linted("zizmor", "--offline", "--persona", "pedantic", ACTION)

    assert done.returncode == 0, done.stdout + done.stderr


# -- what init writes --------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [(), ("--matrix",)], ids=["one job", "matrix"])
def test_the_linters_have_no_finding_in_what_init_writes(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    assert CliRunner().invoke(main, ["init", str(tmp_path), *more]).exit_code == 0
    path = tmp_path / WHERE

    safe = linted("zizmor", "--offline", "--persona", "pedantic", path)
    assert safe.returncode == 0, safe.stdout + safe.stderr
    right = linted("actionlint", path)
    assert right.returncode == 0, right.stdout + right.stderr


@pytest.mark.slow
def test_the_jobs_of_the_matrix_become_one_report_and_one_gate(host: Host) -> None:
    assert CliRunner().invoke(main, ["init", str(host.folder), "--matrix"]).exit_code == 0
    jobs = read(host.folder / WHERE)["jobs"]
    (host.folder / "gate.toml").write_text('rules = ["K1"]', "utf-8")
    stores = {
        entry["name"]: entry["words"] for entry in jobs["run"]["strategy"]["matrix"]["include"]
    }
    (host.folder / "runs").mkdir()

    for name in ("mine", "memory"):
        words = f"{stores[name]} --rule K1 -n 0 --no-confirm"
        done = host.run(script(jobs["run"]["steps"], "Run the suite"), NAME=name, WORDS=words)
        assert done.returncode == 0, done.stdout + done.stderr
        (host.folder / f"run-{name}").rename(host.folder / "runs" / f"run-{name}")
    steps = jobs["report"]["steps"]
    told = host.run(script(steps, "One report of all runs"))
    held = host.run(script(steps, "Whether the gate holds"))
    (host.folder / "gate.toml").write_text('rules = ["K1", "K2"]', "utf-8")
    missed = host.run(script(steps, "Whether the gate holds"))

    assert told.returncode == 0, told.stderr
    summary = (host.folder / "summary").read_text("utf-8")
    assert "mine" in summary and "memory" in summary
    assert held.returncode == 0, held.stdout
    assert missed.returncode == 3
    assert "K2" in missed.stdout


def test_a_job_of_the_matrix_that_could_not_begin_fails(host: Host) -> None:
    assert CliRunner().invoke(main, ["init", str(host.folder), "--matrix"]).exit_code == 0
    steps = read(host.folder / WHERE)["jobs"]["run"]["steps"]

    done = host.run(script(steps, "Run the suite"), NAME="x", WORDS="--backend memroy")

    assert done.returncode == 2
