"""
One store's memories into another one, by way of a journal: checked before, resumable, verified after.

The stages are reading, checking, writing, verifying.  A migration that was ended in any of them goes on
from there when it is started again with the same journal.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any, Protocol

from store_conformance.contract.errors import EXIT_USAGE
from store_conformance.contract.secrets import one_line
from store_conformance.harness.backends import details_of
from store_conformance.harness.compat import PutOp, operation
from store_conformance.migration.carrying import Carried, Carrying
from store_conformance.migration.claims import CLAIMS, Claim, no_target, without_claims
from store_conformance.migration.journal import Entry, Journal, Space
from store_conformance.migration.preflight import both_the_same, is_the_same, refusals
from store_conformance.migration.transfer import (
    BATCH,
    Exported,
    ImportRefusedError,
    MigrationError,
    take_away,
    taken,
)
from store_conformance.migration.walking import walk, walk_from_the_top

READ, WRITTEN, DONE = "read", "written", "done"
CARRIED, VECTORS = "carried", "vectors"
STAGES = (
    "reading", "checking", "writing", "verifying the target", "looking at the source again",
    "checking the vectors", "comparing searches by meaning",
)  # fmt: skip
_SAMPLE = 64


class Store(Protocol):
    """What a migration needs of either side; every ``BaseStore`` has it."""

    def batch(self, ops: Any, /) -> list[Any]: ...

    def list_namespaces(self, *, limit: int, offset: int) -> list[tuple[str, ...]]: ...

    def search(self, prefix: tuple[str, ...], /, *, limit: int, offset: int) -> list[Any]: ...


@dataclass(frozen=True)
class Progress:
    """How far a stage is; ``total`` is 0 where nobody knows yet."""

    stage: str
    items: int
    total: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.items / self.seconds if self.seconds > 0 else 0.0

    @property
    def left(self) -> float | None:
        """Seconds that the stage still takes at this rate."""
        if not self.total or not self.rate:
            return None
        return max(0.0, (self.total - self.items) / self.rate)

    def __str__(self) -> str:
        of = f" of {self.total}" if self.total else ""
        left = f", {self.left:.0f} s left" if self.left is not None else ""
        return f"{self.stage}: {self.items}{of} items, {self.rate:.0f}/s{left}"


@dataclass(frozen=True)
class Report:
    """What was moved, what could not be kept, and each namespace with its count and hash."""

    items: int
    spaces: tuple[Space, ...]
    losses: tuple[str, ...]
    expired: int
    seconds: Mapping[str, float]
    resumed: bool
    vectors: Carried | None = None
    """What became of the vectors; None where the target's embedder made them."""


