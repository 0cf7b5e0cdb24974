"""
What README and docs name exists: links, paths, modules, commands, options, environments; examples parse.

Each check is a function from a text to what is wrong in it, so that it can be shown a wrong text too.
"""

from __future__ import annotations

import ast
import gzip
import json
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from store_conformance.cli.parsing import main
from store_conformance.contract import rules
from store_conformance.contract.page import page
from store_conformance.mutants.catalogue import mutants, variants
from store_conformance.pytest_plugin import plugin

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    [
        *(p for p in ROOT.glob("*.md") if p.name != "CHANGELOG.md"),  # history keeps its old names
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("changelog.d/*.md"),
        *ROOT.glob(".github/**/*.md"),
        *ROOT.glob("reports/published/findings/*.md"),
        ROOT / "reports" / "published" / "vector-speed.md",
    ]
)
FOLDERS = {"store_conformance": "conformance"}
FOLDERS |= {f"store_conformance.{name}": name for name in ("backends", "reports")}
EXAMPLES = frozenset({"backends/duckdb.py", "conformance/expected/duckdb.toml"})
"""Files that CONTRIBUTING.md shows how to write."""

FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
PATH = re.compile(
    r"(?<![\w./-])(?:conformance|backends|reports|tests|docs|changelog\.d|\.github)/[\w./*-]*"
)
DOTTED = re.compile(r"(?<![\w/:.-])store_conformance(?:\.\w+)+")
ENVIRONMENTS = re.compile(r"\btox run -e ([\w,-]+)")


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """The language and the text of each fenced block."""
    for found in FENCE.finditer(text):
        lines = found[2].splitlines()
        indent = min((len(s) - len(s.lstrip()) for s in lines if s.strip()), default=0)
        yield found[1], "\n".join(s[indent:] for s in lines)


def code_spans(text: str) -> list[str]:
    """What stands between single backquotes, a line each, outside of fenced blocks."""
    return [" ".join(s.split()) for s in re.findall(r"(?<!`)`([^`]+)`(?!`)", FENCE.sub("", text))]


# -- links and paths ---------------------------------------------------------------------------------


def anchors(text: str) -> set[str]:
    """The anchors that a code host gives the headings of a page."""
    heads = re.findall(r"^#+ +(.+?) *$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in heads}


def broken_links(text: str, where: Path) -> list[str]:
    problems = []
    for target in LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (where.parent / name).resolve() if name else where
        if not path.exists():
            problems.append(f"link to {target}: there is no such file")
        elif anchor and anchor not in anchors(text if path == where else path.read_text("utf-8")):
            problems.append(f"link to {target}: there is no such heading")
    return problems


def missing_paths(text: str, where: Path) -> list[str]:
    """Paths of this repository that are named and not there; capitals such as NAME stand for any name."""
    plain = LINK.sub("", text)
    problems = []
    for found in PATH.findall(plain):
        path = re.sub(r"\b[A-Z]+\b(?=\.|/|$)", "*", found.rstrip("./"))
        known = path in EXAMPLES or (ROOT / found).exists() or any(ROOT.glob(path))
        problems += [] if known else [f"there is no {found}"]
    return problems


# -- modules -----------------------------------------------------------------------------------------


def source_of(dotted: str) -> tuple[Path | None, list[str]]:
    """The file of the module that a dotted name begins with, and the names that are left."""
    parts = dotted.split(".")
    beginning = ".".join(parts[:2])
    used, folder = (2, FOLDERS[beginning]) if beginning in FOLDERS else (1, "conformance")
    path = ROOT / folder
    while used < len(parts) and (path / parts[used]).is_dir():
        path, used = path / parts[used], used + 1
    if used < len(parts) and (path / f"{parts[used]}.py").is_file():
        return path / f"{parts[used]}.py", parts[used + 1 :]
    init = path / "__init__.py"
    return (init if init.is_file() else None), parts[used:]


@cache
def names_in(path: Path) -> dict[str, set[str]]:
    """What a module defines or imports, and what its classes do; read, so that no client is needed."""

    def bound(body: list[ast.stmt]) -> Iterator[tuple[str, set[str]]]:
        for node in body:
            if isinstance(node, ast.ClassDef):
                yield node.name, {name for name, _ in bound(node.body)}
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield node.name, set()
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                yield from (((a.asname or a.name).split(".")[0], set()) for a in node.names)
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                yield from ((t.id, set()) for t in targets if isinstance(t, ast.Name))

    return dict(bound(ast.parse(path.read_text("utf-8")).body))


def imported(text: str) -> Iterator[str]:
    """What the examples in Python import of ours, by its dotted name."""
    for kind, block in blocks(text):
        if kind == "python" and not broken_examples(f"```python\n{block}\n```", ROOT):
            for node in ast.walk(ast.parse(block)):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                    "store_conformance"
                ):
                    yield from (f"{node.module}.{a.name}" for a in node.names)


def unknown_modules(text: str, where: Path) -> list[str]:
    problems = []
    for dotted in (*DOTTED.findall(text), *imported(text)):
        path, rest = source_of(dotted)
        known = path is not None and (not rest or rest[0] in names_in(path))
        if known and path is not None and len(rest) > 1:
            known = rest[1] in names_in(path)[rest[0]]
        problems += [] if known else [f"there is no {dotted}"]
    return problems


