"""Questions with the sentences that answer them, from folders of the format that `rag eval` reads and three others.

What each set is, and its licence: docs/embedded-model.md.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rag.cite.statements import sentences, statement
from rag.evaluate.lines import find, json_rows
from rag.evaluate.questions import Passage, read_passages
from rag.train.shelf import Shelf, stems
from rag.types import Chunk

# Articles that no sample is made of: the figures of docs/quality.md are of their questions. Those of TUNE chose the
# recipe, and are in nothing that is reported.
HELD_OUT = frozenset(("Force", "Harvard University", "Normans", "Steam engine"))
TUNE = frozenset(
    (
        "Nikola Tesla",
        "Pharmacy",
        "Doctor Who",
        "Apollo program",
        "Oxygen",
        "Black Death",
        "Kenya",
        "Victoria and Albert Museum",
    )
)
_MOST_CHARS = 500  # of a sentence that is quoted
_MOST_QUOTES = 3  # of one answer
_MOST_PASSAGES = 2500  # of wiki2hop: enough for its facts


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence as it stands in a chunk, white space folded."""

    chunk: Chunk
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One question. Without quotes nothing answers it, whatever is shown.

    earlier: the turns before, each a question and what was answered. group: the article.
    """

    id: str
    group: str
    shelf: str
    question: str
    quotes: tuple[Quote, ...]
    answers: tuple[str, ...] = ()
    earlier: tuple[tuple[str, str], ...] = ()
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Library:
    """All sets: their passages by name of the set, and their questions."""

    shelves: Mapping[str, Shelf]
    cases: Sequence[Case]


def read_library(data: Path) -> Library:
    """The sets that are below `data`.

    Raises:
        ConfigError: one is missing, or a line is not what it should be.
    """
    shelves: dict[str, Shelf] = {}
    cases: list[Case] = []
    first = 0
    for name, read in (
        ("squad", _squad),
        ("xquad", _xquad),
        ("clapnq", _clapnq),
        ("mtrag", _mtrag),
        ("pubmedqa", _pubmedqa),
        ("wiki2hop", _wiki2hop),
    ):
        passages = _passages(data / name, name)
        shelves[name] = Shelf(passages, first_seq=first)
        first += len(shelves[name].chunks)
        cases += read(data / name, shelves[name], {each.id: each for each in passages})
    return Library(shelves, cases)


def quoted(chunk: Chunk) -> Iterator[tuple[int, int, str]]:
    """The sentences of a chunk that can be quoted, with where they stand in it."""
    for start, end in sentences(chunk.text):
        span = statement(chunk.text, start, end)
        if span and not chunk.text[start:].startswith("#") and end - start <= _MOST_CHARS:
            yield start, end, " ".join(chunk.text[span[0] : span[1]].split())


def _passages(folder: Path, name: str) -> list[Passage]:
    found = list(read_passages(folder))
    if name == "xquad":
        return [each for each in found if each.id.startswith(("en/", "de/"))]
    if name == "wiki2hop":
        asked = {gold for row in json_rows(_file(folder, "queries.jsonl")) for gold in row.fields["doc_ids"]}
        return [each for at, each in enumerate(found) if at < _MOST_PASSAGES or each.id in asked]
    return found


def _span_quotes(chunks: Sequence[Chunk], body: int, start: int, end: int) -> tuple[Quote, ...]:
    """The sentences that `start:end` of a passage's text touches. body: where the text begins in its document."""
    found = []
    for chunk in chunks:
        for first, last, text in quoted(chunk):
            if first < body + end - chunk.start and body + start - chunk.start < last:
                found.append(Quote(chunk, text))
    return tuple(found)


def _body(passage: Passage) -> int:
    return len(f"# {passage.title}\n\n") if passage.title else 0


def _squad(folder: Path, shelf: Shelf, passages: Mapping[str, Passage]) -> Iterator[Case]:
    yield from _spans(folder, shelf, passages, "squad", "en")


