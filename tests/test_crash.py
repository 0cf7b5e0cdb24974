"""
Campaigns: broken stores are caught by the fault that shows their sin, correct ones are not, and the command.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner, Result

from store_conformance.backends.engines.processes import descendants
from store_conformance.cli.parsing import main as parse
from store_conformance.contract import UserError, Verdict
from store_conformance.contract.survival import Survival, SurvivalFile, durability, read_survival
from store_conformance.crash import failing_sync, image, rig
from store_conformance.crash.campaign import Campaign, Target
from store_conformance.crash.client import Client, ClientFailedError
from store_conformance.crash.faults import DEFAULT, FAULTS, named
from store_conformance.crash.rig import Rig, no_disk
from store_conformance.harness.backends import Backend, create, scratch, user_supplied
from store_conformance.mutants.broken_survival import (
    SINS,
    Sin,
    SyncsByHand,
    TakesAFailedSyncForAYes,
)
from store_conformance.mutants.reference import ReferenceStore

pytestmark = pytest.mark.slow
CORRECT = f"{ReferenceStore.__module__}:ReferenceStore.open_store"
NO_IMAGES = image.problem()
needs_images = pytest.mark.skipif(NO_IMAGES is not None, reason=str(NO_IMAGES))


def struck(
    target: Target, faults: tuple[str, ...], kills: int, folder: Path, seed: int = 5
) -> tuple[Survival, ...]:
    folder.mkdir(exist_ok=True)
    campaign = Campaign(
        (target,), named(faults), kills=kills, seed=seed, version="test", folder=folder
    )
    return campaign.run().results


def supplied(reference: str, options: Mapping[str, str] | None = None) -> Target:
    return Target("yours", lambda: user_supplied(reference, options=options), options or {})


# -- mutants --------------------------------------------------------------------------------------


@pytest.mark.parametrize("sin", SINS, ids=lambda sin: sin.store.__name__)
def test_a_store_that_spoils_what_it_acknowledged_is_caught(sin: Sin, tmp_path: Path) -> None:
    options = {"every": "8"} if sin.store.__name__ == "LosesOneInMany" else None
    target = supplied(sin.reference, options)
    for turn in range(8):  # one strike may miss, on a loaded machine several
        (found,) = struck(target, (sin.fault,), 2, tmp_path / str(turn), seed=5 + turn)
        if getattr(found, sin.count):
            break
    assert found.kills > 0, found.reason
    assert getattr(found, sin.count) > 0, found
    if sin.count != "torn_batches":  # which the contract leaves open
        assert found.verdict is Verdict.FAIL
        assert found.examples


def test_a_correct_store_is_not_accused(tmp_path: Path) -> None:
    found = struck(supplied(CORRECT), ("client",), 12, tmp_path)
    assert {f.fault for f in found} == {f.name for f in FAULTS if f.name.startswith("client-")}
    assert [(f.broken, f.torn_batches) for f in found] == [(0, 0)] * len(found)
    assert sum(f.acknowledged for f in found) > 100


def test_sqlite_is_not_accused(tmp_path: Path) -> None:
    # In a set-up it is (docs/SURVIVAL.md), and rightly so.
    faults = tuple(f.name for f in named(("client",)) if not f.opening)
    found = struck(Target("sqlite", lambda: create("sqlite")), faults, 12, tmp_path)
    assert [f.broken for f in found] == [0] * len(found)
    assert sum(f.kills for f in found) > 6


def test_engines_are_struck_in_every_way(tmp_path: Path) -> None:
    target = Target("postgres", lambda: create("postgres", deployment="embedded"))
    found = struck(target, ("engine",), 4, tmp_path)
    assert [(f.broken, f.verdict) for f in found] == [(0, Verdict.PASS)] * 4, found
    assert found[0].engine.startswith("PostgreSQL")


@pytest.mark.parametrize(("options", "reopened"), [({"pool": "4"}, 0), ({}, 1)])
def test_a_network_is_troubled_and_only_a_pool_comes_back(
    options: dict[str, str], reopened: int, tmp_path: Path
) -> None:
    """A connection that was reset is replaced by a pool; without one each later call raises."""
    target = Target(
        "postgres", lambda: create("postgres", deployment="embedded", options=options), options
    )
    (found,) = struck(target, ("network-reset",), 1, tmp_path)
    assert (found.broken, found.verdict) == (0, Verdict.PASS), found
    assert found.kills == 1
    assert min(found.reopened, 1) == reopened


def test_where_there_is_no_engine_there_is_no_network(tmp_path: Path) -> None:
    (found,) = struck(Target("sqlite", lambda: create("sqlite")), ("network-slow",), 1, tmp_path)
    assert found.verdict is Verdict.UNVERIFIED
    assert found.reason == "there is no engine apart from the client's process"


# -- a full disk ----------------------------------------------------------------------------------


@needs_images
def test_a_disk_is_full_to_the_last_block_and_then_is_not() -> None:
    disk = image.Image(scratch())
    try:
        disk.fill()
        with pytest.raises(OSError, match="No space"):
            (disk.mount / "more").write_bytes(b"x" * 8192)
        disk.make_room()
        (disk.mount / "more").write_bytes(b"x" * 8192)
        disk.make_room()
    finally:
        disk.close()
    assert str(disk.folder) not in Path("/proc/mounts").read_text()


@needs_images
def test_a_full_disk_is_an_error_and_then_the_store_works_again(tmp_path: Path) -> None:
    (found,) = struck(supplied(CORRECT), ("disk-full",), 1, tmp_path)
    assert (found.broken, found.reopened, found.verdict) == (0, 0, Verdict.PASS), found


@needs_images
@pytest.mark.parametrize(
    ("sin", "counts"),
    [
        ("TakesAFullDiskForAYes", ("lost", "stale", "resurrected")),
        ("IsShutByAFullDisk", ("reopened",)),
    ],
)
def test_a_store_that_does_not_come_through_a_full_disk_is_caught(
    sin: str, counts: tuple[str, ...], tmp_path: Path
) -> None:
    reference = f"store_conformance.mutants.broken_survival:{sin}.open_store"
    (found,) = struck(supplied(reference), ("disk-full",), 1, tmp_path)
    assert sum(getattr(found, count) for count in counts) > 0, found


# -- a disk that cannot be written ----------------------------------------------------------------


NO_SYNCS = NO_IMAGES or failing_sync.problem()
needs_strace = pytest.mark.skipif(NO_SYNCS is not None, reason=str(NO_SYNCS))


FORKED = """
import os, sys
file = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
def synced():
    try:
        os.fsync(file)
    except OSError as error:
        return error.errno
    return 0
