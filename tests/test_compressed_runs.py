"""
Run files that gzip has packed, and folders with them: read like plain ones, refused with a message.
"""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from store_conformance.cli.parsing import main
from store_conformance.contract import Level, Verdict
from store_conformance.contract.records import Row, Run
from store_conformance.runs import lines
from store_conformance.runs.lines import RunFileError
from store_conformance.runs.run_file import RunWriter, read_run
from tests.sample_run import sample_run


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run file as a run writes it."""
    run = sample_run()
    path = tmp_path_factory.mktemp("plain") / "run.jsonl"
    writer = RunWriter(path, {k: v for k, v in run.header.items() if k not in ("kind", "schema")})
    for row in run.rows:
        writer.add(row)
    writer.close(seconds=1.0, by_backend={}, interrupted=False)
    return path


@pytest.fixture(scope="module")
def packed(plain: Path) -> bytes:
    return gzip.compress(plain.read_bytes(), mtime=0)


def same(one: Run, other: Run) -> bool:
    return (one.header, one.rows, one.measurements, one.footer) == (
        other.header,
        other.rows,
        other.measurements,
        other.footer,
    )


@pytest.mark.parametrize("name", ["run.jsonl.gz", "sqlite.jsonl.gz", "no-suffix"])
def test_a_packed_run_reads_like_the_plain_one(
    name: str, plain: Path, packed: bytes, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(packed)

    assert same(read_run(tmp_path / name), read_run(plain))


def test_a_folder_is_read_by_the_run_file_in_it(plain: Path, packed: bytes, tmp_path: Path) -> None:
    assert same(read_run(plain.parent), read_run(plain))
    (tmp_path / "run.jsonl.gz").write_bytes(packed)

    assert same(read_run(tmp_path), read_run(plain))


def test_of_a_plain_and_a_packed_file_the_plain_one_is_the_run(
    plain: Path, packed: bytes, tmp_path: Path
) -> None:
    (tmp_path / "run.jsonl").write_bytes(plain.read_bytes())
    (tmp_path / "run.jsonl.gz").write_bytes(packed[:100])

    assert same(read_run(tmp_path), read_run(plain))


def passed_and_failed(plain: Path) -> str:
    """The run's text with one of its verdicts a second time, turned round, and a footer that counts both."""
    lines = [json.loads(line) for line in plain.read_text("utf-8").splitlines()]
    place, row = next((n, r) for n, r in enumerate(lines) if r.get("verdict") in ("pass", "fail"))
    other = {**row, "verdict": {"pass": "fail", "fail": "pass"}[row["verdict"]]}
    lines.insert(place, other)
    footer = lines[-1]
    footer["rows"] += 1
    footer["counts"][other["verdict"]] = footer["counts"].get(other["verdict"], 0) + 1
    return "".join(json.dumps(line) + "\n" for line in lines)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda packed: packed[: len(packed) // 2], "truncated gzip"),
        (lambda packed: packed[:5], "truncated gzip"),
        (lambda packed: packed[:-3], "truncated gzip"),
        (lambda packed: packed[:200] + b"\0" * 40 + packed[240:], "damaged gzip"),
        (lambda packed: packed[:-8] + b"\0" * 8, "damaged gzip"),
        (lambda packed: gzip.decompress(packed), "not a gzip file although its name"),
        (lambda packed: b"", "not a gzip file although its name"),
        (lambda packed: gzip.compress(b"\xff\xfe"), "not a text file"),
        (lambda packed: gzip.compress(b"hello\n"), "line 1 is not JSON"),
        (
            lambda packed: gzip.compress(gzip.decompress(packed).rsplit(b"\n", 2)[0]),
            "has no footer",
        ),
    ],
    ids=[
        *("half", "header cut", "checksum cut", "damaged", "other checksum", "plain", "empty"),
        *("no text", "no run", "no footer"),
    ],
)
def test_what_cannot_be_unpacked_is_refused_with_a_hint(
    spoil: Callable[[bytes], bytes], problem: str, packed: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "run.jsonl.gz"
    path.write_bytes(spoil(packed))

    with pytest.raises(RunFileError, match=problem) as refused:
        read_run(path)

    assert str(path) in str(refused.value)
    assert refused.value.hint


def test_a_folder_without_a_run_is_refused_with_both_names(tmp_path: Path) -> None:
    with pytest.raises(RunFileError, match=r"neither run\.jsonl nor run\.jsonl\.gz"):
        read_run(tmp_path)


def test_the_command_reads_packed_runs_and_ends_with_65_where_one_is_cut(
    packed: bytes, tmp_path: Path
) -> None:
    (tmp_path / "good.jsonl.gz").write_bytes(packed)
    (tmp_path / "cut.jsonl.gz").write_bytes(packed[:-20])

    def report(name: str) -> tuple[int, str]:
        command = ["report", str(tmp_path / name), "--out", str(tmp_path / "out"), "--format", "md"]
        result = CliRunner().invoke(main, command)
        return result.exit_code, result.output

    assert report("good.jsonl.gz")[0] == 0
    assert (tmp_path / "out" / "report.md").exists()
    code, said = report("cut.jsonl.gz")
    assert code == 65
    assert "truncated gzip" in said
    assert "Traceback" not in said


# -- what no run writes ------------------------------------------------------------------------------


def changed(plain: Path, kind: str, **values: object) -> str:
    """The run's text with values of its records of one kind changed."""
    lines = [json.loads(line) for line in plain.read_text("utf-8").splitlines()]
    told = [{**line, **values} if line["kind"] == kind else line for line in lines]
    return "".join(json.dumps(line) + "\n" for line in told)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda plain: plain.read_text("utf-8") * 2, "has more than one run in it"),
        (lambda plain: changed(plain, "verdict", backend="other"), "'other', which its header"),
        (lambda plain: changed(plain, "footer", counts={"pass": 99}), "contradicts itself"),
        (lambda plain: changed(plain, "footer", seconds=3), "seconds are no table"),
        (lambda plain: changed(plain, "verdict", message=["<b>"]), "message is no text"),
        (lambda plain: changed(plain, "verdict", seconds="long"), "seconds is no number"),
        (lambda plain: changed(plain, "verdict", history=[{}]), "history is no list"),
        (lambda plain: changed(plain, "header", backends=["memory"]), "header without backends"),
        (lambda plain: changed(plain, "header", machine="fast"), "machine is no table"),
        (lambda plain: changed(plain, "footer", counts="many"), "counts are no table of numbers"),
        (lambda plain: changed(plain, "footer", left=[1]), "left is no table of numbers"),
        (lambda plain: changed(plain, "footer", seconds={"total": "x"}), "total is no number"),
        (lambda plain: changed(plain, "header", profile=["x"]), "profile is no text"),
        (lambda plain: changed(plain, "header", selection={"rules": 5}), "rules are no list"),
        (passed_and_failed, "both passes and fails"),
        (lambda plain: plain.read_text("utf-8")[:-30], "is truncated: line"),
        (lambda plain: plain.read_text("utf-8") + "[" * 100_000, "is not JSON"),
    ],
    ids=[
        *("twice", "other backend", "contradictory", "seconds", "message", "number", "history"),
        *("backends", "machine", "counts", "left", "total", "profile", "selection", "both"),
        *("cut", "nested"),
    ],
)
def test_what_no_run_writes_is_refused_with_the_reason(
    spoil: Callable[[Path], str], problem: str, plain: Path, tmp_path: Path
) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text(spoil(plain), "utf-8")

    with pytest.raises(RunFileError, match=problem) as refused:
        read_run(path)

    assert refused.value.hint