@dataclass
class Migration:
    """The two stores and the journal; ``add`` allows a target that holds items of its own."""

    source: Store
    target: Store
    journal: Journal
    add: bool = False
    tell: Callable[[Progress], None] = lambda _: None
    carrying: Carrying | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self) -> Report:
        """Do what is left to do; raises `MigrationError`, also where the verification finds a difference."""
        resumed = self.journal.fact(READ) is not None
        if self.journal.fact(DONE):
            self.journal.finish()  # in case that it was killed before
            raise MigrationError(
                "this migration is done already",
                f"remove {self.journal.folder} to begin a new one",
                EXIT_USAGE,
            )
        self._vectors_as_before()
        self._nothing_aside()
        with self._claimed() as claim:
            if not resumed:
                self._read()
            self._check()
            self._write(claim)
        self._verify()
        self._source_is_as_it_was()
        self._compare()
        report = Report(
            self.journal.count(),
            tuple(self.journal.spaces()),
            self._losses(),
            len(self._expired()),
            dict(self.seconds),
            resumed,
            self.carrying.done if self.carrying else None,
        )
        self.journal.note(DONE, str(report.items))
        self.journal.finish()
        return report

    # -- the stages ------------------------------------------------------------------------------------

    @contextmanager
    def _stage(self, number: int, total: int) -> Iterator[Callable[[int], None]]:
        """Tells of each step, and of what the stores raise which step it was and how to go on."""
        begun, done = time.monotonic(), 0

        def step(items: int) -> None:
            nonlocal done
            done += items
            self.tell(Progress(STAGES[number], done, total, time.monotonic() - begun))

        try:
            yield step
        except (MigrationError, KeyboardInterrupt):
            raise
        except Exception as error:
            said = one_line(f"{type(error).__name__}: {error}")
            raise MigrationError(
                f"{STAGES[number]} ended after {done} items: {said}",
                "nothing is lost: run the same command again when the cause is gone, and it goes on from here",
            ) from error
        finally:
            self.seconds[STAGES[number]] = round(time.monotonic() - begun, 2)

    def _nothing_aside(self) -> None:
        """Take away what was being tried in the target when an earlier start was ended."""
        left = self.journal.left_aside()
        if left:
            with self._stage(1, 0):
                take_away(self.target, left)
                self.journal.none_aside()

    @contextmanager
    def _claimed(self) -> Iterator[Claim]:
        """Other migrations into the target see that it is written to; also later, where this one is half done."""
        claim = Claim(self.target, self.journal)
        try:
            if self.journal.fact(WRITTEN) is None:
                self._target_is_free(claim)
            if self.journal.fact(WRITTEN) is None or self.journal.waiting("done"):
                with self._stage(1, 0):
                    claim.make()
            yield claim
        except BaseException:
            if self.journal.fact(WRITTEN) is None:
                with suppress(Exception):  # what is to be told is why nothing was written
                    claim.withdraw()
            raise
        with self._stage(2, 0):
            claim.withdraw()

    def _target_is_free(self, claim: Claim) -> None:
        """It holds nothing, or what it holds may be there; and it is another store than the source."""
        with self._stage(3, 0):
            claim.nobody_elses()
            # InMemoryStore lists namespaces whose items are gone: a name is no item.
            named = [n for n in self.target.list_namespaces(limit=20, offset=0) if n != CLAIMS]
            found = any(
                without_claims(self.target.search(n, limit=2, offset=0)) for n in ((), *named)
            )
            if found and is_the_same(self.source, self.target, self.journal):
                raise both_the_same()
        if found and not self.add:
            raise MigrationError(
                "the target is not empty",
                "give an empty schema, collection or file, or --add to put the items beside those that are there",
                EXIT_USAGE,
            )

    def _read(self) -> None:
        no_target(self.source)
        self.journal.drop_items()
        details = details_of(self.source)

        def keep(page: list[Exported]) -> int:
            more = details.read([i.address for i in page]) if details else {}
            return self.journal.add(
                (
                    item,
                    vars(more[item.address])
                    if item.address in more
                    else {"created_at": item.created_at, "updated_at": item.updated_at},
                )
                for item in page
            )

        with self._stage(0, 0) as step:
            for new in walk(self.source, keep):
                step(new)
        if not self.journal.count():
            raise MigrationError(
                "the source holds nothing",
                "does its URL lead to where the memories are?",
                EXIT_USAGE,
            )
        self.journal.note(READ, datetime.now(timezone.utc).isoformat())

    def _vectors_as_before(self) -> None:
        """Where a migration goes on, the vectors of all items come about in one way."""
        way = "embed" if self.carrying is None else "carry"
        before = self.journal.fact(VECTORS)
        if before not in (None, way):
            raise MigrationError(
                f"this migration was begun with --vectors {before}",
                f"go on with it, or empty the target and remove {self.journal.folder}",
                EXIT_USAGE,
            )
        if self.carrying is not None and (told := self.journal.fact(CARRIED)) is not None:
            self.carrying.done = Carried(**json.loads(told))

    def _check(self) -> None:
        if self.journal.fact(WRITTEN) is not None:
            return
        if self.carrying is not None:
            with self._stage(5, 0):
                self.carrying.check(self.journal.sample(_SAMPLE))
        left = self.journal.waiting("tried")
        with self._stage(1, left) as step:
            found = refusals(self.target, self.journal, step)
            if self.add and not found:
                after = 0
                while entries := self.journal.left("done", BATCH, after=after):
                    after = entries[-1].id
                    found += taken(self.target, [entry.item for entry in entries])
        if found:
            raise ImportRefusedError(found)

    def _write(self, claim: Claim) -> None:
        if self.journal.fact(WRITTEN) is None and not self.add:
            self._target_is_free(
                claim
            )  # somebody may have begun to write while this one was checking
        self.journal.note(VECTORS, "embed" if self.carrying is None else "carry")
        self.journal.note(WRITTEN, "begun")
        details = details_of(self.target)
        with self._stage(2, self.journal.waiting("done")) as step:
            while entries := self.journal.left("done", BATCH):
                self.target.batch(self._puts(entries))
                if details is not None:
                    kind = details.kind
                    details.write({e.item.address: kind(**e.details) for e in entries})
                if self.carrying is not None:
                    self.journal.note(CARRIED, json.dumps(asdict(self.carrying.done)))
                self.journal.mark("done", entries)
                step(len(entries))

    def _puts(self, entries: list[Entry]) -> list[PutOp]:
        if self.carrying is None:
            return [self._put(entry) for entry in entries]
        return [self._put(entry, index) for entry, index in self.carrying.taught(entries)]

    def _put(self, entry: Entry, index: Any = None) -> PutOp:
        place = (entry.item.namespace, entry.item.key, entry.item.value)
        minutes = entry.details.get("ttl_minutes")
        if minutes is None or not getattr(self.target, "supports_ttl", False):
            return operation(PutOp, *place, index=index)
        return PutOp(*place, index=index, ttl=minutes)

    # -- what came of it -------------------------------------------------------------------------------

    def _verify(self) -> None:
        self.journal.forget_seen()
        with self._stage(3, self.journal.count()) as step:
            for new in walk(self.target, self.journal.saw):
                step(new)
        expired = self._expired()
        found = self.journal.differences(most=5 + len(expired))
        missing = [a for a in found["missing"][1] if a not in expired]
        gone = found["missing"][0] - (len(found["missing"][1]) - len(missing))
        others, more = found["other"], (0, []) if self.add else found["more"]
        if gone or others[0] or more[0]:
            shown = "; ".join(f"{n!r} {k!r}" for n, k in [*missing, *others[1], *more[1]][:5])
            raise MigrationError(
                f"the target differs: {gone} missing, {others[0]} with another value, {more[0]} more: {shown}",
                "is somebody writing to the target? Empty it, remove the journal"
                f" {self.journal.folder}, and migrate again",
            )

    def _source_is_as_it_was(self) -> None:
        """Read once more, by another way: what the listing of namespaces hides is found too."""
        self.journal.forget_seen()
        with self._stage(4, self.journal.count()) as step:
            for new in walk_from_the_top(self.source, self.journal.saw):
                step(new)
        expired = self._expired()
        found = self.journal.differences(most=5 + len(expired))
        gone = found["missing"][0] - sum(a in expired for a in found["missing"][1])
        if gone or found["other"][0] or found["more"][0]:
            raise MigrationError(
                "the source was written to meanwhile, and the target has what was there at first:"
                f" {found['more'][0]} new, {found['other'][0]} changed, {gone} deleted since",
                "stop what writes to the source, empty the target, remove the journal"
                f" {self.journal.folder}, and migrate again",
            )

    def _compare(self) -> None:
        if self.carrying is not None:
            with self._stage(6, 0):
                sample = self.journal.sample(_SAMPLE)
                self.carrying.compare(self.source, self.target, sample)

    def _expired(self) -> set[Any]:
        now = datetime.now(timezone.utc).isoformat()
        return self.journal.expired(now)

    def _losses(self) -> tuple[str, ...]:
        """What the target could not be given, in words."""
        found = []
        if self.carrying is None:
            found.append("vectors were made anew by the target's embedder, if it has one")
        elif self.carrying.done.anew:
            found.append(
                f"vectors of {self.carrying.done.anew} items were made anew: the source's are of other fields"
            )
        if details_of(self.target) is None:
            found.append(
                "created_at and updated_at begin anew: this target's interface cannot set them"
            )
            if self.journal.timed():
                found.append(
                    "times to live begin anew"
                    if getattr(self.target, "supports_ttl", False)
                    else "times to live are gone: this target has none"
                )
        if details_of(self.source) is None and getattr(self.source, "supports_ttl", False):
            found.append("times to live of the source cannot be seen; the target's default applies")
        return tuple(found)
