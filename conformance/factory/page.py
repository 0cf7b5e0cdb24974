"""
The settings of every URL as a table of docs/PRODUCTION.md.
"""

from __future__ import annotations

from typing import Any

from store_conformance.harness.backends import TTL, schemes


def page() -> str:
    """One table for each kind of URL, from the settings themselves; those of expiry once."""
    tables: dict[str, list[str]] = {}
    for scheme in schemes().values():
        own = "\n".join(_row(s) for s in scheme.settings if s not in TTL)
        tables.setdefault(own, []).append(f"`{scheme.name}:`")
    lines: list[str] = []
    for rows, names in (*tables.items(), ("\n".join(map(_row, TTL)), ["Where items can expire"])):
        if rows:
            lines += [
                f"\n{', '.join(names)}\n",
                "| parameter | default | protects from |",
                "|---|---|---|",
            ]
            lines.append(rows)
    return "\n".join(lines).strip() + "\n"


def _row(setting: Any) -> str:
    default = f"{_default(setting.default)}{_choices(setting.choices)}"
    return f"| `{setting.name}` | {default} | {setting.protects} |"


def _default(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _choices(choices: tuple[str, ...]) -> str:
    return f" ({', '.join(choices)})" if choices else ""


if __name__ == "__main__":
    print(page(), end="")
