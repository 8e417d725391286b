"""Folders for `rag eval` with the questions over the articles that nothing was trained on."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from rag.evaluate.lines import find, json_rows
from rag.evaluate.questions import Passage, read_passages
from rag.train.sets import HELD_OUT


def write_held_out(squad: Path, folder: Path) -> None:
    """Nothing; `folder` has two folders more, each with passages and questions.

    `answered` has all passages, and the questions that they answer. `removed` lacks every second passage of the
    held-out articles; its questions are those that only the missing ones answer, and it says so of them.
    """
    passages = list(read_passages(squad))
    held = [passage.id for passage in passages if passage.title in HELD_OUT]
    missing = frozenset(held[1::2])
    file = find(squad, "queries.jsonl")
    assert file is not None  # noqa: S101 - read_passages has found the folder's other file
    asked = [row.fields for row in json_rows(file) if row.fields["doc_id"] in held and row.fields["answers"]]
    _write(folder / "answered", passages, asked)
    unanswered = [
        {"_id": each["_id"], "text": each["text"], "is_impossible": True} for each in asked if each["doc_id"] in missing
    ]
    _write(folder / "removed", [passage for passage in passages if passage.id not in missing], unanswered)


def _write(folder: Path, passages: Iterable[Passage], questions: Iterable[Mapping[str, object]]) -> None:
    folder.mkdir(parents=True)
    _write_lines(
        folder / "corpus.jsonl", ({"_id": each.id, "title": each.title, "text": each.text} for each in passages)
    )
    _write_lines(
        folder / "queries.jsonl",
        ({**each, "doc_ids": [each["doc_id"]]} if "doc_id" in each else each for each in questions),
    )


def _write_lines(file: Path, rows: Iterable[Mapping[str, object]]) -> None:
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
