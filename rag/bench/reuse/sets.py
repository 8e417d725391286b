"""Folders of passages, questions and judgements: what a workload is made of.

A set is a folder with `corpus.jsonl` (or `passages.jsonl`) and either `queries.jsonl` beside `qrels.tsv` or
`conversations.jsonl`; each may be compressed (`.gz`). `squad+wiki2hop` are the questions of the first set over the
passages of both; `xquad-en` is the part of a set whose rows name it in `lang` or `domain`.
"""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.errors import ConfigError
from rag.plan import Dialogue, Turn, read_dialogue
from rag.types import Anchor, Chunk, ChunkId, Message

Row = Mapping[str, Any]  # one line of JSON, read by key


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A conversation that ends with a question, and the seq of each passage that answers it."""

    dialogue: Dialogue
    gold: frozenset[int]  # empty where nobody judged, or nothing answers
    id: str = ""  # of its row, where it has one
    conversation: str | None = None  # questions of one conversation extend each other


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionSet:
    """Passages and what is asked about them. A chunk's seq is its index."""

    name: str
    chunks: tuple[Chunk, ...]
    questions: tuple[Question, ...]  # of one conversation in the order of its turns


def read_set(name: str, folder: Path, *, only_judged: bool = False) -> QuestionSet:
    """The set that `name` means below `folder`.

    only_judged: the questions that `qrels.tsv` judges, each with the user's turns before it, instead of conversations.

    Raises:
        ConfigError: there is no such set, or a file of it is missing or no JSON.
    """
    if not folder.is_dir():
        raise ConfigError(f"The data folder {str(folder)!r} does not exist. Name one by --data or RAG_BENCH_DATA.")
    places = [_place(part, folder) for part in name.split("+")]
    rows = [row for place, part in places for row in _part_of(_corpus(place), part)]
    chunks = tuple(_chunk(seq, row) for seq, row in enumerate(rows))
    seqs = {str(chunk.id): chunk.seq for chunk in chunks}
    place, part = places[0]
    talks = None if only_judged else _file(place, "conversations")
    questions = _conversations(talks, part, seqs) if talks else _questions(place, part, seqs)
    if not chunks or not questions:
        raise ConfigError(f"The set {name!r} has {len(chunks)} passages and {len(questions)} questions. Name another.")
    return QuestionSet(name=name, chunks=chunks, questions=questions)


def read_rows(place: Path, name: str) -> Iterator[Row]:
    """The rows of `name.jsonl`, compressed or not, of the set in `place`.

    Raises:
        ConfigError: the file is missing, or a line of it is no JSON.
    """
    file = _file(place, name)
    if file is None:
        raise ConfigError(f"The set {str(place)!r} has no {name}.jsonl. Name the folder that holds the sets by --data.")
    return _rows(file)


def _place(name: str, folder: Path) -> tuple[Path, str | None]:
    """The folder of a set and the part of it that is meant."""
    if name and (folder / name).is_dir():
        return folder / name, None
    whole, _, part = name.rpartition("-")
    if whole and (folder / whole).is_dir():
        return folder / whole, part
    sets = sorted(each.name for each in folder.iterdir() if each.is_dir() and _corpus_file(each))
    raise ConfigError(f"The set {name!r} is not in {str(folder)!r}. There are: {', '.join(sets) or 'none'}.")


def _corpus_file(place: Path) -> Path | None:
    return _file(place, "corpus") or _file(place, "passages")


def _corpus(place: Path) -> Iterator[Row]:
    file = _corpus_file(place)
    if file is None:
        raise ConfigError(f"The set {str(place)!r} has no corpus.jsonl or passages.jsonl. Name another set.")
    return _rows(file)


def _chunk(seq: int, row: Row) -> Chunk:
    """A passage as a chunk: a document of its own, unless its id says which passages it stands between."""
    document = row["_id"].partition("#")[0]
    title = row.get("title") or document
    return Chunk(
        id=ChunkId(row["_id"]),
        seq=seq,
        document=document,
        title=title,
        anchor=Anchor(heading=row.get("title") or None),
        start=0,  # within a document the corpus's order holds: seq
        end=len(row["text"]),
        text=row["text"],
    )


def _questions(place: Path, part: str | None, seqs: Mapping[str, int]) -> tuple[Question, ...]:
    queries, judgements = _file(place, "queries"), place / "qrels.tsv"
    if queries is None or not judgements.is_file():
        raise ConfigError(f"The set {str(place)!r} has no queries.jsonl and qrels.tsv. Name another set.")
    gold = defaultdict(set)
    for line in judgements.read_text("utf-8").splitlines()[1:]:
        query, passage, score = line.split("\t")
        if int(score) > 0 and passage in seqs:
            gold[query].add(seqs[passage])
    return tuple(
        Question(
            dialogue=Dialogue("", tuple(map(Turn, row.get("user_turns") or [row["text"]]))),
            gold=frozenset(gold[row["_id"]]),
            id=row["_id"],
        )
        for row in _part_of(_rows(queries), part)
    )


def _conversations(file: Path, part: str | None, seqs: Mapping[str, int]) -> tuple[Question, ...]:
    """Every turn of the conversations of which every turn is there; a row that stands alone is no conversation."""
    talks: dict[str, list[Row]] = defaultdict(list)
    for row in _part_of(_rows(file), part):
        talks[row["conversation_id"]].append(row)
    questions = []
    for name, rows in talks.items():
        for row in sorted(rows, key=lambda row: int(row["turn"])) if len(rows) > 1 else ():
            dialogue = read_dialogue([Message(message["role"], message["text"]) for message in row["messages"]])
            if dialogue is not None:
                gold = frozenset(seqs[passage] for passage in row["passage_ids"] if passage in seqs)
                questions.append(Question(dialogue=dialogue, gold=gold, conversation=name))
    return tuple(questions)


def _part_of(rows: Iterator[Row], part: str | None) -> Iterator[Row]:
    return rows if part is None else (row for row in rows if part in (row.get("lang"), row.get("domain")))


def _file(place: Path, name: str) -> Path | None:
    files = (place / f"{name}.jsonl.gz", place / f"{name}.jsonl")
    return next((file for file in files if file.is_file()), None)


def _rows(file: Path) -> Iterator[Row]:
    with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield json.loads(line)
            except ValueError as error:
                raise ConfigError(f"Line {number} of {str(file)!r} is no JSON: {error}. Mend the file.") from None
