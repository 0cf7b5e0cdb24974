"""
What a case is given: stores at places of their own, an embedder that can be computed by hand, checks
that say what was expected and what was got.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from store_conformance.contract import Capability, Location, Mode, UserError
from store_conformance.contract.observations import Facts
from store_conformance.embedding.exact import ExactEmbeddings
from store_conformance.harness.case import CaseSpec
from store_conformance.harness.clock import WallClock
from store_conformance.harness.errors import (
    CheckFailedError,
    StoreRaisedError,
    UnsupportedError,
    UnverifiedError,
)
from store_conformance.harness.journal import Journal
from store_conformance.harness.leftovers import collect_while
from store_conformance.harness.loops import LoopThread
from store_conformance.harness.refused_config import said_by_calls
from store_conformance.harness.settings import Settings
from store_conformance.harness.subject import Subject
from store_conformance.harness.text import message_of, represent

if TYPE_CHECKING:
    from langgraph.store.base import IndexConfig, TTLConfig

    from store_conformance.harness.backends import Backend, Opened
    from store_conformance.harness.process.child import Child


ABOUT_PLACES = frozenset({"O14", "O15", "O16", "O17", "O19"})
"""Rules about how a store sets itself up: each of their cases has places where no store has ever been."""


@dataclass(frozen=True)
class OtherFailure:
    """A failure of a rule that another rule's case came upon."""

    rule_id: str
    message: str
    expected: object
    got: object
    history: tuple[str, ...]


