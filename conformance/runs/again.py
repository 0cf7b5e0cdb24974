"""
The commands that run something again: one rule on one backend, from what a run file says of its own
command, and one test, as pytest names it.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from types import MappingProxyType

from store_conformance.contract.records import Run
from store_conformance.contract.secrets import redact_text
from store_conformance.harness.backends import names

_TARGETS = ("--declare", "--deployment", "--url", "--name", "--option")
"""The options of a run that say what is checked, and not how much of it."""
_PLUGIN = "--conformance-"
_RENAMED = {"--store-name": "--name"}
"""Options that pytest knows by another name than the command line."""


def command_again(run: Run, backend: str, rule_id: str) -> str:
    """
    The command with the run's own stores and their options, whether the command line or pytest started it.

    Where the run file names no store of the run, that is left to be filled in.
    """
    given = _given(_words(str(run.header.get("command", ""))))
    stores = [word for option, value in given if option == "--store" for word in (option, value)]
    which = ["-b", backend] if backend in names() else stores or ["--store", "FILE.py:FUNCTION"]
    kept = [word for option, value in given if option in _TARGETS for word in (option, value)]
    return shlex.join(["store-conformance", "run", *which, *kept, "--rule", rule_id])


def pytest_again(node: str, options: Mapping[str, object] = MappingProxyType({})) -> str:
    """
    The command by which pytest runs one test again; ``options`` are those of the plugin, without prefix.

    What is empty is left out, a list is an option given several times, and passwords are not shown.
    """
    words = ["pytest", *(["--pyargs"] if options else []), node]
    for name, value in options.items():
        several = value if isinstance(value, (list, tuple)) else [value]
        for one in several:
            if one is not None:
                words += [f"{_PLUGIN}{name}", redact_text(str(one))]
    return shlex.join(words)


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # of a run file whose words were not quoted
        return command.split()


def _given(words: list[str]) -> list[tuple[str, str]]:
    """The options of the run under the names that the command line has for them."""
    if words[:1] == ["pytest"]:
        plain = [
            (f"--{name.removeprefix(_PLUGIN)}", value)
            for name, value in _options(words[1:])
            if name.startswith(_PLUGIN)
        ]
        return [(_RENAMED.get(name, name), value) for name, value in plain]
    return _options(words[2:]) if words[1:2] in (["run"], ["bench"]) else []


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