asks, answers = os.pipe(), os.pipe()
if not os.fork():  # as Postgres does for each connection
    os.close(asks[1])
    while os.read(asks[0], 1):
        os.write(answers[1], bytes([synced()]))
    os._exit(0)
for line in sys.stdin:
    os.write(asks[1], b"?")
    print(synced(), os.read(answers[0], 1)[0], flush=True)
"""


@needs_strace
def test_syncs_fail_while_they_shall_also_in_what_was_forked(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with subprocess.Popen(
        [sys.executable, "-c", FORKED, str(tmp_path / "file")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None

        def told() -> str:
            print(file=process.stdin, flush=True)
            assert process.stdout is not None
            return process.stdout.readline().strip()

        found = [told()]
        syncs = failing_sync.FailingSync((process.pid, *descendants(process.pid)))
        found.append(told())
        syncs.end()
        syncs.end()
        found.append(told())
        process.stdin.close()
    assert found == ["0 0", f"{errno.EIO} {errno.EIO}", "0 0"]


@needs_strace
@pytest.mark.parametrize(("store", "safe"), [(SyncsByHand, True), (TakesAFailedSyncForAYes, False)])
def test_an_error_of_a_sync_that_is_swallowed_is_seen(
    store: type[ReferenceStore], safe: bool, tmp_path: Path
) -> None:
    target = supplied(f"{store.__module__}:{store.__name__}.open_store")
    (found,) = struck(target, ("failing-fsync",), 1, tmp_path)
    assert (found.verdict is Verdict.PASS) is safe, found
    assert (found.lost + found.stale + found.resurrected > 0) is not safe
    if safe:  # where no call raises, none is known to have met it
        assert found.kills == 1


@needs_strace
@pytest.mark.parametrize("backend", ["sqlite", "postgres"])
def test_official_stores_raise_where_a_sync_fails(backend: str, tmp_path: Path) -> None:
    (found,) = struck(Target(backend, lambda: create(backend)), ("failing-fsync",), 1, tmp_path)
    assert (found.kills, found.verdict) == (1, Verdict.PASS), found


def test_without_strace_a_failing_fsync_is_not_tried_and_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (fault,) = named(("failing-fsync",))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(rig, "problem", lambda what: None)
    if sys.platform == "linux":
        assert "apt install strace" in str(no_disk(create("sqlite"), fault))
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "a failing fsync needs Linux" in str(no_disk(create("sqlite"), fault))


# -- power ----------------------------------------------------------------------------------------


EDGE = {"embedded": "edge"}


@needs_images
@pytest.mark.parametrize(
    ("backend", "options", "safe"),
    [
        ("sqlite", {"synchronous": "extra"}, True),
        ("sqlite", {"synchronous": "off"}, False),
        ("qdrant", {**EDGE, "flush": "each-write"}, True),
        ("qdrant", EDGE, False),
    ],
)
def test_only_what_was_synced_outlives_a_power_loss(
    backend: str, options: dict[str, str], safe: bool, tmp_path: Path
) -> None:
    """The same store with two settings: with the one each write is synced, with the other none."""
    if not create(backend, options=options).availability().ok:
        pytest.skip(f"{backend} with {options} is not installed")
    target = Target(backend, lambda: create(backend, options=options), options)
    (found,) = struck(target, ("power-loss",), 3, tmp_path)
    assert found.kills == 3
    assert (found.verdict is Verdict.PASS) is safe, found
    assert (found.oldest_lost_seconds > 0) is not safe


@needs_images
def test_an_image_keeps_what_was_synced_and_leaves_nothing_behind() -> None:
    disk = image.Image(scratch())
    try:
        (disk.mount / "settled").write_text("1")
        disk.settle()
        (disk.mount / "later").write_text("2")
        with (disk.mount / "synced").open("w") as file:
            file.write("3")
            file.flush()
            os.fsync(file.fileno())
        (disk.mount / "after").write_text("4")
        disk.cut()
        left = {p.name for p in disk.mount.iterdir()} - {"lost+found"}
        assert {"settled", "synced"} <= left
        assert "after" not in left or not (disk.mount / "after").read_text()
    finally:
        disk.close()
    assert not disk.folder.exists()
    assert str(disk.folder) not in Path("/proc/mounts").read_text()


@needs_images
def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from store_conformance.crash.image import Image\n"
        f"disk = Image({str(tmp_path)!r})\n"
        "print(disk.folder, flush=True)\n"
        "time.sleep(600)\n"
    )
    begin: dict[str, Any] = {"stdout": subprocess.PIPE, "text": True}
    with (
        subprocess.Popen([sys.executable, "-c", code], **begin) as killed,
        subprocess.Popen([sys.executable, "-c", code], **begin) as alive,
    ):
        assert killed.stdout is not None and alive.stdout is not None
        left, held = Path(killed.stdout.readline().strip()), Path(alive.stdout.readline().strip())
        killed.kill()
        killed.wait()
        try:
            assert os.path.ismount(left / "mount")
            just_begun = tmp_path / f"{image.UNFINISHED}now"
            begun_and_killed = tmp_path / f"{image.UNFINISHED}then"
            just_begun.mkdir()
            begun_and_killed.mkdir()
            os.utime(begun_and_killed, (0, 0))
            assert image.clear_left(tmp_path) == [left, begun_and_killed]
            assert not left.exists()
            assert just_begun.exists()
            assert os.path.ismount(held / "mount")
        finally:
            alive.kill()
            alive.wait()
            image.clear_left(tmp_path)
    assert str(tmp_path) not in Path("/proc/mounts").read_text()


def test_what_cannot_be_struck_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = struck(Target("sqlite", lambda: create("sqlite")), ("engine-kill",), 1, tmp_path)
    assert found.verdict is Verdict.UNVERIFIED
    assert found.reason == "there is no engine apart from the client's process"
    own = create("qdrant", url="http://127.0.0.1:1")
    power, full = named(("power-loss", "disk-full"))
    assert "the user's own, and its power" in str(no_disk(own, power))
    assert "the user's own, and its disk" in str(no_disk(own, full))
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(sys, "platform", "darwin")
        assert "a power loss needs Linux" in str(no_disk(create("sqlite"), power))
    if sys.platform == "linux":
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(os, "geteuid", lambda: 1000)
            assert "a full disk needs root" in str(no_disk(create("sqlite"), full))
    monkeypatch.setattr("store_conformance.crash.rig.problem", lambda what: "no loop devices")
    (found,) = struck(Target("sqlite", lambda: create("sqlite")), ("power-loss",), 1, tmp_path)
    assert (found.verdict, found.reason) == (Verdict.UNVERIFIED, "no loop devices")


def test_the_users_own_engine_is_never_struck(postgres: Backend, tmp_path: Path) -> None:
    """Clients at it are killed; it runs on as the same process, with no database more than before."""
    url = str(postgres.spec().url)
    engine: Any = postgres.engine()
    pid, before = engine.pid, _databases(url)
    target = Target("postgres", lambda: create("postgres", url=url))
    found = {f.fault: f for f in struck(target, ("all",), 1, tmp_path)}
    assert engine.pid == pid
    assert _databases(url) == before
    assert found["client-put"].verdict is Verdict.PASS, found["client-put"]
    for name, one in found.items():
        if not name.startswith("client-"):
            assert (one.verdict, one.kills, one.missed) == (Verdict.UNVERIFIED, 0, 0)
            assert "the user's own" in one.reason


def _databases(url: str) -> set[str]:
    import psycopg

    with psycopg.connect(url) as connection:
        return {name for (name,) in connection.execute("SELECT datname FROM pg_database")}


def test_a_store_in_memory_is_struck_by_nothing(tmp_path: Path) -> None:
    found = struck(Target("memory", lambda: create("memory")), (), 1, tmp_path)
    assert len(found) == len(DEFAULT)
    assert {f.verdict for f in found} == {Verdict.UNVERIFIED}
    assert {f.reason for f in found} == {"the store keeps nothing beyond its process, and says so"}


def test_a_ground_leaves_no_process_and_no_folder() -> None:
    rig = Rig(lambda: create("postgres", deployment="embedded"), on_image=False)
    rig.client()
    folders = [rig.ledgers, rig.at.path]
    rig.close()
    # A server's folder goes in a process of its own.
    deadline = time.monotonic() + 30
    while any(folder.exists() for folder in folders) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(folder.exists() for folder in folders)


# -- the command ----------------------------------------------------------------------------------


def command(*words: str, out: Path) -> Result:
    return CliRunner().invoke(parse, ["crash", *words, "--out", str(out)])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-b", "sqlite", "--kills", "0"), "0 kills say nothing"),
        (("-b", "sqlite", "--fault", "power-los"), "did you mean 'power-loss'?"),
        (("-b", "sqlit"), "did you mean 'sqlite'?"),
        ((), "no backend was named"),
        (("-b", "sqlite", "--resume"), "there is no campaign to resume"),
        (("-b", "sqlite", "--option", "synchronous=ful"), "did you mean 'full'?"),
        (("-b", "sqlite", "-b", "sqlite"), "is named twice"),
    ],
)
def test_a_mistake_gets_one_message(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = command(*words, out=tmp_path)
    assert done.exit_code == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_campaign_that_was_killed_goes_on_and_leaves_no_process(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "store_conformance.cli", "crash", "-b", "sqlite"]
    words += ["--fault", "client-put", "--kills", "500", "--out", str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, start_new_session=True) as campaign:
        rounds = tmp_path / "crash-rounds.jsonl"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if rounds.exists() and rounds.read_text().count("\n") > 4:
                break
            time.sleep(0.1)
        family = psutil.Process(campaign.pid).children(recursive=True)
        campaign.send_signal(signal.SIGKILL)
        campaign.wait()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive
    with rounds.open("a") as file:
        file.write('{"target": "cut o')
    before = rounds.read_text().count('"fault"')

    # What goes on counts what was done: four more would be two strikes a second time.
    done = command(
        "-b", "sqlite", "--fault", "client-put", "--kills", "2", "--resume", out=tmp_path
    )

    assert done.exit_code == 0, done.stderr
    found = read_survival(tmp_path / "crash.json")
    assert found.finished
    assert found.results[0].kills + found.results[0].missed >= before
    assert found.results[0].engine.startswith("SQLite")
    kept = rounds.read_bytes()
    anew = command("-b", "sqlite", "--fault", "client-put", "--kills", "2", out=tmp_path)
    assert anew.exit_code == 2
    assert "holds a campaign already" in anew.output and "--resume" in anew.output
    assert rounds.read_bytes() == kept
    other = command("-b", "sqlite", "--fault", "client-delete", "--resume", out=tmp_path)
    assert other.exit_code == 2
    assert "a campaign of another fault: client-put, and not client-delete" in other.stderr
    head, *lines = rounds.read_text().splitlines()
    rounds.write_text("\n".join([head.replace('"version": "', '"version": "9'), *lines]) + "\n")
    newer = command("-b", "sqlite", "--fault", "client-put", "--resume", out=tmp_path)
    assert newer.exit_code == 2
    assert "a campaign of another version" in newer.stderr


@needs_images
def test_an_interrupted_campaign_unmounts_and_tells_what_it_has(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "store_conformance.cli", "crash", "-b", "sqlite"]
    words += ["--fault", "power-loss", "--kills", "500", "--out", str(tmp_path)]
    rounds = tmp_path / "crash-rounds.jsonl"
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, start_new_session=True) as campaign:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if rounds.exists() and '"fault"' in rounds.read_text():
                break
            time.sleep(0.05)
        mounted = [line for line in _mounts() if _holder(line) == campaign.pid]
        campaign.send_signal(signal.SIGINT)
        assert campaign.wait(60) == 130
    assert mounted
    assert not set(mounted) & set(_mounts())
    found = read_survival(tmp_path / "crash.json")
    assert not found.finished
    assert found.results[0].kills + found.results[0].missed >= 1


def _mounts() -> list[str]:
    """The folders of images that are mounted."""
    lines = Path("/proc/mounts").read_text().splitlines()
    return [line.split()[1] for line in lines if image.PREFIX in line]


def _holder(mount: str) -> int | None:
    """The process that holds the lock of an image's folder."""
    lock = Path(mount).parent / "lock"
    number = str(lock.stat().st_ino)
    for line in Path("/proc/locks").read_text().splitlines():
        words = line.split()
        if words[1] == "FLOCK" and words[5].split(":")[2] == number:
            return int(words[4])
    return None


