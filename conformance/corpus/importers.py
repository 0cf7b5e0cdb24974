"""
Public layouts, recognised by their files and columns and mapped onto the documented one.

Nothing here knows a data set by its name: docs/DATA.md lists the columns that are understood.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from store_conformance.corpus.model import LABELS, CorpusError, Email, Memory, Question
from store_conformance.corpus.rows import CorpusRow, decode

QRELS_COLUMNS = ("memory-id", "corpus-id", "doc-id")


def memory_from(row: CorpusRow) -> Memory:
    """A memory from a row with ``text``, or from a dialogue turn with ``user_text``."""
    if "text" not in row.data and "user_text" in row.data:
        return _turn(row)
    return Memory(
        id=row.text("id", "_id"),
        user=row.user(),
        text=row.text("text"),
        kind=row.optional("kind"),
        date=row.optional("date"),
    )


def _turn(row: CorpusRow) -> Memory:
    """One turn of a dialogue as one text, as an agent would file it: date, who, both utterances."""
    speaker, date = row.user(), row.optional("date")
    answer = row.optional("assistant_text").strip()
    said = f"{date} {speaker}: {row.text('user_text').strip()}".strip()
    text = f"{said} Assistant: {answer}" if answer else said
    return Memory(id=row.text("id", "_id"), user=speaker, text=text, kind="turn", date=date)


def email_from(row: CorpusRow) -> Email:
    """An e-mail; ``email_thread`` is read as ``body`` and ``triage`` as ``label``."""
    label = row.text("label", "triage")
    if label not in LABELS:
        column = row.first_of("label", "triage")
        raise row.error(
            f'{column} "{label}" is not known', f"the labels are {', '.join(LABELS)}, in lower case"
        )
    return Email(
        id=row.text("id", "_id"),
        user=row.user(),
        author=row.text("author"),
        to=row.text("to"),
        subject=row.text("subject"),
        body=row.text("body", "email_thread"),
        label=label,
    )


@dataclass(frozen=True)
class Judgement:
    """One line of a qrels file: this memory answers that query."""

    query: str
    memory: str
    path: str
    line: int


@dataclass(frozen=True)
class Imported:
    """Questions with the rows they came from, and what was left out."""

    questions: tuple[tuple[Question, CorpusRow], ...]
    notes: tuple[str, ...] = field(default=())


def read_judgements(file: Any) -> list[Judgement]:
    """
    The relevant pairs of a tab-separated qrels file with the columns query, memory, score.

    A heading is optional; rows with a score of 0 or less say "judged, not relevant" and are dropped.
    """
    path, found = str(file), []
    lines = csv.reader(
        io.StringIO(decode(file.read_bytes(), path)), delimiter="\t", quoting=csv.QUOTE_NONE
    )
    for number, cells in enumerate(lines, start=1):
        if not any(cell.strip() for cell in cells) or (number == 1 and _is_heading(cells)):
            continue
        if len(cells) not in (2, 3):
            hint = "write query id, memory id and score, separated by tabs"
            raise CorpusError(path, number, f"{len(cells)} columns instead of 3", hint)
        if _score(cells, path, number) > 0:
            found.append(Judgement(cells[0].strip(), cells[1].strip(), path, number))
    return found


def _is_heading(cells: Sequence[str]) -> bool:
    return len(cells) > 1 and cells[0].strip() == "query-id" and cells[1].strip() in QRELS_COLUMNS


def _score(cells: Sequence[str], path: str, line: int) -> float:
    if len(cells) == 2:
        return 1.0
    try:
        return float(cells[2])
    except ValueError:
        hint = "the third column is a number above 0 for relevant memories"
        raise CorpusError(path, line, f'score "{cells[2]}" is not a number', hint) from None


def questions_from(rows: Sequence[CorpusRow], judgements: Sequence[Judgement]) -> Imported:
    """
    Queries joined with their judgements.

    A query without any is unanswerable only if it says ``"answerable": false``; otherwise nobody
    knows its answer, and it is left out and counted in the notes.
    """
    answers: dict[str, list[str]] = {}
    for judged in judgements:
        answers.setdefault(judged.query, []).append(judged.memory)
    questions, unjudged, ids = [], 0, set()
    for row in rows:
        name = row.text("id", "_id")
        ids.add(name)
        if name not in answers and row.data.get("answerable") is not False:
            unjudged += 1
            continue
        found = tuple(dict.fromkeys(answers.get(name, ())))
        questions.append((Question(name, row.user(), row.text("text"), found), row))
    for judged in judgements:
        if judged.query not in ids:
            problem = f'query id "{judged.query}" is not in queries.jsonl'
            raise CorpusError(judged.path, judged.line, problem, "remove the row or add the query")
    notes = (f"{unjudged} queries without a judged memory left out",) if unjudged else ()
    return Imported(tuple(questions), notes)
