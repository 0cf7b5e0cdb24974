"""
A note in the target that a migration is writing there, by which a second one into it sees the first.

Journals cannot tell: two migrations of other sources, or from other folders, have nothing in common but
the target.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from store_conformance.contract.errors import EXIT_USAGE
from store_conformance.harness.compat import PutOp, operation
from store_conformance.migration.journal import Journal
from store_conformance.migration.transfer import MigrationError, Readable, search_page

CLAIMS = ("migration-check-claims",)
"""Where the notes are; never part of what is moved."""
_MOST = 20
_MADE = "claim"


def without_claims(items: Sequence[Any]) -> list[Any]:
    return [item for item in items if tuple(item.namespace) != CLAIMS]


class Claim:
    """The note of one migration, known by its journal: a later start has the same one."""

    def __init__(self, target: Any, journal: Journal) -> None:
        self._target = target
        self._journal = journal
        self._key = journal.name()

    def nobody_elses(self) -> None:
        """Raises ``MigrationError`` where another migration has a note in the target."""
        for item in _claims(self._target):
            if item.key != self._key:
                raise MigrationError(
                    f"another migration into this target is under way: {_who(item.value)}",
                    "wait for it; if it was ended, give its own command again, which goes on from there; if its"
                    f" journal is gone, empty the target, or delete {item.key!r} in {CLAIMS!r}",
                    EXIT_USAGE,
                )

    def make(self) -> None:
        """Put the note, and look whether another one came at the same moment."""
        self.nobody_elses()
        value = {
            "begun": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "host": socket.gethostname(),
            "process": os.getpid(),
            "journal": str(self._journal.folder.absolute()),
        }
        self._journal.note(_MADE, "claimed")
        self._target.batch([operation(PutOp, CLAIMS, self._key, value, index=False, ttl=None)])
        self.nobody_elses()

    def withdraw(self) -> None:
        """Take the note away, if there may be one."""
        if self._journal.fact(_MADE) is None:
            return
        self._target.batch([PutOp(CLAIMS, self._key, None)])
        self._journal.forget(_MADE)


def no_target(source: Readable) -> None:
    """Raises ``MigrationError`` for a source into which another migration is still writing, or was cut off."""
    for item in _claims(source):
        raise MigrationError(
            f"the source is itself the target of a migration that has not ended: {_who(item.value)}",
            "end that one first, by its own command; what is there now may be half of it",
            EXIT_USAGE,
        )


def _claims(store: Readable) -> list[Any]:
    return search_page(store, CLAIMS, limit=_MOST, offset=0)


def _who(told: Any) -> str:
    found = told if isinstance(told, dict) else {}
    return (
        f"begun {found.get('begun')} by process {found.get('process')} of {found.get('host')},"
        f" journal {found.get('journal')}"
    )
