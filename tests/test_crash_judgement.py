"""
What a ledger tells, how a round is judged, and which histories are linearizable: from known ones of both kinds.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from store_conformance.crash.account import Hit, Look, Wrong
from store_conformance.crash.history import Entry, History, Key, Kind, Operation, Outcome, Write
from store_conformance.crash.judge import judge
from store_conformance.crash.ledger import Ledger, read_ledger
from store_conformance.crash.meeting import disorder, meetings
from store_conformance.crash.plan import KEYS, Planner, keys_of, meeting
from store_conformance.crash.values import is_whole, text_of, value_of
from store_conformance.embedding.exact import ExactEmbeddings
from store_conformance.oracle.linearizability import Call, Order, linearizable

NS = ("crash", "w0", "facts")
A, B, C = (NS, "a"), (NS, "b"), (NS, "c")
DONE, FAILED, OPEN = Outcome.ACKNOWLEDGED, Outcome.FAILED, Outcome.OPEN
QUERY = "apple banana cherry"


def did(number: int, outcome: Outcome, *writes: Write, kind: Kind = Kind.PUT) -> Entry:
    ended = None if outcome is OPEN else number * 10 + 5
    return Entry(Operation(number, kind, writes), number * 10, ended, outcome)


def wrote(place: Key, version: str | None, *, expires: bool = False) -> Write:
    return Write(*place, version, expires)


def seen(versions: Mapping[Key, str | None], **changes: Any) -> Look:
    """What a right store shows that holds these versions; ``changes`` are what it shows instead."""
    values = {place: None if v is None else value_of(v) for place, v in versions.items()}
    there = {place: v for place, v in versions.items() if v is not None}
    score = ExactEmbeddings().cosine
    look = Look(
        got=values,
        listed=tuple((place, value_of(v)) for place, v in there.items()),
        found=tuple(Hit(place, QUERY, score(QUERY, text_of(v))) for place, v in there.items()),
    )
    return dataclasses.replace(look, **changes)


def wrongs(
    entries: tuple[Entry, ...], look: Look, before: Mapping[Key, str | None] | None = None
) -> list[Wrong]:
    account = judge(History("w0", entries), before or {}, look)
    return [f.wrong for f in account.findings]


# -- what is allowed ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "before", "left"),
    [
        ((did(1, DONE, wrote(A, "1")),), {}, "1"),
        ((did(1, DONE, wrote(A, "1")), did(2, OPEN, wrote(A, "2"))), {}, "1"),
        ((did(1, DONE, wrote(A, "1")), did(2, OPEN, wrote(A, "2"))), {}, "2"),
        ((did(1, DONE, wrote(A, "1")), did(2, OPEN, wrote(A, None))), {}, None),
        ((did(1, OPEN, wrote(A, "1")),), {}, None),
        ((did(1, DONE, wrote(A, None)),), {A: "0"}, None),
        # What raised may take effect later than what came after it.
        ((did(1, FAILED, wrote(A, "1")), did(2, DONE, wrote(A, "2"))), {}, "1"),
        ((did(1, FAILED, wrote(A, "1")), did(2, DONE, wrote(A, "2"))), {}, "2"),
        ((), {A: "0"}, "0"),
        ((did(1, DONE, wrote(A, "1", expires=True)),), {}, None),
        ((did(1, DONE, wrote(A, "1", expires=True)),), {}, "1"),
    ],
)
def test_what_a_key_may_hold_is_not_accused(
    entries: tuple[Entry, ...], before: dict[Key, str | None], left: str | None
) -> None:
    account = judge(History("w0", entries), before, seen({A: left}))
    assert account.findings == ()
    assert account.state[A] == left


@pytest.mark.parametrize(
    ("entries", "before", "left", "wrong"),
    [
        ((did(1, DONE, wrote(A, "1")),), {}, None, Wrong.LOST),
        ((), {A: "0"}, None, Wrong.LOST),
        ((did(1, DONE, wrote(A, "1")), did(2, DONE, wrote(A, "2"))), {}, "1", Wrong.STALE),
        ((did(1, DONE, wrote(A, "1")),), {A: "0"}, "0", Wrong.STALE),
        ((did(1, DONE, wrote(A, "1")), did(2, DONE, wrote(A, None))), {}, "1", Wrong.RESURRECTED),
        ((did(1, DONE, wrote(A, None)),), {A: "0"}, "0", Wrong.RESURRECTED),
        ((did(1, DONE, wrote(A, "1")),), {}, "nobody's", Wrong.ALTERED),
    ],
)
def test_each_wrong_end_of_a_key_is_named(
    entries: tuple[Entry, ...], before: dict[Key, str | None], left: str | None, wrong: Wrong
) -> None:
    assert wrongs(entries, seen({A: left}), before) == [wrong]


def test_what_an_engine_carried_out_late_is_not_accused() -> None:
    """A dead client's put, or its delete, took effect after the last look: nobody knew of it then."""
    for version in ("late", None):
        look = seen({A: version})
        assert wrongs((), look, {A: "0"}) != []
        account = judge(History("w0", ()), {A: "0"}, look, (wrote(A, version),))
        assert account.findings == ()
    other = judge(History("w0", ()), {A: "0"}, seen({A: None}), (wrote(A, "late"),))
    assert [f.wrong for f in other.findings] == [Wrong.LOST]
    assert disorder([], {A: "0"}, {A: "late"}, 100) != []
    assert disorder([], {A: "0"}, {A: "late"}, 100, [wrote(A, "late")]) == []


