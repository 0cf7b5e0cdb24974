"""
The pytest plugin in runs that ask nothing of us: it loads in every run of the environment.

What it costs there follows from what it imports, so that is what these tests look at; how many
milliseconds it comes to is measured by ``python -m tests.startup``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

PLUGIN = "store_conformance.pytest_plugin.plugin"
OURS = {"store_conformance", "store_conformance.pytest_plugin", PLUGIN}
KEPT = ("store-conformance", "xdist", "xdist.looponfail")
CONFTEST = """
import json, sys

def plain(value):
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)

def pytest_sessionfinish(session):
    config = session.config
    if hasattr(config, "workerinput"):
        return
    with open("seen.json", "w") as file:
        json.dump({
            "modules": sorted(sys.modules),
            "options": {k: plain(v) for k, v in vars(config.option).items() if k != "plugins"},
            "settings": {k: plain(config.getini(k)) for k in sorted(config._parser._inidict)},
            "plugins": sorted(str(n) for n, p in config.pluginmanager.list_name_plugin() if p and not n.isdigit()),
            "hooks": sorted(
                f"{name}: {i.plugin_name}"
                for name, hook in vars(config.pluginmanager.hook).items()
                if hasattr(hook, "get_hookimpls")
                for i in hook.get_hookimpls()
                if not i.plugin_name.isdigit()
            ),
        }, file)
"""


def imported_by(module: str) -> set[str]:
    """The modules that importing one adds to those of pytest."""
    code = (
        "import json, sys, pytest; before = set(sys.modules)\n"
        f"import {module}\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    return set(json.loads(done.stdout))


def foreign(modules: set[str]) -> set[str]:
    """Those that are neither Python's nor pytest's nor the entry point's own."""
    allowed = {*sys.stdlib_module_names, "pytest", "_pytest", "pluggy"}
    return {m for m in modules - OURS if m.split(".")[0] not in allowed}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_trivial.py").write_text("def test_trivial(): pass\n")
    return tmp_path


def seen(project: Path, *words: str) -> dict[str, Any]:
    """What a pytest run of a stranger's project looks like from inside when it ends."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV"))}
    # Other plugins import much of what we must not: with them nothing of it would show.
    others = {e.name for e in entry_points(group="pytest11")}.difference(KEPT)
    blocked = [word for name in sorted(others) for word in ("-p", f"no:{name}")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *blocked, *words],
        cwd=project,
        env=variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads((project / "seen.json").read_text())
    return found


def test_the_entry_point_imports_python_and_pytest_alone() -> None:
    assert foreign(imported_by(PLUGIN)) == set()


def test_what_imports_more_is_seen() -> None:
    """The control: the module that does the work imports the whole harness."""
    assert "langgraph" in foreign(imported_by("store_conformance.pytest_plugin.cases"))


@pytest.mark.parametrize("words", [(), ("-n", "2")])
def test_a_run_beside_us_differs_by_our_options_only(project: Path, words: tuple[str, ...]) -> None:
    without = seen(project, "-p", "no:store-conformance", *words)
    beside = seen(project, *words)
    ours = {k: v for k, v in beside["options"].items() if k.startswith("conformance_")}

    assert PLUGIN not in without["modules"]
    assert foreign(set(beside["modules"]) - set(without["modules"])) == set()
    assert {k: v for k, v in beside["options"].items() if k not in ours} == without["options"]
    assert set(ours.values()) <= {None, "[]"}
    assert beside["settings"] == without["settings"]
    assert set(beside["plugins"]) - set(without["plugins"]) == {"store-conformance"}
    changed = {h.split(":")[0] for h in set(beside["hooks"]) ^ set(without["hooks"])}
    assert changed == {"pytest_addoption", "pytest_configure", "pytest_pycollect_makemodule"}


def test_a_run_that_asks_for_us_is_seen_to_differ(project: Path) -> None:
    """The control: with a backend named, the harness is imported and takes part."""
    without = seen(project, "-p", "no:store-conformance")
    asked = seen(project, "--conformance-backend", "memory")

    assert "langgraph" in {m.split(".")[0] for m in set(asked["modules"]) - set(without["modules"])}
    assert "store-conformance-cases" in asked["plugins"]
