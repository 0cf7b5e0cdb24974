"""
The wheel in a stranger's environment: everything of ours works, and nothing of theirs is changed.

``pytest -m wheel`` runs only these tests, ``-m "not wheel"`` leaves them out.  They build the wheel once
and install it once; nothing in the checkout changes and no network is used.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from pathlib import Path

import pytest

from store_conformance.runs.run_file import read_run
from tests.wheel_install import (
    Environment,
    build_wheel,
    copied_sources,
    expected_files,
    files_in,
    install,
)

pytestmark = [pytest.mark.wheel, pytest.mark.xdist_group("wheel")]

THEIR_OPTIONS = ("backend", "store", "rule", "option", "url", "declare", "scenario")
MUTANT = "keys_of_digits_come_back_as_int"


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied_sources(tmp_path_factory.mktemp("wheel") / "copy")


@pytest.fixture(scope="module")
def wheel(sources: Path) -> Path:
    return build_wheel(sources, sources.parent / "dist")


@pytest.fixture(scope="module")
def environment(wheel: Path) -> Environment:
    if os.name == "nt":
        pytest.skip("unverified: the present environment's packages are reached by links")
    return install(wheel, wheel.parent.parent)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A stranger's project whose packages have the names of our folders, and our options' short names."""
    for name in ("conformance", "backends", "reports"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "base.py").write_text(f"NAME = {name!r}\n")
        (tmp_path / name / "__init__.py").write_text("")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "__init__.py").write_text("")
    (tmp_path / "tests" / "test_theirs.py").write_text(THEIR_TESTS)
    (tmp_path / "conftest.py").write_text(THEIR_CONFTEST)
    return tmp_path


@pytest.fixture
def folders(project: Path) -> Path:
    """The same without ``__init__.py``: a regular package anywhere on the path would come before them."""
    for name in ("conformance", "backends", "reports"):
        (project / name / "__init__.py").unlink()
    return project


THEIR_CONFTEST = f"""
def pytest_addoption(parser):
    for name in {THEIR_OPTIONS!r}:
        parser.addoption(f"--{{name}}", default=f"their {{name}}")
"""

THEIR_TESTS = f"""
import pytest

@pytest.mark.parametrize("name", {THEIR_OPTIONS!r})
def test_option(name, request):
    assert request.config.getoption(name) == ("given" if name == "rule" else f"their {{name}}")

def test_modules():
    import backends.base, conformance.base, reports.base
    assert [m.NAME for m in (backends.base, conformance.base, reports.base)] == [
        "backends", "conformance", "reports"
    ]
"""
THEIR_COUNT = len(THEIR_OPTIONS) + 1


def passed(output: str) -> int:
    """How many tests pytest's closing line says have passed."""
    found = re.search(r"(\d+) passed", output)
    return int(found.group(1)) if found else 0


# What the wheel holds


def test_every_file_of_the_sources_is_where_it_belongs_and_nothing_else(
    wheel: Path, sources: Path
) -> None:
    found = files_in(wheel)

    assert found == expected_files(sources)
    assert {name.split("/")[0] for name in found} == {"store_conformance"}


def test_it_is_typed_and_brings_the_data(wheel: Path) -> None:
    found = files_in(wheel)
    data = {
        "py.typed",
        "checklist/checks.toml",
        "contract/rules.toml",
        "expected/sqlite.toml",
        "reports/report.schema.json",
        "runs/run.schema.json",
    }

    assert {f"store_conformance/{name}" for name in data} <= found
    assert any(n.startswith("store_conformance/corpus/data/") for n in found if "__" not in n)
    assert any(n.startswith("store_conformance/reports/templates/") for n in found)


def test_it_brings_no_tests_and_no_published_report(wheel: Path) -> None:
    strange = [
        n for n in files_in(wheel) if "/published/" in n or "conftest" in n or "/tests/" in n
    ]

    assert not strange


def test_a_folder_that_pyproject_does_not_list_is_seen(wheel: Path, sources: Path) -> None:
    """The control: a new room that was forgotten in pyproject's list of packages."""
    room = sources / "conformance" / "forgotten"
    room.mkdir()
    (room / "__init__.py").write_text("")
    try:
        missing = expected_files(sources) - files_in(wheel)
    finally:
        (room / "__init__.py").unlink()
        room.rmdir()

    assert missing == {"store_conformance/forgotten/__init__.py"}