def test_when_the_lost_thing_was_acknowledged_is_told() -> None:
    account = judge(History("w0", (did(1, DONE, wrote(A, "1")),)), {}, seen({A: None}))
    assert [f.acknowledged_at for f in account.findings] == [15]


# -- items and vectors ----------------------------------------------------------------------------

ONE = (did(1, DONE, wrote(A, "1")),)


def _listed(*versions: str) -> tuple[tuple[Key, Any], ...]:
    return tuple((A, value_of(v)) for v in versions)


@pytest.mark.parametrize(
    ("look", "wrong"),
    [
        (seen({A: "1"}, found=()), Wrong.TORN_ITEM),
        (seen({A: "1"}, found=(Hit(A, QUERY, None),)), Wrong.TORN_ITEM),
        (seen({A: "1"}, found=(Hit(A, QUERY, 0.123),)), Wrong.TORN_ITEM),
        (seen({A: "1"}, listed=()), Wrong.TORN_ITEM),
        (seen({A: "1"}, listed=_listed("other")), Wrong.TORN_ITEM),
        (seen({A: "1"}, listed=_listed("1", "1")), Wrong.DUPLICATED),
        (seen({A: "1"}, got={A: {**value_of("1"), "body": "half"}}), Wrong.ALTERED),
        (seen({A: "1"}, got={A: {}}), Wrong.ALTERED),
    ],
)
def test_an_item_of_which_a_part_is_missing_is_found(look: Look, wrong: Wrong) -> None:
    assert wrongs(ONE, look) == [wrong]


def test_a_vector_whose_item_is_gone_is_found() -> None:
    gone = (*ONE, did(2, DONE, wrote(A, None)))
    look = seen({A: None}, found=(Hit(A, QUERY, 0.5),))
    assert wrongs(gone, look) == [Wrong.TORN_ITEM]
    assert wrongs((), seen({}, found=(Hit(B, QUERY, 0.5),))) == [Wrong.TORN_ITEM]


def test_scores_that_are_no_cosines_are_not_compared() -> None:
    look = seen({A: "1"}, found=(Hit(A, QUERY, 17.0),), cosine=False)
    assert wrongs(ONE, look) == []
    assert wrongs(ONE, seen({A: "1"}, found=None)) == []


