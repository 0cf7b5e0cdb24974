"""
What a caller may do with an object that it holds, as functions that a reproducer can take over.

Each needs nothing but its argument, so that its source is the step in a script too.
"""

from __future__ import annotations

from typing import Any


def spoil(value: Any) -> None:
    """Change a dict or list, and everything below it."""
    for name, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        if isinstance(inner, (dict, list)):
            spoil(inner)
        else:
            value[name] = "changed"
    if isinstance(value, dict):
        value["new"] = True
    else:
        value.append("changed")


def spoil_top(value: Any) -> None:
    """Change a dict and nothing below it."""
    value.update(n="changed", new=True)


def spoil_inside(value: Any) -> None:
    """Change what lies below a dict, and not the dict."""
    value["list"].append("changed")
    value["dict"]["x"]["y"] = "changed"
    value["rows"][0]["a"] = "changed"


def spoil_item(item: Any) -> None:
    """Change the attributes of an item; one that cannot be changed is safe as well."""
    for name, value in (("value", {"n": 2}), ("key", "other"), ("namespace", ("x",))):
        try:
            setattr(item, name, value)
        except (AttributeError, TypeError, ValueError):
            continue


def empty(found: Any) -> None:
    """Take everything out of a list."""
    found.clear()


def lengthen(found: Any) -> None:
    """Put another namespace into a list of them."""
    found.append(("x",))
