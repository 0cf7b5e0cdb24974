"""
What a run begins with: its options are understood, its stores are opened once, and its file is there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from store_conformance.contract import rule as contract_rule
from store_conformance.harness.settings import Settings
from store_conformance.runs.folder import claimed_folder
from store_conformance.runs.profiles import DEFAULT
from store_conformance.runs.run_file import RUN_FILE
from store_conformance.runs.selection import Selection

if TYPE_CHECKING:
    from store_conformance.contract import Capability
    from store_conformance.harness.backends import Backend
    from store_conformance.runs.options import RunOptions
    from store_conformance.runs.session import RunSession

OPEN_SECONDS = 30.0
"""What opening a user's store once may take."""
DEFAULT_BACKENDS = ("memory", "sqlite", "postgres")


@contextlib.contextmanager
def begun_run(
    out: Path, settings: Settings, *, measures: bool, **options: Any
) -> Iterator[tuple[RunSession, Path]]:
    """
    The session of a command's options and the folder that it alone writes to.

    The run file is there before any store is loaded.  If the run cannot begin, it says why, and does not take the
    place of an earlier run.
    """
    selection = _selection(options)
    with claimed_folder(out) as folder, _no_strays():
        from store_conformance.runs.recording import Recording, header_of

        recording = Recording()
        backends: dict[str, dict[str, Any]] = {name: {} for name in _names(options)}
        recording.open(folder / RUN_FILE, header_of(settings, selection, backends))
        try:
            session = make_session(settings, measures=measures, **options)
        except BaseException as error:
            recording.could_not_begin(error)
            raise
        session.recording = recording
        yield session, folder


def _no_strays() -> contextlib.AbstractContextManager[None]:
    """Ends what a store leaves running; what that needs is imported only when a run begins."""
    from store_conformance.harness.process.strays import no_strays

    return no_strays(click.echo)


def _names(options: dict[str, Any]) -> list[str]:
    """What a run of these options is about, before any of it has been looked for."""
    if not (options["backend"] or options["store"]):
        return list(DEFAULT_BACKENDS)
    stores = [options["name"] or reference for reference in options["store"]]
    return [*options["backend"], *stores]


def make_session(settings: Settings, *, measures: bool, **options: Any) -> RunSession:
    """The session of a command's options; user-supplied stores are opened once, to fail early and clearly."""
    from store_conformance.embedding.naming import embedder_factory
    from store_conformance.runs.facts import corpus_facts
    from store_conformance.runs.options import session_from_options

    named = bool(options["backend"] or options["store"])
    chosen = _run_options(settings, named=named, options=options)
    session = session_from_options(chosen, hosted=True)
    if not named:
        session.optional = frozenset(DEFAULT_BACKENDS)
    try:
        make_embedder = embedder_factory(settings.embed)
        if measures or _embeds(session.selection):
            make_embedder()
        corpus_facts(settings)
        for backend in session.backends.values():
            _open_once(backend, min(settings.timeout, OPEN_SECONDS))
    except BaseException:  # nobody else knows of its processes yet
        session.stop()
        raise
    return session


def _run_options(settings: Settings, *, named: bool, options: dict[str, Any]) -> RunOptions:
    from store_conformance.runs.options import RunOptions

    return RunOptions(
        backends=tuple(options["backend"]) if named else DEFAULT_BACKENDS,
        stores=tuple(options["store"]),
        store_name=options["name"],
        declare=options["declare"],
        options=tuple(options["option"]),
        deployment=options["deployment"],
        url=options["url"],
        rules=tuple(options.get("rules", ())),
        groups=tuple(options.get("groups", ())),
        scenarios=tuple(options.get("scenarios", ())),
        skip=tuple(options.get("skip", ())),
        profile=options.get("profile", DEFAULT),
        expectations=tuple(options.get("expectations", ())),
        settings=settings,
    )


def _selection(options: dict[str, Any]) -> Selection:
    """Refuses a rule, group or scenario that there is not, before anything is imported that takes long."""
    return Selection.named(
        options.get("rules", ()),
        options.get("groups", ()),
        options.get("scenarios", ()),
        options.get("skip", ()),
        options.get("profile", DEFAULT),
    )


def _open_once(backend: Backend, seconds: float) -> None:
    """A user's store is opened before anything else, so that what is wrong with it is told early."""
    from store_conformance.harness.backends import SuppliedBackend
    from store_conformance.runs.hosted import HostedBackend
    from store_conformance.runs.probing import missing_halves

    if isinstance(backend, HostedBackend):
        backend.check(seconds)
        missing = backend.missing_halves(seconds)
    elif isinstance(backend, SuppliedBackend):
        backend.check(seconds)
        missing = missing_halves(backend, seconds)
        backend.capabilities -= frozenset(missing)
    else:
        return
    for note in (*backend.notes, *(_without(lacking) for lacking in missing)):
        click.echo(f"{backend.name}: {note}")


def _without(half: Capability) -> str:
    return f"no {half} API (its methods raise NotImplementedError)"


def _embeds(selection: Selection) -> bool:
    """Whether a selected case may use the run's embedder: those of the scenarios and restarts do."""
    named = (*selection.groups, *(contract_rule(r).group for r in selection.rules))
    return selection.everything or bool(selection.scenarios) or "E" in named
