"""
Stores that somebody brings: the function, its arguments, and what is wrong with a reference.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from store_conformance.backends import registry
from store_conformance.backends.base import BackendError
from store_conformance.backends.factory import user_supplied
from store_conformance.backends.references import one_line
from store_conformance.contract import Mode, declared
from tests.backend_use import INDEX, NAMESPACE, twin_of, use

# -- stores that somebody brings ---------------------------------------------------------------------

FACTORY = """
from __future__ import annotations

import sqlite3
import time
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore

import neighbour_of_factory
from store_conformance.backends.references import one_line
from store_conformance.backends.base import Backend

STORES = {}
CALLS = []
NUMBER = 3


@dataclass
class Place:
    name: str | None


def kept(at):
    return STORES.setdefault(at.name, InMemoryStore())


@contextmanager
def managed(at, index, ttl):
    CALLS.append(("enter", at.url))
    yield kept(at)
    CALLS.append(("leave", None))


@contextmanager
def by_pool(at, index, ttl):
    CALLS.append(("pool", at.url))
    yield kept(at)


@asynccontextmanager
async def for_loops(at, index, ttl):
    CALLS.append(("loop", at.url))
    yield kept(at)


managed.doors = {"pool of one": by_pool}
managed.indexes = {"flat": [{"kind": "flat"}]}
managed.for_async = for_loops
managed.sever = lambda at: CALLS.append(("sever", at.name))
managed.discard = lambda at: CALLS.append(("discard", at.name))
managed.pooled = True


@contextmanager
def with_a_strange_door(at, index, ttl):
    yield kept(at)


with_a_strange_door.doors = {"window": by_pool}
with_a_strange_door.indexes = {"flt": []}


@asynccontextmanager
async def managed_async(at, index, ttl):
    yield kept(at)


def plain(place, *, index=None):
    CALLS.append(("index", index))
    return kept(place)


async def coroutine(at):
    return kept(at)


def late(*args):
    return managed_async(*args)


def with_options(at, index, ttl, *, size="1", colour="red"):
    CALLS.append(("options", size, colour, dict(at.options)))
    return kept(at)


def with_anything(at, **options):
    CALLS.append(("anything", sorted(options)))
    return kept(at)


def undecorated(at, index, ttl):
    yield kept(at)


def wrong(at, index, ttl):
    return sqlite3.connect(":memory:")


def nothing(at, index, ttl):
    pass


def a_class(at):
    return InMemoryStore


@contextmanager
def yields_wrong(at, index, ttl):
    yield {}


def raises(at, index, ttl):
    raise RuntimeError("no\\nserver")


def hangs(at, index, ttl):
    time.sleep(30)


def demanding(at, index, ttl, size):
    return kept(at)


class Shop:
    @staticmethod
    @contextmanager
    def open_store(at, index, ttl):
        yield kept(at)


class Own(Backend):
    name = "own"

    def __init__(self, size="1"):
        super().__init__()
        self.size = size

    def open(self, at, index, ttl, mode):
        return managed(at, index, ttl)


own = Own()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "neighbour_of_factory.py").write_text("X = 1\n")
    path = tmp_path / "my store.py"
    path.write_text(FACTORY)
    return path


def module_of(file: Path) -> Any:
    return next(m for m in list(sys.modules.values()) if getattr(m, "__file__", None) == str(file))


NEITHER = ("no-vectors", "no-ttl-config")
LEAVES = {
    **dict.fromkeys(("managed", "managed_async", "coroutine", "with_options"), NEITHER),
    "plain": ("no-ttl-config",),
    "Shop.open_store": NEITHER,
}
"""What functions say by the arguments that they do not use; ``late`` passes all of them on."""


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize(
    "function",
    ["managed", "managed_async", "plain", "coroutine", "late", "with_options", "with_anything",
     "Shop.open_store", "Own", "own"],
)  # fmt: skip
def test_a_brought_store_opens(file: Path, function: str, mode: str) -> None:
    backend = user_supplied(f"{file}:{function}")
    assert backend.name == "my store"
    assert backend.capabilities == declared(LEAVES.get(function, ()))
    assert backend.check(10) == "langgraph.store.memory.InMemoryStore"
    at = backend.location()
    opened = backend.open(at, None, None, mode)  # type: ignore[arg-type]

    assert hasattr(opened, "__aenter__") or hasattr(opened, "__enter__")

    async def put_and_get(store: Any) -> Any:
        await store.aput(NAMESPACE, "k", {"text": "x"})
        return await store.aget(NAMESPACE, "k")

    def put_and_get_sync(store: Any) -> Any:
        store.put(NAMESPACE, "k", {"text": "x"})
        return store.get(NAMESPACE, "k")

    in_loop = mode == "async" or isinstance(opened, AbstractAsyncContextManager)
    found = use(backend, at, mode, put_and_get if in_loop else put_and_get_sync)
    assert found.value == {"text": "x"}
    twin = twin_of(backend)
    assert twin.name == backend.name
    assert twin.capabilities == backend.capabilities
    backend.stop()


