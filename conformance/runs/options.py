"""
What a user asks of a run, and the run that it describes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from store_conformance.contract import Capability, Mode, UserError, declared
from store_conformance.contract.secrets import redact_text
from store_conformance.harness.alarm import alarm
from store_conformance.harness.backends import (
    Backend,
    Spec,
    create,
    from_spec,
    is_supplied,
    name_of,
    user_supplied,
)
from store_conformance.harness.settings import Settings
from store_conformance.runs.awaited import IMPORT_SECONDS, AwaitedBackend
from store_conformance.runs.case_runs import Ends
from store_conformance.runs.expectations import Expectation, read_expectations
from store_conformance.runs.hosted import HostedBackend, HostSilentError, StoreLostError
from store_conformance.runs.known import shipped_expectations
from store_conformance.runs.profiles import DEFAULT
from store_conformance.runs.selection import Selection
from store_conformance.runs.session import RunSession, never_opened


@dataclass(frozen=True)
class RunOptions:
    """What a user asks of a run, from the command line or from pytest's options."""

    backends: tuple[str, ...] = ()
    stores: tuple[str, ...] = ()
    """References to functions of the user: ``FILE.py:FUNCTION`` or ``package.module:FUNCTION``."""
    store_name: str | None = None
    declare: str = ""
    """What the stores do not offer, with commas: ``no-vectors,no-ttl``."""
    options: tuple[str, ...] = ()
    """``key=value`` texts for the backend or the function."""
    deployment: str | None = None
    url: str | None = None
    rules: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    """Rules that are not run, and that the run says so of."""
    profile: str = DEFAULT
    expectations: tuple[Path, ...] = ()
    settings: Settings = field(default_factory=Settings)


def session_from_options(options: RunOptions, *, hosted: bool = False) -> RunSession:
    """
    The run that these options describe; raises ``UserError`` for wrong ones.

    ``hosted``: users' stores are loaded by another process, and never by this one.
    """
    made, lost = _backends(options, hosted=hosted)
    backends = {b.name: b for b in made}
    expectations = [e for name in backends for e in shipped_expectations(name)]
    for path in options.expectations:
        expectations += read_expectations(path)
    selection = Selection.named(
        options.rules, options.groups, options.scenarios, options.skip, options.profile
    )
    if selection.profile != DEFAULT and not selection.cases():
        raise UserError(
            f"the {selection.profile} profile has no case of what was asked for",
            "leave --profile out, or ask for other rules",
        )
    return RunSession(
        backends,
        selection,
        options.settings,
        tuple(expectations),
        absent={name: never_opened(error) for name, error in lost.items()},
        options=pairs(options.options),
    )


def _backends(
    options: RunOptions, *, hosted: bool
) -> tuple[list[Backend], dict[str, StoreLostError]]:
    """The backends of a run, and those of several stores whose own code did not let them be loaded."""
    extra = pairs(options.options)
    found: list[Backend] = [
        create(name, deployment=options.deployment, url=options.url, options=extra)
        for name in options.backends
    ]
    names = [n for n in options.declare.split(",") if n.strip()]
    if names and not options.stores:
        raise UserError("--declare goes with --store", "a built-in backend declares for itself")
    lost: dict[str, StoreLostError] = {}
    for reference in options.stores:
        seconds = min(options.settings.timeout, IMPORT_SECONDS)
        supply = partial(
            _hosted if hosted else _loaded_here,
            reference,
            seconds,
            name=options.store_name,
            capabilities=declared(names) if names else None,
            options=extra,
            url=options.url,
        )
        try:
            found.append(supply())
        except StoreLostError as error:
            lost[options.store_name or name_of(reference)] = error
        except BaseException:
            for backend in found:
                backend.stop()
            raise
    if not found and lost:
        raise next(iter(lost.values()))
    _check_names(found, lost)
    return found, lost


def _check_names(found: Sequence[Backend], lost: Iterable[str]) -> None:
    """Raises ``UserError`` where two have one name; nobody else knows of the processes of those that were loaded."""
    seen = [*(b.name for b in found), *lost]
    twice = next((n for n in seen if seen.count(n) > 1), None)
    if twice:
        for backend in found:
            backend.stop()
        raise UserError(f"backend {twice!r} is named twice", "give the --store another --name")


def _loaded_here(reference: str, seconds: float, **given: Any) -> Backend:
    with alarm(seconds, partial(_too_slow, reference, seconds)):
        return user_supplied(reference, **given)


def _hosted(reference: str, seconds: float, **given: Any) -> Backend:
    try:
        return HostedBackend(reference, seconds=seconds, **given)
    except HostSilentError:
        raise _too_slow(reference, seconds) from None


def _too_slow(reference: str, seconds: float) -> StoreLostError:
    return StoreLostError(
        f"importing {redact_text(reference)} did not end within {seconds:g} s",
        "move what waits or connects at the import into the function; --timeout gives it longer",
    )


def pairs(texts: Iterable[str]) -> dict[str, str]:
    """``key=value`` texts as a dict; raises ``UserError``."""
    found = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not key.isidentifier():
            raise UserError(f"--option {text!r} is not key=value", "write --option size=3")
        found[key] = value
    return found


def session_from_spec(spec: dict[str, Any]) -> RunSession:
    """The run of an xdist worker, attached to the engines of the controller; a user's store is yet to be loaded."""
    backends: dict[str, Backend] = {}
    for name, data in spec["backends"].items():
        known = Spec.from_dict(data)
        offered = frozenset(Capability(c) for c in spec["capabilities"][name])
        if is_supplied(known):
            backends[name] = AwaitedBackend(known, offered)
        else:
            backends[name] = from_spec(known)
            backends[name].capabilities = offered
    expectations = tuple(
        Expectation(
            **{
                **data,
                "exclude": tuple(data["exclude"]),
                "kinds": tuple((case, kind) for case, kind in data["kinds"]),
                "mode": Mode(data["mode"]) if data["mode"] else None,
            }
        )
        for data in spec["expectations"]
    )
    return RunSession(
        backends,
        Selection.named(**spec["selection"]),
        Settings.from_dict(spec["settings"]),
        expectations,
        owner=False,
        facts=spec["facts"],
        at_once=spec["at_once"],
        ends=Ends.from_dict(spec["ends"]),
        done=frozenset((b, r, c, m) for b, r, c, m in spec["done"]),
    )
