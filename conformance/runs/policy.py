"""
What a project asks of a run before it may pass: a TOML file, or a table in pyproject.toml.

``gate.toml`` (or ``[tool.store-conformance]`` in pyproject.toml) looks like this; every key may be left out::

    suite = ">=0.1,<0.2"              # versions of the suite whose verdicts count
    levels = ["MUST"]                 # every rule of these levels must have been checked, and hold
    groups = ["X"]                    # every rule of these groups, whatever its level
    rules = ["S1"]                    # these rules
    may-lack = ["vectors", "ttl"]     # what a store may be without; not given: anything
    expectations = ["expected.toml"]  # failures known in advance; the path is from this file
    unverified = "warn"               # a check that could not tell: "allow", "warn" or "fail"

    [[ratio]]                         # seconds for one item, by what is measured in the same run
    of = "batch_put"
    to = "put"
    most = 0.8
    mode = "sync"                     # default: both

    [backend.mine]                    # the same keys but the suite's, instead of those above
    levels = ["MUST", "SHOULD"]

Where no level, group or rule is named, every failure counts, and nothing is asked to have been checked.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from store_conformance.contract import Capability, Level, Mode, UserError, group, rule, rules
from store_conformance.contract.hints import suggestion

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE, PROJECT, TABLE = "gate.toml", "pyproject.toml", "store-conformance"
ALLOW, WARN, FAIL = "allow", "warn", "fail"
_DEMANDS = ("levels", "groups", "rules", "may-lack", "expectations", "unverified", "ratio")
_KEYS = ("suite", *_DEMANDS, "backend")
_RATIO = ("of", "to", "most", "mode")
TIMED = (
    "put",
    "batch_put",
    "get",
    "search_filter",
    "search_semantic",
    "list_namespaces",
    "delete",
)
"""The operations whose latency a run measures with ``--bench``."""
_RESTS_ON = {Capability.COSINE: Capability.VECTORS, Capability.PROCESSES: Capability.PERSISTENCE}
"""What nobody can offer who lacks the other."""


@dataclass(frozen=True)
class Ratio:
    """How many times as long as another an operation may take, an item."""

    of: str
    to: str
    most: float
    mode: Mode | None = None
    """``None``: both."""


@dataclass(frozen=True)
class Demands:
    """What is asked of one backend."""

    levels: tuple[Level, ...] = ()
    groups: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    may_lack: frozenset[Capability] | None = None
    """``None``: anything."""
    expectations: tuple[Path, ...] | None = None
    """``None``: what the run was started with counts."""
    unverified: str = WARN
    ratios: tuple[Ratio, ...] = ()

    @property
    def selective(self) -> bool:
        """Whether some rules are asked for, so that failures of the others do not count."""
        return bool(self.levels or self.groups or self.rules)

    def required(self) -> tuple[str, ...]:
        """The rules that must have been checked and hold, in the order of the contract."""
        return tuple(
            r.id
            for r in rules()
            if r.level in self.levels or r.group in self.groups or r.id in self.rules
        )

    def counts(self, rule_id: str) -> bool:
        """Whether a failure of this rule closes the gate."""
        return not self.selective or rule_id in self.required()

    def may_do_without(self, capability: Capability) -> bool:
        """Whether a store may declare that it lacks this, by itself or with what it rests on."""
        if self.may_lack is None or capability in self.may_lack:
            return True
        return _RESTS_ON.get(capability) in self.may_lack


@dataclass(frozen=True)
class Policy:
    """What is asked of a run; the empty one asks what every run is asked."""

    place: str = ""
    """Where it was found; empty: nowhere."""
    suite: SpecifierSet = field(default_factory=SpecifierSet)
    every: Demands = field(default_factory=Demands)
    backends: Mapping[str, Demands] = field(default_factory=dict)

    def of(self, backend: str) -> Demands:
        return self.backends.get(backend, self.every)

    def files(self) -> tuple[Path, ...]:
        """Every file of expectations that it names, once."""
        named = [
            path for d in (self.every, *self.backends.values()) for path in d.expectations or ()
        ]
        return tuple(dict.fromkeys(named))


# -- finding ------------------------------------------------------------------------------------


def policy_of(path: Path | None) -> Policy | None:
    """The policy of that file; without one, that of the project which the working folder belongs to."""
    return find_policy(Path.cwd()) if path is None else read_policy(path)


def find_policy(start: Path) -> Policy | None:
    """
    The policy of the project that a folder belongs to, or ``None`` where it has none.

    The project is the nearest folder upwards with a pyproject.toml or a gate.toml.
    """
    for folder in (start.absolute(), *start.absolute().parents):
        alone, project = folder / FILE, folder / PROJECT
        table = project_table(project) if _names_us(project) else None
        if alone.is_file() and table is not None:
            raise UserError(
                f"{alone} and [tool.{TABLE}] of {project} are both policies",
                "keep one of them, or name one by --policy",
            )
        if alone.is_file():
            return read_policy(alone)
        if table is not None:
            return _policy(table, project, f"{project} [tool.{TABLE}]")
        if project.is_file():
            return None
    return None


def _names_us(project: Path) -> bool:
    """Whether a pyproject.toml can hold a policy; what else is wrong with it is no business of ours."""
    try:
        return TABLE.encode() in project.read_bytes()
    except OSError:  # there is none, or it may not be read
        return False


def read_policy(path: Path) -> Policy:
    """The policy of one file; of a pyproject.toml its table. Raises ``UserError`` for a wrong one."""
    if path.name != PROJECT:
        return _policy(_toml(path), path, str(path))
    table = project_table(path)
    if table is None:
        raise UserError(f"{path}: has no table [tool.{TABLE}]", "add it, or name a gate.toml")
    return _policy(table, path, f"{path} [tool.{TABLE}]")


def project_table(path: Path) -> dict[str, Any] | None:
    """The policy in a pyproject.toml, or ``None`` where it has none."""
    tool = _toml(path).get("tool")
    table = tool.get(TABLE) if isinstance(tool, dict) else None
    if table is not None and not isinstance(table, dict):
        raise UserError(f"{path}: tool.{TABLE} is not a table", f"write [tool.{TABLE}]")
    return table


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})", "check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}: is not TOML ({error})", "mend it; `store-conformance init` writes one"
        ) from None


# -- reading ------------------------------------------------------------------------------------


def _policy(data: dict[str, Any], path: Path, place: str) -> Policy:
    _known(data, _KEYS, place)
    suite = data.get("suite", "")
    try:
        versions = SpecifierSet(suite, prereleases=True)
    except (InvalidSpecifier, AttributeError, TypeError):
        raise UserError(
            f"{place}: suite: {suite!r} is no range of versions", 'write, say, suite = ">=0.1,<0.2"'
        ) from None
    every = _demands(data, path.parent, place)
    by_name = data.get("backend", {})
    if not isinstance(by_name, dict) or not all(isinstance(t, dict) for t in by_name.values()):
        raise UserError(f"{place}: backend is no table of tables", "write [backend.NAME]")
    own = {}
    for name, table in by_name.items():
        where = f"{place}, [backend.{name}]"
        _known(table, _DEMANDS, where)
        inherited = {key: data[key] for key in _DEMANDS if key in data}
        own[name] = _demands({**inherited, **table}, path.parent, where)
    return Policy(place, versions, every, own)


def _demands(data: Mapping[str, Any], folder: Path, where: str) -> Demands:
    def named(key: str, read: Callable[[str], Any]) -> tuple[Any, ...]:
        found = []
        for name in _texts(data.get(key, []), key, where):
            try:
                found.append(read(name))
            except UserError as error:
                raise UserError(f"{where}: {key}: {error.problem}", error.hint) from None
        return tuple(found)

    unverified = data.get("unverified", WARN)
    if unverified not in (ALLOW, WARN, FAIL):
        raise UserError(
            f"{where}: unverified: {unverified!r} is none of its words",
            suggestion(str(unverified), [ALLOW, WARN, FAIL]),
        )
    return Demands(
        levels=named("levels", lambda n: _one_of(n, Level, "level")),
        groups=named("groups", lambda n: group(n).id),
        rules=named("rules", lambda n: rule(n).id),
        may_lack=frozenset(named("may-lack", lambda n: _one_of(n, Capability, "capability")))
        if "may-lack" in data
        else None,
        expectations=named("expectations", lambda n: folder / n)
        if "expectations" in data
        else None,
        unverified=unverified,
        ratios=_ratios(data.get("ratio", []), where),
    )


def _ratios(given: Any, where: str) -> tuple[Ratio, ...]:
    if not isinstance(given, list) or not all(isinstance(r, dict) for r in given):
        raise UserError(f"{where}: ratio is no list of tables", "write [[ratio]] above each")
    found = []
    for number, entry in enumerate(given, 1):
        place = f"{where}, [[ratio]] number {number}"
        _known(entry, _RATIO, place)
        for key in ("of", "to"):
            if entry.get(key) not in TIMED:
                raise UserError(
                    f"{place}: {key}: {entry.get(key)!r} is no operation that is timed",
                    suggestion(str(entry.get(key, "")), TIMED),
                )
        most = entry.get("most")
        if isinstance(most, bool) or not isinstance(most, (int, float)) or not most > 0:
            raise UserError(f"{place}: most: {most!r} is no number above 0", "write, say, most = 2")
        mode = entry.get("mode")
        found.append(
            Ratio(
                entry["of"],
                entry["to"],
                float(most),
                None if mode is None else _one_of(str(mode), Mode, f"{place}: mode"),
            )
        )
    return tuple(found)


def _one_of(name: str, kind: Any, what: str) -> Any:
    by_name = {str(member).casefold(): member for member in kind}
    if name.casefold() not in by_name:
        raise UserError(f"unknown {what} {name!r}", suggestion(name, [str(m) for m in kind]))
    return by_name[name.casefold()]


def _texts(given: Any, key: str, where: str) -> list[str]:
    if not isinstance(given, list) or not all(isinstance(text, str) for text in given):
        raise UserError(f"{where}: {key} is not a list of texts", f'write, say, {key} = ["..."]')
    return given


def _known(data: Mapping[str, Any], keys: Iterable[str], where: str) -> None:
    for key in data:
        if key not in keys:
            raise UserError(f"{where}: unknown key {key!r}", suggestion(key, keys))