def test_an_item_found_by_two_queries_is_no_duplicate() -> None:
    own = text_of("1")
    score = ExactEmbeddings().cosine(QUERY, own)
    hits = (Hit(A, QUERY, score), Hit(A, own, 1.0))
    assert wrongs(ONE, seen({A: "1"}, found=hits)) == []
    assert wrongs(ONE, seen({A: "1"}, found=(*hits, Hit(A, own, 1.0)))) == [Wrong.DUPLICATED]


# -- batches --------------------------------------------------------------------------------------

BATCH = did(1, OPEN, wrote(A, "1a"), wrote(B, "1b"), wrote(C, None), kind=Kind.BATCH)
HELD: dict[Key, str | None] = {C: "0"}


@pytest.mark.parametrize(
    ("left", "torn", "whole"),
    [
        ({A: "1a", B: "1b", C: None}, 0, 1),
        ({A: None, B: None, C: "0"}, 0, 0),
        ({A: "1a", B: None, C: "0"}, 1, 0),
        ({A: None, B: None, C: None}, 1, 0),
    ],
)
def test_an_unacknowledged_batch_is_there_wholly_or_not_at_all(
    left: dict[Key, str | None], torn: int, whole: int
) -> None:
    account = judge(History("w0", (BATCH,)), HELD, seen(left))
    assert (account.count(Wrong.TORN_BATCH), account.whole) == (torn, whole)
    assert len(account.findings) == torn


def test_of_an_acknowledged_batch_each_missing_key_is_lost() -> None:
    done = dataclasses.replace(BATCH, ended=15, outcome=DONE)
    account = judge(History("w0", (done,)), HELD, seen({A: "1a", B: None, C: "0"}))
    assert [f.wrong for f in account.findings] == [Wrong.LOST, Wrong.RESURRECTED]
    assert account.acknowledged == 3


def test_a_key_that_was_written_again_says_nothing_of_a_batch() -> None:
    entries = (
        did(1, FAILED, wrote(A, "1a"), wrote(B, "1b"), kind=Kind.BATCH),
        did(2, DONE, wrote(A, "2")),
    )
    assert wrongs(entries, seen({A: "2", B: None})) == []
    assert wrongs(entries, seen({A: "2", B: "1b"})) == []


def test_a_key_that_was_undone_says_nothing_of_a_batch() -> None:
    """Its deletion need not have happened: what made or kept its key may be lost."""
    entries = (
        did(1, DONE, wrote(C, "1c")),
        did(2, OPEN, wrote(A, "2a"), wrote(C, None), kind=Kind.BATCH),
    )
    assert wrongs(entries, seen({A: None, C: None})) == []
    undone = (did(2, OPEN, wrote(A, "2a"), wrote(C, None), kind=Kind.BATCH),)
    assert wrongs(undone, seen({A: None, B: None, C: None}), {B: "0", C: "0"}) == [Wrong.LOST]


def test_half_a_batch_breaks_no_promise_and_all_else_does() -> None:
    assert [w for w in Wrong if not w.breaks] == [Wrong.TORN_BATCH]


# -- ledgers --------------------------------------------------------------------------------------


def test_a_ledger_reads_back_what_was_done(tmp_path: Path) -> None:
    path = tmp_path / "w0.ledger"
    ledger = Ledger(path)
    batch = Operation(1, Kind.BATCH, (wrote(A, "1"), wrote(B, None), wrote(C, "x", expires=True)))
    ledger.begin(batch)
    ledger.acknowledge(1)
    ledger.begin(Operation(2, Kind.GET, reads=A))
    ledger.acknowledge(2, seen="1")
    ledger.begin(Operation(3, Kind.DELETE, (wrote(A, None),)))
    ledger.fail(3, ValueError("postgresql://u:hunter2secret@h/db refused\nus"))
    ledger.begin(Operation(4, Kind.PUT, (wrote(A, "4"),)))
    ledger.close()

    history = read_ledger(path)

    assert history.writer == "w0"
    assert [e.outcome for e in history.entries] == [DONE, DONE, FAILED, OPEN]
    assert history.entries[0].operation == batch
    assert history.entries[1].seen == "1"
    assert history.entries[2].error == "ValueError: postgresql://u:***@h/db refused us"
    assert history.acknowledged == 3
    assert all(e.began < (e.ended or e.began + 1) for e in history.entries)


