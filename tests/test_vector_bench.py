"""
The speed measurement, end to end on a driver over a dict: what it writes, not how fast that is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pytest

from store_conformance.backends.vector.bench import __main__ as command
from store_conformance.backends.vector.bench import scenario
from store_conformance.backends.vector.bench.clock import interleaved, summary
from store_conformance.backends.vector.bench.data import Items
from store_conformance.backends.vector.bench.raw import Prepared, _BulkOfOne, _with_body
from store_conformance.backends.vector.bench.report import section
from store_conformance.backends.vector.bench.scenario import (
    OURS,
    RAW,
    Figures,
    Lanes,
    index_config,
    measure,
    spares,
)
from store_conformance.backends.vector.driver import Where
from store_conformance.backends.vector.store import VectorStore
from tests.vector_memory_driver import MemoryDriver

pytestmark = pytest.mark.slow


class RawDict(_BulkOfOne):
    """The dict without the store."""

    def __init__(self, driver: MemoryDriver) -> None:
        self._driver = driver

    def put(self, prepared: Sequence[Prepared]) -> object:
        self._driver.rows.update((one[0].id, _with_body(one)) for one in prepared)
        return None

    def get(self, id: str) -> object:
        return self._driver.rows[id]

    def settle(self) -> None:
        return

    def search(self, vector: list[float], where: Where, limit: int) -> object:
        return self._driver.query(vector, where, limit)


def test_a_run_measures_everything_and_its_tables_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenario, "BATCH", 50)
    driver = MemoryDriver()
    items = Items(1000 + spares([1000], 2, 2))
    told: list[str] = []
    kept: list[Figures] = []
    index: Any = index_config(items)
    with VectorStore(driver, collection="c", index=index) as store:
        lanes = Lanes(items, store, RawDict(driver), {"other": store})
        measure(lanes, [1000], 2, told.append, kept.append)

    facts = {
        "engine": "dict",
        "engine_version": "1",
        "deployment": "embedded",
        "packages": {"p": "2"},
    }
    run: dict[str, Any] = json.loads(
        json.dumps({**facts, "date": "d", "machine": "m", "lanes": [RAW, OURS, "other"],
                    **asdict(kept[-1])})
    )  # fmt: skip
    assert run["walk"]["items"] == len(driver.rows) > 1000
    numbers = [int(record.body.split('"text":"')[1].split(" ")[0]) for record in driver.rows.values()
               if record.body]  # fmt: skip
    assert run["walk"]["sum"] == sum(numbers)
    assert told
    text = section(run)
    for row in ("| 1,000 | put, new key |", "| 1,000 | semantic search |", "| other |", "Walking"):
        assert row in text


def test_lanes_take_turns_and_numbers_are_not_repeated() -> None:
    called: list[tuple[str, int]] = []
    lanes = {name: (lambda n, name=name: called.append((name, n))) for name in "ab"}

    times = interleaved(lanes, rounds=2, warm=1)

    assert called == [("a", 0), ("b", 0), ("b", 1), ("a", 1), ("a", 2), ("b", 2)]
    assert {name: found.calls for name, found in times.items()} == {"a": 2, "b": 2}
    assert summary([3.0, 1.0, 2.0]).p50 == 2.0


@pytest.mark.parametrize("wrong", ["--items=few", "--items=10", "--rounds=0"])
def test_wrong_arguments_are_told(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main([wrong])
    assert "error: --" in capsys.readouterr().err
