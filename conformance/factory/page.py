"""
The settings of every URL as a table of docs/PRODUCTION.md.
"""

from __future__ import annotations

from store_conformance.harness.backends import schemes


def page() -> str:
    """One table for each scheme, from the settings themselves."""
    lines: list[str] = []
    seen: dict[str, list[str]] = {}
    for scheme in schemes().values():
        rows = [
            f"| `{s.name}` | {_default(s.default)}{_choices(s.choices)} | {s.protects} |"
            for s in scheme.settings
        ]
        seen.setdefault("\n".join(rows), []).append(f"`{scheme.name}:`")
    for table, names in seen.items():
        if table:
            lines += [
                f"\n{', '.join(names)}\n",
                "| parameter | default | protects from |",
                "|---|---|---|",
            ]
            lines.append(table)
    return "\n".join(lines).strip() + "\n"


def _default(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _choices(choices: tuple[str, ...]) -> str:
    return f" ({', '.join(choices)})" if choices else ""
