"""
Where an export is written to and read from: files, and never in the place of a device, a pipe or a folder.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from store_conformance.migration.export_file import read_export, write_export
from store_conformance.migration.transfer import Exported, MigrationError

ITEMS = [Exported(("a",), "k", {"n": 1}, None, None)]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="unverified: no such pipes here")
@pytest.mark.parametrize("linked", [True, False])
def test_what_is_no_file_keeps_its_place(tmp_path: Path, linked: bool) -> None:
    pipe = out = tmp_path / "pipe"
    os.mkfifo(pipe)
    if linked:
        out = tmp_path / "link"
        out.symlink_to(pipe)

    with pytest.raises(MigrationError, match="is a pipe or a device and no file"):
        write_export(out, ITEMS)
    with pytest.raises(MigrationError, match="is a pipe or a device and no file"):
        read_export(out)

    assert pipe.is_fifo() and out.is_symlink() is linked
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.skipif(os.name == "nt", reason="unverified: links need a right there")
def test_a_link_stays_one_and_its_file_is_written(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("file")

    assert write_export(tmp_path / "link", ITEMS) == 1
    assert write_export(tmp_path / "link", ITEMS * 1) == 1

    assert (tmp_path / "link").is_symlink()
    assert read_export(tmp_path / "file") == read_export(tmp_path / "link") == ITEMS


def test_a_folder_is_told(tmp_path: Path) -> None:
    for use in (lambda: write_export(tmp_path, ITEMS), lambda: read_export(tmp_path)):
        with pytest.raises(MigrationError, match="is a folder and no file"):
            use()
    with pytest.raises(MigrationError, match="no such file"):
        read_export(tmp_path / "nowhere")


def test_json_without_end_is_no_export(tmp_path: Path) -> None:
    (tmp_path / "deep").write_text("[" * 200_000)

    with pytest.raises(MigrationError, match="no JSON object"):
        read_export(tmp_path / "deep")
