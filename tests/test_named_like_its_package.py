"""
A store's file may be called like the package that it imports: in the run and in a reproducer.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

from store_conformance.backends.factory import user_supplied
from store_conformance.contract import Mode

FILE = """
import psutil
from contextlib import contextmanager
from langgraph.store.memory import InMemoryStore

assert psutil.cpu_count, "the package, and not this file"

@contextmanager
def open_store():
    yield InMemoryStore()
"""


def test_a_file_named_like_its_package_opens_and_is_reproduced(tmp_path: Path) -> None:
    (tmp_path / "psutil.py").write_text(FILE)
    backend = user_supplied(f"{tmp_path / 'psutil.py'}:open_store")
    backend.start()
    try:
        at = backend.location()
        opened = backend.open(at, None, None, Mode.SYNC)
        assert isinstance(opened, AbstractContextManager)
        with opened as store:
            store.put(("a",), "k", {"n": 1})
        snippet = backend.snippet(at, Mode.SYNC)
    finally:
        backend.stop()

    assert snippet is not None
    script = "\n".join(
        [
            "import sys",
            *snippet.imports,
            f"with {snippet.opening} as store:",
            "    store.put(('a',), 'k', {'n': 1})",
            "    print(store.get(('a',), 'k').value)",
        ]
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.strip() == "{'n': 1}", done.stderr
