"""
What runs of release 0.1.0 left to be understood from names.

Their rows carry no ``restart`` and no ``memory``, their measurements no ``rule``.  The cases that they had
are listed here once, so that their reports stay true; nothing is to be added: a record of a later version
says it itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from store_conformance.contract import MemoryType, Restart, UnknownRuleError, rule
from store_conformance.contract.records import Measurement, Row

_RESTARTS = {
    "restart::a_new_store_object_finds_everything": Restart.OBJECT,
    "restart::deletes_and_overwrites_survive_a_new_store_object": Restart.OBJECT,
    "restart::an_expiry_survives_a_restart": Restart.OBJECT,
    "restart::namespaces_survive_with_every_character": Restart.OBJECT,
    "restart::a_store_that_does_not_persist_says_so": Restart.OBJECT,
    "restart::a_new_process_finds_everything": Restart.PROCESS,
    "restart::the_client_killed_loses_nothing_acknowledged": Restart.CLIENT_KILLED,
    "restart::acknowledged_deletes_and_batches_survive_a_kill": Restart.CLIENT_KILLED,
    "restart::the_engine_stopped_and_started_loses_nothing": Restart.ENGINE_STOPPED,
    "restart::the_engine_killed_loses_nothing_acknowledged": Restart.ENGINE_KILLED,
}
"""Cases of rule E4; their parameter, where they have one, is the memory type."""


def restart_of(row: Row) -> Restart | None:
    """What the row's case restarted: as the row says, or as that case always did."""
    return row.restart or _RESTARTS.get(row.case.partition("[")[0])


def memory_of(row: Row) -> MemoryType | None:
    """The memory type that the case wrote before a restart; ``None`` if it was of no one type."""
    if row.restart is not None:
        return row.memory
    parameter = row.case.partition("[")[2].removesuffix("]")
    return MemoryType(parameter) if parameter in set(MemoryType) else None


def with_rule(figure: Measurement, by_case: Mapping[str, str]) -> Measurement:
    """The measurement with its rule: as it says, or the one in ``portability.F7``, or that of its case."""
    if figure.rule:
        return figure
    if figure.name.startswith("portability."):
        try:
            return replace(figure, rule=rule(figure.name.split(".")[1]).id)
        except UnknownRuleError:
            pass
    return replace(figure, rule=by_case.get(figure.case, ""))