class Lab:
    """
    The workbench of one case in one mode.

    ``open`` gives stores; whatever was opened is closed and every location is discarded when the case
    ends.  The checks (``equal``, ``same``, ``true``, ``refuses``) end the case as failed.
    """

    def __init__(
        self, backend: Backend, spec: CaseSpec, mode: Mode, param: str | None, settings: Settings
    ) -> None:
        self.backend = backend
        self.spec = spec
        self.mode: Mode = mode
        self.param = param
        self.settings = settings
        self.capabilities = backend.capabilities
        self.journal = Journal()
        self.clock = WallClock()
        self.observations: list[dict[str, Any]] = []
        self.findings: list[OtherFailure] = []
        self.avoid: frozenset[str] = frozenset()
        """Features of random histories whose rules are expected to fail here."""
        self.rng = random.Random(f"{settings.seed}:{spec.case_id(param)}")
        self._loop_thread: LoopThread | None = None
        self._subjects: list[Subject] = []
        self._locations: list[tuple[Backend, Location]] = []
        self._children: list[Child] = []
        self._beside: Lab | None = None
        self.abandoned = False
        """Whether the case was given up while it was under way: its threads may never go on."""

    # -- stores -------------------------------------------------------------------------------

    def location(self, backend: Backend | None = None) -> Location:
        """A fresh place, discarded when the case ends."""
        owner = backend or self.backend
        at = owner.location()
        self._locations.append((owner, at))
        return at

    def _place(self, owner: Backend, index: Mapping[str, object] | None, mode: Mode) -> Location:
        """A fresh place for a store of the case; one where no store has been, where the case is about that."""
        if self.spec.rule_id in ABOUT_PLACES:
            return self.location(owner)
        at = owner.location_for(cast("IndexConfig | None", index), mode)
        self._locations.append((owner, at))
        return at

    def open(
        self,
        *,
        index: Mapping[str, object] | None = None,
        ttl: Mapping[str, object] | None = None,
        at: Location | None = None,
        backend: Backend | None = None,
        mode: Mode | None = None,
    ) -> Subject:
        """
        A store at a fresh location, or at ``at`` to open that one again (or once more).

        ``mode`` opens it as the other API's users do.
        """
        owner = backend or self.backend
        place = at or self._place(owner, index, mode or self.mode)
        if at is not None:
            # As an application's own end would do: a closed store in a cycle.
            collect_while(lambda: any(s.at == at and s.lingers for s in self._subjects))
        subject = self._subject(owner, place, index, ttl, mode or self.mode)
        self._subjects.append(subject)
        return subject

    def _subject(
        self,
        owner: Backend,
        at: Location,
        index: Mapping[str, object] | None,
        ttl: Mapping[str, object] | None,
        mode: Mode,
    ) -> Subject:
        """The open store; one that takes no ``TTLConfig`` is opened without, where calls can say the same."""

        def opened(config: Mapping[str, object] | None) -> Subject:
            return Subject(
                self._opened(owner, at, index, config, mode),
                at=at,
                mode=mode,
                loop_thread=self.loop_thread,
                journal=self.journal,
                number=len(self._subjects),
                index=index,
                ttl=config,
            )

        if ttl is not None and Capability.TTL_OF_CALLS in owner.capabilities:
            refreshes = said_by_calls(ttl, "declared, or its function does not use one")
        else:
            try:
                return opened(ttl)
            except StoreRaisedError as error:
                if ttl is None or not isinstance(error.cause, NotImplementedError):
                    raise
                refreshes = said_by_calls(ttl, message_of(error.cause, 160))
        subject = opened(None)
        subject.ttl, subject.reads_refresh = ttl, refreshes
        return subject

    def _opened(
        self,
        owner: Backend,
        at: Location,
        index: Mapping[str, object] | None,
        ttl: Mapping[str, object] | None,
        mode: Mode,
    ) -> Opened:
        """The store's context manager; whatever but our own complaints comes out is the store's."""
        try:
            # As they are: that a store refuses what is no configuration is what some cases are about.
            config, expiry = cast("IndexConfig | None", index), cast("TTLConfig | None", ttl)
            return owner.open(at, config, expiry, mode)
        except UserError:
            raise
        except Exception as error:
            raise StoreRaisedError("open()", error) from error

    def forget(self, store: Subject) -> None:
        """Close a store and discard its location now, where a case opens very many."""
        troubles: list[str] = []
        _quietly(store.close, troubles)
        self._subjects = [s for s in self._subjects if s.at != store.at]
        for owner, at in self._locations:
            if at == store.at:
                _quietly(partial(owner.discard, at), troubles)
        self._locations = [(o, a) for o, a in self._locations if a != store.at]

    def reopen(self, store: Subject, **changes: Any) -> Subject:
        """
        Close the store and open its location anew, with the same index and ttl unless changed.
        """
        store.close()
        return self.open(at=store.at, **{"index": store.index, "ttl": store.ttl, **changes})

    def indexed(
        self,
        *fields: str,
        embed: object = None,
        ttl: Mapping[str, object] | None = None,
        dims: int = 16,
    ) -> Subject:
        """A store with a vector index over ``fields`` (default ``text``), embedded exactly."""
        return self.open(index=self.index(*fields, embed=embed, dims=dims), ttl=ttl)

    def index(
        self, *fields: str, embed: object = None, dims: int = 16, **more: Any
    ) -> dict[str, Any]:
        """An ``IndexConfig``; ``fields`` defaults to ``text``, ``embed`` to a new exact embedder."""
        return {
            "dims": dims,
            "embed": embed if embed is not None else ExactEmbeddings(dims=dims),
            "fields": list(fields or ("text",)),
            **more,
        }

    def child(self, at: Location, **setup: Any) -> Child:
        """The same location opened by another process; see `store_conformance.harness.process.child.Child`."""
        from store_conformance.harness.process.child import Child

        owner = setup.pop("backend", None) or self.backend
        child = Child(owner, at, mode=self.mode, **setup)
        self._children.append(child)
        return child

    @property
    def loop_thread(self) -> LoopThread:
        """The case's event loop."""
        if self._loop_thread is None:
            self._loop_thread = LoopThread()
        return self._loop_thread

    def offers(self, capability: Capability) -> bool:
        return capability in self.capabilities

    # -- checks -------------------------------------------------------------------------------

    def equal(self, got: object, expected: object, message: str) -> None:
        """``got == expected``, or the case fails with both."""
        try:
            good = bool(got == expected)
        except Exception as error:  # an answer that cannot be compared is wrong
            raise CheckFailedError(
                f"{message} (comparing raised {error!r})", expected=expected, got=got
            ) from error
        if not good:
            raise CheckFailedError(message, expected=expected, got=got, compared=True)

    def same(self, got: object, expected: object, message: str) -> None:
        """Equal and of the same JSON types all the way down; floats to the last bit."""
        difference = type_difference(got, expected)
        if difference:
            raise CheckFailedError(
                f"{message}: {difference}", expected=expected, got=got, compared=True
            )

    def true(
        self,
        condition: object,
        message: str,
        *,
        got: object = None,
        expected: object = None,
        shows: tuple[object, object] | None = None,
    ) -> None:
        """``shows``: of a check over several values, one that was put and what was read back."""
        if not condition:
            raise CheckFailedError(message, expected=expected, got=got, shows=shows)

    def fail(self, message: str, *, got: object = None, expected: object = None) -> None:
        raise CheckFailedError(message, expected=expected, got=got)

    @contextmanager
    def refuses(
        self, errors: type[BaseException] | tuple[type[BaseException], ...], message: str
    ) -> Iterator[list[BaseException]]:
        """
        The block's store call must raise one of ``errors``; gives a list that will hold what it raised.
        """
        caught: list[BaseException] = []
        try:
            yield caught
        except StoreRaisedError as raised:
            if not isinstance(raised.cause, errors):
                raise CheckFailedError(
                    f"{message}: {raised.call} raised {type(raised.cause).__name__}"
                    f" ({message_of(raised.cause, 200)})",
                    expected=_names(errors),
                    got=raised.cause,
                ) from raised
            caught.append(raised.cause)
        else:
            raise CheckFailedError(
                f"{message}: nothing was raised", expected=_names(errors), got="no exception"
            )

    def change(self, value: Any, function: Callable[[Any], None]) -> None:
        """
        Do something to an object that the store was given or gave: a step that is recorded.

        ``function`` is one of `store_conformance.harness.spoiling`, which a reproducer can take over.
        """
        self.journal.note(function, value)
        function(value)

    def attempt(self, work: Callable[[], object]) -> BaseException | None:
        """Run store calls that may be refused; gives what the store raised, or ``None``."""
        try:
            work()
        except StoreRaisedError as raised:
            return raised.cause
        return None

    def until(
        self, condition: Callable[[], bool], seconds: float, message: str, *, every: float = 0.05
    ) -> float:
        """
        Poll until ``condition`` holds; gives the seconds it took and fails the case after ``seconds``.
        """
        begin = time.monotonic()
        while True:
            # Told before the look: on a machine that stalls, the last look comes after the time is up.
            late = time.monotonic() - begin > seconds
            if condition():
                return time.monotonic() - begin
            if late:
                raise CheckFailedError(f"{message} within {seconds:g} s")
            self.sleep(every)

    def attempt_until(
        self, condition: Callable[[], bool], seconds: float, *, every: float = 0.05
    ) -> bool:
        """Poll until ``condition`` holds; gives whether it did within ``seconds``."""
        try:
            self.until(condition, seconds, "", every=every)
        except CheckFailedError:
            return False
        return True

    def sleep(self, seconds: float) -> None:
        """Let time pass, where the rule is about time; negative is no time."""
        begin = time.monotonic()
        time.sleep(max(0.0, seconds))
        self.journal.waited += time.monotonic() - begin

    def observe(
        self, name: str, value: object, typed: Facts | None = None, /, **facts: object
    ) -> None:
        """
        Record something that is neither right nor wrong: a figure, an IMPL choice.

        ``typed`` are the facts that reports compute with; any others are shown as they are.
        """
        told = typed.to_dict() if typed is not None else {}
        self.observations.append({"name": name, "value": value, **told, **facts})

    def finding(
        self, rule_id: str, message: str, *, expected: object, got: object, history: list[str]
    ) -> None:
        """Report a failure of another rule than the case's own; the case goes on."""
        self.findings.append(OtherFailure(rule_id, message, expected, got, tuple(history)))

    def unverified(self, reason: str) -> None:
        """End the case: it could not tell, and why."""
        raise UnverifiedError(reason)

    def unsupported(self, reason: str) -> None:
        """End the case: the store does not offer this and says so."""
        raise UnsupportedError(reason)

    @contextmanager
    def beside(self, mode: Mode | None = None) -> Iterator[Lab]:
        """
        A lab of its own for what this case's record is not about, closed at the end of the block.

        A call in it that gives no answer is one of this case all the same.
        """
        other = Lab(self.backend, self.spec, mode or self.mode, self.param, self.settings)
        before = self._beside, self.journal.beside
        self._beside, self.journal.beside = other, other.journal
        try:
            yield other
        finally:
            other.close()
            self._beside, self.journal.beside = before

    # -- the end ------------------------------------------------------------------------------

    def close(self) -> list[str]:
        """Close and discard everything; gives what went wrong in doing so, one line each."""
        troubles: list[str] = []
        for child in self._children:
            _quietly(child.end, troubles)
        for subject in reversed(self._subjects):
            _quietly(subject.close, troubles)
        if self._loop_thread is not None:
            _quietly(self._loop_thread.close, troubles)
        for owner, at in self._locations:
            _quietly(partial(owner.discard, at), troubles)
        return troubles

    def abandon(self) -> None:
        """End the other processes of a case that hangs or was interrupted; its threads are left."""
        self.abandoned = True
        for child in self._children:
            _quietly(child.kill, [])
        if self._beside is not None:
            self._beside.abandon()


