"""
Latency, disk and embedding as pytest-benchmark tests; raw samples go into the run file.

Each backend and mode is measured once, all operations in turn within each round, so that a slow moment
of the machine meets every operation alike.  The samples are then handed to pytest-benchmark's clock.
"""

from __future__ import annotations

from typing import Any

import pytest

from store_conformance.benchmarks._measure import OPERATIONS, Measured, embedding_samples, measure
from store_conformance.benchmarks._writers import NEEDS, measured_paces
from store_conformance.contract import Capability, Mode
from store_conformance.contract.records import Measurement
from store_conformance.contract.secrets import redact_text
from store_conformance.harness.errors import StoreRaisedError
from store_conformance.harness.loops import HungError
from store_conformance.harness.text import shorten
from store_conformance.pytest_plugin.items import carry, session_of

_MODES: tuple[tuple[Mode, Capability], ...] = (
    (Mode.SYNC, Capability.SYNC),
    (Mode.ASYNC, Capability.ASYNC),
)
_DONE = pytest.StashKey[dict[tuple[str, Mode], "Measured | str"]]()


class _Replay:
    """A clock for pytest-benchmark that tells the samples which were measured, not the time."""

    def __init__(self) -> None:
        self._samples: list[float] = []
        self._now = 0.0
        self._running = False

    def load(self, samples: list[float]) -> None:
        self._samples = list(reversed(samples))
        self._now = 0.0
        self._running = False

    def __call__(self) -> float:
        if self._running and self._samples:
            self._now += self._samples.pop()
        self._running = not self._running
        return self._now


CLOCK = _Replay()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a backend, mode and operation of the run."""
    session = session_of(metafunc.config)
    backends = session.backends if session is not None else {}
    if "operation" in metafunc.fixturenames:
        cells = [
            (name, mode, operation)
            for name, backend in backends.items()
            for mode, needed in _MODES
            if needed in backend.capabilities
            for operation in OPERATIONS
            if operation != "search_semantic" or Capability.VECTORS in backend.capabilities
        ]
        metafunc.parametrize(("name", "mode", "operation"), cells, ids=["-".join(c) for c in cells])
    elif "name" in metafunc.fixturenames:
        metafunc.parametrize("name", list(backends))


def _measured(config: pytest.Config, name: str, mode: Mode) -> Measured:
    """The figures of one backend and mode, measured when first asked for."""
    session = session_of(config)
    assert session is not None
    done = config.stash.setdefault(_DONE, {})
    if (name, mode) not in done:
        try:
            done[name, mode] = measure(session.backends[name], mode, session.settings)
        except (Exception, HungError) as error:  # noqa: BLE001 - told as a finding, below
            done[name, mode] = _told(error)
    found = done[name, mode]
    if isinstance(found, str):
        pytest.skip(found)
    return found


def _told(error: BaseException) -> str:
    cause = error.cause if isinstance(error, StoreRaisedError) else error
    said = " ".join(f"{type(cause).__name__}: {cause}".split())
    return redact_text(f"could not be measured: {shorten(said, 200)}")


@pytest.mark.benchmark(timer=CLOCK)
def test_latency(
    request: pytest.FixtureRequest, benchmark: Any, name: str, mode: Mode, operation: str
) -> None:
    """The samples of one operation, in the run file and in pytest-benchmark's table."""
    try:
        measured = _measured(request.config, name, mode)
    except pytest.skip.Exception as skipped:
        if operation == OPERATIONS[0]:
            trouble = Measurement(name, "trouble.latency", str(skipped.msg), mode=mode)
            carry(request.node, [trouble])
        raise
    samples = measured.samples[operation]
    benchmark.group = operation
    benchmark.extra_info.update({"backend": name, "mode": mode, "n_items": measured.items})
    CLOCK.load(samples)
    benchmark.pedantic(lambda: None, rounds=len(samples))
    carry(request.node, [measured.latency(operation)])


def _first(config: pytest.Config, name: str) -> Measured:
    session = session_of(config)
    assert session is not None
    offered = session.backends[name].capabilities
    mode = next(m for m, needed in _MODES if needed in offered)
    return _measured(config, name, mode)


def test_bytes_on_disk(request: pytest.FixtureRequest, name: str) -> None:
    """What one memory takes on disk, the empty store taken off."""
    measured = _first(request.config, name)
    if measured.bytes_per_item is None:
        pytest.skip("the backend does not keep bytes on a disk that can be read")
    size = round(measured.bytes_per_item, 1)
    figure = Measurement(
        name, "disk.bytes_per_item", size, unit="B", case="benchmarks::disk", facts=measured.disk
    )
    carry(request.node, [figure])


def test_writers(request: pytest.FixtureRequest, name: str) -> None:
    """Writes a second of one process and of several."""
    session = session_of(request.config)
    assert session is not None
    backend = session.backends[name]
    if not backend.capabilities >= NEEDS:
        pytest.skip("one process at a time, or nothing that outlives it")
    mode = next(m for m, needed in _MODES if needed in backend.capabilities)
    try:
        told = list(measured_paces(backend, mode))
    except (Exception, HungError) as error:  # noqa: BLE001 - told as a finding
        said = _told(error)
        carry(request.node, [Measurement(name, "trouble.writers", said, mode=mode)])
        pytest.skip(said)
    figures = [
        Measurement(
            name,
            "processes.writers",
            "errors" if facts.errors else "ok",
            mode=mode,
            case="benchmarks::writers",
            facts=facts.to_dict(),
        )
        for facts in told
    ]
    carry(request.node, figures)


def test_embedding(request: pytest.FixtureRequest, name: str) -> None:
    """What embedding one text costs, which is in no other figure."""
    session = session_of(request.config)
    assert session is not None
    if Capability.VECTORS not in session.backends[name].capabilities:
        pytest.skip("the backend embeds nothing")
    settings = session.settings
    samples = embedding_samples(settings.embed, settings.data)
    figure = Measurement(
        name,
        "latency.embedding",
        sorted(samples)[len(samples) // 2],
        unit="s",
        case="benchmarks::embedding",
        facts={"embedder": settings.embed, "ops_per_call": 1, "rounds": len(samples)},
        samples=samples,
    )
    carry(request.node, [figure])
