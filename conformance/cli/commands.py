"""
What the commands do, free of the command line's parsing.

What runs a store is imported by the commands that do: reports, comparisons and names that are wrong need
neither pytest nor LangGraph, whose imports take most of a second.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from store_conformance.cli import reporting
from store_conformance.cli.beginning import begun_run
from store_conformance.contract import UserError
from store_conformance.contract import groups as contract_groups
from store_conformance.contract import rule as contract_rule
from store_conformance.contract import rules as contract_rules
from store_conformance.contract.errors import EXIT_FAILED, EXIT_OK, EXIT_UNVERIFIED
from store_conformance.contract.records import Run
from store_conformance.contract.secrets import redact_text
from store_conformance.harness.settings import Settings
from store_conformance.runs.folder import prepare_folder
from store_conformance.runs.isolation import isolated
from store_conformance.runs.policy import Policy, policy_of
from store_conformance.runs.profiles import DEFAULT, profile
from store_conformance.runs.resuming import check_there
from store_conformance.runs.run_file import RUN_FILE, merge_runs, read_run
from store_conformance.runs.selection import Selection
from store_conformance.runs.workers import usable_cores
from store_conformance.suite.register import all_cases

if TYPE_CHECKING:
    from store_conformance.runs.session import RunSession


def _load_what_follows(selection: Selection) -> None:
    """Import the cases and the reports: engines take longer to start than that, and it is needed anyway."""
    import store_conformance.cli.conclusion  # noqa: F401

    selection.cases()
    reporting.load()


def run(
    *,
    out: Path,
    workers: int | None,
    bench: bool,
    verbose: bool,
    confirm: bool,
    timeout: float,
    embed: str,
    data: tuple[str, ...],
    seed: int,
    items: int,
    steps: int | None,
    histories: int | None,
    resume: bool,
    **options: Any,
) -> int:
    """The ``run`` command; gives the exit code."""
    policy = _take_policy(options)
    chosen = profile(options["profile"])
    settings = Settings(
        seed, timeout, embed, data, items,
        steps=chosen.steps if steps is None else steps,
        histories=chosen.histories if histories is None else histories,
        confirm=confirm,
    )  # fmt: skip
    check_there(out / RUN_FILE, needed=resume)
    with begun_run(out, settings, measures=bench, **options) as (session, folder):
        path = folder / RUN_FILE
        finished = resume and _is_finished(session, path)
        execute = partial(_execute, workers=workers, bench=bench)
        result = read_run(path) if finished else execute(session, path)
        paths = reporting.write_reports(result, folder)
    from store_conformance.cli.conclusion import conclude

    again = _rule_alone(options)
    return conclude(result, session, folder, paths, again, verbose=verbose, policy=policy)


def _execute(session: RunSession, path: Path, *, workers: int | None, bench: bool) -> Run:
    """The run itself; its engines come up while pytest and what follows are imported."""
    with isolated(path.resolve().parent):
        try:
            session.begin_to_start()
            from store_conformance.pytest_plugin import running
        except BaseException as error:
            session.recording.could_not_begin(error)
            session.stop()
            raise
        load = partial(_load_what_follows, session.selection)
        return running.execute(session, path, workers=workers, bench=bench, meanwhile=load)


def _is_finished(session: RunSession, path: Path) -> bool:
    """Let the session go on with the run in that file, and say where it stands; whether nothing is left of it."""
    try:
        earlier = session.go_on_with(path)
    except BaseException:
        session.recording.drop()
        session.stop()
        raise
    total = len(session.case_keys())
    if earlier.finished:
        session.recording.drop()
        session.stop()
        click.echo(f"the run in {path.parent} is finished: nothing is left to run of {total} cases")
        return True
    click.echo(
        f"going on with the run in {path.parent}: {len(session.done)} of {total} cases are done"
    )
    return False


def _take_policy(options: dict[str, Any]) -> Policy | None:
    """The project's policy, unless it is not wanted; its expectations come to those that were given."""
    file = options.pop("policy_file")
    policy = None if options.pop("no_policy") else policy_of(file)
    if policy is not None:
        known = (*options["expectations"], *policy.files())
        options["expectations"] = tuple({path.resolve(): path for path in known}.values())
    return policy


def bench(*, out: Path, items: int, embed: str, **options: Any) -> int:
    """The ``bench`` command; gives the exit code."""
    from store_conformance.pytest_plugin import running

    settings = Settings(items=items, embed=embed)
    with begun_run(out, settings, measures=True, **options) as (session, folder):
        result = running.execute(session, folder / RUN_FILE, cases=False, bench=True)
        _say_written(reporting.write_reports(result, folder))
    return EXIT_OK if result.measurements else EXIT_UNVERIFIED


