"""
A user-supplied store: ``--store FILE.py:FUNCTION`` or ``package.module:FUNCTION``.

The reference leads to a function that opens a store, or to a `Backend` of the user's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from store_conformance.backends.arguments import SHAPE
from store_conformance.backends.base import Backend, BackendError, Spec
from store_conformance.backends.references import Reference
from store_conformance.backends.supplied import SuppliedBackend
from store_conformance.backends.supplied_backend import WrappedBackend, made_from
from store_conformance.backends.supplied_function import FunctionBackend
from store_conformance.contract import ALL, Capability
from store_conformance.contract.secrets import remember_given


def user_supplied(
    reference: str,
    *,
    name: str | None = None,
    capabilities: frozenset[Capability] | None = None,
    options: Mapping[str, str] | None = None,
    url: str | None = None,
) -> SuppliedBackend:
    """
    The backend around what ``reference`` leads to; nothing of it is called but a `Backend`'s constructor.

    ``name`` is the reference's own if none is given; ``capabilities`` those of the `Backend`, or all.  Raises
    ``BackendError`` with a hint for a reference that leads nowhere and for options that are not taken.
    """
    remember_given(options or {}, url)
    place = Reference.parse(reference)
    known_as = name or place.short_name
    given = dict(options or {})
    found = place.load()
    if isinstance(found, Backend) or (isinstance(found, type) and issubclass(found, Backend)):
        own = made_from(found, known_as, given, url)
        return WrappedBackend(own, place, known_as, capabilities, given, url)
    if not callable(found):
        raise BackendError(known_as, f"{place} is a {type(found).__name__}, not a function.", SHAPE)
    offered = ALL if capabilities is None else capabilities
    return FunctionBackend(found, place, known_as, offered, given, url)


def is_supplied(spec: Spec) -> bool:
    """Whether it is the `Backend.spec` of a user-supplied store."""
    return "factory" in spec.details


def from_spec(spec: Spec) -> SuppliedBackend:
    """The same backend in another process."""
    offered = spec.details["capabilities"]
    assert isinstance(offered, Sequence)
    backend = user_supplied(
        str(spec.details["factory"]),
        name=spec.backend,
        capabilities=frozenset(Capability(str(one)) for one in offered),
        options=spec.texts("options"),
        url=spec.text("own_url"),
    )
    backend.attach(spec)
    return backend
