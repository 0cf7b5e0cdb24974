"""
Reproducers: the calls of a failed case as a script that imports the store's own packages and nothing of
ours.

A script prints what it got and what was promised, and exits 1 on the bug and 0 when it is fixed.  It is
made from the record of the calls: the answer that broke the rule is looked up in their results.  Where
it is in none of them (threads, other processes, figures over many calls) there is no script.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from store_conformance.contract import Mode, rule
from store_conformance.harness.errors import CheckFailedError, StoreRaisedError
from store_conformance.harness.journal import Call

if TYPE_CHECKING:
    from store_conformance.harness.backends import Backend, Snippet
    from store_conformance.harness.runner import Outcome

MAX_CALLS = 60
MAX_CHARS = 6000
RUN_SECONDS = 60.0

EMBED = """WORDS = "apple banana cherry damson elder fig grape hazel iris juniper kiwi lemon mango nutmeg".split()
def embed(texts):  # one axis a word; the last but one for texts with none of them
    rows = [[float(t.count(w)) for w in WORDS] + [0.0, 0.0] for t in texts]
    return [r if any(r) else [*r[:14], 1.0, 0.0] for r in rows]"""

_READS = {"get", "search", "list_namespaces", "batch"}

PROJECTIONS: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("{r}", lambda r: r),
    ("{r}.value", lambda r: r.value),
    ("{r}.key", lambda r: r.key),
    ("{r}.namespace", lambda r: r.namespace),
    ("{r}.created_at", lambda r: r.created_at),
    ("{r}.updated_at", lambda r: r.updated_at),
    ("({r}.created_at, {r}.updated_at)", lambda r: (r.created_at, r.updated_at)),
    ("[i.key for i in {r}]", lambda r: [i.key for i in r]),
    ("sorted(i.key for i in {r})", lambda r: sorted(i.key for i in r)),
    ("[i.value for i in {r}]", lambda r: [i.value for i in r]),
    ("[i.score for i in {r}]", lambda r: [i.score for i in r]),
    ("sorted({r})", lambda r: sorted(r)),
    ("set({r})", lambda r: set(r)),
    ("len({r})", lambda r: len(r)),
    ("{r}[0]", lambda r: r[0]),
    ("{r}[0].value", lambda r: r[0].value),
    ("{r}[0].score", lambda r: r[0].score),
    ("type({r})", lambda r: type(r)),
)


@dataclass(frozen=True)
class Reproducer:
    """A script and what it takes to run it."""

    text: str
    environment: dict[str, str]


def _equal(a: Any, b: Any) -> bool:
    try:
        return type(a) is type(b) and bool(a == b)
    except Exception:  # noqa: BLE001 - an answer that cannot be compared matches nothing
        return False


def _locate(value: Any, calls: list[Call]) -> tuple[int, str] | None:
    """The latest call and the expression over its result that give ``value``."""
    for number in range(len(calls) - 1, -1, -1):
        if calls[number].name not in _READS:
            continue
        for text, project in PROJECTIONS:
            try:
                found = project(calls[number].result)
            except Exception:  # noqa: BLE001 - this projection does not fit this answer
                continue
            if _equal(found, value):
                return number, text
    return None


def _literal(value: Any) -> str | None:
    """The value as Python source that gives it back, or ``None``."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    text = repr(value)
    try:
        back = eval(text, {"__builtins__": {}}, {})  # our own repr
    except Exception:  # noqa: BLE001 - an object without a literal form
        return None
    return text if _equal(back, value) else None


def _call_source(call: Call) -> str | None:
    parts = []
    for name, value in [*(("", a) for a in call.args), *call.kwargs.items()]:
        text = _op_source(value) if call.name == "batch" else _literal(value)
        if text is None:
            return None
        parts.append(f"{name}={text}" if name else text)
    return f"{call.name}({', '.join(parts)})"