def _rule_alone(options: dict[str, Any]) -> Callable[[str, str], str]:
    """From a backend and a rule to the command that runs this rule alone, with the options of this run."""
    words: list[str] = []
    for name in ("declare", "deployment", "url", "name"):
        words += [f"--{name}", redact_text(options[name])] if options.get(name) else []
    for pair in options.get("option", ()):
        words += ["--option", redact_text(pair)]

    def command(backend: str, rule_id: str) -> str:
        stores = [word for ref in options["store"] for word in ("--store", ref)]
        which = stores if stores and backend not in options["backend"] else ["-b", backend]
        return shlex.join(["store-conformance", "run", *which, *words, "--rule", rule_id])

    return command


def _say_written(paths: Iterable[Path]) -> None:
    for path in paths:
        click.echo(f"wrote {path}")


def report(
    paths: tuple[Path, ...],
    out: Path,
    formats: tuple[str, ...],
    survival: tuple[Path, ...] = (),
    history: tuple[Path, ...] = (),
) -> None:
    """The ``report`` command."""
    from store_conformance.contract.survival import read_campaigns

    merged = merge_runs([read_run(p, cut=True) for p in paths])
    campaigns = read_campaigns(survival)
    over_time = (*paths, *history) if history else ()
    written = reporting.write_reports(merged, prepare_folder(out), formats, campaigns, over_time)
    _say_written(written)
    if merged.footer.get("truncated"):
        click.echo("a run file is truncated: what its run had not reached is missing", err=True)
    if "pictures" in formats and not any(p.suffix == ".svg" for p in written):
        click.echo(
            "no pictures: there is nothing in these runs to draw, such as latencies", err=True
        )


def diff(before: Path, after: Path, shape: str) -> int:
    """The ``diff`` command; gives 1 if something newly fails."""
    first, second = read_run(before), read_run(after)
    notes = tuple(coverage_lines(first, second))
    newly_failing = reporting.tell_changes(first, second, notes, shape)
    return EXIT_FAILED if newly_failing else EXIT_OK


def coverage_lines(before: Run, after: Run) -> list[str]:
    """What to know first of two runs of which one checked less than the other: none is the whole."""
    told = []
    for word, run in (("earlier", before), ("later", after)):
        name = run.header.get("profile", DEFAULT)
        if name != DEFAULT:
            told.append(f"The {word} run is of the {name} profile: {profile(name).tells}.")
        skipped = (run.header.get("selection") or {}).get("skip")
        if skipped:
            told.append(f"The {word} run skipped {', '.join(skipped)}, as it was asked to.")
    return told


def expect(paths: tuple[Path, ...], backend: str | None, out: Path | None) -> int:
    """The ``expect`` command: writes or updates the file of expectations of one backend."""
    from store_conformance.runs.expecting import propose

    runs = [read_run(path) for path in paths]
    named = sorted({name for run in runs for name in run.backends})
    if backend is None and len(named) > 1:
        raise UserError(f"the runs are of {', '.join(named)}", "choose one with -b")
    name = backend or named[0]
    if name not in named:
        raise UserError(f"no run is of {name!r}", f"there are {', '.join(named)}")
    target = out or Path(f"{name}.toml")
    text = target.read_text("utf-8") if target.exists() else None
    made = propose(runs, name, text, str(target))
    target.write_text(made.text, "utf-8")
    for word, lines in (("new", made.added), ("changed", made.changed), ("stale", made.stale)):
        for line in lines:
            click.echo(f"{word}: {line}")
    to_do = ": review it, and say in 'why' what causes each new failure" if made.added else ""
    click.echo(f"wrote {target}{to_do or ': nothing fails that it does not name'}")
    return EXIT_OK


def export_memories(store: str, out: Path, *, option: tuple[str, ...], **where: Any) -> int:
    """The ``export`` command; gives how many items were written."""
    from store_conformance.migration.commands import export_store
    from store_conformance.runs.options import pairs

    return export_store(store, out, options=pairs(option), **where)


def import_memories(store: str, source: Path, *, option: tuple[str, ...], **where: Any) -> int:
    """The ``import`` command; gives how many items were imported."""
    from store_conformance.migration.commands import import_file
    from store_conformance.runs.options import pairs

    return import_file(store, source, options=pairs(option), **where)


def repro(run_path: Path, finding: str | None, out: Path | None) -> int:
    """The ``repro`` command; gives 1 if a finding that was asked for has no script."""
    from store_conformance.runs.findings import findings, write_finding

    found = findings(read_run(run_path), finding)
    if not found:
        if finding is None:
            raise UserError(f"{run_path} has no finding")
        raise UserError(
            f"no finding {finding!r} in {run_path}", "give a rule or case id that failed there"
        )
    for one in found:
        if out is None:
            click.echo(f"# {one.row.backend} {one.row.rule} {one.row.case}: {one.status}")
            click.echo(one.row.script or "# its calls do not make a script\n")
        else:
            click.echo(f"wrote {write_finding(one, prepare_folder(out))} ({one.status})")
    return EXIT_OK if any(f.row.script for f in found) else EXIT_FAILED