def _xquad(folder: Path, shelf: Shelf, passages: Mapping[str, Passage]) -> Iterator[Case]:
    for language in ("en", "de"):
        yield from _spans(folder, shelf, passages, "xquad", language)


def _spans(folder: Path, shelf: Shelf, passages: Mapping[str, Passage], name: str, language: str) -> Iterator[Case]:
    for row in json_rows(_file(folder, "queries.jsonl")):
        if row.text("lang", default=language) != language:
            continue
        passage = passages[row.text("doc_id")]
        answers = row.fields["answers"]
        quotes: tuple[Quote, ...] = ()
        if answers:
            start, text = answers[0]["start"], answers[0]["text"]
            quotes = _span_quotes(shelf.of_passage[passage.id], _body(passage), start, start + len(text))
            if not 0 < len(quotes) <= _MOST_QUOTES:
                continue
        yield Case(
            id=f"{name}/{row.text('_id')}",
            group=passage.title,
            shelf=name,
            question=row.text("text").strip(),
            quotes=quotes,
            answers=tuple(dict.fromkeys(each["text"] for each in answers)),
            language=language,
        )


def _clapnq(folder: Path, shelf: Shelf, passages: Mapping[str, Passage]) -> Iterator[Case]:
    starts = {row.text("_id"): row.fields["sent_starts"] for row in json_rows(_file(folder, "corpus.jsonl"))}
    for row in json_rows(_file(folder, "queries.jsonl")):
        passage = passages[row.text("doc_id")]
        quotes: tuple[Quote, ...] = ()
        if row.flag("answerable"):
            answer = row.fields["answers"][0]
            bounds = [*starts[passage.id], len(passage.text)]
            chunks, body = shelf.of_passage[passage.id], _body(passage)
            found = [
                quote
                for at in answer["sentences"]
                for quote in _span_quotes(chunks, body, bounds[at], bounds[at + 1] - 1)
            ]
            quotes = _nearest(f"{row.text('text')} {answer['text']}", found)
            if not quotes:
                continue
        yield Case(
            id=f"clapnq/{row.text('_id')}",
            group=passage.title,
            shelf="clapnq",
            question=row.text("text"),
            quotes=quotes,
        )


def _mtrag(folder: Path, shelf: Shelf, passages: Mapping[str, Passage]) -> Iterator[Case]:
    for row in json_rows(_file(folder, "conversations.jsonl")):
        *said, last = row.fields["messages"]
        gold = [chunk for name in row.fields["passage_ids"] if name in passages for chunk in shelf.of_passage[name]]
        quotes: tuple[Quote, ...] = ()
        if row.fields["answerability"] == "ANSWERABLE":
            found = [Quote(chunk, text) for chunk in gold for _, _, text in quoted(chunk)]
            quotes = _nearest(row.text("reference_answer"), found)
            if not quotes:
                continue
        elif row.fields["answerability"] != "UNANSWERABLE":
            continue
        turns = [each["text"].strip() for each in said]
        yield Case(
            id=f"mtrag/{row.text('_id')}",
            group=row.text("conversation_id"),
            shelf="mtrag",
            question=last["text"].strip(),
            quotes=quotes,
            earlier=tuple(zip(turns[::2], turns[1::2], strict=True))[-2:],
        )


def _pubmedqa(folder: Path, shelf: Shelf, _: Mapping[str, Passage]) -> Iterator[Case]:
    for row in json_rows(_file(folder, "queries.jsonl")):
        if row.text("split") != "train":
            continue
        chunks = shelf.of_passage[row.text("doc_id")]
        found = [Quote(chunk, text) for chunk in chunks for _, _, text in quoted(chunk)]
        quotes = _nearest(row.text("conclusion"), found, most=2)
        if quotes:
            yield Case(
                id=f"pubmedqa/{row.text('_id')}",
                group=row.text("doc_id"),
                shelf="pubmedqa",
                question=row.text("text"),
                quotes=quotes,
            )


