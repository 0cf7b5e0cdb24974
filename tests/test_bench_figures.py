"""
Figures of `--bench` that are no latency: writes a second of several processes, bytes on disk, megabytes.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from store_conformance.backends import registry
from store_conformance.backends.engines.http_server import HttpServer
from store_conformance.backends.packages import program_megabytes
from store_conformance.benchmarks import _writers
from store_conformance.benchmarks._writers import measured_paces
from store_conformance.contract import Mode


def test_each_number_of_processes_is_measured_and_all_they_wrote_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_writers, "PROCESSES", (1, 2))
    monkeypatch.setattr(_writers, "EACH", 3)
    backend = registry.create("sqlite")
    backend.start()
    try:
        told = list(measured_paces(backend, Mode.SYNC))
    finally:
        backend.stop()

    assert [facts.writers for facts in told] == [1, 2]
    if all(
        facts.writes == 3 * (facts.writers or 0) for facts in told
    ):  # else the machine was too slow
        assert all(facts.per_second for facts in told)
        assert [facts.errors for facts in told] == [(), ()]


def test_writers_that_acknowledge_nothing_have_no_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_writers, "PROCESSES", (1,))
    monkeypatch.setattr(_writers, "memory", lambda kind, user, n: (("langgraph",), "k", {"n": n}))
    backend = registry.create("sqlite")
    backend.start()
    try:
        (told,) = measured_paces(backend, Mode.SYNC)
    finally:
        backend.stop()

    assert (told.writes, told.per_second) == (0, None)
    assert told.errors is not None
    assert "InvalidNamespaceError" in told.errors[0]


def test_the_folder_of_a_server_counts_by_what_it_takes(tmp_path: Path) -> None:
    server = HttpServer("acme", tmp_path, lambda folder, ports: ((), {}), ready="/")
    assert server.bytes_on_disk() == 0
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "segment").write_bytes(b"x" * 10_000)
    with (tmp_path / "log").open("wb") as file:
        file.truncate(50_000_000)  # set aside, and not written

    assert 10_000 <= server.bytes_on_disk() < 1_000_000


def test_a_program_is_as_large_as_its_file_and_none_has_no_size(tmp_path: Path) -> None:
    (tmp_path / "server").write_bytes(b"x" * 2_500_000)

    assert program_megabytes(str(tmp_path / "server")) == 2.5
    assert program_megabytes(None) is None