def self_test(
    workers: int | None,
    seed: int,
    only: tuple[str, ...],
    own_rule: bool,
    quick: bool,
    as_json: bool,
) -> int:
    """The ``self-test`` command; gives 1 unless the score is 100 % both ways."""
    from store_conformance.cli.self_test import self_test as judge_all

    judged = []
    processes = max(1, usable_cores() if workers is None else workers)
    given: dict[str, Any] = {"workers": processes, "whole": not own_rule, "quick": quick}
    for one in judge_all(**given, seed=seed, only=only):
        judged.append(one)
        if not as_json:
            click.echo(_self_test_line(one))
    broken = [j for j in judged if j.breaks is not None]
    correct = [j for j in judged if j.breaks is None]
    bad = [j for j in judged if not j.good]
    if as_json:
        click.echo(json.dumps([{**vars(j), "good": j.good} for j in judged], indent=2))
    else:
        caught = sum(j.caught for j in broken)
        clean = sum(j.good for j in correct)
        click.echo(f"{caught} of {len(broken)} broken stores caught by their rule")
        click.echo(f"{clean} of {len(correct)} correct stores without a failure")
        click.echo(
            f"{sum(bool(j.false_positives) for j in broken)} broken stores tripped a rule beyond their sin"
        )
    return EXIT_FAILED if bad or not judged else EXIT_OK


def _self_test_line(one: Any) -> str:
    what = f"breaks {one.breaks}" if one.breaks else "correct"
    if one.good:
        told = f"caught ({', '.join(one.failed)})" if one.breaks else "no failure"
        return f"ok    {one.name:<44} {what:<12} {told}  {one.seconds:.1f} s"
    reasons = [] if one.caught or one.breaks is None else ["NOT CAUGHT"]
    reasons += [f"false positives: {', '.join(one.false_positives)}"] if one.false_positives else []
    reasons += [f"harness errors: {len(one.errors)}"] if one.errors else []
    lines = [f"WRONG {one.name:<44} {what:<12} {'; '.join(reasons)}  {one.seconds:.1f} s"]
    shown = [e for e in one.evidence if e.split()[0] in one.false_positives] or list(
        one.errors or one.evidence
    )
    return "\n".join([*lines, *(f"        {e[:220]}" for e in shown[:4])])


def backends(as_json: bool) -> None:
    """The ``backends`` command."""
    from store_conformance.harness.backends import create, names

    found = [(name, create(name).availability()) for name in names()]
    if as_json:
        rows = [
            {
                "name": n,
                "available": a.ok,
                "deployment": str(a.deployment),
                "detail": a.detail,
                "how_to_get": a.how_to_get,
            }
            for n, a in found
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    for name, a in found:
        state = "ready  " if a.ok else "missing"
        click.echo(f"{name:<10} {state}  {a.deployment!s:<10} {a.detail}")
        if not a.ok and a.how_to_get:
            click.echo(f"{'':<20}  get it: {a.how_to_get}")


def rules(rule_id: str | None, as_json: bool) -> None:
    """The ``rules`` command."""
    chosen = [contract_rule(rule_id)] if rule_id else list(contract_rules())
    records = [rule_record(r.id) for r in chosen]
    if as_json:
        click.echo(json.dumps(records, indent=2, ensure_ascii=False))
        return
    if rule_id:
        _show_rule(records[0])
        return
    for group in contract_groups():
        click.echo(f"\n{group.id}  {group.title}")
        for r in records:
            if r["group"] == group.id:
                click.echo(
                    f"  {r['id']:<4} {r['level']:<6} {len(r['cases']):>2} cases  {r['promise']}"
                )


def rule_record(rule_id: str) -> dict[str, Any]:
    """One rule with its cases and mutants, as JSON."""
    from store_conformance.cli.self_test import mutants_of

    r = contract_rule(rule_id)
    return {
        "id": r.id,
        "group": r.group,
        "level": str(r.level),
        "promise": r.promise,
        "why": r.why,
        "source": r.source,
        "since": r.since,
        "cases": [
            {"id": s.id, "sentence": s.sentence, "modes": list(s.modes)}
            for s in all_cases()
            if s.rule_id == r.id
        ],
        "mutants": mutants_of(r.id),
    }


def _show_rule(record: dict[str, Any]) -> None:
    click.echo(f"{record['id']} ({record['level']})  {record['promise']}")
    click.echo(f"why: {record['why']}")
    click.echo(f"source: {record['source'] or 'the data model'}")
    if record["since"]:
        click.echo(f"since langgraph-checkpoint {record['since']}")
    click.echo("cases:")
    for case in record["cases"]:
        click.echo(f"  {case['id']} ({', '.join(case['modes'])}): {case['sentence']}")
    click.echo("mutants (stores broken on purpose that it must catch):")
    for mutant in record["mutants"]:
        click.echo(f"  {mutant['name']}: {mutant['sin']}")