def _wiki2hop(folder: Path, shelf: Shelf, passages: Mapping[str, Passage]) -> Iterator[Case]:
    for row in json_rows(_file(folder, "queries.jsonl")):
        titles = [passages[name].title for name in row.fields["doc_ids"]]
        quotes = []
        for name in row.fields["doc_ids"]:
            found = [Quote(chunk, text) for chunk in shelf.of_passage[name] for _, _, text in quoted(chunk)]
            others = [title for title in titles if title != passages[name].title]
            linking = [each for each in found if any(title in each.text for title in others)]
            quotes += (linking or found)[:1]
        if len(quotes) == len(titles):
            yield Case(
                id=f"wiki2hop/{row.text('_id')}",
                group=titles[0],
                shelf="wiki2hop",
                question=row.text("text"),
                quotes=tuple(quotes),
            )
    yield from _facts(shelf, passages)


# What first sentences of encyclopedias say, and how people ask for it.
_FACTS = (
    (
        re.compile(r"\((?:[^()]*\s)?born:?\s+[^()]*\d{4}"),
        ("When was {} born?", "What is the date of birth of {}?", "In what year was {} born?", "{} birthday"),
    ),
    (
        re.compile(r"\(([^()]*\d{4})\s*[\u2013-]\s*[^()]*\d{4}[^()]*\)"),
        ("When did {} die?", "When was {} born?", "In which year did {} die?", "{} date of death"),
    ),
    (
        re.compile(r" is an? .{0,60}film.{0,80}directed by "),
        ("Who directed {}?", "Who is the director of the film {}?", "Who was {} directed by?", "{} director"),
    ),
    (
        re.compile(r" is an? \d{4} .{0,40}film"),
        ("When was the film {} released?", "What year did {} come out?", "In which year was {} made?"),
    ),
    (re.compile(r" (?:is|was) an? "), ("Who or what is {}?", "What is {} known for?", "Tell me about {}.", "{}")),
)
_MOST_OF_ONE = 450  # cases of one kind of fact


def _facts(shelf: Shelf, passages: Mapping[str, Passage]) -> Iterator[Case]:
    counts = [0] * len(_FACTS)
    for at, passage in enumerate(passages.values()):
        chunk = shelf.of_passage[passage.id][0]
        first = next((text for _, _, text in quoted(chunk)), None)
        if first is None or not _starts_with(first, passage.title):
            continue
        for kind, (pattern, questions) in enumerate(_FACTS):
            if counts[kind] < _MOST_OF_ONE and pattern.search(first):
                counts[kind] += 1
                name = re.sub(r" \([^()]*\)$", "", passage.title)
                yield Case(
                    id=f"facts/{passage.id}",
                    group=passage.title,
                    shelf="wiki2hop",
                    question=questions[at % len(questions)].format(name),
                    quotes=(Quote(chunk, first),),
                )
                break


def _starts_with(sentence: str, title: str) -> bool:
    return sentence.split(" ", maxsplit=1)[0].casefold() == title.split(" ", maxsplit=1)[0].casefold()


def _nearest(told: str, quotes: Sequence[Quote], *, most: int = _MOST_QUOTES) -> tuple[Quote, ...]:
    """The few quotes that together have most of what was told, in their order. None without much of it."""
    wanted = set(stems(told))
    n_wanted = len(wanted)
    left = list(dict.fromkeys(quotes))
    taken: list[Quote] = []
    while left and len(taken) < most:
        best = max(left, key=lambda each: len(wanted & stems(each.text)))
        gain = len(wanted & stems(best.text))
        if gain < max(3, 0.15 * n_wanted):
            break
        taken.append(best)
        left.remove(best)
        wanted -= stems(best.text)
    return tuple(each for each in dict.fromkeys(quotes) if each in taken)


def _file(folder: Path, name: str) -> Path:
    file = find(folder, name)
    if file is None:
        from rag.errors import ConfigError

        raise ConfigError(f"{str(folder)!r} has no {name}. Name the folder that holds the sets.")
    return file