def _op_source(ops: Any) -> str | None:
    """A list of operations as source: their classes have such a representation."""
    if not isinstance(ops, (list, tuple)) or not all(isinstance(o, tuple) for o in ops):
        return None
    texts = [f"{type(o).__name__}({', '.join(repr(f) for f in o)})" for o in ops]
    return f"[{', '.join(texts)}]"


def reproducer(outcome: Outcome, backend: Backend, versions: dict[str, str]) -> Reproducer | None:
    """
    The script for a failed case, or ``None`` where its calls do not tell the bug.
    """
    lab, failure = outcome.lab, outcome.failure
    calls = [c for c in lab.journal.calls() if c.name != "close" or c.raised]
    if not lab.journal.complete or not calls or len(calls) > MAX_CALLS or lab._children:
        return None
    if any(c.name == "open" and _foreign_embedder(c) for c in calls):
        return None
    if len(lab._locations) > 1:  # a script has one
        return None
    at = lab._locations[0][1] if lab._locations else None
    snippet = backend.snippet(at, lab.mode) if at is not None else None
    if snippet is None or (lab.mode == Mode.SYNC and snippet.awaits):
        return None
    verdict = _verdict_lines(failure, calls)
    if verdict is None:
        return None
    body = _body(calls, verdict, snippet, lab.mode)
    if body is None or len(body) > MAX_CHARS:
        return None
    head = _head(outcome, versions, snippet, calls)
    return Reproducer(f"{head}\n{body}\n", snippet.environment)


def _foreign_embedder(call: Call) -> bool:
    index = call.kwargs.get("index")
    return index is not None and index.get("embed") != "ExactEmbeddings"


def _head(outcome: Outcome, versions: dict[str, str], snippet: Snippet, calls: list[Call]) -> str:
    row = outcome.row
    lines = [
        '"""',
        f"{row.rule} ({row.level}): {rule(row.rule).promise}",
        "",
        f"Seen with {', '.join(f'{k} {v}' for k, v in versions.items())}.",
        *[f"Needs the environment variable {name}." for name in snippet.environment],
        "Exits 1 on the bug and 0 when it is fixed.",
        '"""',
        "import sys",
    ]
    if any(c.name == "batch" for c in calls):
        lines.append(
            "from langgraph.store.base import GetOp, ListNamespacesOp, MatchCondition, PutOp, SearchOp"
        )
    lines += snippet.imports
    indexes = [c.kwargs["index"] for c in calls if c.name == "open" and "index" in c.kwargs]
    if indexes:
        lines.append(EMBED)
    return "\n".join(lines)


def _verdict_lines(failure: Any, calls: list[Call]) -> tuple[int, list[str]] | None:
    """At which call the bug shows, and the lines that tell it there (``{r}`` is that call's result)."""
    last = len(calls) - 1
    if isinstance(failure, StoreRaisedError) or (
        isinstance(failure, CheckFailedError) and calls[last].raised is not None
    ):
        if calls[last].raised is None:
            return None
        return last, ["raises"]
    if not isinstance(failure, CheckFailedError):
        return None
    if failure.got == "no exception":
        return last, ["refused"]
    place = _locate(failure.got, calls)
    if place is None:
        return None
    number, projection = place
    expected = _literal(failure.expected)
    if expected is None:
        other = _locate(failure.expected, calls[:number])
        if other is None:
            return None
        expected = other[1].format(r=f"r{other[0]}")
    return number, [f"got = {projection.format(r=f'r{number}')}", f"promised = {expected}"]


