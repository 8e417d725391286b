"""What becomes of a statement with a marker and of one without, whatever the documents are."""
# ruff: noqa: RUF001 - characters that look like ASCII ones are what this is about

import numpy as np
import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from rag.cite import Draft, Judge, Statement, StatementStream, normalize
from rag.cite.surroundings import Surroundings
from rag.types import Anchor, Chunk, ChunkId, Citation, Placed, Problem, Shown, Status

DOCUMENT = (
    "The station takes a new reading every 90 seconds.\n\nThe battery lasts two years in the field.\n\n"
    "Frost alerts are sent below 2 degrees.\n"
)


def chunk_of(text: str, start: int, end: int, *, number: int = 1, document: str = "guide.md") -> Chunk:
    line = text.count("\n", 0, start) + 1
    return Chunk(
        id=ChunkId(f"c{number}"),
        seq=number,
        document=document,
        title="",
        anchor=Anchor(line=line),
        start=start,
        end=end,
        text=text[start:end],
    )


def shown(*chunks: Chunk) -> tuple[Shown, ...]:
    return tuple(
        Shown(number=number, chunk=chunk, placed=Placed.TAIL, n_tokens=1) for number, chunk in enumerate(chunks, 1)
    )


def said(text: str, *numbers: int) -> Statement:
    marker = f"[{numbers[0]}]" if numbers else ""
    end = len(text)
    return Statement(
        start=0, end=end, text=text, marker=marker, marker_start=end, marker_end=end + len(marker), numbers=numbers
    )


FIRST, SECOND = chunk_of(DOCUMENT, 0, 51), chunk_of(DOCUMENT, 51, len(DOCUMENT), number=2)
OTHER = chunk_of("Refunds are paid within 14 days of the return.", 0, 46, number=3, document="refunds.md")


def around(_: Chunk) -> Surroundings:
    return Surroundings(text=DOCUMENT, start=0, chunks=(FIRST, SECOND))


def test_a_neighbour_of_the_cited_passage_supports_what_it_says() -> None:
    judge = Judge(shown(FIRST, OTHER), around=around)
    (citation,) = judge.citations(said("The battery lasts two years in the field.", 1))
    assert (citation.status, citation.chunk) == (Status.EXACT, FIRST)
    assert DOCUMENT[citation.source_start : citation.source_end] == citation.quote
    assert citation.anchor == Anchor(line=3)


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("Refunds are paid within 14 days of the return.", Problem.WRONG_DOCUMENT),
        ("Nothing of the kind is known about whales.", Problem.UNSUPPORTED),
        ("The station takes a new reading every 80 seconds.", Problem.CONTRADICTED),
        ("“The station takes a new battery lasts two years”", Problem.STITCHED),
    ],
)
def test_why_a_marker_is_not_supported(statement: str, problem: Problem) -> None:
    whole = chunk_of(DOCUMENT, 0, len(DOCUMENT))
    (citation,) = Judge(shown(whole, OTHER)).citations(said(statement, 1))
    assert (citation.status, citation.problem, citation.quote) == (Status.UNSUPPORTED, problem, None)


def test_a_statement_without_a_marker_that_contradicts_a_passage_is_called_so() -> None:
    judge = Judge(shown(FIRST, OTHER))
    (citation,) = judge.citations(said("Refunds are paid within 15 days of the return."))
    assert (citation.chunk, citation.marker, citation.problem) == (OTHER, "", Problem.CONTRADICTED)
    assert judge.citations(said("Whales are found in all of the large oceans.")) == ()


def test_other_words_are_compared_by_their_meaning_and_only_then() -> None:
    asked: list[int] = []

    def embed(texts: list[str]) -> np.ndarray:
        asked.append(len(texts))
        return np.array([[1.0, 0.0] if "alert" in text or "warn" in text else [0.0, 1.0] for text in texts], np.float32)

    judge = Judge(shown(SECOND), embed=embed)  # type: ignore[arg-type]
    (citation,) = judge.citations(said("Users get warned when ice forms", 1))
    assert (citation.status, citation.quote) == (Status.FUZZY, "Frost alerts are sent below 2 degrees.")
    (citation,) = judge.citations(said("Users get warned when ice forms below 3 degrees", 1))
    assert citation.status is Status.UNSUPPORTED
    asked.clear()
    judge.citations(said("The battery lasts two years", 1))
    assert asked == []


