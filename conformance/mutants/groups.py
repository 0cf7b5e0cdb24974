"""
Rules that a sin of one kind may trip beside the one that must catch it.
"""

from __future__ import annotations

from store_conformance.contract import rules

ALL = tuple(rule.id for rule in rules())
"""For a sin that spoils what nearly every check looks at."""

PLAIN = (*(r for r in ALL if r[0] in "SLE"), "K13", "O5", "O12", "O13", "X1", "T4")
"""Rules that are checked by a plain search with many items."""

REPLACES = (
    *(
        "K4",
        "K10",
        "X4",
        "X7",
        "V11",
        "V13",
        "V14",
        "T2",
        "T3",
        "T4",
        "O2",
        "O3",
        "O4",
        "O7",
        "O9",
        "O20",
    ),
    *("O11", "O12", "O13", "O16", "E1", "E2", "E3", "E4", "E5", "E6", "E7"),
)
"""Rules that are checked by overwriting an item."""

DELETES = (
    *("K4", "X1", "X2", "X3", "X4", "X5", "X7", "N7", "V11", "L1", "T3", "O2", "O3", "O4", "O7"),
    *("O9", "O20", "O12", "O13", "E1", "E3", "E4", "E5", "E6", "E7"),
    *(
        "K2",
        "K9",
        "K11",
        "N5",
        "O1",
        "O8",
        "O11",
        "O16",
        "O17",
        "T2",
        "T4",
        "T7",
        "T8",
        "V13",
        "E2",
    ),
)
"""Rules that are checked by deleting an item."""

TIMES = ("K1", "K4", "K5", "K12", "O3", "O7", "O16", "X1", "X4", "X7", "E1", "E4", "E6", "E7")
"""Rules that look at timestamps."""

VECTORS = (
    *(rule for rule in ALL if rule[0] == "V"),
    *(
        "X1",
        "X4",
        "S10",
        "T5",
        "T7",
        "O3",
        "O7",
        "O9",
        "O20",
        "O11",
        "O17",
        "E2",
        "E3",
        "E4",
        "E5",
        "E6",
    ),
)
"""Rules that are checked by a search with a query."""

LISTS = (*("L1", "L2", "L3", "L6", "N4", "N5", "N7", "X5", "X6", "T5", "O7"), "E4", "E6", "E7")
"""Rules that are checked by listing namespaces."""

LABELS = (
    *(
        "N1",
        "N2",
        "N3",
        "N4",
        "N5",
        "N6",
        "N7",
        "N8",
        "K1",
        "X5",
        "X6",
        "X7",
        "S1",
        "S2",
        "S3",
        "L1",
        "L2",
    ),
    *("L3", "O7", "E3", "E7"),
)
"""Rules that look at the labels of a namespace."""

FILTERS = (*(r for r in ALL if r[0] == "F"), "S4", "S8", "V10", "O7", "E2", "E3", "E5")
"""Rules that are checked by a search with a filter."""

LIVES = (*(r for r in ALL if r[0] == "T"), "O7", "E4", "K4", "E7")
"""Rules that look at the time to live."""

ASYNC = ("O7", "O8", "O9", "O20", "O10", "O11", "O18", "E3", "E5")
"""Rules that look at the async methods."""