def test_a_line_that_was_cut_off_counts_as_never_written(tmp_path: Path) -> None:
    path = tmp_path / "w0.ledger"
    ledger = Ledger(path)
    ledger.begin(Operation(1, Kind.PUT, (wrote(A, "1"),)))
    ledger.acknowledge(1)
    ledger.close()
    path.write_bytes(path.read_bytes()[:-3])
    assert [e.outcome for e in read_ledger(path).entries] == [OPEN]
    assert read_ledger(tmp_path / "none.ledger").entries == ()


def test_a_moment_is_in_flight_between_begin_and_answer() -> None:
    history = History("w0", (did(1, DONE, wrote(A, "1")), did(3, OPEN, wrote(A, "2"))))
    moments = [9, 10, 14, 15, 29, 30, 999]
    assert [m for m in moments if history.in_flight(m)] == [10, 14, 30, 999]


# -- plans and values -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [k for k in Kind if k is not Kind.GET])
def test_a_plan_is_repeatable_and_of_the_kind_that_is_wanted(kind: Kind) -> None:
    def first(name: str) -> list[Operation]:
        planner = Planner("w0", name, dict.fromkeys(keys_of("w0")[:KEYS], "0"), (kind,))
        return list(itertools.islice(planner.operations(), 300))

    stream = first("r1")
    assert stream == first("r1")
    assert stream != first("r2")
    assert [op.number for op in stream] == list(range(1, 301))
    assert sum(op.kind is kind for op in stream) > 60
    versions = [w.version for op in stream for w in op.writes if w.version is not None]
    assert len(versions) == len(set(versions))


def test_a_plan_never_deletes_or_overwrites_what_is_not_there() -> None:
    held = set(keys_of("w0")[:4])
    planner = Planner("w0", "r", dict.fromkeys(held, "0"), (Kind.DELETE, Kind.OVERWRITE))
    for op in itertools.islice(planner.operations(), 500):
        if op.kind in (Kind.DELETE, Kind.OVERWRITE):
            assert op.writes[0].place in held
        if op.kind is Kind.PUT:
            assert op.writes[0].place not in held
        held |= {w.place for w in op.writes if w.version}
        held -= {w.place for w in op.writes if not w.version}


def test_a_value_is_whole_only_as_it_was_put() -> None:
    value = value_of("r.1")
    assert is_whole(value)
    assert is_whole(value_of("r.1"))
    for name in value:
        assert not is_whole({k: v for k, v in value.items() if k != name})
    assert not is_whole({**value, "version": "r.2"})
    assert not is_whole(None)


# -- linearizability ------------------------------------------------------------------------------


def put(began: float, ended: float | None, value: str | None) -> Call:
    return Call(began, ended, value)


def get(began: float, ended: float | None, value: str | None) -> Call:
    return Call(began, ended, value, reads=True)


@pytest.mark.parametrize(
    "calls",
    [
        [],
        [put(0, 1, "a"), get(2, 3, "a")],
        # Concurrent: either order will do, and readers may see both, in the order that they agree on.
        [put(0, 10, "a"), put(1, 9, "b"), get(11, 12, "a")],
        [put(0, 10, "a"), put(1, 9, "b"), get(2, 3, "b"), get(4, 5, "a"), get(11, 12, "a")],
        [put(0, 10, "a"), get(1, 2, None), get(3, 4, "a")],
        # What never returned may have happened, late too, or not.
        [put(0, None, "a"), get(1, 2, None), get(3, 4, "a")],
        [put(0, None, "a"), get(1, 2, None), get(3, 4, None)],
        [put(0, 1, "a"), put(2, 3, None), get(4, 5, None)],
        # A read that never returned was seen by nobody.
        [put(0, 1, "a"), get(2, None, "nobody's")],
        # A long read may see the later of two writes, while a shorter one saw the earlier.
        [put(0, 5, "a"), get(1, 20, "b"), put(6, 10, "b"), get(7, 9, "a")],
    ],
)
def test_histories_that_are_linearizable(calls: list[Call]) -> None:
    assert linearizable(calls) is Order.FOUND