def test_a_process_that_died_belongs_to_no_backend_and_is_read(tmp_path: Path) -> None:
    died = Row("?", "K1", Level.MUST, "cases::k1", "?", Verdict.ERROR, "a worker died")
    run = sample_run()
    writer = RunWriter(
        tmp_path / "run.jsonl", {k: v for k, v in run.header.items() if k not in ("kind", "schema")}
    )
    writer.add(died)
    writer.close(seconds=1.0, by_backend={}, interrupted=False)

    assert read_run(tmp_path).rows == (died,)


def test_the_same_text_written_anew_is_read(plain: Path, tmp_path: Path) -> None:
    (tmp_path / "run.jsonl").write_text(changed(plain, "verdict"), "utf-8")

    assert same(read_run(tmp_path / "run.jsonl"), read_run(plain))


def test_what_is_too_large_is_refused_before_it_is_in_memory(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = plain.read_bytes()
    monkeypatch.setattr(lines, "MOST_BYTES", len(whole) + 10)
    assert read_run(plain).rows
    bomb = tmp_path / "run.jsonl.gz"
    bomb.write_bytes(gzip.compress(whole.partition(b"\n")[0] + b"\n{" + b" " * 50_000_000, 1))

    tracemalloc.start()
    with pytest.raises(RunFileError, match="has more than"):
        read_run(bomb)
    monkeypatch.setattr(lines, "MOST_BYTES", len(whole) - 1)
    with pytest.raises(RunFileError, match="has more than"):
        read_run(plain)
    monkeypatch.setattr(lines, "MOST_BYTES", len(whole))
    monkeypatch.setattr(lines, "MOST_RECORDS", 2)
    with pytest.raises(RunFileError, match="has more than 2 records"):
        read_run(plain)
    monkeypatch.setattr(lines, "MOST_IN_LINE", 20)
    with pytest.raises(RunFileError, match="has a line of more than"):
        read_run(plain)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 5_000_000
