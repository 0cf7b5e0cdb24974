"""
Names of backends to classes, each imported only when it is asked for.

A backend's module has ``BACKEND``, its class.  The constructor takes, by keyword, whichever of
``deployment``, ``url`` and ``options`` it needs; the class says what it accepts by two optional
attributes: ``DEPLOYMENTS`` (a tuple of `Deployment`) and ``OPTIONS`` (names to a line of help each).
Installed packages add backends by the entry point group ``store_conformance.backends``, whose entries
lead to such a module or class, or to a function that opens a store as ``--store`` takes it.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Iterable, Mapping
from importlib import metadata
from types import ModuleType
from typing import TypeGuard

from store_conformance.backends.base import Backend, BackendError, Deployment, Spec
from store_conformance.contract.hints import did_you_mean
from store_conformance.contract.secrets import remember_given

ENTRY_POINTS = "store_conformance.backends"
BUILT_IN = ("memory", "sqlite", "postgres", "qdrant", "chroma", "weaviate", "pinecone", "hybrid")


class UnknownBackendError(BackendError):
    """A name that is no backend's."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        choice = sorted(known)
        hint = did_you_mean(name, choice)
        super().__init__(name, "there is no such backend.", f"{hint}Known are {', '.join(choice)}.")


def _installed() -> dict[str, metadata.EntryPoint]:
    return {entry.name: entry for entry in metadata.entry_points(group=ENTRY_POINTS)}


def names() -> tuple[str, ...]:
    """All backends known here, those of this project first; known is not yet usable."""
    own = [
        n
        for n in BUILT_IN
        if importlib.util.find_spec(f"store_conformance.backends.{n}") is not None
    ]
    return (*own, *sorted(set(_installed()) - set(own)))


def get(name: str) -> type[Backend]:
    """The class of that name; raises ``UnknownBackendError``."""
    if (
        name in BUILT_IN
        and importlib.util.find_spec(f"store_conformance.backends.{name}") is not None
    ):
        return _class_in(name, importlib.import_module(f"store_conformance.backends.{name}"))
    entry = _installed().get(name)
    if entry is None:
        raise UnknownBackendError(name, names())
    return _class_in(name, _loaded(entry))


def _loaded(entry: metadata.EntryPoint) -> object:
    try:
        return entry.load()
    except Exception as error:
        raise BackendError(
            entry.name,
            f"the entry point {entry.value} cannot be loaded: {type(error).__name__}: {error}.",
        ) from error


def _class_in(name: str, found: object) -> type[Backend]:
    if isinstance(found, ModuleType):
        module = found
        found = getattr(module, "BACKEND", None)
        if found is None:
            own = [
                v
                for v in vars(module).values()
                if _is_backend(v) and v.__module__ == module.__name__
            ]
            found = own[0] if len(own) == 1 else None
    if not _is_backend(found):
        raise BackendError(
            name, "its module has no BACKEND.", "set BACKEND to the Backend subclass"
        )
    return found


def _is_backend(value: object) -> TypeGuard[type[Backend]]:
    return isinstance(value, type) and issubclass(value, Backend)


def create(
    name: str,
    *,
    deployment: Deployment | str | None = None,
    url: str | None = None,
    options: Mapping[str, str] | None = None,
) -> Backend:
    """
    A new, not yet started backend.

    Raises ``BackendError`` for a name, deployment or option that it does not have, with the nearest
    right one; nothing is connected to yet.
    """
    remember_given(options or {}, url)
    brought = _function_behind(name)
    if brought is not None:
        from store_conformance.backends.factory import user_supplied

        return user_supplied(brought, name=name, options=options, url=url)
    kind = get(name)
    wanted = _deployment(name, kind, deployment)
    if url is not None and not _takes(kind, "url"):
        raise BackendError(name, "it has no server and takes no URL.", "leave --url away")
    check_options(name, options or {}, getattr(kind, "OPTIONS", {}))
    arguments = {"deployment": wanted, "url": url, "options": dict(options or {})}
    return kind(**{key: value for key, value in arguments.items() if _takes(kind, key)})


def _function_behind(name: str) -> str | None:
    """The reference of an installed function of that name that opens a store, if there is one."""
    entry = _installed().get(name)
    if name in BUILT_IN or entry is None or not entry.attr:
        return None
    found = _loaded(entry)
    return (
        None
        if _is_backend(found) or isinstance(found, ModuleType)
        else f"{entry.module}:{entry.attr}"
    )


def from_spec(spec: Spec) -> Backend:
    """The backend that ``Backend.spec()`` of another process describes, attached to its engine."""
    from store_conformance.backends import factory

    if factory.is_supplied(spec):
        return factory.from_spec(spec)
    kind = get(spec.backend)
    arguments = {"deployment": spec.deployment, "options": spec.texts("options")}
    backend = kind(**{key: value for key, value in arguments.items() if _takes(kind, key)})
    backend.attach(spec)
    return backend


def check_options(name: str, given: Mapping[str, str], known: Iterable[str]) -> None:
    """Raise ``BackendError`` for the first option that is not known, with the nearest right name."""
    choice = sorted(known)
    for option in given:
        if option not in choice:
            hint = did_you_mean(option, choice)
            takes = f"It takes {', '.join(choice)}." if choice else "It takes none."
            raise BackendError(name, f"there is no option {option!r}.", hint + takes)


def _takes(kind: type[Backend], argument: str) -> bool:
    parameters = inspect.signature(kind).parameters.values()
    return any(p.name == argument or p.kind is p.VAR_KEYWORD for p in parameters)


def _deployment(
    name: str, kind: type[Backend], wanted: Deployment | str | None
) -> Deployment | None:
    if wanted is None:
        return None
    offered: tuple[Deployment, ...] = getattr(kind, "DEPLOYMENTS", (kind.deployment,))
    choice = [str(d) for d in offered]
    if str(wanted) not in choice:
        hint = did_you_mean(str(wanted), choice)
        raise BackendError(
            name, f"there is no deployment {str(wanted)!r}.", f"{hint}It has {', '.join(choice)}."
        )
    return Deployment(str(wanted))