@pytest.mark.parametrize(
    "calls",
    [
        [put(0, 1, "a"), get(2, 3, None)],
        [put(0, 1, "a"), put(2, 3, "b"), get(4, 5, "a")],
        # Readers that do not agree on the order of two writes.
        [
            put(0, 10, "a"), put(0, 10, "b"),
            get(11, 12, "a"), get(13, 14, "b"),
        ],
        # New, then old again, while the write was still under way.
        [put(0, 10, "a"), get(1, 2, "a"), get(3, 4, None)],
        [put(0, None, "a"), get(1, 2, "a"), get(3, 4, None)],
        [put(0, 1, "a"), put(2, 3, None), get(4, 5, "a")],
        [get(0, 1, "nobody's")],
    ],
)  # fmt: skip
def test_histories_that_are_not(calls: list[Call]) -> None:
    assert linearizable(calls) is Order.NONE


def test_the_search_gives_up_in_time() -> None:
    writes = [put(n, 1000 + n, str(n)) for n in range(40)]
    wrong = [*writes, get(3000, 3001, "nobody's")]
    assert linearizable(wrong, steps=2000) is Order.UNKNOWN


def test_a_real_register_is_always_linearizable_and_a_changed_answer_never() -> None:
    """
    Random calls that take effect at a moment of their own; then one answer names what nobody wrote.
    """
    for seed in range(40):
        chance = random.Random(seed)
        moments = sorted(chance.random() * 100 for _ in range(30))
        held: str | None = None
        calls = []
        for number, moment in enumerate(moments):
            began, ended = moment - chance.random() * 8, moment + chance.random() * 8
            if chance.random() < 0.5:
                calls.append(get(began, ended, held))
            else:
                held = chance.choice([None, f"v{number}"])
                calls.append(put(began, ended, held))
        assert linearizable(calls) is Order.FOUND
        reads = [n for n, c in enumerate(calls) if c.reads]
        spoilt = list(calls)
        spoilt[chance.choice(reads)] = dataclasses.replace(calls[reads[0]], value="nobody's")
        assert linearizable(spoilt) is Order.NONE


def _call(began: int, ended: int | None, version: str, outcome: Outcome = DONE) -> Entry:
    return Entry(Operation(began, Kind.PUT, (wrote(A, version),)), began, ended, outcome)


def test_writers_meet_only_on_the_same_key_at_the_same_time() -> None:
    first = History("w0", (_call(0, 10, "1"),))
    assert meetings([first, History("w1", (_call(5, 15, "2"),))]) == 1
    assert meetings([first, History("w1", (_call(10, 15, "2"),))]) == 0
    assert meetings([first, History("w1", (did(0, DONE, wrote(B, "2")),))]) == 0
    assert meetings([History("w0", (_call(0, 10, "1"), _call(5, 9, "2")))]) == 0


def test_concurrent_writers_are_judged_by_what_is_left() -> None:
    histories = [
        History("w0", (_call(0, 10, "1"), _call(20, 30, "2"))),
        History("w1", (_call(5, 25, "3"), _call(40, None, "4", OPEN))),
    ]
    for left in ("2", "3", "4"):
        assert disorder(histories, {}, {A: left}, 100) == []
    wrong: tuple[str | None, ...] = ("1", None, "nobody's")
    for last in wrong:
        assert len(disorder(histories, {}, {A: last}, 100)) == 1


def test_meeting_writers_use_few_keys_in_every_way() -> None:
    stream = list(itertools.islice(meeting("w1", "r"), 200))
    assert {op.kind for op in stream} == {Kind.PUT, Kind.DELETE, Kind.GET}
    assert len({op.reads or op.writes[0].place for op in stream}) == 4
