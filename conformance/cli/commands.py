"""
What the commands do, free of the command line's parsing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from store_conformance.contract import groups as contract_groups
from store_conformance.contract import rule as contract_rule
from store_conformance.contract import rules as contract_rules
from store_conformance.harness.settings import Settings
from store_conformance.pytest_plugin import running
from store_conformance.runs.health import STOPPED
from store_conformance.runs.probing import missing_halves
from store_conformance.runs.run_file import merge_runs, read_run
from store_conformance.runs.session import (
    RunOptions,
    RunSession,
    UsageError,
    pairs,
    session_from_options,
)
from store_conformance.suite.register import all_cases

DEFAULT_BACKENDS = ("memory", "sqlite", "postgres")


def prepare_folder(out: Path) -> Path:
    """An existing, writable folder; raises ``UsageError`` before any work is done."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".writable"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise UsageError(
            f"cannot write to {out} ({error.strerror}); give another folder with --out"
        ) from None
    return out


def make_session(settings: Settings, **options: Any) -> RunSession:
    """The session of a command's options; user-supplied stores are opened once, to fail early and clearly."""
    from store_conformance.embedding import embedder_from_name
    from store_conformance.harness.backends import FactoryBackend

    named = bool(options["backend"] or options["store"])
    chosen = RunOptions(
        backends=tuple(options["backend"]) if named else DEFAULT_BACKENDS,
        stores=tuple(options["store"]),
        store_name=options["name"],
        declare=options["declare"],
        options=tuple(options["option"]),
        deployment=options["deployment"],
        url=options["url"],
        rules=tuple(options.get("rules", ())),
        groups=tuple(options.get("groups", ())),
        scenarios=tuple(options.get("scenarios", ())),
        expectations=tuple(options.get("expectations", ())),
        settings=settings,
    )
    session = session_from_options(chosen)
    if not named:
        session.optional = frozenset(DEFAULT_BACKENDS)
    embedder_from_name(settings.embed)
    from store_conformance.runs.facts import corpus_facts

    corpus_facts(settings)
    for backend in session.backends.values():
        if isinstance(backend, FactoryBackend):
            backend.check(min(settings.timeout, 30.0))
            for lacking in missing_halves(backend, min(settings.timeout, 30.0)):
                click.echo(
                    f"{backend.name}: no {lacking} API (its methods raise NotImplementedError)"
                )
                backend.capabilities -= {lacking}
    return session


def run(
    *,
    out: Path,
    workers: int,
    bench: bool,
    confirm: bool,
    timeout: float,
    embed: str,
    data: tuple[str, ...],
    seed: int,
    items: int,
    steps: int,
    histories: int,
    **options: Any,
) -> int:
    """The ``run`` command; gives the exit code."""
    settings = Settings(
        seed=seed,
        timeout=timeout,
        embed=embed,
        data=data,
        items=items,
        steps=steps,
        histories=histories,
        confirm=confirm,
    )
    session = make_session(settings, **options)
    folder = prepare_folder(out)
    result = running.execute(session, folder / "run.jsonl", workers=workers, bench=bench)
    return conclude(result, session, folder)


def bench(*, out: Path, items: int, embed: str, **options: Any) -> int:
    """The ``bench`` command; gives the exit code."""
    session = make_session(Settings(items=items, embed=embed), **options)
    folder = prepare_folder(out)
    result = running.execute(session, folder / "run.jsonl", cases=False, bench=True)
    write_reports(result, folder)
    return running.EXIT_OK if result.measurements else running.EXIT_UNVERIFIED


def conclude(result: Any, session: RunSession, folder: Path) -> int:
    """Write the reports, print the summary and the gate; gives the exit code."""
    from store_conformance.reports.terminal import print_summary

    print_summary(result)
    write_reports(result, folder)
    gate = running.judge_run(result, session)
    if gate.code:
        click.echo(f"The gate does not hold: {len(gate.reasons)} reason(s).")
        for reason in gate.reasons[:20]:
            if reason.startswith("expectation") or STOPPED in reason:
                click.echo(f"  {reason}")
    else:
        click.echo("The gate holds.")
    return gate.code


def write_reports(result: Any, folder: Path, formats: tuple[str, ...] = ()) -> None:
    from store_conformance.reports.write import write_reports as write

    paths = write(result, folder, **({"formats": formats} if formats else {}))
    for path in paths:
        click.echo(f"wrote {path}")


def report(paths: tuple[Path, ...], out: Path, formats: tuple[str, ...]) -> None:
    """The ``report`` command."""
    merged = merge_runs([read_run(p) for p in paths])
    write_reports(merged, prepare_folder(out), formats)


def diff(before: Path, after: Path) -> int:
    """The ``diff`` command; gives 1 if something newly fails."""
    from store_conformance.reports.diff import compare, print_diff

    change = compare(read_run(before), read_run(after))
    print_diff(change)
    return running.EXIT_FAILED if change.newly_failing else running.EXIT_OK


def export_memories(store: str, out: Path, *, option: tuple[str, ...], **where: Any) -> int:
    """The ``export`` command; gives how many items were written."""
    from store_conformance.migration.commands import export_store

    return export_store(store, out, options=pairs(option), **where)


def import_memories(store: str, source: Path, *, option: tuple[str, ...], **where: Any) -> int:
    """The ``import`` command; gives how many items were imported."""
    from store_conformance.migration.commands import import_file

    return import_file(store, source, options=pairs(option), **where)


def repro(run_path: Path, finding: str | None, out: Path | None) -> int:
    """The ``repro`` command; gives 1 if a finding that was asked for has no script."""
    from store_conformance.runs.findings import findings, write_finding

    found = findings(read_run(run_path), finding)
    if not found:
        raise UsageError(
            f"no finding {finding!r} in {run_path}; give a rule or case id that failed there"
            if finding
            else f"{run_path} has no finding"
        )
    for one in found:
        if out is None:
            click.echo(f"# {one.row.backend} {one.row.rule} {one.row.case}: {one.status}")
            click.echo(one.row.script or "# its calls do not make a script\n")
        else:
            click.echo(f"wrote {write_finding(one, prepare_folder(out))} ({one.status})")
    return running.EXIT_OK if any(f.row.script for f in found) else running.EXIT_FAILED


def self_test(
    workers: int, seed: int, only: tuple[str, ...], own_rule: bool, quick: bool, as_json: bool
) -> int:
    """The ``self-test`` command; gives 1 unless the score is 100 % both ways."""
    from store_conformance.cli.self_test import self_test as judge_all

    judged = []
    given: dict[str, Any] = {"workers": workers, "whole": not own_rule, "quick": quick}
    with running.interruptible():
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
    return running.EXIT_FAILED if bad or not judged else running.EXIT_OK


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
    click.echo(f"source: {record['source'] or 'the data model'}")
    if record["since"]:
        click.echo(f"since langgraph-checkpoint {record['since']}")
    click.echo("cases:")
    for case in record["cases"]:
        click.echo(f"  {case['id']} ({', '.join(case['modes'])}): {case['sentence']}")
    click.echo("mutants (stores broken on purpose that it must catch):")
    for mutant in record["mutants"]:
        click.echo(f"  {mutant['name']}: {mutant['sin']}")
