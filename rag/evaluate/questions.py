"""Questions with what is known of their answers, from a folder. The format stands in docs/quality.md."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rag.errors import ConfigError
from rag.evaluate.lines import Row, find, json_rows, lines_of

Split = Literal["a", "b", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question. `gold`: ids of the passages that answer it, each with its grade above 0."""

    id: str
    text: str
    answers: tuple[str, ...]  # any of them is right; empty: none is known
    gold: Mapping[str, int]
    is_answerable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """One passage of a folder's corpus."""

    id: str
    title: str
    text: str


def read_questions(folder: Path) -> list[Question]:
    """All questions of a folder, in its order.

    Raises:
        ConfigError: the folder lacks a file, or a line of one is not what it should be.
    """
    qrels = _qrels(folder)
    questions: dict[str, Question] = {}
    for row in json_rows(_needed(folder, "queries.jsonl")):
        question = _question(row, qrels)
        if question.id in questions:
            raise row.wrong(f"the id {question.id!r} stands on a line before. Give each question its own")
        questions[question.id] = question
    if not questions:
        raise ConfigError(f"{str(folder)!r} has no questions: its queries.jsonl is empty. Write one a line.")
    if lost := sorted(qrels.keys() - questions.keys()):
        raise ConfigError(
            f"qrels.tsv of {str(folder)!r} names {len(lost)} questions that queries.jsonl lacks, such as {lost[0]!r}. "
            "Correct the ids."
        )
    return list(questions.values())


def pick(
    questions: Sequence[Question], *, split: Split = "all", limit: int | None = None, seed: int = 1
) -> list[Question]:
    """At most `limit` questions of a half, drawn by the seed: the same on every machine and for every order of lines.

    A question's half follows from its id alone, so what was tuned on `a` has never seen `b`.
    """
    half = [each for each in questions if split in {"all", half_of(each.id)}]
    return sorted(half, key=lambda each: _digest(f"{seed}:{each.id}"))[:limit]


def half_of(question_id: str) -> Split:
    """The half of a question."""
    return "b" if _digest(question_id)[0] % 2 else "a"


def read_passages(folder: Path) -> Iterator[Passage]:
    """The passages of a folder's corpus.

    Raises:
        ConfigError: as of `read_questions`.
    """
    seen: set[str] = set()
    for row in json_rows(_needed(folder, "corpus.jsonl", "passages.jsonl")):
        passage = Passage(id=row.text("_id"), title=row.text("title", default=""), text=row.text("text"))
        if passage.id in seen:
            raise row.wrong(f"the id {passage.id!r} stands on a line before. Give each passage its own")
        seen.add(passage.id)
        yield passage


def _question(row: Row, qrels: Mapping[str, Mapping[str, int]]) -> Question:
    name = row.text("_id")
    answers = tuple(text for text in row.texts("answers") if text.strip())
    gold = qrels.get(name) or dict.fromkeys(row.texts("doc_ids"), 1)
    told = row.flag("answerable")
    if told is None and (impossible := row.flag("is_impossible")) is not None:
        told = not impossible
    if told is None:
        told = bool(answers or gold)
    if not told and answers:
        raise row.wrong("it cannot be answered, and has answers. Take one of the two out")
    return Question(id=name, text=row.text("text"), answers=answers, gold=gold if told else {}, is_answerable=told)


def _qrels(folder: Path) -> dict[str, dict[str, int]]:
    file = find(folder, "qrels.tsv")
    found: dict[str, dict[str, int]] = {}
    if file is None:
        return found
    for number, line in lines_of(file):
        columns = line.split("\t")
        if number == 1 and columns[-1].strip() == "score":
            continue
        if len(columns) != 3 or not columns[2].strip().lstrip("-").isdecimal():
            raise ConfigError(
                f"{str(file)!r}, line {number}: {line!r} is not question id, passage id and a whole number with tabs "
                "between them. Correct the line."
            )
        if (grade := int(columns[2])) > 0:
            found.setdefault(columns[0], {})[columns[1]] = grade
    return found


def _needed(folder: Path, *names: str) -> Path:
    if not folder.is_dir():
        raise ConfigError(f"The folder {str(folder)!r} does not exist. Name one that holds queries.jsonl.")
    file = find(folder, *names)
    if file is None:
        raise ConfigError(
            f"{str(folder)!r} has no {' and no '.join(names)}. docs/quality.md shows what it should hold."
        )
    return file


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
