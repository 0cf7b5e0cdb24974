"""
The command that runs one rule on one backend again, from what a run file says of its own.
"""

from __future__ import annotations

import shlex

from store_conformance.contract.records import Run
from store_conformance.harness.backends import names

_TARGETS = ("--declare", "--deployment", "--url", "--name", "--option")
"""The options of a run that say what is checked, and not how much of it."""


def command_again(run: Run, backend: str, rule_id: str) -> str:
    """
    The command with the run's own stores and their options.

    A run that pytest started names no ``--store`` that this command line knows; it is named by hand then.
    """
    words = str(run.header.get("command", "")).split()
    given = _options(words[2:]) if words[1:2] in (["run"], ["bench"]) else []
    stores = [word for option, value in given if option == "--store" for word in (option, value)]
    which = ["-b", backend] if backend in names() else stores or ["--store", "FILE.py:FUNCTION"]
    kept = [word for option, value in given if option in _TARGETS for word in (option, value)]
    return shlex.join(["store-conformance", "run", *which, *kept, "--rule", rule_id])


def _options(words: list[str]) -> list[tuple[str, str]]:
    """The long options with a value, whether it follows a space or an equals sign."""
    found = []
    for number, word in enumerate(words):
        name, sign, value = word.partition("=")
        if sign:
            found.append((name, value))
        elif word.startswith("--") and number + 1 < len(words):
            found.append((word, words[number + 1]))
    return found
