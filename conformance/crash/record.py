"""
The file of a campaign's rounds: one line each, so that it can be gone on with after any end.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from store_conformance.contract import UserError
from store_conformance.contract.secrets import redact_text
from store_conformance.crash.round import Round

NAME = "crash-rounds.jsonl"


@dataclass(frozen=True)
class Plan:
    """What a campaign is; one that goes on must be of the same."""

    version: str
    seed: int
    targets: tuple[str, ...]
    """Each backend with its setting."""
    faults: tuple[str, ...]


class Rounds:
    """Appends rounds to the file; every line is complete before the next round begins."""

    def __init__(self, path: Path, plan: Plan, *, resume: bool) -> None:
        """Raises ``UserError`` if there is nothing to resume, it is of another campaign, or would be lost."""
        self.done: list[tuple[str, Round]] = []
        self.about: dict[str, tuple[str, str]] = {}
        """Deployment and engine of each target."""
        if resume:
            self.done, self.about = read_rounds(path, plan)
        elif (
            path.is_file() and b'"fault": ' in path.read_bytes()
        ):  # a strike, and not the plan alone
            raise UserError(
                f"{path.parent} holds a campaign already",
                "go on with it by --resume, or give another folder with --out",
            )
        whole = [json.dumps({"plan": asdict(plan)}), *(_line(t, r) for t, r in self.done)]
        whole += [_about(t, *facts) for t, facts in self.about.items()]
        # Written anew, so that a line that was cut off is gone.
        fresh = path.with_suffix(".new")
        fresh.write_text("".join(line + "\n" for line in whole), encoding="utf-8")
        fresh.replace(path)
        self._file = path.open("a", encoding="utf-8")

    def add(self, target: str, done: Round) -> None:
        self.done.append((target, done))
        self._file.write(_line(target, done) + "\n")
        self._file.flush()

    def describe(self, target: str, deployment: str, engine: str = "") -> None:
        """Say what a target is; what is known already stays, unless more is said."""
        if target not in self.about or engine:
            self.about[target] = (deployment, engine)
            self._file.write(_about(target, deployment, engine) + "\n")

    def of(self, target: str, fault: str) -> list[Round]:
        """The rounds of one fault on one target so far."""
        return [r for t, r in self.done if t == target and r.fault == fault]

    def close(self) -> None:
        self._file.close()


def _line(target: str, done: Round) -> str:
    return redact_text(json.dumps({"target": target, **asdict(done)}, ensure_ascii=False))


def _about(target: str, deployment: str, engine: str) -> str:
    return json.dumps({"target": target, "about": [deployment, engine]})


def read_rounds(
    path: Path, plan: Plan
) -> tuple[list[tuple[str, Round]], dict[str, tuple[str, str]]]:
    """
    The rounds of a file and what its targets are, without a last line that was cut off.

    Raises ``UserError`` for what is no such file, or one of another campaign than ``plan``.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    except OSError as error:
        raise UserError(
            f"there is no campaign to resume in {path.parent} ({error.strerror})",
            "leave --resume out, or give the folder with --out",
        ) from None
    try:
        _compare(json.loads(lines[0])["plan"], plan, path)
        told = [json.loads(line) for line in lines[1:]]
        rounds = [_round(line) for line in told if "about" not in line]
        about = {line["target"]: (*line["about"],) for line in told if "about" in line}
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise UserError(
            f"{path} is no file of a campaign ({type(error).__name__}: {error})",
            "give another folder with --out, or leave --resume out",
        ) from None
    return rounds, about


def _compare(told: Any, plan: Plan, path: Path) -> None:
    for name, asked in asdict(plan).items():
        if _same(told[name]) != _same(asked):
            raise UserError(
                f"{path} is a campaign of another {name.removesuffix('s')}:"
                f" {_shown(told[name])}, and not {_shown(asked)}",
                "ask for the same, give another folder with --out, or leave --resume out",
            )


def _same(value: Any) -> Any:
    return list(value) if isinstance(value, (list, tuple)) else value


def _shown(value: Any) -> str:
    return (
        ", ".join(value)
        if isinstance(value, Sequence) and not isinstance(value, str)
        else str(value)
    )


def _round(data: dict[str, Any]) -> tuple[str, Round]:
    target = data.pop("target")
    return target, Round(**{**data, "examples": tuple(data["examples"])})
