"""
Our wheel, built from a copy and installed into an environment that has nothing of ours but the wheel.

What the wheel needs comes from the present environment, by links, so that no network is used and no
second is lost.  The present environment's own installation of this project is left out of the links.
"""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("conformance", "backends", "reports", "pyproject.toml", "README.md", "LICENSE")
NOT_SHIPPED = ("__pycache__", "published", "latest")
"""Folders in the sources that hold no code of ours: compiled files and written reports."""
_OURS = ("store_conformance", "langgraph_store_conformance", "__editable__")


def copied_sources(target: Path) -> Path:
    """What a wheel is built from, where building leaves its traces without touching the checkout."""
    target.mkdir(parents=True)
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            ignore = shutil.ignore_patterns(*NOT_SHIPPED, "*.egg-info", "build")
            shutil.copytree(source, target / name, ignore=ignore)
        else:
            shutil.copy(source, target / name)
    return target


def build_wheel(sources: Path, out: Path) -> Path:
    """The wheel of a copy, by the build backend's own hook; needs setuptools and no network."""
    out.mkdir(parents=True)
    code = f"from setuptools import build_meta; build_meta.build_wheel({str(out)!r})"
    _checked([sys.executable, "-c", code], cwd=sources)
    (wheel,) = out.glob("*.whl")
    return wheel


def files_in(wheel: Path) -> set[str]:
    """The names of the files that a wheel installs, without its own description."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def expected_files(sources: Path) -> set[str]:
    """Where each file of the sources belongs in the wheel."""
    places = {
        "conformance": "store_conformance",
        "backends": "store_conformance/backends",
        "reports": "store_conformance/reports",
    }
    return {
        f"{place}/{path.relative_to(sources / folder).as_posix()}"
        for folder, place in places.items()
        for path in (sources / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


@dataclass(frozen=True)
class Environment:
    """An environment of Python in which the wheel is installed."""

    folder: Path

    @property
    def scripts(self) -> Path:
        return self.folder / ("Scripts" if os.name == "nt" else "bin")

    @property
    def packages(self) -> Path:
        (found,) = self.folder.rglob("site-packages")
        return found

    def run(self, *words: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
        """Run ``python`` or a console script of the environment, free of what this process was told."""
        told = (
            "PYTHON",
            "PYTEST",
            "COV",
            "TOX",
            "VIRTUAL_ENV",
            "CONFORMANCE_",
            "STORE_CONFORMANCE_",
        )
        variables = {k: v for k, v in os.environ.items() if not k.startswith(told)}
        return subprocess.run(
            [str(self.scripts / words[0]), *words[1:]],
            cwd=cwd,
            env={**variables, **more},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


def install(wheel: Path, folder: Path) -> Environment:
    """A new environment with the wheel in it and the present environment's packages in reach."""
    venv.create(folder / "env", with_pip=False, symlinks=os.name != "nt")
    environment = Environment(folder / "env")
    python = str(environment.scripts / "python")
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    _checked([*pip, "install", "--quiet", "--no-index", "--no-deps", str(wheel)], cwd=folder)
    farms = [_farm(place, folder / f"packages{n}") for n, place in enumerate(_present_packages())]
    lines = "".join(f"{farm}\n" for farm in farms)
    (environment.packages / "present.pth").write_text(lines, encoding="utf-8")
    # The links bring no console scripts; a stranger calls pytest by its own.
    script = environment.scripts / "pytest"
    script.write_text(f"#!{python}\nimport sys, pytest\nsys.exit(pytest.main())\n")
    script.chmod(0o755)
    return environment


def _present_packages() -> list[Path]:
    """The folders of the present environment's packages, the nearest first."""
    named = [p for p in sys.path if Path(p).name in ("site-packages", "dist-packages")]
    places = dict.fromkeys(Path(p).resolve() for p in [*site.getsitepackages(), *named])
    return [p for p in places if p.is_dir()]


def _farm(place: Path, farm: Path) -> Path:
    """A folder of links to all packages of a place but ours."""
    farm.mkdir()
    for entry in place.iterdir():
        if not entry.name.startswith(_OURS) and entry.name != "__pycache__":
            (farm / entry.name).symlink_to(entry)
    return farm


def _checked(words: list[str], cwd: Path) -> None:
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr[-2000:]}"
        )