def test_the_summary_tells_what_was_lost_and_why_nothing_can_be_told(tmp_path: Path) -> None:
    lost = next(s for s in SINS if s.store.__name__ == "LosesTheLastWrite")
    done = command(
        "--store", lost.reference, "--fault", "client-put,engine-kill", "--kills", "4", out=tmp_path
    )
    assert done.exit_code == 1
    # What it lost may be the first version of an item, a later one, or a deletion.
    assert "was acknowledged" in done.stdout, done.stdout
    assert "engine-kill: there is no engine apart from the client's process" in done.stdout
    nothing = command("-b", "sqlite", "--fault", "engine-kill", "--kills", "1", out=tmp_path / "b")
    assert nothing.exit_code == 3


STORE = """
from contextlib import contextmanager
from store_conformance.mutants.reference import ReferenceStore

class Leaky(ReferenceStore):
    def execute(self, plan, embedded, turn):
        if plan.writes and self.issued % 3 == 0:
            raise RuntimeError(f"cannot reach {self.url} with {self.password}")
        return super().execute(plan, embedded, turn)

@contextmanager
def open_store(at, index, ttl, password):
    store = Leaky(at, index=index, ttl=ttl)
    store.url, store.password = at.url, "password=" + password
    store.setup()
    yield store
    store.close()

def never(at, index, ttl):
    raise RuntimeError("password=hunter2secret is wrong")
"""


