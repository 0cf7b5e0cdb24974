"""
The shipped corpus is what docs/DATA.md says, and the reader takes what it should and nothing else.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

from store_conformance.corpus import LABELS, PROMPT_KEYS, SHIPPED, Corpus, CorpusError, load_corpus

MEMORIES = [
    {
        "id": "m1",
        "user": "ada",
        "text": "Ada drinks tea.",
        "kind": "preference",
        "date": "2025-01-03",
    },
    {"id": "m2", "user": "ada", "text": "Ada owns a kiln.", "kind": "fact", "date": "2025-02-03"},
    {"id": "m3", "user": "bob", "text": "Bob drinks tea."},
]
QUESTIONS = [
    {"id": "q1", "user": "ada", "text": "What does Ada drink?", "answers": ["m1"]},
    {"id": "q2", "user": "ada", "text": "Who is Ada's aunt?", "answers": []},
]
EMAIL = {
    "id": "e1",
    "user": "ada",
    "author": "Bob <bob@ovens.example>",
    "to": "ada@pots.example",
    "subject": "Kiln",
    "body": "Does it fire?",
    "label": "respond",
}
PROMPTS = [{"user": "ada", "key": "triage_ignore", "text": "Sales."}]


@pytest.fixture(scope="module")
def shipped() -> Corpus:
    return load_corpus()


def write(folder: Path, name: str, rows: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    lines = (
        rows
        if isinstance(rows, str)
        else "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    )
    folder.joinpath(name).write_text(lines, encoding="utf-8")
    return folder


def mini(folder: Path) -> Path:
    write(folder, "emails.jsonl", [EMAIL])
    write(folder, "memories.jsonl", MEMORIES)
    write(folder, "questions.jsonl", QUESTIONS)
    return write(folder, "prompts.jsonl", PROMPTS)


def complaint(*paths: Path) -> CorpusError:
    with pytest.raises(CorpusError) as caught:
        load_corpus(list(paths))
    error = caught.value
    assert str(error).endswith(f"Hint: {error.hint}")
    assert "\n" not in str(error)
    assert len(error.hint) > 8
    return error


# --- the shipped corpus -----------------------------------------------------------------------


def test_shipped_corpus_has_the_documented_counts(shipped: Corpus) -> None:
    summary = shipped.summary()

    assert summary["name"] == SHIPPED
    assert (summary["users"], summary["emails"], summary["memories"]) == (8, 120, 250)
    assert (summary["questions"], summary["unanswerable"], summary["prompts"]) == (112, 8, 32)
    assert summary["labels"] == {"respond": 50, "notify": 38, "ignore": 32}
    assert summary["notes"] == []
    assert shipped.missing() == ()


def test_every_user_has_every_part_and_every_label(shipped: Corpus) -> None:
    for user in shipped.users:
        labels = Counter(mail.label for mail in shipped.emails_of(user))
        assert len(shipped.emails_of(user)) >= 12
        assert set(labels) == set(LABELS)
        assert min(labels.values()) >= 2
        assert len(shipped.memories_of(user)) >= 25
        assert sum(q.answerable for q in shipped.questions_of(user)) >= 10
        assert tuple(shipped.prompts_of(user)) == PROMPT_KEYS


def test_ids_and_memory_texts_are_unique(shipped: Corpus) -> None:
    for rows in (shipped.emails, shipped.memories, shipped.questions):
        assert len({row.id for row in rows}) == len(rows)
    assert len({memory.text for memory in shipped.memories}) == len(shipped.memories)
    assert len({(q.user, q.text) for q in shipped.questions}) == len(shipped.questions)


def test_no_text_is_near_empty(shipped: Corpus) -> None:
    assert min(len(mail.body) for mail in shipped.emails) > 80
    assert max(len(mail.body) for mail in shipped.emails) > 500
    assert min(len(memory.text.split()) for memory in shipped.memories) >= 5
    assert min(len(question.text.split()) for question in shipped.questions) >= 4
    assert min(len(prompt.text) for prompt in shipped.prompts) > 40


def test_answers_belong_to_the_asking_user(shipped: Corpus) -> None:
    owners = {memory.id: memory.user for memory in shipped.memories}

    for question in shipped.questions:
        assert all(owners[answer] == question.user for answer in question.answers)


def test_memories_carry_kinds_and_iso_dates(shipped: Corpus) -> None:
    kinds = Counter(memory.kind for memory in shipped.memories)

    assert set(kinds) == {"fact", "preference", "event", "plan"}
    assert min(kinds.values()) >= 20
    assert all(re.fullmatch(r"2025-\d\d-\d\d", memory.date) for memory in shipped.memories)


def test_look_alikes_cross_users(shipped: Corpus) -> None:
    def owners(word: str) -> set[str]:
        return {memory.user for memory in shipped.memories if word in memory.text}

    bodies = Counter(mail.body for mail in shipped.emails)
    labels = {m.label for m in shipped.emails if m.author.startswith("The Crumb Letter")}

    assert max(bodies.values()) >= 3
    assert labels == {"notify", "ignore"}
    assert owners("Meridian") == {"amara", "priya"}
    assert len(owners("Sam ")) >= 6
    assert len(owners("allergic")) >= 6
    assert owners("starter is called") | owners("starter called") == {"sam", "walter", "tomasz"}


def test_texts_are_varied_enough_to_break_an_escape(shipped: Corpus) -> None:
    everything = "".join(mail.text for mail in shipped.emails)

    for mark in ("%", "'", '"', "\n> ", "é", "ß", "ł", "媽", "🌉", "€", "²", "\n\n"):
        assert mark in everything, mark


def test_addresses_belong_to_nobody(shipped: Corpus) -> None:
    everything = "".join(f"{mail.author} {mail.to} {mail.body}" for mail in shipped.emails)

    domains = re.findall(r"@([\w.-]+\w)", everything)
    assert len(domains) > 100
    assert all(domain.endswith(".example") for domain in domains)


# --- the documented layout --------------------------------------------------------------------


def test_documented_layout_is_read(tmp_path: Path) -> None:
    corpus = load_corpus(mini(tmp_path / "pots"))

    assert corpus.name == "pots"
    assert corpus.users == ("ada", "bob")
    assert [memory.id for memory in corpus.memories_of("ada")] == ["m1", "m2"]
    assert (corpus.memories[0].kind, corpus.memories[2].date) == ("preference", "")
    assert corpus.questions[0].answers == ("m1",)
    assert [q.answerable for q in corpus.questions] == [True, False]
    assert corpus.prompts_of("ada") == {"triage_ignore": "Sales."}
    assert corpus.emails[0].text.startswith("From: Bob <bob@ovens.example>\nTo: ada@pots.example")
    with pytest.raises(FrozenInstanceError):
        corpus.emails[0].label = "ignore"  # type: ignore[misc]


def test_path_text_and_one_element_list_give_the_same(tmp_path: Path) -> None:
    folder = mini(tmp_path / "pots")

    assert load_corpus(folder) == load_corpus(str(folder)) == load_corpus([folder])
    assert load_corpus([]) == load_corpus(None) == load_corpus(())


def test_digest_follows_the_contents_and_not_the_file(tmp_path: Path) -> None:
    plain = load_corpus(mini(tmp_path / "plain"))
    spaced = mini(tmp_path / "spaced")
    text = spaced.joinpath("memories.jsonl").read_text(encoding="utf-8")
    spaced.joinpath("memories.jsonl").write_bytes(
        b"\xef\xbb\xbf" + text.replace("\n", "\r\n\r\n").encode()
    )
    changed = mini(tmp_path / "changed")
    write(changed, "prompts.jsonl", [{**PROMPTS[0], "text": "Sales!"}])

    assert re.fullmatch(r"[0-9a-f]{12}", plain.digest)
    assert load_corpus(spaced).digest == plain.digest
    assert load_corpus(changed).digest != plain.digest


def test_line_separators_inside_texts_are_no_line_ends(tmp_path: Path) -> None:
    text = "one\u2028two\u0085three"
    folder = write(tmp_path, "memories.jsonl", [{"id": "m", "user": "ada", "text": text}])

    assert load_corpus(folder).memories[0].text == text


def test_missing_parts_are_named_when_needed(tmp_path: Path) -> None:
    corpus = load_corpus(write(tmp_path / "few", "memories.jsonl", MEMORIES))

    assert corpus.missing() == ("emails", "questions", "prompts")
    corpus.require("memories")
    with pytest.raises(
        CorpusError, match=r"few: the corpus has no emails and no prompts. Hint: add"
    ):
        corpus.require("emails", "memories", "prompts")


def test_rows_without_users_belong_to_everyone(tmp_path: Path) -> None:
    rows = [{"id": "m1", "text": "Tea is drunk."}, {"id": "m2", "text": "Coffee is not."}]

    assert load_corpus(write(tmp_path, "memories.jsonl", rows)).users == ("everyone",)


# --- public layouts ---------------------------------------------------------------------------


def test_dialogue_turns_with_qrels_are_recognised(tmp_path: Path) -> None:
    turns = [
        {"id": "Eve/1", "user": "Eve", "date": "2023-04-27", "turn": 0, "user_text": "I paint.",
         "assistant_text": "Lovely."},
        {"id": "Eve/2", "user": "Eve", "date": "2023-04-28", "turn": 1, "user_text": "I ran.",
         "assistant_text": ""},
    ]  # fmt: skip
    queries = [
        {"id": "Eve/q0", "user": "Eve", "text": "What do I do?", "answerable": True},
        {"id": "Eve/q1", "user": "Eve", "text": "Who is Max?", "answerable": False},
    ]
    folder = write(tmp_path, "memories.jsonl", turns)
    write(folder, "queries.jsonl", queries)
    write(folder, "qrels.tsv", "query-id\tmemory-id\tscore\nEve/q0\tEve/1\t1\nEve/q0\tEve/2\t0\n")

    corpus = load_corpus(folder)

    assert corpus.memories[0].text == "2023-04-27 Eve: I paint. Assistant: Lovely."
    assert corpus.memories[1].text == "2023-04-28 Eve: I ran."
    assert [q.answers for q in corpus.questions] == [("Eve/1",), ()]
    assert corpus.notes == ()


def test_pooled_snippets_leave_unjudged_queries_out(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        "memories.jsonl",
        [{"id": "a_1", "session_id": "a", "text": "45 minutes each way.", "has_answer": True}],
    )
    write(
        folder,
        "queries.jsonl",
        [{"id": "1", "text": "How long is my commute?", "type": "single", "answer": "45 minutes"},
         {"id": "2", "text": "Where did I sleep?", "type": "single", "answer": "at home"}],
    )  # fmt: skip
    write(folder, "qrels.tsv", "query-id\tmemory-id\tscore\n1\ta_1\t1\n")

    corpus = load_corpus(folder)

    assert [q.id for q in corpus.questions] == ["1"]
    assert corpus.users == ("everyone",)
    assert corpus.summary()["notes"] == ["1 queries without a judged memory left out"]


def test_assistant_mails_with_triage_are_recognised(tmp_path: Path) -> None:
    mail = {"id": "mail-01", "name": "n", "author": "A <a@x.example>", "to": "B <b@x.example>",
            "subject": "Docs", "email_thread": "Hi B,\n\nwhere?", "triage": "notify",
            "expected_tools": ["done"], "response_criteria": "none"}  # fmt: skip

    (email,) = load_corpus(write(tmp_path, "emails.jsonl", [mail])).emails

    assert (email.user, email.label, email.body) == ("everyone", "notify", "Hi B,\n\nwhere?")


def test_beir_ids_and_headless_qrels_are_read(tmp_path: Path) -> None:
    folder = write(tmp_path, "memories.jsonl", [{"_id": 7, "title": "T", "text": "Tea."}])
    write(folder, "queries.jsonl", [{"_id": "q", "text": "What is drunk?"}])
    write(folder, "qrels.tsv", "q\t7\n")

    assert load_corpus(folder).questions[0].answers == ("7",)


# --- several together -------------------------------------------------------------------------


def test_merged_sets_keep_their_people_apart(tmp_path: Path) -> None:
    first, second = mini(tmp_path / "v1.0"), mini(tmp_path / "two")

    corpus = load_corpus([first, str(second)])

    assert corpus.name == "v1-0+two"
    assert corpus.users == ("v1-0/ada", "two/ada", "v1-0/bob", "two/bob")
    assert len({memory.id for memory in corpus.memories}) == 6
    assert corpus.questions_of("two/ada")[0].answers == ("two/m1",)
    assert corpus.prompts_of("v1-0/ada") == {"triage_ignore": "Sales."}


def test_sets_of_the_same_name_are_numbered(tmp_path: Path) -> None:
    corpus = load_corpus([mini(tmp_path / "a" / "set"), mini(tmp_path / "b" / "set")])

    assert corpus.name == "set+set-2"
    assert {memory.id for memory in corpus.memories} >= {"set/m1", "set-2/m1"}


# --- complaints -------------------------------------------------------------------------------


def test_missing_directory_is_named(tmp_path: Path) -> None:
    error = complaint(tmp_path / "nowhere")

    assert (error.path, error.line) == (str(tmp_path / "nowhere"), None)
    assert error.problem == "no such directory"


def test_file_instead_of_directory(tmp_path: Path) -> None:
    assert complaint(mini(tmp_path) / "emails.jsonl").problem == "not a directory"


def test_directory_without_a_corpus(tmp_path: Path) -> None:
    write(tmp_path, "train.csv", "text,category\n")

    error = complaint(tmp_path)

    assert error.problem == "no corpus file in this directory"
    assert "memories.jsonl" in error.hint


def test_empty_files_are_no_corpus(tmp_path: Path) -> None:
    assert (
        complaint(write(tmp_path, "memories.jsonl", "\n\n")).problem == "every corpus file is empty"
    )


def test_queries_without_qrels(tmp_path: Path) -> None:
    folder = write(tmp_path, "memories.jsonl", MEMORIES)
    write(folder, "queries.jsonl", [{"id": "q", "user": "ada", "text": "What?"}])

    error = complaint(folder)

    assert error.path.endswith("qrels.tsv")
    assert error.problem == "missing file"


def test_questions_without_memories(tmp_path: Path) -> None:
    error = complaint(write(tmp_path, "questions.jsonl", QUESTIONS))

    assert error.path.endswith("memories.jsonl")
    assert error.problem == "missing or empty"


def without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


M, Q, P = MEMORIES[0], QUESTIONS[0], PROMPTS[0]


@pytest.mark.parametrize(
    ("file", "row", "problem", "hint"),
    [
        ("memories.jsonl", '{"id": "m9", ', "broken JSON", "one JSON object a line"),
        ("memories.jsonl", "[1, 2]", "a line must be a JSON object, not list", '{"field"'),
        ("memories.jsonl", without(M, "id"), 'missing field "id" or "_id"', "docs/DATA.md"),
        ("memories.jsonl", {"id": "m9", "user": "ada", "txt": "x"}, 'missing field "text"',
         'did you mean "txt"?'),
        ("memories.jsonl", without(M, "user"), 'missing field "user"', "in every row or in none"),
        ("memories.jsonl", {**M, "id": "m9", "text": "  "}, 'field "text" is empty', "fill it in"),
        ("memories.jsonl", {**M, "id": "m9", "text": 5}, 'field "text" must be a text, not int 5',
         "docs/DATA.md"),
        ("memories.jsonl", {**M, "id": "m9", "date": 5}, 'field "date" must be a text', "docs/DATA.md"),
        ("memories.jsonl", {**M, "id": "m9", "user": "a.b"}, 'user "a.b" cannot be part',
         "without periods"),
        ("memories.jsonl", M, 'duplicate id "m1"', "line 1 has it too"),
        ("emails.jsonl", EMAIL, 'duplicate id "e1"', "line 1"),
        ("emails.jsonl", {**EMAIL, "id": "e9", "label": "Respond"}, 'label "Respond" is not known',
         "respond, notify, ignore"),
        ("emails.jsonl", without({**EMAIL, "id": "e9"}, "body"),
         'missing field "body" or "email_thread"', "docs/DATA.md"),
        ("questions.jsonl", {**Q, "id": "q9", "answers": ["m99"]},
         'unknown memory id "m99" in the answers', "ids of memories.jsonl"),
        ("questions.jsonl", {**Q, "id": "q9", "answers": ["m3"]},
         'memory "m3" belongs to bob, the question to ada', "its own user"),
        ("questions.jsonl", {**Q, "id": "q9", "answers": "m1"}, 'field "answers" must be a list',
         '["memory-1"]'),
        ("questions.jsonl", without({**Q, "id": "q9"}, "answers"), 'missing field "answers"',
         "[] for none"),
        ("questions.jsonl", Q, 'duplicate id "q1"', "line 1"),
        ("prompts.jsonl", P, 'duplicate prompt "triage_ignore" of ada', "one text a user and key"),
    ],
)  # fmt: skip
def test_bad_row_is_named_with_file_and_line(
    tmp_path: Path, file: str, row: Any, problem: str, hint: str
) -> None:
    folder = mini(tmp_path)
    before = folder.joinpath(file).read_text(encoding="utf-8")
    line = row if isinstance(row, str) else json.dumps(row)
    write(folder, file, before + "\n" + line + "\n")

    error = complaint(folder)

    assert error.path == str(folder / file)
    assert error.line == before.count("\n") + 2
    assert problem in error.problem
    assert hint in error.hint


def test_bytes_that_are_no_utf8_are_named(tmp_path: Path) -> None:
    folder = mini(tmp_path)
    folder.joinpath("prompts.jsonl").write_bytes(b'\n\n{"user": "Jos\xe9"}\n')

    error = complaint(folder)

    assert (error.line, error.problem) == (3, "not UTF-8 text")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("q1\tm9\t1", 'unknown memory id "m9" in the answers'),
        ("q9\tm1\t1", 'query id "q9" is not in queries.jsonl'),
        ("q1\tm1\tgood", 'score "good" is not a number'),
        ("q1\tm1\t1\t1", "4 columns instead of 3"),
    ],
)
def test_bad_qrels_are_named(tmp_path: Path, line: str, problem: str) -> None:
    folder = write(tmp_path, "memories.jsonl", MEMORIES)
    write(folder, "queries.jsonl", [{"id": "q1", "user": "ada", "text": "What?"}])
    write(folder, "qrels.tsv", f"query-id\tmemory-id\tscore\n{line}\n")

    error = complaint(folder)

    assert error.problem == problem
    assert error.line is not None