def _quietly(work: Callable[[], object], troubles: list[str]) -> None:
    try:
        work()
    except Exception as error:  # noqa: BLE001 - reported beside the verdict, which stands
        troubles.append(f"{type(error).__name__}: {message_of(error, 200)}")


def _names(errors: type[BaseException] | tuple[type[BaseException], ...]) -> str:
    kinds = errors if isinstance(errors, tuple) else (errors,)
    return " or ".join(k.__name__ for k in kinds)


def type_difference(got: object, expected: object, path: str = "value") -> str | None:
    """
    The first place where two JSON-like values differ in value or kind, or ``None``.

    A subclass of dict, list or str that is equal is the same value, and so is a list for a tuple.  Bool, int
    and float stay apart, also within an equal number (``1`` and ``1.0`` and ``True``).  NaN equals NaN here.
    An object that is equal to none but itself is the same value as any other of its class.
    """
    pairs: list[tuple[Any, Any, str]] = [(got, expected, path)]
    while pairs:
        one, other, where = pairs.pop()
        if isinstance(other, tuple) and isinstance(one, list):
            other = list(other)
        if _kind(one) is not _kind(other):
            return (
                f"{where} is {one!r} ({type(one).__name__}), not {other!r} ({type(other).__name__})"
            )
        if isinstance(other, dict):
            if one.keys() != other.keys():
                return f"{where} has keys {sorted(one, key=repr)}, not {sorted(other, key=repr)}"
            pairs += [(one[k], other[k], f"{where}[{k!r}]") for k in other]
        elif isinstance(other, (list, tuple)):
            if len(one) != len(other):
                return f"{where} has {len(one)} elements, not {len(other)}"
            pairs += [(a, b, f"{where}[{i}]") for i, (a, b) in enumerate(zip(one, other))]
        elif isinstance(other, float):
            same = (math.isnan(one) and math.isnan(other)) or (
                one == other and math.copysign(1, one) == math.copysign(1, other)
            )
            if not same:
                return f"{where} is {one!r}, not {other!r}"
        elif one != other and _has_equality(other):
            return f"{where} is {represent(one, 120)}, not {represent(other, 120)}"
    return None


def _has_equality(value: object) -> bool:
    equality: Any = type(value).__eq__
    return equality is not object.__eq__


_JSON_KINDS = (bool, int, float, str, list, dict)
"""``bool`` before ``int``, of which it is a subclass."""


def _kind(value: object) -> type:
    """What a value is in JSON, or its class where JSON has no such thing."""
    return next((kind for kind in _JSON_KINDS if isinstance(value, kind)), type(value))