# -- commands and options ----------------------------------------------------------------------------


def command_lines(text: str) -> Iterator[list[str]]:
    """Every call of the command line: in fenced blocks of the shell and in code spans."""
    lines = [
        line for kind, block in blocks(text) if kind in ("", "bash") for line in block.splitlines()
    ]
    for line in (*lines, *code_spans(text)):
        for part in re.split(r" && | \| |; ", line.strip()):
            if part.startswith("store-conformance "):
                yield shlex.split(part.replace("`", ""), comments=True)[1:]


def options_of(command: click.Command) -> set[str]:
    context = click.Context(command)
    return {name for p in command.get_params(context) for name in (*p.opts, *p.secondary_opts)}


class _Recorder:
    """Stands in for pytest's parser and keeps the names of the options."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def getgroup(self, *names: str) -> _Recorder:
        return self

    def addoption(self, name: str, **more: object) -> None:
        self.names.add(name)


def plugin_options() -> set[str]:
    recorder = _Recorder()
    plugin.pytest_addoption(recorder)  # type: ignore[arg-type]
    return recorder.names


def unknown_commands(text: str, where: Path) -> list[str]:
    problems = []
    for words in command_lines(text):
        if words[0].startswith("-"):
            command: click.Command = main
        elif words[0] in main.commands:
            command = main.commands[words[0]]
        elif words[0].isupper() or words[0].startswith("<"):
            continue
        else:
            problems.append(f"there is no command {words[0]}")
            continue
        given = {w.partition("=")[0] for w in words if re.match(r"--?[a-z]", w)}
        problems += [f"{words[0]} has no {o}" for o in sorted(given - options_of(command))]
    return problems


def unknown_options(text: str, where: Path) -> list[str]:
    """Options named by themselves that no command of ours has, and options of the plugin."""
    ours = set().union(*(options_of(c) for c in main.commands.values()), plugin_options())
    alone = {s.split()[0].partition("=")[0] for s in code_spans(text) if s.startswith("--")}
    alone.discard(plugin.PREFIX)  # the prefix itself
    prefixed = set(re.findall(r"--conformance-[a-z-]*[a-z]", text))
    return [f"there is no option {name}" for name in sorted((alone | prefixed) - ours)]


def unknown_environments(text: str, where: Path) -> list[str]:
    ini = (ROOT / "tox.ini").read_text("utf-8")
    heads = re.findall(r"^\[testenv:(.+)\]", ini, re.MULTILINE)
    known = set(re.findall(r"[\w-]+", " ".join(heads)))
    named = {name for group in ENVIRONMENTS.findall(text) for name in group.split(",")}
    return [f"tox has no environment {name}" for name in sorted(named - known)]


# -- examples ----------------------------------------------------------------------------------------


def broken_examples(text: str, where: Path) -> list[str]:
    readers: dict[str, Callable[[str], object]] = {
        "python": lambda b: compile(b, "example", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, True),
        "toml": tomllib.loads,
        "json": lambda b: [json.loads(line) for line in b.splitlines()],
        "bash": lambda b: shlex.split(b, comments=True),
    }
    problems = []
    for kind, block in blocks(text):
        try:
            readers.get(kind, str)(block)
        except (ValueError, SyntaxError) as error:
            problems.append(f"an example does not parse: {error}: {block[:60]!r}")
    return problems


CHECKS = (
    broken_links,
    missing_paths,
    unknown_modules,
    unknown_commands,
    unknown_options,
    unknown_environments,
    broken_examples,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("where", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_page_names_only_what_is_there(where: Path, check: Callable[..., list[str]]) -> None:
    assert check(where.read_text("utf-8"), where) == []


@pytest.mark.parametrize(
    ("check", "wrong"),
    [
        (broken_links, "[here](docs/NOWHERE.md)"),
        (broken_links, "[here](docs/DESIGN.md#no-such-heading)"),
        (broken_links, "# One\n\n[here](#two)"),
        (missing_paths, "see `conformance/case.py`"),
        (missing_paths, "see tests/controls/ for more"),
        (missing_paths, "`conformance/expected/*.json`"),
        (missing_paths, "`backends/NAME.toml`"),
        (unknown_modules, "`store_conformance.plugin`"),
        (
            unknown_modules,
            "from store_conformance.corpus import x\n\nstore_conformance.corpus.load_corps",
        ),
        (unknown_modules, "`store_conformance.backends.base.Backend.opens`"),
        (
            unknown_modules,
            "```python\nfrom store_conformance.corpus import CorpusError, nothing\n```",
        ),
        (unknown_commands, "`store-conformance ruls S1`"),
        (unknown_commands, "```bash\nstore-conformance run --backends memory  # all\n```"),
        (unknown_commands, "```\nstore-conformance import --store a.py:b --where x\n```"),
        (unknown_options, "give it by `--backends`"),
        (
            unknown_options,
            "`pytest --pyargs store_conformance.suite --conformance-backends sqlite`",
        ),
        (unknown_environments, "`tox run -e lint,linting`"),
        (broken_examples, "```python\ndef f(:\n```"),
        (broken_examples, "```toml\na = \n```"),
        (broken_examples, "```json\n{'a': 1}\n```"),
        (broken_examples, '```bash\necho "\n```'),
    ],
)
def test_a_wrong_name_is_seen(check: Callable[..., list[str]], wrong: str) -> None:
    assert len(check(wrong, ROOT / "README.md")) == 1


def test_the_shown_files_are_still_examples() -> None:
    assert [name for name in EXAMPLES if (ROOT / name).exists()] == []


def test_sources_name_modules_that_are_there() -> None:
    sources = [
        *ROOT.glob("conformance/**/*.py"),
        *ROOT.glob("backends/**/*.py"),
        *ROOT.glob("reports/*.py"),
    ]
    wrong = [
        f"{path.relative_to(ROOT)}: {problem}"
        for path in sources
        for problem in unknown_modules(path.read_text("utf-8"), path)
    ]

    assert len(sources) > 100
    assert wrong == []


# -- figures and generated pages ---------------------------------------------------------------------


def test_the_page_of_the_contract_is_what_the_rules_say() -> None:
    fresh = (ROOT / "docs" / "CONTRACT.md").read_text("utf-8") == page()
    assert fresh, "run: python -m store_conformance.contract.page > docs/CONTRACT.md"


def test_the_figures_of_the_readme_are_right() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    (said,) = re.findall(r"(\d+) rules with level", text)
    (broken,) = re.findall(r"more than (\d+) stores broken on\s+purpose", text)
    (correct,) = re.findall(r"more than (\d+) correct stores", text)
    (begun,) = re.findall(r"(\d+) rules in sync", (ROOT / "docs" / "START.md").read_text("utf-8"))

    assert int(said) == int(begun) == len(rules())
    assert 0 < len(mutants()) - int(broken) <= 100
    assert 0 < len(variants()) - int(correct) <= 20


# -- which deployments were seen at work ------------------------------------------------------------

NOT_RUN = "not run here"
DEPLOYMENTS = ("url", "process", "container", "embedded")


def _rows(text: str, after: str) -> dict[str, dict[str, str]]:
    """The first table behind that text: its rows by their first cell, the others by the heads of their columns."""
    lines = text.partition(after)[2].splitlines()
    table = [line.strip("| ").split("|") for line in _first_table(lines)]
    cells = [[cell.strip() for cell in row] for row in table]
    return {row[0]: dict(zip(cells[0][1:], [*row[1:], *[""] * 9])) for row in cells[2:]}


def _first_table(lines: list[str]) -> list[str]:
    start = next(n for n, line in enumerate(lines) if line.startswith("|"))
    end = next((n for n in range(start, len(lines)) if not lines[n].startswith("|")), len(lines))
    # An empty last cell is a cell.
    return [line.rstrip().removesuffix("|") for line in lines[start:end]]


def _seen(path: Path) -> set[tuple[str, str]]:
    """Backends and deployments of a run file or a campaign; of an emulator it says so."""
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            backends = json.loads(next(lines))["backends"]
        return {(name, facts["deployment"]) for name, facts in backends.items()}
    results = json.loads(path.read_text("utf-8"))["results"]
    return {(one["backend"], one["deployment"]) for one in results if one["kills"]}


def unshown(text: str) -> list[str]:
    """Cells of the table of deployments that neither a run, a campaign nor a test showed, and that do not say so."""
    offered = _rows(text, "# Engines")
    shown = _rows(text, "What showed that a cell works")
    wrong = [f"{name}: no row" for name in offered if name not in shown]
    for name, row in shown.items():
        for deployment in DEPLOYMENTS:
            cell, claim = row[deployment], offered[name][deployment]
            if not cell or cell == NOT_RUN:
                wrong += [f"{name} {deployment}: nothing said"] if claim and not cell else []
                continue
            kind = "emulated" if "emulator" in cell else deployment
            files = [(ROOT / "docs" / link).resolve() for link in LINK.findall(cell)]
            data = [file for file in files if file.suffix in (".gz", ".json")]
            wrong += [f"{name} {deployment}: {f.name}" for f in files if not f.is_file()]
            wrong += [
                f"{name} {deployment}: {f.name}" for f in data if (name, kind) not in _seen(f)
            ]
    return wrong


def test_every_deployment_was_seen_at_work_or_is_said_not_to_have_been() -> None:
    text = (ROOT / "docs" / "ENGINES.md").read_text("utf-8")

    assert unshown(text) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("| weaviate | not run here |", "| weaviate | |"),
        ("runs/4-qdrant.jsonl.gz", "runs/5-chroma.jsonl.gz"),
        ("campaigns/qdrant-local.json", "campaigns/chroma-server.json"),
    ],
)
def test_a_deployment_that_nobody_saw_is_told(right: str, wrong: str) -> None:
    text = (ROOT / "docs" / "ENGINES.md").read_text("utf-8")

    assert right in text
    assert unshown(text.replace(right, wrong, 1))