def test_the_plugin_is_the_only_entry_point_that_others_load(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/entry_points.txt")]
        text = archive.read(name).decode()

    assert re.findall(r"^\[(.+)\]$", text, re.MULTILINE) == ["console_scripts", "pytest11"]


# A stranger's project beside us


def test_our_package_comes_from_the_wheel(environment: Environment, tmp_path: Path) -> None:
    code = "import store_conformance, store_conformance.backends as b; print(b.__file__)"

    done = environment.run("python", "-c", code, cwd=tmp_path)

    assert Path(done.stdout.strip()).is_relative_to(environment.packages), done.stderr


def test_their_tests_pass_and_keep_their_options(environment: Environment, project: Path) -> None:
    done = environment.run("python", "-m", "pytest", "-q", "--rule", "given", cwd=project)

    assert done.returncode == 0, done.stdout + done.stderr
    assert passed(done.stdout) == THEIR_COUNT


def test_their_folders_without_init_are_found(environment: Environment, folders: Path) -> None:
    done = environment.run("python", "-m", "pytest", "-q", "--rule", "given", cwd=folders)

    assert done.returncode == 0, done.stdout + done.stderr
    assert passed(done.stdout) == THEIR_COUNT


def test_their_parallel_run_keeps_its_distribution(environment: Environment, project: Path) -> None:
    done = environment.run("pytest", "-v", "-n", "2", "--rule", "given", cwd=project)

    assert done.returncode == 0, done.stdout + done.stderr
    assert passed(done.stdout) == THEIR_COUNT
    assert "scheduling tests via LoadScheduling" in done.stdout


def test_a_guest_that_takes_their_names_is_noticed(
    environment: Environment, project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The control: a plugin that registers ``--backend`` from a package ``conformance``."""
    guest = tmp_path_factory.mktemp("guest")
    (guest / "conformance").mkdir()
    (guest / "conformance" / "__init__.py").write_text("")
    (guest / "conformance" / "plugin.py").write_text(
        "def pytest_addoption(parser):\n    parser.addoption('--backend')\n"
    )
    described = guest / "guest-1.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: guest\nVersion: 1\n")
    (described / "entry_points.txt").write_text("[pytest11]\nguest = conformance.plugin\n")

    done = environment.run("pytest", "-q", "--rule", "given", cwd=project, PYTHONPATH=str(guest))

    assert done.returncode != 0
    assert re.search("backend|conformance.plugin", done.stdout + done.stderr)


# Our commands in their folder


def test_run_writes_a_run_file_and_the_reports(environment: Environment, project: Path) -> None:
    words = ("run", "-b", "memory", "--rule", "K1", "--out", "here")

    done = environment.run("store-conformance", *words, cwd=project)

    assert done.returncode == 0, done.stdout + done.stderr
    assert {row.rule for row in read_run(project / "here").rows} == {"K1"}
    assert (project / "here" / "report.html").is_file()


def test_the_suite_runs_under_their_pytest_in_parallel(
    environment: Environment, project: Path
) -> None:
    words = ["--conformance-backend", "memory", "--conformance-rule", "K1"]
    words += ["--conformance-run-file", "run.jsonl", "-n", "2", "-v"]

    done = environment.run("pytest", "--pyargs", "store_conformance.suite", *words, cwd=project)

    assert done.returncode == 0, done.stdout + done.stderr
    rows = read_run(project / "run.jsonl").rows
    assert passed(done.stdout) == len(rows) > 0
    assert {row.rule for row in rows} == {"K1"}
    assert "scheduling tests via CaseScheduling" in done.stdout


def test_self_test_finds_its_mutants(environment: Environment, project: Path) -> None:
    words = ("self-test", "--only", MUTANT, "--own-rule", "--json")

    done = environment.run("python", "-m", "store_conformance.cli", *words, cwd=project)

    assert done.returncode == 0, done.stdout + done.stderr
    (judged,) = json.loads(done.stdout)
    assert judged["caught"], judged


def test_rules_name_their_mutants(environment: Environment, folders: Path) -> None:
    done = environment.run("python", "-m", "store_conformance.cli", "rules", "--json", cwd=folders)

    assert done.returncode == 0, done.stdout + done.stderr
    assert all(rule["cases"] and rule["source"] is not None for rule in json.loads(done.stdout))
    assert any(rule["mutants"] for rule in json.loads(done.stdout))
