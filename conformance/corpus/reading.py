"""
Reads a corpus directory, or several, and checks that it holds together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from store_conformance.corpus.importers import (
    email_from,
    memory_from,
    questions_from,
    read_judgements,
)
from store_conformance.corpus.model import Corpus, CorpusError, Email, Memory, Prompt, Question
from store_conformance.corpus.rows import CorpusRow, Folder, read_rows

SHIPPED = "eight-mailboxes"
"""The name of the corpus that comes with the package."""

FILES = ("emails.jsonl", "memories.jsonl", "questions.jsonl", "prompts.jsonl", "queries.jsonl")

_Named = TypeVar("_Named", Email, Memory, Question)
_Any = TypeVar("_Any", Email, Memory)
_Paths = Sequence["Path | str"]


def load_corpus(path: Path | str | _Paths | None = None) -> Corpus:
    """
    The corpus in that directory; the shipped one for None or an empty sequence.

    Several directories are merged: ids and users get their set's name in front, since two sets may
    mean different people by the same name.
    """
    if path is None or (not isinstance(path, (str, Path)) and not path):
        return read_folder(resources.files("store_conformance.corpus") / "data", SHIPPED)
    if isinstance(path, (str, Path)):
        return _read_path(Path(path))
    sets = [_read_path(Path(one)) for one in path]
    return sets[0] if len(sets) == 1 else merge(sets)


def _read_path(path: Path) -> Corpus:
    if not path.is_dir():
        if path.exists():
            problem, hint = "not a directory", "give the directory that holds the .jsonl files"
        else:
            problem, hint = "no such directory", "check the path given with --data"
        raise CorpusError(str(path), None, problem, hint)
    return read_folder(path, path.resolve().name)


def read_folder(folder: Folder, name: str) -> Corpus:
    """The corpus in an existing folder, checked."""
    if not any(folder.joinpath(file).is_file() for file in FILES):
        hint = f"a corpus has one or more of {', '.join(FILES[:4])}; see docs/DATA.md"
        raise CorpusError(str(folder), None, "no corpus file in this directory", hint)
    emails = _part(folder, "emails.jsonl", email_from)
    memories = _part(folder, "memories.jsonl", memory_from)
    questions, notes = _questions(folder, memories)
    prompts = _prompts(folder)
    corpus = Corpus(name, emails, memories, questions, prompts, notes)
    if not corpus.users:
        raise CorpusError(
            str(folder), None, "every corpus file is empty", "add rows to one of them"
        )
    return corpus


def _part(folder: Folder, name: str, build: Callable[[CorpusRow], _Any]) -> tuple[_Any, ...]:
    file = folder.joinpath(name)
    if not file.is_file():
        return ()
    return _unique((build(row), row) for row in read_rows(file))


def _unique(pairs: Iterable[tuple[_Named, CorpusRow]]) -> tuple[_Named, ...]:
    seen: dict[str, int] = {}
    found = []
    for record, row in pairs:
        if record.id in seen:
            hint = f"line {seen[record.id]} has it too; ids are unique within a file"
            raise row.error(f'duplicate id "{record.id}"', hint)
        seen[record.id] = row.line
        found.append(record)
    return tuple(found)


def _questions(
    folder: Folder, memories: Sequence[Memory]
) -> tuple[tuple[Question, ...], tuple[str, ...]]:
    own, queries = folder.joinpath("questions.jsonl"), folder.joinpath("queries.jsonl")
    notes: tuple[str, ...] = ()
    if own.is_file():
        pairs = [(_question(row), row) for row in read_rows(own)]
    elif queries.is_file():
        qrels = folder.joinpath("qrels.tsv")
        if not qrels.is_file():
            hint = "queries.jsonl needs it beside it, or write questions.jsonl with answers"
            raise CorpusError(str(qrels), None, "missing file", hint)
        imported = questions_from(read_rows(queries), read_judgements(qrels))
        pairs, notes = list(imported.questions), imported.notes
    else:
        return (), ()
    _check_answers(pairs, folder, memories)
    return _unique(pairs), notes


def _question(row: CorpusRow) -> Question:
    if "answers" not in row.data:
        raise row.error(
            'missing field "answers"', "list the ids of the memories that answer it, [] for none"
        )
    answers = row.data["answers"]
    if not isinstance(answers, list) or not all(isinstance(one, str) for one in answers):
        raise row.error('field "answers" must be a list of memory ids', 'write ["memory-1"] or []')
    return Question(row.text("id"), row.user(), row.text("text"), tuple(dict.fromkeys(answers)))


def _check_answers(
    pairs: Sequence[tuple[Question, CorpusRow]], folder: Folder, memories: Sequence[Memory]
) -> None:
    owners = {memory.id: memory.user for memory in memories}
    if not owners and any(question.answers for question, _ in pairs):
        hint = "questions are answered by memories: add the file"
        raise CorpusError(str(folder.joinpath("memories.jsonl")), None, "missing or empty", hint)
    for question, row in pairs:
        for answer in question.answers:
            owner = owners.get(answer)
            if owner is None:
                hint = "answers are ids of memories.jsonl"
                raise row.error(f'unknown memory id "{answer}" in the answers', hint)
            if owner != question.user:
                problem = f'memory "{answer}" belongs to {owner}, the question to {question.user}'
                raise row.error(problem, "a question is answered by memories of its own user")


def _prompts(folder: Folder) -> tuple[Prompt, ...]:
    file = folder.joinpath("prompts.jsonl")
    if not file.is_file():
        return ()
    seen: dict[tuple[str, str], Prompt] = {}
    for row in read_rows(file):
        prompt = Prompt(row.user(), row.text("key"), row.text("text"))
        if (prompt.user, prompt.key) in seen:
            raise row.error(
                f'duplicate prompt "{prompt.key}" of {prompt.user}', "one text a user and key"
            )
        seen[prompt.user, prompt.key] = prompt
    return tuple(seen.values())


def merge(sets: Sequence[Corpus]) -> Corpus:
    """
    One corpus out of several, with each set's name before its ids and users.

    Of two sets of the same name the later one is called ``name-2``.
    """
    names: list[str] = []
    for one in sets:
        # Users become namespace labels, where a period is refused.
        base = one.name.replace(".", "-")
        tries = (base if n == 1 else f"{base}-{n}" for n in range(1, len(sets) + 1))
        names.append(next(name for name in tries if name not in names))
    moved = [_prefixed(one, name) for one, name in zip(sets, names, strict=True)]
    parts: dict[str, Any] = {
        part: tuple(row for one in moved for row in getattr(one, part))
        for part in ("emails", "memories", "questions", "prompts", "notes")
    }
    return Corpus("+".join(names), **parts)


def _prefixed(corpus: Corpus, name: str) -> Corpus:
    def put(text: str) -> str:
        return f"{name}/{text}"

    return Corpus(
        name=name,
        emails=tuple(replace(e, id=put(e.id), user=put(e.user)) for e in corpus.emails),
        memories=tuple(replace(m, id=put(m.id), user=put(m.user)) for m in corpus.memories),
        questions=tuple(
            replace(q, id=put(q.id), user=put(q.user), answers=tuple(put(a) for a in q.answers))
            for q in corpus.questions
        ),
        prompts=tuple(replace(p, user=put(p.user)) for p in corpus.prompts),
        notes=tuple(f"{name}: {note}" for note in corpus.notes),
    )
