"""
Reproducers: the calls of a failed case as a script that imports the store's own packages and nothing of
ours.

A script prints what it got and what was promised, and exits 1 on the bug, 0 when it is fixed and 3 where it
could not tell, because something else went wrong.  It is made from the record of the calls: the answer that
broke the rule is looked up in their results.  Where it is in none of them (threads, other processes, figures
over many calls) there is no script.
"""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from store_conformance.contract import Mode, rule
from store_conformance.harness.backends import passing_folder
from store_conformance.runs.embedder_source import embedder_source
from store_conformance.runs.expressions import imports_of
from store_conformance.runs.steps import Steps, Verdict, verdict_on

if TYPE_CHECKING:
    from store_conformance.harness.backends import Backend, Snippet
    from store_conformance.harness.journal import Call
    from store_conformance.harness.runner import Outcome

MAX_CALLS = 80
MAX_CHARS = 14_000
RUN_SECONDS = 60.0
EXIT_SHOWN = 1
EXIT_UNTOLD = 3
"""A script exits so that dies of something else than the bug: a missing package or variable, another error."""

_GUARD = """import os, sys, traceback
def could_not_tell(*error):
    traceback.print_exception(*error)
    print("could not tell", flush=True)
    os._exit(3)
sys.excepthook = could_not_tell"""


@dataclass(frozen=True)
class Reproducer:
    """A script and what it takes to run it."""

    text: str
    environment: dict[str, str]


def reproducer(outcome: Outcome, backend: Backend, versions: dict[str, str]) -> Reproducer | None:
    """
    The script for a failed case, or ``None`` where its calls do not tell the bug.
    """
    lab = outcome.lab
    calls = [c for c in lab.journal.calls() if c.name != "close" or c.raised]
    if not lab.journal.complete or not calls or len(calls) > MAX_CALLS or lab._children:
        return None
    if len(lab._locations) > 1:  # a script has one
        return None
    at = lab._locations[0][1] if lab._locations else None
    snippet = backend.snippet(at, lab.mode) if at is not None else None
    if snippet is None or (lab.mode == Mode.SYNC and snippet.awaits):
        return None
    verdict = verdict_on(outcome.failure, calls)
    embedders = _embedders(calls)
    if verdict is None or embedders is None:
        return None
    body = _body(calls, verdict, snippet, lab.mode)
    if body is None:
        return None
    head = _head(outcome, versions, snippet, calls, embedders, body)
    text = f"{head}\n{body}\n"
    return Reproducer(text, snippet.environment) if len(text) <= MAX_CHARS else None


def _embedders(calls: list[Call]) -> list[str] | None:
    """The source of what the stores embed with, as ``embed``; ``None`` where there is no such source."""
    found = [c.embedder for c in calls if c.embedder is not None]
    if not found:
        return []
    sources = [embedder_source(e, "embed") for e in found]
    if any(source != sources[0] for source in sources):
        return None  # stores of one place that embed differently
    return None if sources[0] is None else [*sources[0][0], sources[0][1]]


def _head(
    outcome: Outcome,
    versions: dict[str, str],
    snippet: Snippet,
    calls: list[Call],
    embedders: list[str],
    body: str,
) -> str:
    row = outcome.row
    changes = {c.change.function for c in calls if c.change is not None}
    lines = [
        '"""',
        f"{row.rule} ({row.level}): {rule(row.rule).promise}",
        "",
        f"Seen with {', '.join(f'{k} {v}' for k, v in versions.items())}.",
        *[f"Needs the environment variable {name}." for name in snippet.environment],
        "Exits 1 on the bug, 0 when it is fixed, and 3 if it could not tell.",
        '"""',
        *(["from __future__ import annotations"] if changes else []),
        _GUARD,
        *imports_of(body),
    ]
    if any(c.name == "batch" for c in calls):
        lines.append(
            "from langgraph.store.base import GetOp, ListNamespacesOp, MatchCondition, PutOp, SearchOp"
        )
    lines += snippet.imports
    lines += [inspect.getsource(f).rstrip() for f in sorted(changes, key=lambda f: f.__name__)]
    return "\n".join([*lines, *embedders])


def _body(calls: list[Call], verdict: Verdict, snippet: Snippet, mode: str) -> str | None:
    """The calls up to the one that shows the bug, and what tells it."""
    steps = Steps(calls, snippet, asynchronous=mode == Mode.ASYNC)
    lines = steps.lines(verdict)
    if lines is None:
        return None
    inner = "\n".join("    " + line for line in lines)
    keyword = "async def" if mode == Mode.ASYNC else "def"
    run = "asyncio.run(main())" if mode == Mode.ASYNC else "main()"
    imported = "import asyncio\n" if mode == Mode.ASYNC else ""
    return f"{imported}{keyword} main():\n{inner}\n    return bug\nsys.exit(1 if {run} else 0)"


# -- confirming -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Confirmation:
    confirmed: bool
    output: str


def confirm(script: str, environment: dict[str, str]) -> Confirmation:
    """
    Run the script in a clean process; confirmed only if it exits 1 and says what it got.
    """
    with passing_folder("repro") as folder:
        # What it leaves in a temporary folder of its own goes with this one.
        env = {**os.environ, "TMPDIR": str(folder), **environment}
        path = folder / "repro.py"
        path.write_text(script, "utf-8")
        try:
            done = subprocess.run(
                [sys.executable, str(path)],
                cwd=folder,
                env=env,
                capture_output=True,
                text=True,
                timeout=RUN_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return Confirmation(False, f"no end within {RUN_SECONDS:g} s")
    output = (done.stdout + done.stderr).strip()
    return Confirmation(done.returncode == EXIT_SHOWN and "got:" in done.stdout, output[-1000:])


def issue_draft(row: Any, versions: dict[str, str]) -> str:
    """An upstream issue, ready to paste: what is promised, what happens, how to see it."""
    facts = "\n".join(f"- {k} {v}" for k, v in versions.items())
    evidence = f"Expected: `{row.expected}`\n\nGot: `{row.got}`\n" if row.expected else ""
    calls = "\n".join(row.history)
    return (
        f"# {row.backend}: {row.message}\n\n"
        f"**Promise** ({row.rule}, {row.level}; {rule(row.rule).source or 'data model'}):"
        f" {rule(row.rule).promise}\n\n{evidence}\n## To reproduce\n\n"
        f"```python\n{row.script or '# no script could be made of this finding'}```\n\n"
        f"The last calls as the suite made them ({row.mode} API):\n\n```\n{calls}\n```\n\n"
        f"## Versions\n\n{facts}\n- Python {sys.version.split()[0]}\n"
    )


__all__ = ["Confirmation", "Reproducer", "confirm", "issue_draft", "reproducer"]
