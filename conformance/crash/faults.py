"""
The faults: what is struck, in which work, and what each needs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from store_conformance.contract import UserError
from store_conformance.contract.hints import suggestion
from store_conformance.contract.survival import DISK_FULL, FAILING_SYNC, POWER_LOSS
from store_conformance.crash.fault_proxy import Trouble
from store_conformance.crash.history import Kind


class Strike(str, Enum):
    """What is done at the moment chosen."""

    KILL_CLIENT = "kill the client"
    KILL_ENGINE = "kill the engine"
    KILL_BOTH = "kill client and engine"
    FREEZE_ENGINE = "stop the engine and let it go on"
    RESTART_ENGINE = "restart the engine"
    CUT_POWER = "cut the power"
    TROUBLE_NETWORK = "trouble the network"
    FILL_DISK = "fill the disk"
    FAIL_SYNCS = "let every sync fail"


MIXED = (Kind.PUT, Kind.OVERWRITE, Kind.DELETE, Kind.BATCH)


@dataclass(frozen=True)
class Fault:
    """One fault; ``name`` is what the command and the reports call it."""

    name: str
    strike: Strike
    sentence: str
    kinds: tuple[Kind, ...] = MIXED
    """The work that is struck."""
    writers: int = 1
    """Writers at once, where the store is for several processes."""
    shared: bool = False
    """Whether they write the same keys."""
    opening: bool = False
    """Whether it strikes a process that opens the store at a place where none has been."""
    trouble: Trouble | None = None
    """What the network between store and engine does."""

    @property
    def of_engine(self) -> bool:
        """Whether it needs an engine of ours."""
        return self.strike is not Strike.KILL_CLIENT and not self.on_image

    @property
    def on_image(self) -> bool:
        """Whether it needs a file system of ours below everything that the store keeps."""
        return self.strike in (Strike.CUT_POWER, Strike.FILL_DISK, Strike.FAIL_SYNCS)

    @property
    def heals(self) -> bool:
        """Whether it ends with nothing dead, so that the same store object should work again."""
        return self.of_network or self.strike is Strike.FILL_DISK

    @property
    def of_syncs(self) -> bool:
        """Whether it needs a tool that answers for the system to whoever writes to the disk."""
        return self.strike is Strike.FAIL_SYNCS

    @property
    def of_network(self) -> bool:
        """Whether it needs a way to the engine that leads through a proxy of ours."""
        return self.trouble is not None


FAULTS = (
    Fault("client-put", Strike.KILL_CLIENT, "the client is killed in a put of a new item", (Kind.PUT,)),
    Fault("client-overwrite", Strike.KILL_CLIENT, "the client is killed in an overwrite", (Kind.OVERWRITE,)),
    Fault("client-batch", Strike.KILL_CLIENT, "the client is killed in a batch", (Kind.BATCH,)),
    Fault("client-delete", Strike.KILL_CLIENT, "the client is killed in a delete", (Kind.DELETE,)),
    Fault("client-sweep", Strike.KILL_CLIENT, "the client is killed in a sweep of expired items", (Kind.SWEEP,)),
    Fault("client-setup", Strike.KILL_CLIENT, "the client is killed as it sets up a new store",
          opening=True),
    Fault("client-among-writers", Strike.KILL_CLIENT, "one of three writers of the same keys is killed",
          (Kind.PUT, Kind.DELETE, Kind.GET), writers=3, shared=True),
    Fault("engine-kill", Strike.KILL_ENGINE, "the engine is killed with all of its processes", writers=2),
    Fault("engine-freeze", Strike.FREEZE_ENGINE, "the engine is stopped for a while (SIGSTOP), and goes on"),
    Fault("engine-restart", Strike.RESTART_ENGINE, "the engine is restarted under load", writers=2),
    Fault("engine-and-client", Strike.KILL_BOTH, "engine and client are killed at once"),
    *(
        Fault(f"network-{name}", Strike.TROUBLE_NETWORK, f"the network is {trouble.value} for a while",
              trouble=trouble)
        for name, trouble in (
            ("cut-answer", Trouble.CUT_ANSWER),
            ("reset", Trouble.RESET),
            ("black-hole", Trouble.BLACK_HOLE),
            ("refused", Trouble.REFUSE),
            ("cut-request", Trouble.CUT_REQUEST),
            ("slow", Trouble.LATENCY),
        )
    ),
    Fault(DISK_FULL, Strike.FILL_DISK, "the disk is full for a while"),
    Fault(FAILING_SYNC, Strike.FAIL_SYNCS,
          "every sync to the disk is an error for a while, and what was not synced is gone"),
    Fault(POWER_LOSS, Strike.CUT_POWER, "the power fails: only what was synced to the disk is left"),
)  # fmt: skip
DEFAULT = tuple(f for f in FAULTS if not f.on_image)
"""Those that need nothing of the machine."""
_GROUPS = {
    "all": FAULTS,
    "client": tuple(f for f in FAULTS if f.name.startswith("client-")),
    "engine": tuple(f for f in FAULTS if f.name.startswith("engine-")),
    "network": tuple(f for f in FAULTS if f.of_network),
}


def named(names: Iterable[str]) -> tuple[Fault, ...]:
    """
    The faults of these names, each once; ``client``, ``engine``, ``network`` and ``all`` name several.

    Without a name: all but the power loss, the full disk and the failing fsync.  Raises ``UserError`` with the nearest right name.
    """
    known = {f.name: (f,) for f in FAULTS} | _GROUPS
    chosen: dict[str, Fault] = {}
    for name in names:
        if name not in known:
            raise UserError(f"there is no fault {name!r}", suggestion(name, known))
        chosen.update((f.name, f) for f in known[name])
    return tuple(chosen.values()) or DEFAULT
