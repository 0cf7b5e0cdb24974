"""
P1 to P4: faults that strike in the middle of work, with an account of every acknowledged write.

A quick form of what `store-conformance crash` does hundreds of times: a store that loses one write in a
thousand passes here, and is caught there.
"""

from __future__ import annotations

from store_conformance.contract import Capability, Mode
from store_conformance.crash.faults import named
from store_conformance.harness.case import case
from store_conformance.harness.lab import Lab
from store_conformance.suite.support.strikes import engine_of, judge, struck

PERSISTS = (Capability.PERSISTENCE,)
CLIENT = named(["client-put", "client-overwrite", "client-batch", "client-delete"])
NETWORK = named(["network"])
SECONDS = 4.0
"""How long a case goes on striking after its first strike."""
TROUBLES = 4
"""Cut, reset, swallowed and refused: a store that stands one of them may fall over the next."""


@case("P1", needs=PERSISTS, serial=True)
def test_a_client_killed_within_a_call_undoes_nothing(lab: Lab) -> None:
    """
    A client that is killed within a put, an overwrite, a batch and a delete undoes nothing acknowledged.

    If this fails, look for writes that are kept until the next one, or acknowledged before they are made.
    """
    # Each once, and once more while there is time: a kill strikes between two calls or within one.
    rounds = struck(lab, lab.backend, CLIENT * 2, SECONDS, at_least=len(CLIENT))
    judge(lab, "a client was killed", rounds)


@case("P2", needs=PERSISTS, serial=True, modes=(Mode.SYNC,))
def test_a_write_that_was_cut_off_is_there_wholly_or_not_at_all(lab: Lab) -> None:
    """
    Puts within which the client is killed have happened wholly, with their vectors, or not at all.

    If this fails, look for an item and its vector in two transactions.
    """
    faults = named(["client-put", "client-overwrite"]) * 2
    judge(lab, "a client was killed", struck(lab, lab.backend, faults, SECONDS))


@case("P1", needs=PERSISTS, serial=True, modes=(Mode.ASYNC,))
def test_an_engine_killed_under_load_undoes_nothing(lab: Lab) -> None:
    """
    An engine whose processes are all killed while two processes write has lost nothing acknowledged.
    """
    rounds = struck(lab, engine_of(lab), named(["engine-kill"]), SECONDS)
    judge(lab, "the engine was killed", rounds)


@case("P1", needs=PERSISTS, serial=True, modes=(Mode.SYNC,))
def test_client_and_engine_killed_at_once_undo_nothing(lab: Lab) -> None:
    """
    Engine and client that are killed at one moment have lost nothing acknowledged.
    """
    rounds = struck(lab, engine_of(lab), named(["engine-and-client"]), SECONDS)
    judge(lab, "engine and client were killed", rounds)


@case("P3", needs=PERSISTS, serial=True, modes=(Mode.SYNC,))
def test_an_engine_that_stands_still_is_waited_for(lab: Lab) -> None:
    """
    After an engine was stopped in its tracks and continued, the same store object works.
    """
    rounds = struck(lab, engine_of(lab), named(["engine-freeze"]), SECONDS, patient=True)
    judge(lab, "the engine stood still", rounds)


@case("P3", needs=PERSISTS, serial=True, modes=(Mode.ASYNC,))
def test_an_engine_restarted_under_load_is_found_again(lab: Lab) -> None:
    """
    After an engine was restarted under load, the same store object works again.

    If this fails, look for a connection that is kept after it has broken: a pool opens another one.
    """
    rounds = struck(lab, engine_of(lab), named(["engine-restart"]), SECONDS, patient=True)
    judge(lab, "the engine was restarted", rounds)


@case("P4", needs=PERSISTS, serial=True, modes=(Mode.ASYNC,))
def test_a_network_in_trouble_is_come_through(lab: Lab) -> None:
    """
    Cut in the middle of an answer or a request, reset, refused, swallowing or slow: when the network is well
    again, the same store object works, and everything acknowledged is there, once and whole.

    If this fails, look for a connection that is kept after it has broken, and for a call that is repeated by itself.
    """
    rounds = struck(lab, engine_of(lab), NETWORK, 2 * SECONDS, patient=True, at_least=TROUBLES)
    judge(lab, "the network was in trouble", rounds)
