"""Answers whose sources are known: what is fed to the citations as if a model had said it."""
# ruff: noqa: RUF001 - punctuation of other scripts is what this is about

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import regex

from rag.bench.reuse.sets import Row, read_rows
from rag.bench.reuse.vectors import VectorFiles, nearest
from rag.cite.statements import sentences
from rag.cite.tokens import is_unspaced
from rag.types import Anchor, Chunk, ChunkId, Placed, Shown

N_PASSAGES = 10
_MIN_TWIN = 40  # characters of a sentence that two passages hardly share by chance
_MOST_TWINS = 4
_NO_ANSWER = frozenset(("NA", ""))  # what some annotators wrote
_CLAUSE = regex.compile(r"[^,،，、;；:：]+[,،，、;；:：]?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An answer, the passage that it was written from, and a prompt of ten passages with that one among them."""

    question: str  # its id
    text: str
    fact: tuple[int, int] | None  # the span of `text` that answers, where it is known
    gold: Chunk
    gold_spans: tuple[tuple[int, int], ...]  # the sentences of the passage
    gold_numbers: frozenset[int]  # those of them that support the answer
    passages: tuple[Chunk, ...]

    @property
    def is_held_out(self) -> bool:
        """Whether it is in the half that is reported; thresholds come from the other."""
        return hashlib.sha256(self.question.encode()).digest()[0] % 2 == 1

    def shown(self, *, with_gold: bool = True) -> tuple[Shown, ...]:
        """The prompt; without the gold passage one is missing."""
        kept = [chunk for chunk in self.passages if with_gold or chunk.document != self.gold.document]
        return tuple(
            Shown(number=number, chunk=chunk, placed=Placed.TAIL, n_tokens=1) for number, chunk in enumerate(kept, 1)
        )


def clapnq(folder: Path, vectors: VectorFiles) -> tuple[Case, ...]:
    """Every answer of every answerable question."""
    rows = list(read_rows(folder, "corpus"))
    queries = [row for row in read_rows(folder, "queries") if row["answerable"]]
    chunks = _chunks(rows)
    prompts = _prompts([row["text"] for row in queries], chunks, vectors)
    by_id = {row["_id"]: (row, chunk) for row, chunk in zip(rows, chunks, strict=True)}
    cases = []
    for query, found in zip(queries, prompts, strict=True):
        row, gold = by_id[query["doc_id"]]
        starts = [*row["sent_starts"], len(row["text"])]
        cases += [
            Case(
                question=query["_id"],
                text=answer["text"],
                fact=None,
                gold=gold,
                gold_spans=tuple(pairwise(starts)),
                gold_numbers=frozenset(answer["sentences"]),
                passages=_with(gold, _without_twins(found, gold)),
            )
            for answer in query["answers"]
            if answer["text"].strip() not in _NO_ANSWER
        ]
    return tuple(cases)


def xquad(folder: Path, language: str, vectors: VectorFiles, *, is_cut: bool) -> tuple[Case, ...]:
    """For every question the sentence that answers it, or what is left of it when clauses and words are cut out."""
    rows = [row for row in read_rows(folder, "corpus") if row["lang"] == language]
    queries = [row for row in read_rows(folder, "queries") if row["lang"] == language]
    chunks = _chunks(rows)
    prompts = _prompts([row["text"] for row in queries], chunks, vectors)
    by_id = {str(chunk.id): chunk for chunk in chunks}
    cases = []
    for query, found in zip(queries, prompts, strict=True):
        gold, answer = by_id[query["doc_id"]], query["answers"][0]
        spans = tuple(sentences(gold.text))
        at, end = answer["start"], answer["start"] + len(answer["text"])
        numbers = [n for n, (start, stop) in enumerate(spans) if start <= at and end <= stop]
        if not numbers:
            continue  # the answer goes over two sentences
        start, stop = spans[numbers[0]]
        case = Case(
            question=query["_id"].partition("/")[2],
            text=gold.text[start:stop],
            fact=(at - start, end - start),
            gold=gold,
            gold_spans=spans,
            gold_numbers=frozenset(numbers),
            passages=_with(gold, found),
        )
        cases.append(_cut(case) if is_cut else case)
    return tuple(cases)


def _cut(case: Case) -> Case:
    """The clause with the fact and its longest neighbour, without every seventh word (or twelfth character)."""
    own_start, own_end = case.fact or (0, len(case.text))
    first, last = _whole_words(case.text, own_start, own_end)
    clauses = [found.span() for found in _CLAUSE.finditer(case.text)]
    own = [n for n, (start, end) in enumerate(clauses) if start < last and end > first]
    near = [n for n in (own[0] - 1, own[-1] + 1) if 0 <= n < len(clauses)]
    keep = sorted([*own, *sorted(near, key=lambda n: clauses[n][0] - clauses[n][1])[:1]])
    text, fact = "", (0, 0)
    for n in keep:
        start, end = clauses[n]
        if n == own[0]:
            before = _thinned(case.text[start : max(first, start)])
            after_start = min(max(last, start), clauses[own[-1]][1])
            after = _thinned(case.text[after_start : clauses[own[-1]][1]])
            at = len(text) + len(before) + own_start - first
            fact = (at, at + own_end - own_start)
            text += before + case.text[first:last] + after
        elif n not in own:
            text += _thinned(case.text[start:end])
    lead = len(text) - len(text.lstrip())
    return replace(case, text=text.strip(), fact=(fact[0] - lead, fact[1] - lead))


def _whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    while start and not text[start - 1].isspace() and not is_unspaced(text[start - 1]):
        start -= 1
    while end < len(text) and not text[end].isspace() and not is_unspaced(text[end]):
        end += 1
    return start, end


def _thinned(text: str) -> str:
    pieces = regex.findall(r"\S+\s*|\s+", text)
    if len(pieces) > 1:
        return "".join(piece for n, piece in enumerate(pieces) if n % 7 != 5)
    return "".join(char for n, char in enumerate(text) if n % 12 != 10)


def _chunks(rows: Sequence[Row]) -> tuple[Chunk, ...]:
    return tuple(
        Chunk(
            id=ChunkId(row["_id"]),
            seq=seq,
            document=row["_id"],
            title=row["title"],
            anchor=Anchor(heading=row["title"]),
            start=0,
            end=len(row["text"]),
            text=row["text"],
        )
        for seq, row in enumerate(rows)
    )


def _prompts(questions: Sequence[str], chunks: Sequence[Chunk], vectors: VectorFiles) -> Iterator[list[Chunk]]:
    found = nearest(vectors.queries(questions), vectors.documents(chunks), chunks, top_k=N_PASSAGES + _MOST_TWINS)
    return ([hit.chunk for hit in hits] for hits in found)


def _without_twins(found: list[Chunk], gold: Chunk) -> list[Chunk]:
    """Without other passages of the set that repeat a sentence of the gold one: they support what it supports."""
    own = [gold.text[start:end] for start, end in sentences(gold.text) if end - start >= _MIN_TWIN]
    return [chunk for chunk in found if chunk == gold or not any(sentence in chunk.text for sentence in own)]


def _with(gold: Chunk, found: list[Chunk]) -> tuple[Chunk, ...]:
    return tuple(found[:N_PASSAGES]) if gold in found[:N_PASSAGES] else (*found[: N_PASSAGES - 1], gold)
