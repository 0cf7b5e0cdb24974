"""
The features of random histories, as data: expectations name them without Hypothesis being there.
"""

from __future__ import annotations

FEATURES: dict[str, str] = {
    "get": "K1",
    "missing": "K2",
    "overwrite": "K3",
    "types": "K6",
    "floats": "K8",
    "created": "K4",
    "delete": "X1",
    "lookalike": "N7",
    "search": "S1",
    "star": "S3",
    "page": "S4",
    "equal": "F1",
    "operator": "F3",
    "absent": "F5",
    "strings": "F4",
    "unequal": "F6",
    "list": "F9",
    "object": "F10",
    "bool": "F11",
    "large": "F12",
    "listing": "L1",
    "pages": "L3",
    "emptied": "X5",
    "depth": "L2",
    "batch": "O2",
    "repeats": "O3",
    "query": "V4",
    "nearest": "V4",
    "score": "V5",
    "fields": "V2",
    "index": "V3",
    "twins": "V15",
    "stale": "V11",
    "reopen": "E4",
}
"""
What a history may contain, and the rule that a divergence at such a step is mapped to.

An expectation names in ``exclude`` what the machine is to leave out because of it.  ``floats`` are numbers
such as 1.0 and -0.0, ``lookalike`` labels and keys that resemble one another, ``absent`` fields that
a range is asked of and that an item lacks, ``strings`` ranges over text, ``large`` integers beyond single
precision, ``star`` labels that are ``*``, ``pages`` those of a listing, ``repeats`` a key twice in a batch,
``nearest`` the best few of a query, ``emptied`` namespaces whose items are gone, ``fields`` an index over
one field and not the whole value, ``index`` the override of a put, ``twins`` equal texts in one call,
``stale`` an overwrite that changes which vectors an item has.
"""