def test_arguments_and_options_reach_the_function(file: Path) -> None:
    def calls(function: str, options: dict[str, str]) -> Any:
        backend = user_supplied(f"{file}:{function}", options=options, url="http://there")
        use(backend, backend.location(), "sync", lambda store: None, INDEX)
        backend.stop()
        return module_of(file).CALLS

    assert calls("plain", {})[-1] == ("index", INDEX)
    assert calls("with_options", {"size": "2"})[-1] == ("options", "2", "red", {"size": "2"})
    assert calls("with_anything", {"colour": "b"})[-1] == ("anything", ["colour", "index", "ttl"])
    assert calls("managed", {})[-2:] == [("enter", "http://there"), ("leave", None)]
    assert calls("demanding", {"size": "7"})


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        ("{file}", "this names no function.*FILE.py:FUNCTION"),
        ("{folder}/my_store.py:managed", "there is no file .*did you mean 'my store.py'"),
        ("{folder}/none/x.py:managed", "there is no folder"),
        (".:managed", "'.' is neither a file nor a module"),
        ("{folder}/folder.py:managed", "is a folder and no file"),
        ("{folder}/link.py:managed", "is a link that leads nowhere"),
        ("{file}:plain.x", "there is no 'x' in .*:plain. Hint: write FILE.py:FUNCTION"),
        ("{file}:manged", "there is no 'manged'.*did you mean 'managed'"),
        ("{file}:Shop.open", "there is no 'open'.*did you mean 'open_store'"),
        ("{file}:NUMBER", "is a int, not a function"),
        ("{file}:demanding", "needs a parameter 'size'.*--option size=VALUE"),
        ("no_such_package.module:open_store", "there is no module 'no_such_package'"),
        ("{folder}/broken.py:x", "cannot be imported: ZeroDivisionError: division by zero"),
        ("{folder}/syntax.py:x", "cannot be imported: SyntaxError"),
        ("{folder}/missing.py:x", "cannot be imported: ModuleNotFoundError: No module named 'nix'"),
        ("{folder}/exits.py:x", "cannot be imported: SystemExit"),
    ],
)
def test_a_wrong_reference_is_told(file: Path, reference: str, problem: str) -> None:
    folder = file.parent
    (folder / "folder.py").mkdir()
    (folder / "link.py").symlink_to("nowhere.py")
    (folder / "broken.py").write_text("1 / 0\n")
    (folder / "syntax.py").write_text("def (\n")
    (folder / "missing.py").write_text("import nix\n")
    (folder / "exits.py").write_text("import sys\nsys.exit('usage')\n")

    with pytest.raises(BackendError, match=problem) as raised:
        user_supplied(reference.format(file=file, folder=folder))

    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (
            "undecorated",
            "^my store: /[^:]*:undecorated gave a generator, not a BaseStore.*contextlib.contextmanager",
        ),
        ("wrong", "gave a sqlite3.Connection, not a BaseStore"),
        ("a_class", "gave the class InMemoryStore, not a BaseStore. Hint: call it"),
        ("nothing", "gave None, not a BaseStore"),
        ("yields_wrong", "gave a dict, not a BaseStore"),
        ("raises", "raised RuntimeError: no server"),
        ("hangs", "did not open a store within 0.3 s"),
    ],
)
def test_a_function_that_gives_no_store_is_told(file: Path, function: str, problem: str) -> None:
    backend = user_supplied(f"{file}:{function}")

    with pytest.raises(BackendError, match=problem) as raised:
        backend.check(0.3 if function == "hangs" else 10)

    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        ("with_options", "no option 'sice'.*did you mean 'size'.*It takes size, colour"),
        ("managed", "no option 'sice'.*It takes none"),
        ("Own", "unexpected keyword argument 'sice'|got an unexpected"),
        ("own", "takes no --option"),
    ],
)
def test_a_wrong_option_is_told(file: Path, function: str, problem: str) -> None:
    with pytest.raises(BackendError, match=problem):
        user_supplied(f"{file}:{function}", options={"sice": "1"})


