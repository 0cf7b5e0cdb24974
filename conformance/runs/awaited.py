"""
A user's store in a process that runs cases, before its first case: nothing of it has been imported yet.

It is loaded when its first case comes, once everything of ours and of pytest's is in place: what it does to
the process, or that it ends it, is then seen as part of a case.
"""

from __future__ import annotations

from typing import ClassVar

from store_conformance.contract import Capability
from store_conformance.harness import watchdog
from store_conformance.harness.backends import Backend, Deployment, Spec, from_spec
from store_conformance.harness.footing import regain_footing, take_footing

IMPORT_SECONDS = 60.0
"""What importing the module of a user's store may take."""


class AwaitedBackend(Backend):
    """Its name and its capabilities; it cannot be opened."""

    name: ClassVar[str] = "store"
    deployment = Deployment.FACTORY

    def __init__(self, spec: Spec, capabilities: frozenset[Capability]) -> None:
        super().__init__()
        self.__dict__["name"] = spec.backend
        self.capabilities = capabilities
        self._spec = spec

    def spec(self) -> Spec:
        return self._spec

    def loaded(self) -> Backend:
        """The backend itself; raises ``BackendError``, and the process's watchdog ends an import that hangs."""
        take_footing()
        try:
            with watchdog.watching():
                watchdog.feed(IMPORT_SECONDS)
                backend = from_spec(self._spec)
        finally:
            regain_footing()
        backend.capabilities = self.capabilities
        return backend
