"""
The contract: rules, capabilities, verdicts and locations, as data.  It knows no database and no test.
"""

from store_conformance.contract.capabilities import (
    ALL,
    Capability,
    Mode,
    declared,
)
from store_conformance.contract.errors import UserError
from store_conformance.contract.json_value import JsonValue
from store_conformance.contract.location import Location
from store_conformance.contract.memory import MemoryType, Restart
from store_conformance.contract.rules import (
    Group,
    Rule,
    UnknownRuleError,
    group,
    groups,
    rule,
    rules,
)
from store_conformance.contract.verdicts import Level, Verdict, merge

__all__ = [
    "ALL",
    "Capability",
    "Group",
    "JsonValue",
    "Level",
    "Location",
    "MemoryType",
    "Mode",
    "Restart",
    "Rule",
    "UnknownRuleError",
    "UserError",
    "Verdict",
    "declared",
    "group",
    "groups",
    "merge",
    "rule",
    "rules",
]