def test_no_secret_is_in_any_file_or_text(tmp_path: Path) -> None:
    """Neither what was given as an option or a URL, nor what the store says when it raises."""
    file = tmp_path / "mine.py"
    file.write_text(STORE)
    words = ["--store", f"{file}:open_store", "--url", "https://me:hunter2secret@example.invalid"]
    words += ["--option", "password=hunter2secret", "--fault", "client-put", "--kills", "3"]
    done = command(*words, out=tmp_path / "out")
    assert done.exit_code == 0, done.output
    again = command("--store", f"{file}:never", "--kills", "1", out=tmp_path / "never")
    assert again.exit_code == 3
    assert "the store could not be opened" in again.output
    files = [p for p in tmp_path.rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc")]
    texts = [p.read_text() for p in files]
    assert len(texts) >= 4
    for text in (done.output, again.output, *texts):
        assert "hunter2secret" not in text


@pytest.mark.parametrize(("times", "unreadable"), [(1, 0), (4, 1)])
def test_a_process_that_cannot_be_started_once_is_no_fault_of_the_store(
    times: int, unreadable: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loaded machine may keep one from it; that none can open the store after a strike is a finding."""
    another, take = Rig.another, Rig.take_client
    asked = failures = 0

    def fails(rig: Rig) -> Client:
        nonlocal failures
        if asked > 1 and failures < times:
            failures += 1
            raise ClientFailedError("the process gave no answer in 60 s")
        return another(rig)

    def taken(rig: Rig) -> Client:
        nonlocal asked
        asked += 1
        if asked == 2 and rig._client is not None:
            rig._client.kill()
            rig._client = None
        return take(rig)

    monkeypatch.setattr(Rig, "another", fails)
    monkeypatch.setattr(Rig, "take_client", taken)
    monkeypatch.setattr("store_conformance.crash.rig.PAUSE_SECONDS", 0.01)
    (found,) = struck(supplied(CORRECT), ("client-put",), 2, tmp_path)
    assert failures == times
    assert (found.unreadable, found.broken) == (unreadable, unreadable), found
    assert found.missed > 0


# -- records --------------------------------------------------------------------------------------

FOUND = Survival(
    backend="sqlite",
    deployment="embedded",
    fault="power-loss",
    setting={"synchronous": "off"},
    verdict=Verdict.FAIL,
    kills=3,
    acknowledged=100,
    lost=7,
    stale=1,
    examples=("lost: it",),
)


def test_a_file_of_results_reads_back(tmp_path: Path) -> None:
    file = SurvivalFile("0.1.0", 5, "2026-01-01T00:00:00+00:00", "Linux 6", True, (FOUND,))
    path = tmp_path / "crash.json"
    path.write_text(json.dumps(file.to_dict()))
    assert read_survival(path) == file
    path.write_text(json.dumps({**file.to_dict(), "schema": 99}))
    with pytest.raises(UserError, match="schema 99"):
        read_survival(path)
    path.write_text("[]")
    with pytest.raises(UserError, match=r"is no crash\.json"):
        read_survival(path)


def test_what_a_backend_survives_is_said_of_what_was_tried() -> None:
    client = dataclasses.replace(FOUND, fault="client-put", verdict=Verdict.PASS, lost=0, stale=0)
    untold = dataclasses.replace(client, fault="engine-kill", verdict=Verdict.UNVERIFIED)
    assert durability([client, untold, FOUND]) == (
        "a client's crash: survives; an engine's crash: not tried; a network's troubles: not tried; "
        "a full disk: not tried; a failing fsync: not tried; a power loss: lost or spoilt 8 of 100"
    )
    assert durability([untold]) == "not tried"
    anew = dataclasses.replace(client, fault="network-reset", kills=4, missed=1, reopened=3)
    assert "a network's troubles: survives, opened anew after 3 of 5 strikes;" in durability([anew])
    shut = dataclasses.replace(client, verdict=Verdict.FAIL, kills=9, missed=1, unreadable=2)
    assert durability([client, shut]).startswith(
        "a client's crash: could not be opened again after 2 of 13 strikes; "
    )


def test_faults_are_known_by_name_and_by_group() -> None:
    assert named(()) == DEFAULT
    assert not {"power-loss", "disk-full", "failing-fsync"} & {f.name for f in DEFAULT}
    assert {f.name for f in named(("network",))} == {f.name for f in DEFAULT if f.of_network}
    assert named(("all",)) == FAULTS
    assert len(named(("client", "client-put"))) == len(named(("client",)))
    with pytest.raises(UserError, match="did you mean 'client-put'"):
        named(("client-putt",))
