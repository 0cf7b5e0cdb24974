"""
A file of expectations written from what runs saw, for a person to review.

Entries that are there keep their words, comments and order; they get the kinds of failure that were seen.
What no entry is about is added, with a reason that is still to be filled in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Table

from store_conformance.contract import UserError, Verdict, rules
from store_conformance.contract.errors import EXIT_DATA
from store_conformance.contract.records import Row, Run
from store_conformance.runs.expectations import (
    TO_DO,
    Expectation,
    is_case,
    is_kind,
    read_entry,
    stale,
)
from store_conformance.runs.profiles import QUICK

_PLACE = ("rule", "case", "mode")
"""What an entry is about; its kind stands behind."""


@dataclass(frozen=True)
class Proposal:
    """The text of a file of expectations, and what is new in it, a line each."""

    text: str
    added: tuple[str, ...]
    changed: tuple[str, ...]
    stale: tuple[str, ...]


def propose(runs: Sequence[Run], backend: str, text: str | None, where: str) -> Proposal:
    """
    The file for ``backend`` after these runs; ``text`` is what it says now, ``where`` it lies.
    """
    rows = [r for run in runs for r in run.rows if r.backend == backend]
    failed = [r for r in rows if r.verdict is Verdict.FAIL]
    if any(r.failure_kind is None for r in failed):
        raise UserError(
            "the run was made by a version that did not tell kinds of failure",
            "run again with this version",
            EXIT_DATA,
        )
    packages = _packages(runs, backend)
    document = _document(backend, text, where)
    tables = document.get("expect", ())
    entries = [
        read_entry(table.unwrap(), backend, f"{where}, [[expect]] number {n}")
        for n, table in enumerate(tables, 1)
    ]
    holding = [n for n, e in enumerate(entries) if e.holds_for(packages)]
    sampled = all(run.header.get("profile") == QUICK for run in runs)
    seen, unknown = _assigned(failed, entries, holding)
    changed = []
    for n in holding:
        wanted = _kinds(entries[n], seen[n], rows, sampled=sampled)
        if wanted != entries[n].kinds:
            tables[n] = _with_kind(tables[n], wanted)
            changed += _changes(entries[n], wanted)
    written = tomlkit.dumps(document).rstrip("\n") + "\n"
    added = []
    for place, found in _new_places(unknown, rows):
        entry, line = _added(place, found)
        written += f"\n{entry}"
        added.append(line)
    ran = {r.rule for r in rows}
    about = [entries[n] for n in holding if entries[n].rule in ran]
    old = stale(about, rows, {backend: packages}, sampled=sampled)
    return Proposal(written, tuple(added), tuple(changed), tuple(old))


def _packages(runs: Iterable[Run], backend: str) -> dict[str, str]:
    for run in runs:
        facts = run.header["backends"].get(backend)
        if facts is not None:
            return dict(facts.get("packages", {}))
    return {}


def _document(backend: str, text: str | None, where: str) -> tomlkit.TOMLDocument:
    if text is None:
        document = tomlkit.document()
        document["backend"] = backend
        return document
    try:
        document = tomlkit.parse(text)
    except TOMLKitError as error:
        raise UserError(f"{where}: is not TOML ({error})", "see docs/STORES.md") from None
    if document.get("backend") != backend:
        raise UserError(
            f"{where}: is about {document.get('backend')!r} and not about {backend!r}",
            "give another file with -o, or another backend with -b",
        )
    if not isinstance(document.get("expect", tomlkit.aot()), AoT):
        raise UserError(f"{where}: expect is no list of tables", "begin each entry with [[expect]]")
    return document


def _assigned(
    failed: Iterable[Row], entries: Sequence[Expectation], holding: Sequence[int]
) -> tuple[dict[int, list[Row]], list[Row]]:
    """The failures of each entry, and those of none; an entry that knows the kind comes first."""
    seen: defaultdict[int, list[Row]] = defaultdict(list)
    unknown = []
    for row in failed:
        about = [n for n in holding if entries[n].matches(row)]
        best = next((n for n in about if entries[n].kinds and entries[n].covers(row)), None)
        if best is None:
            best = next((n for n in about if not entries[n].kinds), about[0] if about else None)
        if best is None:
            unknown.append(row)
        else:
            seen[best].append(row)
    return seen, unknown


Kinds = tuple[tuple[str, str], ...]
"""Cases (or patterns) and what is seen in them, as in `Expectation.kinds`."""


def _kinds(entry: Expectation, seen: Sequence[Row], rows: Sequence[Row], *, sampled: bool) -> Kinds:
    """
    The kinds that the entry should name: those it names and that still show, then those that are new.

    Where runs ``sampled`` the parameters of a case, all that it names are kept.
    """
    if not entry.kinds and entry.sometimes and not entry.hides_changes:
        return ()  # it varies by nature, and says why
    told = [r for r in rows if entry.matches(r)]
    judged = all(r.verdict in (Verdict.PASS, Verdict.FAIL) for r in told)
    whole = bool(told) and judged and not sampled
    kept = tuple(
        (case, kind)
        for case, kind in entry.kinds
        if entry.sometimes
        or not whole
        or not seen
        or any(is_case(r.case, case) and is_kind(r.failure_kind or "", kind) for r in seen)
    )
    new = [r for r in seen if not _named_by(kept, r)]
    plain = all(case == "*" for case, _ in entry.kinds) if entry.kinds else "*" not in entry.case
    if plain:
        return (*kept, *(("*", kind) for kind in _looks(new)))
    return (*kept, *_by_case(new, told))


def _named_by(kinds: Kinds, row: Row) -> bool:
    return any(is_case(row.case, c) and is_kind(row.failure_kind or "", k) for c, k in kinds)


def _looks(rows: Iterable[Row]) -> tuple[str, ...]:
    return tuple(sorted({r.failure_kind for r in rows if r.failure_kind is not None}))


def _by_case(new: Sequence[Row], told: Sequence[Row]) -> Kinds:
    """Each case with what is seen in it; all parameters of one at once where they look the same."""
    looks = {
        case: _looks(r for r in new if r.case == case) for case in sorted({r.case for r in new})
    }
    found: dict[str, tuple[str, ...]] = {}
    for case, kinds in looks.items():
        base = case.split("[")[0]
        every = {r.case for r in told if r.case.split("[")[0] == base}
        same = len(every) > 1 and all(looks.get(c) == kinds for c in every)
        found[f"{base}[*]" if same else case] = kinds
    return tuple((case, kind) for case, kinds in found.items() for kind in kinds)


def _with_kind(table: Table, kinds: Kinds) -> Table:
    """The same table, its words and comments in place, with these kinds."""
    body = [(key, item) for key, item in table.value.body if key is None or key.key != "kind"]
    old = table.get("kind")
    kept = list(old.value.body) if isinstance(old, Table) else body
    ends = next((n for n in range(len(kept), 0, -1) if kept[n - 1][0] is not None), 0)
    tail = [item for _, item in kept[ends:]]  # what stands before the next entry
    while body and body[-1][0] is None:
        body.pop()
    plain = all(case == "*" for case, _ in kinds)
    place = max(n for n, (key, _) in enumerate(body) if key is not None and key.key in _PLACE)
    new = tomlkit.table()
    for n, (key, item) in enumerate(body):
        if key is None:
            new.add(item)  # type: ignore[call-overload]  # a comment or an empty line
        else:
            new.append(key, item)
        if n == place and kinds and plain:
            new.append("kind", _listed([kind for _, kind in kinds]))
    last = new
    if kinds and not plain:
        last = tomlkit.table()
        for case in dict.fromkeys(case for case, _ in kinds):
            last.add(case, _listed([kind for c, kind in kinds if c == case]))
        new.add(tomlkit.nl())
    for item in tail:
        last.add(item)  # type: ignore[call-overload]
    if last is not new:
        new.append("kind", last)
    return new


def _listed(kinds: Sequence[str]) -> Any:
    if len(kinds) == 1:
        return kinds[0]
    array = tomlkit.array()
    array.multiline(True)
    array.extend(kinds)
    return array


def _changes(entry: Expectation, wanted: Kinds) -> list[str]:
    def told(pair: tuple[str, str]) -> str:
        case = entry.case if pair[0] == "*" else pair[0]
        return f"{entry.rule} {case}" + (f" ({entry.mode})" if entry.mode else "")

    new = [f"{told(pair)}: looks like: {pair[1]}" for pair in wanted if pair not in entry.kinds]
    gone = [pair for pair in entry.kinds if pair not in wanted]
    return new + [f"{told(pair)}: no longer looks like: {pair[1]}" for pair in gone]


# -- what no entry is about ---------------------------------------------------------------------

Place = tuple[str, str, "str | None"]
"""Rule, case (or all of its parameters) and mode (``None``: both, or all that it has)."""


def _new_places(unknown: Sequence[Row], rows: Sequence[Row]) -> list[tuple[Place, list[Row]]]:
    """Where failures are that no entry is about, each place with its failures, in the order of the rules."""
    modes: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    every: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        modes[row.rule, row.case].add(row.mode)
        every[row.rule, row.case.split("[")[0]].add(row.case)
    failing: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in unknown:
        failing[row.rule, row.case].append(row)
    by_case: dict[Place, list[Row]] = {}
    for (rule_id, case), found in failing.items():
        both = {r.mode for r in found} == modes[rule_id, case]
        by_case[rule_id, case, None if both else found[0].mode] = found
    order = {r.id: n for n, r in enumerate(rules())}
    joined = _joined(by_case, every)
    return sorted(joined.items(), key=lambda p: (order.get(p[0][0], 0), p[0][1]))


def _joined(
    by_case: Mapping[Place, list[Row]], every: Mapping[tuple[str, str], set[str]]
) -> dict[Place, list[Row]]:
    """One place for a case all of whose parameters fail in the same modes."""
    groups: defaultdict[Place, list[Place]] = defaultdict(list)
    for rule_id, case, mode in by_case:
        groups[rule_id, case.split("[")[0], mode].append((rule_id, case, mode))
    joined: dict[Place, list[Row]] = {}
    for (rule_id, base, mode), places in groups.items():
        if len(places) > 1 and len(places) == len(every[rule_id, base]):
            joined[rule_id, f"{base}[*]", mode] = [r for p in places for r in by_case[p]]
        else:
            joined.update({p: by_case[p] for p in places})
    return joined


def _added(place: Place, found: Sequence[Row]) -> tuple[str, str]:
    """An entry, as text, for failures that none is about, and a line about it."""
    rule_id, case, mode = place
    table = tomlkit.table()
    table.add("rule", rule_id)
    table.add("case", case)
    if mode is not None:
        table.add("mode", mode)
    kinds = _by_case(found, found) if "*" in case else ()
    same = len({kind for _, kind in kinds}) <= 1
    if same:
        table.add("kind", _listed(_looks(found)))
    first = " ".join(found[0].message.split())[:160]
    table.add("why", f"{TO_DO}: say why, with the line of code that causes it ({first})")
    if not same:
        table = _with_kind(table, kinds)
    document = tomlkit.document()
    tables = tomlkit.aot()
    tables.append(table)
    document.append("expect", tables)
    line = f"{rule_id} {case}" + (f" ({mode})" if mode else "")
    return tomlkit.dumps(document).rstrip("\n") + "\n", line