def _body(
    calls: list[Call], verdict: tuple[int, list[str]], snippet: Snippet, mode: str
) -> str | None:
    number, telling = verdict
    asynchronous = mode == Mode.ASYNC
    wait, twin = ("await ", "a") if asynchronous else ("", "")
    lines: list[str] = []
    managers: set[int] = set()
    for at, call in enumerate(calls[: number + 1]):
        if call.name == "open":
            lines += _opening(call, snippet, managers, asynchronous, fails=at == number)
            continue
        if call.name not in (*_READS, "put", "delete", "setup"):
            return None
        source = _call_source(call)
        if source is None:
            return None
        if call.name == "setup":  # it has no twin: a store has it async or not
            steps = [f"x = s{call.store}.{source}"]
            steps += ["if hasattr(x, '__await__'): await x"] if asynchronous else []
        else:
            steps = [f"{wait}s{call.store}.{twin}{source}"]
        if at == number and telling[0] in ("raises", "refused"):
            lines += _raising(steps, telling[0])
        elif call.name in _READS:
            lines.append(f"r{at} = {steps[0]}")
        elif call.raised is not None:
            lines += ["try:", *(f"    {step}" for step in steps), "except Exception: pass"]
        else:
            lines += steps
    if telling[0] not in ("raises", "refused"):
        lines += [
            *telling,
            'print("got:     ", got)',
            'print("promised:", promised)',
            "bug = got != promised or repr(got) != repr(promised)",
        ]
    inner = "\n".join("    " + line for line in lines)
    keyword = "async def" if asynchronous else "def"
    run = "asyncio.run(main())" if asynchronous else "main()"
    imported = "import asyncio\n" if asynchronous else ""
    return f"{imported}{keyword} main():\n{inner}\n    return bug\nsys.exit(1 if {run} else 0)"


def _opening(
    call: Call, snippet: Snippet, managers: set[int], asynchronous: bool, *, fails: bool
) -> list[str]:
    """The lines that open a store, after the one before it is closed; ``fails``: here the bug shows."""
    text = _filled(snippet.opening, call.kwargs)
    store = f"s{call.store}"
    enter, leave = ("await m.__aenter__()", "await m.__aexit__(None, None, None)")
    if not (asynchronous if snippet.awaits is None else snippet.awaits):
        enter, leave = "m.__enter__()", "m.__exit__(None, None, None)"
    lines = [leave] if managers else []
    managers.add(call.store)
    steps = [f"m = {text}", f"{store} = {enter}"]
    if snippet.setup:
        steps.append(f"{'await ' if asynchronous else ''}{store}.setup()")
    return [*lines, *(_raising(steps, "raises") if fails else steps)]


def _filled(opening: str, given: dict[str, Any]) -> str:
    """The opening expression with the index and ttl of this opening in it."""
    values = {"index": "None", "ttl": "None"}
    if "index" in given:
        rest = {k: v for k, v in given["index"].items() if k != "embed"}
        values["index"] = f"{{'embed': embed, **{rest!r}}}"
    if "ttl" in given:
        values["ttl"] = repr(given["ttl"])
    pairs = [f"{k}={v}" for k, v in values.items() if k in given]
    first = next((p for p in pairs if p.startswith("index")), "")
    filled = opening.replace("{args}", "".join(f", {p}" for p in pairs)).replace("{index}", first)
    return filled.replace("{INDEX}", values["index"]).replace("{TTL}", values["ttl"])


def _raising(steps: list[str], kind: str) -> list[str]:
    """The steps, where it is the bug that they raise, or (of one call) that they do not."""
    if kind == "raises":
        return [
            "bug = False",
            "try:",
            *(f"    {step}" for step in steps),
            "except Exception as error:",
            '    print("got:      raised", type(error).__name__, str(error)[:200])',
            '    print("promised: no exception")',
            "    bug = True",
        ]
    return [
        "bug = False",
        "try:",
        f"    print('got:      ', {steps[0]})",
        "    print('promised: a refusal')",
        "    bug = True",
        "except Exception as error:",
        "    print('refused with', type(error).__name__)",
    ]


# -- confirming -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Confirmation:
    confirmed: bool
    output: str


def confirm(script: str, environment: dict[str, str]) -> Confirmation:
    """
    Run the script in a clean process; confirmed only if it exits 1 and says what it got.
    """
    env = {**os.environ, **environment}
    with tempfile.TemporaryDirectory(prefix="repro-") as folder:
        path = Path(folder) / "repro.py"
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
    return Confirmation(done.returncode == 1 and "got:" in done.stdout, output[-1000:])


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
