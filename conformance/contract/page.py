"""
The contract as a Markdown page: ``python -m store_conformance.contract.page > docs/CONTRACT.md``.
"""

from __future__ import annotations

from store_conformance.contract.rules import groups, rules

HEAD = """\
# The contract of a LangGraph store, as rules that can be tested

What `langgraph.store.base.BaseStore` promises, rule by rule. **MUST**: written in a docstring or in the docs; the
source quotes the sentence or names its lines. **SHOULD**: follows from the data model, or most official stores and an
upstream issue agree, and no sentence says so. **IMPL**: left to the backend; recorded, never failed.

Sources: **B** = `langgraph/store/base/__init__.py`, **BB** = `base/batch.py`, **BE** = `base/embed.py`, **M** =
`memory/__init__.py`, **S** = `sqlite/base.py`, **P** = `postgres/base.py` with line numbers of langgraph-checkpoint
4.3.2, -sqlite 3.1.2 and -postgres 3.2.0; **D** = the stores page of the LangGraph docs; **T** = upstream
`test_store.py`; `#n` = an issue or pull request of langchain-ai/langgraph; guide = the production persistence guide.

This page is generated from `conformance/contract/rules.toml` by `python -m store_conformance.contract.page`;
`store-conformance rules ID` shows a rule with its cases and mutants.
"""


def page() -> str:
    """The whole page."""
    lines = [HEAD]
    for group in groups():
        lines += [
            f"## {group.id}  {group.title}",
            "",
            "| id | level | promise | source |",
            "|---|---|---|---|",
        ]
        for r in rules():
            if r.group == group.id:
                since = f" (since {r.since})" if r.since else ""
                promise = r.promise.replace("|", "\\|")
                lines.append(f"| {r.id} | {r.level} | {promise}{since} | {r.source} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    print(page(), end="")
