"""
What is done at the moment of a strike: to clients, to the engine, to the way between them, to the disk.
"""

from __future__ import annotations

import random
import time

from store_conformance.crash.client import Client
from store_conformance.crash.failing_sync import FailingSync, NoFailingSyncError
from store_conformance.crash.faults import Strike
from store_conformance.crash.ongoing import OngoingStrike
from store_conformance.harness.backends import Engine

FROZEN = (0.5, 2.0)
"""Seconds that an engine is stopped."""
TROUBLED = (0.4, 1.2)
"""Seconds that the network, or the disk, is not as it should be."""
AFTERWARDS = 3
"""Operations that must go through again after an engine has come back."""
BACK_SECONDS = 15.0
SENT_SECONDS = 5.0
"""How long a call may take that had begun before syncs failed."""


class Injection:
    """What is done in one strike; ``end`` is called whatever became of it."""

    def __init__(self, ongoing: OngoingStrike, chance: random.Random) -> None:
        self._ongoing = ongoing
        self._chance = chance
        self._syncs: FailingSync | None = None

    def end(self) -> None:
        """Let go of the system's calls, if they still fail."""
        if self._syncs is not None:
            self._syncs.end()

    def inject(self) -> None:
        """Do it, and wait until what lives on works again; raises ``BackendError``."""
        ongoing = self._ongoing
        how, first = ongoing.fault.strike, ongoing.clients[0]
        engine = ongoing.rig.backend.engine()
        ongoing.at = time.monotonic_ns()
        if how is Strike.KILL_CLIENT:
            first.kill()
            self._let_others_go_on()
            return
        if how in (Strike.CUT_POWER, Strike.FAIL_SYNCS):
            if how is Strike.FAIL_SYNCS:
                self._fail_syncs()
            self._cut_power()
            return
        if how is Strike.FILL_DISK:
            self._fill_disk()
        else:
            assert engine is not None
            self._trouble(how, engine, first)
        if how is not Strike.KILL_BOTH:
            self._ongoing.over_at = time.monotonic_ns()
            if self._ongoing.over is not None:
                self._ongoing.over.touch()
            self._wait_until_it_works(first)
            self._ongoing.died = first.is_gone()

    def _trouble(self, how: Strike, engine: Engine, first: Client) -> None:
        """Do to the engine, or to the way to it, what has an end."""
        if how is Strike.FREEZE_ENGINE:
            engine.freeze()
            try:
                time.sleep(self._chance.uniform(*FROZEN))
            finally:
                engine.thaw()
        elif how is Strike.TROUBLE_NETWORK:
            self._trouble_network()
        elif how is Strike.RESTART_ENGINE:
            engine.stop()
            engine.start()
        else:
            engine.kill()
            if how is Strike.KILL_BOTH:
                first.kill()
            engine.start()

    def _cut_power(self) -> None:
        image, engine = self._ongoing.rig.image, self._ongoing.rig.backend.engine()
        assert image is not None
        if engine is not None:
            engine.kill()
        for client in self._ongoing.clients:
            client.kill()
        if self._syncs is not None:
            self._syncs.end()
        image.cut()
        if engine is not None:
            engine.start()

    def _fail_syncs(self) -> None:
        """
        For a while; a system drops what it could not write, so the power is cut before syncs work again.

        What had been acknowledged before is on the disk, with the calls that had begun: what they lose to a power
        cut, although their syncs had worked, is another fault's to tell.
        """
        image, engine = self._ongoing.rig.image, self._ongoing.rig.backend.engine()
        assert image is not None
        try:
            self._syncs = FailingSync(
                [c.pid for c in self._ongoing.clients] if engine is None else engine.processes()
            )
        except NoFailingSyncError as error:
            self._ongoing.reason = str(error)
            return
        self._let_calls_end(time.monotonic_ns())
        image.settle()
        time.sleep(self._chance.uniform(*TROUBLED))
        self._ongoing.died = any(client.is_gone() for client in self._ongoing.clients)

    def _let_calls_end(self, since: int) -> None:
        """Until each writer has had an answer, or an error, to what it had sent before that time."""
        for client in self._ongoing.clients:
            deadline, failed = time.monotonic() + SENT_SECONDS, client.failed
            while client.acknowledged_at < since and client.failed == failed:
                if client.follow(max(0.0, deadline - time.monotonic())) is None:
                    break

    def _fill_disk(self) -> None:
        image, engine = self._ongoing.rig.image, self._ongoing.rig.backend.engine()
        assert image is not None
        try:
            image.fill()
            time.sleep(self._chance.uniform(*TROUBLED))
        finally:
            image.make_room()
        if engine is not None:
            engine.start()  # some end themselves on a full disk, and wait for an administrator

    def _trouble_network(self) -> None:
        proxies, trouble = list(self._ongoing.rig.proxies.values()), self._ongoing.fault.trouble
        assert trouble is not None
        before = sum(d.hits for d in proxies)
        try:
            for proxy in proxies:
                proxy.begin(trouble)
            time.sleep(self._chance.uniform(*TROUBLED))
        finally:
            for proxy in proxies:
                proxy.heal()
        self._ongoing.met = sum(d.hits for d in proxies) > before

    def _let_others_go_on(self) -> None:
        """Those that were not struck write some more, beside what the dead one has left."""
        for client in self._ongoing.clients[1:]:
            wanted = client.acknowledged + AFTERWARDS
            self._follow(client, wanted)

    def _wait_until_it_works(self, client: Client) -> None:
        # What it had said before the strike still stands in the pipe.
        self._follow(client, client.acknowledged + 10 * AFTERWARDS)
        if self._ongoing.over is not None:
            self._follow(client, client.acknowledged + AFTERWARDS, after=self._ongoing.over_at)

    @staticmethod
    def _follow(client: Client, wanted: int, after: int = 0) -> None:
        """Until so many operations were acknowledged, the last of them after that time."""
        deadline = time.monotonic() + BACK_SECONDS
        while client.acknowledged < wanted or client.acknowledged_at < after:
            if time.monotonic() > deadline:
                return
            if client.follow(max(0.0, deadline - time.monotonic())) is None:
                return
