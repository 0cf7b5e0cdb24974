"""
How cases are given to xdist's workers when one of them ends in the middle of a case.

xdist's own scheduler gives the case that ended a worker to the next one as well, and leaves a worker that
was started late with a single case, for which that worker waits until it is told that it was the last.
"""

from __future__ import annotations

from typing import Any

from xdist.scheduler import LoadGroupScheduling

ENOUGH = 2
"""A worker begins a case only when it knows the next one; so it has at least two."""


class CaseScheduling(LoadGroupScheduling):  # type: ignore[misc]  # not typed
    """By group, as ``--dist loadgroup``; a case that ended its worker is never tried again."""

    def remove_node(self, node: Any) -> str | None:
        """Take a worker off; gives the node id of the case that was under way, ``None`` if there was none."""
        workload = self.assigned_work.pop(node)
        left = [n for unit in workload.values() for n, completed in unit.items() if not completed]
        if not left:
            return None
        ended: str = left[0]
        for scope, unit in workload.items():
            rest = {n: False for n, completed in unit.items() if not completed and n != ended}
            if rest:
                self.workqueue[scope] = rest
        for other in self.assigned_work:
            self._reschedule(other)
        return ended

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        """
        Note that a case has ended, and give its worker more.

        A group that is done is forgotten: xdist counts all that a worker was ever given, with each case.
        """
        case = self.registered_collections[node][item_index]
        scope = self._split_scope(case)
        unit = self.assigned_work[node][scope]
        unit[case] = True
        if all(unit.values()):
            del self.assigned_work[node][scope]
        self._reschedule(node)

    def schedule(self) -> None:
        """Give every worker enough to begin with; one that comes late too."""
        super().schedule()
        for node in self.nodes:
            while self.workqueue and self._takes(node) and self._few(node):
                self._assign_work_unit(node)
        if not self.workqueue:
            for node in self.nodes:
                node.shutdown()

    def owing(self) -> list[Any]:
        """The workers that are not waiting for us: they have enough to go on with, or are to end."""
        return [
            node
            for node in list(self.assigned_work)
            if node in self.registered_collections
            and (node.shutting_down or self._pending_of(self.assigned_work[node]) >= ENOUGH)
        ]

    def _reschedule(self, node: Any) -> None:
        """A worker that is still being started has told no cases yet, and gets them when it has: by ``schedule``."""
        if node in self.registered_collections:
            super()._reschedule(node)

    def _takes(self, node: Any) -> bool:
        return node in self.registered_collections and not node.shutting_down

    def _few(self, node: Any) -> bool:
        return bool(self._pending_of(self.assigned_work[node]) <= ENOUGH)
