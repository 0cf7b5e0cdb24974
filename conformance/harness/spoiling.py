"""
What a caller may do with an object that it holds, as functions that a reproducer can take over.

Each needs nothing but its argument, so that its source is the step in a script too.
"""

from __future__ import annotations

from typing import Any


def spoil(value: Any) -> None:
    """Change a dict or list, and everything below it; one that cannot be changed is safe as well."""
    for name, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        if isinstance(inner, (dict, list)):
            spoil(inner)
            continue
        try:
            value[name] = "changed"
        except (AttributeError, TypeError):
            continue
    try:
        value.update(new=True) if isinstance(value, dict) else value.append("changed")
    except (AttributeError, TypeError):
        pass


def spoil_top(value: Any) -> None:
    """Change a dict and nothing below it; one that cannot be changed is safe as well."""
    try:
        value.update(n="changed", new=True)
    except (AttributeError, TypeError):
        pass


def spoil_inside(value: Any) -> None:
    """Change what lies below a dict, and not the dict; what cannot be changed is safe as well."""
    changes: tuple[tuple[Any, Any], ...] = (
        (value["list"], ["changed"]),
        (value["dict"]["x"], {"y": "changed"}),
        (value["rows"][0], {"a": "changed"}),
    )
    for inner, more in changes:
        try:
            inner.update(more) if isinstance(inner, dict) else inner.extend(more)
        except (AttributeError, TypeError):
            continue


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
