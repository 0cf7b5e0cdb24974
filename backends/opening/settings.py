"""
Settings of a store's URL: their names, defaults and what each protects from, as data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from store_conformance.backends.base import BackendError
from store_conformance.contract.hints import suggestion

ON = frozenset({"1", "on", "true", "yes"})
OFF = frozenset({"0", "off", "false", "no"})


@dataclass(frozen=True)
class Setting:
    """
    One query parameter.

    ``default`` has the type of the value: a bool is a flag, an int and a float are numbers within
    ``least`` and ``most``, text may be restricted to ``choices``.  ``None`` stands for text that is not
    there.  ``protects`` says what goes wrong without it.
    """

    name: str
    default: bool | int | float | str | None
    protects: str
    choices: tuple[str, ...] = ()
    least: float = 0
    most: float = 1_000_000

    def read(self, engine: str, text: str) -> Any:
        """The value that the text stands for; raises ``BackendError`` for one that it cannot be."""
        if isinstance(self.default, bool):
            return self._flag(engine, text)
        if isinstance(self.default, (int, float)):
            return self._number(engine, text)
        if self.choices and text not in self.choices:
            raise self._wrong(engine, text, suggestion(text, self.choices))
        if not text:
            raise self._wrong(engine, text, "give it a value or leave it out")
        return text

    def _flag(self, engine: str, text: str) -> bool:
        if text.lower() in ON | OFF:
            return text.lower() in ON
        raise self._wrong(engine, text, "write on or off")

    def _number(self, engine: str, text: str) -> int | float:
        whole = isinstance(self.default, int)
        try:
            number = int(text) if whole else float(text)
        except ValueError:
            number = -1
        if not self.least <= number <= self.most:
            kind = "a whole number" if whole else "a number"
            raise self._wrong(engine, text, f"write {kind} from {self.least:g} to {self.most:g}")
        return number

    def _wrong(self, engine: str, text: str, hint: str) -> BackendError:
        return BackendError(engine, f"the parameter {self.name} of the URL is {text!r}.", hint)


TTL = (
    Setting("ttl_minutes", 0.0, "memories that pile up for ever; 0: nothing expires"),
    Setting(
        "sweep_minutes",
        5.0,
        "expired items that stay visible: the sweeper is started, which the official stores leave to you",
        least=0.01,
    ),
    Setting("refresh_on_read", True, "memories in use that expire all the same"),
)
"""Of every store that can expire items."""


def read(
    engine: str,
    settings: Iterable[Setting],
    parameters: Mapping[str, str],
    known: Iterable[str] = (),
) -> dict[str, Any]:
    """
    The values of all the settings, given or default.

    ``known`` are further names that somebody else reads.  Raises ``BackendError`` for a name that
    nobody does: a misspelt time-out must not be none.
    """
    by_name = {setting.name: setting for setting in settings}
    names = [*by_name, *known]
    for name in parameters:
        if name not in names:
            raise BackendError(
                engine,
                f"the URL has an unknown parameter {name!r}.",
                suggestion(name, names) if names else "it takes none",
            )
    return {
        name: setting.read(engine, parameters[name]) if name in parameters else setting.default
        for name, setting in by_name.items()
    }


def as_it_is(values: dict[str, Any], *, reading: bool) -> dict[str, Any]:
    """The values of a store that is only read: it is not set up, and nothing of it is swept."""
    return {**values, "setup": False, "ttl_minutes": 0.0} if reading else values


def ttl_of(values: Mapping[str, Any], given: Any) -> Any:
    """LangGraph's ``TTLConfig`` of what the caller gave, else of the URL's parameters."""
    if given is not None:
        return given
    if not values.get("ttl_minutes"):
        return None
    return {
        "default_ttl": values["ttl_minutes"],
        "sweep_interval_minutes": values["sweep_minutes"],
        "refresh_on_read": values["refresh_on_read"],
    }
