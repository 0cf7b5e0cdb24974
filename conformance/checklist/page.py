"""
docs/CHECKLIST.md, made from the checks themselves.
"""

from __future__ import annotations

from store_conformance.checklist.model import PARTS, checks

_HEAD = """# The production checklist

What `store-conformance check` looks at; how it is used stands in [PRODUCTION.md](PRODUCTION.md#the-checklist-that-checks-itself).
Made by `python -m store_conformance.checklist.page > docs/CHECKLIST.md`. `must` fails the check, `should` warns.
"""


def page() -> str:
    """One table a part, in the order of the file."""
    lines = [_HEAD]
    for part in PARTS:
        lines += [
            f"## {part.capitalize()}\n",
            "| id | of | level | promise | source | fix |",
            "|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {one.id} | {', '.join(one.engines)} | {one.level} | {_cell(one.promise)} | {_cell(one.source)} | {_cell(one.fix)} |"
            for one in checks()
            if one.part == part
        ]
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


if __name__ == "__main__":
    print(page(), end="")