PIECES = st.sampled_from(
    [
        *("The pump", "costs 1,200 euros", "isn’t", "running", "“quoted”", "**bold**"),
        *("Straße", "ﬁne", "CAFÉ", "Cafe\u0301"),
        *("退款需在14天内提出。", "ガイドを読む。", "ｶﾞｲﾄﾞ", "각나", "في ١٩ يونيو ٢٠٠٩", "هُوَ", "हिन्दी में लिखा है।"),
        *("क्षि", "ภาษาไทย"),
        *("👨‍👩‍👧", "🇩🇪🇫🇷", "👍🏽", "e\u0301\u0323", "\u202bעברית\u202c", "\u200d"),
        *("\r\n", "\n", " ", "  ", ". ", ", ", "- ", "x"),
        *("Donaudampfschifffahrt", "am 19. Juni 2009", "U.S. law", "3.5", "Nr. 5"),
    ]
)  # fmt: skip
DOCUMENTS = st.lists(PIECES | st.text(max_size=5), min_size=3, max_size=40).map("".join)
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from(["", " ", "X", "7", "\u0301", "É", "不", "**"])), max_size=3
)


def edited(text: str, edits: list[tuple[float, str]]) -> str:
    for share, piece in edits:
        at = int(share * len(text))
        text = text[:at] + piece + text[at + len(piece) % 2 :]
    return text


def check(document: str, answer: str, citation: Citation) -> None:
    if citation.status is Status.UNSUPPORTED:
        assert citation.problem is not None
        return
    assert citation.source_start is not None
    assert citation.source_end is not None
    statement = answer[citation.start : citation.end]
    assert document[citation.source_start : citation.source_end] == citation.quote
    if citation.status is Status.EXACT:
        assert citation.quote == statement
    if citation.status is Status.NORMALIZED:
        ends = " .!?;:,؟।。\"'*_)"
        assert normalize(citation.quote or "").rstrip(ends) == normalize(statement).rstrip(ends)
    clusters = {0, *(found.end() for found in regex.finditer(r"\X", document))}
    assert {citation.source_start, citation.source_end} <= clusters


def drafted(pieces: list[str], passages: tuple[Shown, ...]) -> Draft:
    """The answer that comes in these pieces, each statement judged as soon as it ends."""
    chunks = {one.number: one.chunk.id for one in passages}
    stream, draft, judge = StatementStream(chunks.keys()), Draft(chunks, drops=False), Judge(passages)
    for events in (*map(stream.feed, pieces), stream.finish()):
        for one in draft.take(events, 0.0):
            if isinstance(one, Statement):
                draft.judged(judge.citations(one))
    return draft


@given(DOCUMENTS, st.floats(0, 1), st.floats(0, 1), EDITS, st.lists(st.floats(0, 1), max_size=6), st.booleans())
@example("Der Akku hält 3 Jahre. 👨‍👩‍👧 kam am 19. Juni 2009.", 0.0, 1.0, [], [0.5], True)
@example("x\r\ny z", 0.0, 0.4, [], [], True)
def test_a_quote_is_the_documents_whatever_is_said_and_however_it_comes(
    document: str, one: float, other: float, edits: list[tuple[float, str]], shares: list[float], is_marked: bool
) -> None:
    start, end = sorted((int(one * len(document)), int(other * len(document))))
    answer = edited(document[start:end], edits) + (" [1]" if is_marked else "")
    passages = shown(chunk_of(document, 0, len(document)))
    cuts = sorted(int(share * len(answer)) for share in shares)
    whole = drafted([answer], passages)
    split = drafted([answer[a:b] for a, b in zip([0, *cuts], [*cuts, len(answer)], strict=True)], passages)
    assert (split.text, split.citations) == (whole.text, whole.citations)
    for citation in whole.citations:
        check(document, whole.text, citation)
