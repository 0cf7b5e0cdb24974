"""
One folder belongs to one run at a time, and what a killed run has left does not keep others out.

Where several containers share a folder, each has process ids of its own: those of another say nothing.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from store_conformance.backends import folders
from store_conformance.backends.folders import own_folder, remove_folder
from store_conformance.contract import UserError
from store_conformance.runs.folder import LOCK, claimed_folder


def test_a_second_run_is_refused_as_long_as_the_first_one_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with claimed_folder(out):
        with pytest.raises(UserError, match=f"process {os.getpid()} is writing a run"):
            with claimed_folder(out):
                pytest.fail("claimed twice")
        assert (out / LOCK).exists()
    with claimed_folder(out):
        pass
    assert not (out / LOCK).exists()


@pytest.mark.skipif(os.name == "nt", reason="unverified: links need rights there")
def test_another_name_of_the_folder_is_the_same_folder(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "out")
    with claimed_folder(tmp_path / "out"):
        with pytest.raises(UserError):
            with claimed_folder(tmp_path / "link"):
                pytest.fail("claimed twice")


def _ended() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("left", ["by a process that ended", "cut off", "its number is ours now"])
def test_what_a_killed_run_left_is_taken_over(tmp_path: Path, left: str) -> None:
    lock = tmp_path / LOCK
    lock.write_text({"cut off": ""}.get(left, str(_ended())))
    if left == "its number is ours now":  # as in a container that was started again
        lock.write_text(str(os.getpid()))
        os.utime(lock, (1.0, 1.0))

    with claimed_folder(tmp_path):
        assert lock.read_text() == str(os.getpid())
    assert not lock.exists()


def test_a_claim_that_cannot_be_opened_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / LOCK).mkdir()  # as another user's file is to anybody but root
    with pytest.raises(UserError, match="cannot write to"), claimed_folder(tmp_path):
        pytest.fail("claimed")
    assert (tmp_path / LOCK).is_dir()


@pytest.mark.skipif(os.name == "nt", reason="unverified: there are no such locks there")
@pytest.mark.parametrize("lives", [True, False])
def test_without_locks_the_process_that_is_named_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lives: bool
) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr("fcntl.flock", none)
    (tmp_path / LOCK).write_text(str(os.getpid() if lives else _ended()))
    if lives:
        with pytest.raises(UserError, match="is writing a run"), claimed_folder(tmp_path):
            pytest.fail("claimed twice")
    else:
        with claimed_folder(tmp_path):
            assert (tmp_path / LOCK).read_text() == str(os.getpid())


def elsewhere(code: str, *arguments: str) -> str:
    """What the code prints in a container, which has process ids of its own."""
    inside = [sys.executable, "-c", code, *arguments]
    unshared = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", *inside]
    if shutil.which("unshare") is None:
        pytest.skip("unverified: no unshare on this machine")
    done = subprocess.run(unshared, capture_output=True, text=True, timeout=60, check=False)
    if done.stderr.startswith("unshare:"):
        pytest.skip(f"unverified: no namespaces here ({done.stderr.strip()})")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


MAKES_ONE = """
import sys
from store_conformance.backends.folders import own_folder, remove_folder
remove_folder(own_folder("theirs", sys.argv[1]))
print("made")
"""
WRITES_A_RUN = """
import sys
from pathlib import Path
from store_conformance.contract import UserError
from store_conformance.runs.folder import claimed_folder
try:
    with claimed_folder(Path(sys.argv[1])):
        print("claimed")
except UserError as refused:
    print(refused)
"""


def test_a_container_that_shares_the_folder_removes_nothing_of_a_living_process(
    tmp_path: Path,
) -> None:
    mine, other = own_folder("mine", str(tmp_path)), own_folder("other", str(tmp_path))
    (mine / "data").write_text("all there is")
    os.close(folders._held.pop(other))  # as if its process had been killed

    assert elsewhere(MAKES_ONE, str(tmp_path)) == "made"
    assert [p.name for p in tmp_path.iterdir()] == [mine.name]
    assert (mine / "data").read_text() == "all there is"
    remove_folder(mine)
    assert not mine.exists()


def test_a_container_that_shares_the_folder_writes_no_run_beside_another(tmp_path: Path) -> None:
    with claimed_folder(tmp_path):
        assert "is writing a run" in elsewhere(WRITES_A_RUN, str(tmp_path))
    assert elsewhere(WRITES_A_RUN, str(tmp_path)) == "claimed"


@pytest.mark.parametrize(
    "removes",
    [
        pytest.param(lambda folder: own_folder("next", str(folder)), id="another is made"),
        pytest.param(lambda _: folders.forget_folders(os.getpid()), id="a child was killed"),
    ],
)
def test_what_is_held_stays_whatever_the_process_ids_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, removes: Callable[[Path], object]
) -> None:
    monkeypatch.setattr(folders, "_alive", lambda _: False)
    monkeypatch.setattr(folders, "_AFTER_DEATH_SECONDS", 0.05)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    held, free = own_folder("held", str(tmp_path)), own_folder("free", str(tmp_path))
    if os.name != "nt":
        os.close(folders._held.pop(free))
    removes(tmp_path)
    assert held.is_dir()
    assert not free.exists()
    remove_folder(held)


@pytest.mark.skipif(os.name == "nt", reason="unverified: Windows has no zombies")
def test_what_a_process_left_goes_when_nobody_has_reaped_it(tmp_path: Path) -> None:
    """In a container whose process 1 reaps nobody, what was killed stays a zombie for as long as that runs."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        left = tmp_path / f"conformance-left-pid{process.pid}-x"
        left.mkdir()
        remove_folder(own_folder("while it runs", str(tmp_path)))
        assert left.is_dir()

        process.kill()
        os.waitid(
            os.P_PID, process.pid, os.WEXITED | os.WNOWAIT
        )  # it has ended, and is still there
        remove_folder(own_folder("afterwards", str(tmp_path)))
        assert not left.exists()


@pytest.mark.parametrize("name", ["a/b", "../../x", "x\n\0y", "n" * 400, "..", "", "täst", "-"])
def test_a_name_of_a_users_leads_out_of_no_folder(tmp_path: Path, name: str) -> None:
    folder = own_folder(name, str(tmp_path))

    assert folder.parent == tmp_path and list(tmp_path.iterdir()) == [folder]
    assert folders._OWNED.fullmatch(folder.name)
    remove_folder(folder)
    assert list(tmp_path.iterdir()) == []