def test_a_module_is_found_by_its_name(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = file.parent / "shop_of_stores"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "stores.py").write_text(FACTORY)
    monkeypatch.chdir(file.parent)

    backend = user_supplied("shop_of_stores.stores:managed", name="mine", capabilities=frozenset())

    assert (backend.name, backend.capabilities) == ("mine", frozenset())
    with pytest.raises(BackendError, match=r"there is no module 'shop_of_stores.nix'"):
        user_supplied("shop_of_stores.nix:managed")


def test_installed_packages_add_backends(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop_backends.py").write_text(FACTORY)
    folder = tmp_path / "shop_backends-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-backends\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        "[store_conformance.backends]\nshop-own = shop_backends:Own\n"
        "shop-function = shop_backends:managed\nshop-broken = shop_backends:nothing_such\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    assert {"shop-own", "shop-function"} <= set(registry.names())
    own = registry.create("shop-own")
    function = registry.create("shop-function", url="http://there")
    assert type(own).__name__ == "Own"
    assert (function.name, function.url) == ("shop-function", "http://there")
    assert twin_of(function).name == "shop-function"
    with pytest.raises(BackendError, match="did you mean 'shop-own'"):
        registry.create("shop-ovn")
    with pytest.raises(BackendError, match="cannot be loaded: AttributeError"):
        registry.create("shop-broken")


def test_the_doors_of_a_function_open_the_same_store(file: Path) -> None:
    backend = user_supplied(f"{file}:managed")
    backend.start()
    try:
        at = backend.location()
        with backend.open(at, None, None, Mode.SYNC) as store:  # type: ignore[union-attr]
            store.put(NAMESPACE, "k", {"n": 1})
        doors = backend.doors(Mode.SYNC)
        assert list(doors) == ["pool of one"]
        with doors["pool of one"](at, None, None) as store:  # type: ignore[union-attr]
            item = store.get(NAMESPACE, "k")
        assert item is not None and item.value == {"n": 1}
    finally:
        backend.stop()


def test_a_function_says_more_of_its_store_by_attributes(file: Path) -> None:
    backend, plain = user_supplied(f"{file}:managed"), user_supplied(f"{file}:plain")

    assert backend.indexes() == {"flat": [{"kind": "flat"}]}
    assert (backend.pooled, plain.pooled) == (True, False)
    at = backend.location()
    assert (backend.sever(at), plain.sever(at)) == (1, None)
    at.path.mkdir(parents=True, exist_ok=True)
    backend.discard(at)
    assert module_of(file).CALLS[-1] == ("discard", at.name)
    assert not at.path.exists()
    assert plain.indexes() == {}
    with pytest.raises(BackendError, match=r"unknown index 'flt'.*hnsw"):
        user_supplied(f"{file}:with_a_strange_door").indexes()
    backend.stop()


def test_async_callers_get_the_class_for_them(file: Path) -> None:
    backend = user_supplied(f"{file}:managed")
    at = backend.location()

    async def use() -> None:
        async with backend.open(at, None, None, Mode.ASYNC) as store:  # type: ignore[union-attr]
            await store.aput(NAMESPACE, "k", {"n": 1})

    asyncio.run(use())
    snippets = backend.snippet(at, Mode.ASYNC), backend.snippet(at, Mode.SYNC)
    assert snippets[0] is not None and "managed.for_async(" in snippets[0].opening
    assert snippets[1] is None  # no store of sync callers was opened
    with backend.open(at, None, None, Mode.SYNC) as store:  # type: ignore[union-attr]
        assert store.get(NAMESPACE, "k") is not None
    backend.stop()


def test_an_unknown_door_is_told(file: Path) -> None:
    backend = user_supplied(f"{file}:with_a_strange_door")

    with pytest.raises(BackendError, match=r"unknown door 'window'.*pool of several"):
        backend.doors(Mode.SYNC)


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("x" * 100_000), f"ValueError: {'x' * 300} …"),
        (UnspeakableError(), "UnspeakableError: <whose text raised RuntimeError>"),
        (OSError("a\n b"), "OSError: a b"),
        (KeyError(), "KeyError"),
    ],
)
def test_what_a_store_raised_is_one_line_of_a_readable_length(error: Exception, said: str) -> None:
    assert one_line(error) == said
