"""
The suite can be imported beside the oldest release of langgraph-checkpoint, played by the installed one.

``python -m tests.releases`` runs it beside real ones; here is only what no pull request may break.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

OLDEST = """
import collections
import langgraph.store.base as base
import langgraph.store.memory  # as old as its package, whichever that is

FIELDS = {
    "GetOp": ("namespace key", ()),
    "PutOp": ("namespace key value", ()),
    "SearchOp": ("namespace_prefix filter limit offset", (None, 10, 0)),
}
for name, (fields, defaults) in FIELDS.items():
    setattr(base, name, collections.namedtuple(name, fields, defaults=defaults))
for name in (
    "NOT_PROVIDED", "NotProvided", "IndexConfig", "TTLConfig", "SearchItem", "NamespacePath",
    "ensure_embeddings", "get_text_at_path", "tokenize_path", "validate_op_namespace", "embed",
    "_ensure_refresh", "_ensure_ttl", "_validate_namespace_labels",
):
    delattr(base, name)
"""
"""Names and fields that langgraph-checkpoint 2.0.0 has not."""

IMPORTS = """
from store_conformance.suite.register import all_cases
import store_conformance.backends.memory
import store_conformance.backends.postgres
import store_conformance.backends.sqlite
import store_conformance.cli.commands
import store_conformance.cli.running
import store_conformance.pytest_plugin.plugin
print(len(all_cases()))
"""


def test_the_suite_is_imported_beside_the_oldest_release(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", OLDEST + IMPORTS], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-1500:]
    assert int(done.stdout) > 400
