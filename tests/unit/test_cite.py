"""Citations of an answer, whatever pieces it arrives in."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rag.cite import Draft, Judge, Statement, StatementStream
from rag.cite.stream import StreamEvent
from rag.types import Anchor, Chunk, ChunkId, Citation, Fault, Placed, Problem, Shown, Status

PUMP = "The pump runs for 40 minutes on one charge. It weighs 3 kilograms."
PRICES = "# Prices\n\nThe pump costs 1,200 euros.\nA spare filter isn't free of charge."
REFUNDS = "退款需在14天内提出。之后不予退款。"


class CitationStream:
    """Statements judged at once: what comes out beside the event loop, in one thread."""

    def __init__(self, shown: tuple[Shown, ...], *, drops: bool = False) -> None:
        chunks = {one.number: one.chunk.id for one in shown}
        self.draft = Draft(chunks, drops=drops)
        self.stream = StatementStream(chunks.keys())
        self._judge = Judge(shown)

    @property
    def text(self) -> str:
        return self.draft.text

    @property
    def citations(self) -> tuple[Citation, ...]:
        return tuple(self.draft.citations)

    @property
    def faults(self) -> tuple[Fault, ...]:
        return tuple(self.draft.faults)

    @property
    def n_unknown(self) -> int:
        return sum(fault.problem is Problem.UNKNOWN_MARKER for fault in self.faults)

    def feed(self, text: str) -> list[str | Citation]:
        return self._judged(self.stream.feed(text))

    def release(self) -> list[str | Citation]:
        return self._judged(self.stream.release())

    def finish(self) -> list[str | Citation]:
        return self._judged(self.stream.finish())

    def _judged(self, events: list[StreamEvent]) -> list[str | Citation]:
        """Event by event: a citation comes before the text behind its statement."""
        shown: list[str | Citation] = []
        for event in events:
            found = self.draft.take([event], 0.0)
            shown += [one for one in found if not isinstance(one, Statement)]
            for one in found:
                if isinstance(one, Statement):
                    shown += self.draft.judged(self._judge.citations(one))
        return shown


def shown(number: int, text: str, *, start: int = 100, line: int | None = 5) -> Shown:
    chunk = Chunk(
        id=ChunkId(f"c{number}"),
        seq=number,
        document="guide.md",
        title="Guide",
        anchor=Anchor(heading="Guide", line=line),
        start=start,
        end=start + len(text),
        text=text,
    )
    return Shown(number=number, chunk=chunk, placed=Placed.TAIL, n_tokens=1)


SHOWN = (shown(1, PUMP), shown(2, PRICES, start=400), shown(3, REFUNDS, line=None))


def cite(*pieces: str, sources: tuple[Shown, ...] = SHOWN, drops: bool = False) -> CitationStream:
    stream = CitationStream(sources, drops=drops)
    events = [event for piece in pieces for event in stream.feed(piece)] + stream.finish()
    assert "".join(event for event in events if isinstance(event, str)) == stream.text
    assert tuple(event for event in events if isinstance(event, Citation)) == stream.citations
    return stream


def cited(answer: str) -> list[tuple[str, str, str, str]]:
    """Marker, statement, chunk and status of each citation."""
    stream = cite(answer)
    return [(c.marker, stream.text[c.start : c.end], c.chunk.id, c.status.value) for c in stream.citations]


def check(stream: CitationStream) -> None:
    """What holds for the citations of any answer."""
    for citation in stream.citations:
        chunk = citation.chunk
        assert stream.text[citation.marker_start : citation.marker_end] == citation.marker
        assert 0 <= citation.start <= citation.end <= citation.marker_start
        statement = stream.text[citation.start : citation.end]
        assert statement == statement.strip()
        if citation.status == Status.UNSUPPORTED:
            assert (citation.source_start, citation.source_end, citation.quote, citation.anchor) == (None,) * 4
            continue
        assert citation.source_start is not None
        assert citation.source_end is not None
        assert chunk.text[citation.source_start - chunk.start : citation.source_end - chunk.start] == citation.quote
        assert chunk.start <= citation.source_start < citation.source_end <= chunk.end
        assert citation.quote == statement or citation.status != Status.EXACT


@pytest.mark.parametrize(
    ("marker", "numbers"),
    [
        ("[1]", [1]),
        ("[ 1 ]", [1]),
        ("[1,2]", [1, 2]),
        ("[2, 1]", [2, 1]),
        ("[1-3]", [1, 2, 3]),
        ("[1\u20133]", [1, 2, 3]),
        ("[1, 2-3]", [1, 2, 3]),
        ("[1, 1]", [1]),
        ("【3】", [3]),
        ("\uff3b\uff13\uff3d", [3]),
        ("[1\uff0c2]", [1, 2]),
    ],
)
def test_a_marker_is_each_of_its_numbers(marker: str, numbers: list[int]) -> None:
    stream = cite(f"It weighs 3 kilograms {marker}.")
    assert stream.text == f"It weighs 3 kilograms {marker}."
    assert [citation.chunk.seq for citation in stream.citations] == numbers
    assert {citation.marker for citation in stream.citations} == {marker}
    check(stream)


@pytest.mark.parametrize(
    "text",
    [
        "see [1](http://example.org/x1) and ![2](x.png)",
        "see [^1]",
        "a[0] and a[0][1], x_[1]",
        r"\[1] and \[1\]",
        "`a [1]` and ``b ` [1]``",
        "```\nx [1]\n``\ny [1]\n```\nend",
        "~~~py\nx [1]\n~~~",
        "- ```\n  x [1]\n  ```",
        "an open ` tick [1]",
        "[ ] [,] [1,] [-1] [1-9] [3-1] [1 2] [1.5] [a] [1",
        f"[{'1' * 23}]",
        "[1\n]",
        "【1]",
    ],
)
def test_what_is_no_marker_stays(text: str) -> None:
    stream = cite(text)
    assert (stream.text, stream.citations, stream.n_unknown) == (text, (), 0)


@pytest.mark.parametrize(
    "answer",
    [
        "```x``` so [1]",
        "`x` [1]",
        "`x`[1]",
        "```\nx\n```\nso [1]",
        "a ` tick\nso [1]",
        "~5 [1]",
        "so [x [1]",
        "so 天[1]",
    ],
)
def test_a_marker_beside_what_is_none(answer: str) -> None:
    assert [marker for marker, *_ in cited(answer)] == ["[1]"]


@pytest.mark.parametrize(
    ("answer", "text", "n_removed"),
    [
        ("Known [99].", "Known.", 1),
        ("Known  [0]", "Known", 1),
        ("Known [2, 99].", "Known [2].", 1),
        ("Known [98, 1, 99,2].", "Known [1, 2].", 2),
        ("Known【2,99】", "Known【2】", 1),
        ("Known [98][99] so", "Known so", 2),
        ("Known [99][1]", "Known [1]", 1),
        ("Known [1] [99] [2]", "Known [1] [2]", 1),
        ("Known [99] and [1]", "Known and [1]", 1),
        ("Known\n\n[99] So", "Known\n\n So", 1),
        ("Known [1 [99]", "Known [1", 1),
    ],
)
def test_a_marker_that_names_nothing_is_removed(answer: str, text: str, n_removed: int) -> None:
    stream = cite(answer)
    assert (stream.text, stream.n_unknown) == (text, n_removed)
    check(stream)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("It weighs 3 kilograms. [1]", [("[1]", "It weighs 3 kilograms.")]),
        ("It weighs 3 kilograms.[1] So", [("[1]", "It weighs 3 kilograms.")]),
        ("Yes. It weighs 3 kilograms [1].", [("[1]", "It weighs 3 kilograms")]),
        ("Both [1][2] so", [("[1]", "Both"), ("[2]", "Both")]),
        ("Both [1], [2] and [3].", [("[1]", "Both"), ("[2]", "Both"), ("[3]", "Both")]),
        ("Both ([1]). [2]", [("[1]", "Both"), ("[2]", "Both")]),
        ("It is heavy [1], but it runs [2].", [("[1]", "It is heavy"), ("[2]", "but it runs")]),
        ("Heavy [1]. It runs [2].", [("[1]", "Heavy"), ("[2]", "It runs")]),
        ("# Weight\n- It is heavy [1]\n2. It runs. [2]", [("[1]", "It is heavy"), ("[2]", "It runs.")]),
        ("| Weight | heavy [1] |", [("[1]", "Weight | heavy")]),
        ("A gift, e.g. No. 5 of Dr. J. Smith, 3.5 kg [1]", [("[1]", "A gift, e.g. No. 5 of Dr. J. Smith, 3.5 kg")]),
        ("\u201cIt runs.\u201d [1] Then", [("[1]", "\u201cIt runs.\u201d")]),
        ("\u5b83\u5f88\u91cd\u3002\u5b83\u8fd0\u884c\u3010\u0033\u3011\u3002", [("【3】", "\u5b83\u8fd0\u884c")]),
        ("[1] says so.", [("[1]", "")]),
        ("It runs [1].\n- [2] says so.", [("[1]", "It runs"), ("[2]", "")]),
    ],
)
def test_the_statement_of_a_marker(answer: str, expected: list[tuple[str, str]]) -> None:
    assert [(marker, statement) for marker, statement, *_ in cited(answer)] == expected


def test_each_chunk_is_held_against_the_statement_by_itself() -> None:
    assert cited("the pump costs 1,200 euros [1, 2].") == [
        ("[1, 2]", "the pump costs 1,200 euros", "c1", "unsupported"),
        ("[1, 2]", "the pump costs 1,200 euros", "c2", "normalized"),
    ]


def test_a_citation_points_into_the_document() -> None:
    stream = cite(
        "A spare filter isn't free of charge. [2] \u9000\u6b3e\u970014\u5929\u5185\u63d0\u51fa\u3010\u0033\u3011"
    )
    first, second = stream.citations
    at = PRICES.index("A spare")
    assert (first.source_start, first.source_end) == (400 + at, 400 + len(PRICES))
    assert first.anchor == Anchor(heading="Guide", line=8)
    assert second.anchor == Anchor(heading="Guide")
    assert second.status == Status.FUZZY
    check(stream)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("The pump runs for 40 minutes on one charge.", [("", "c1", "exact")]),
        ("the PUMP runs for 40 minutes on one charge", [("", "c1", "normalized")]),
        ("On one charge, the pump runs for 40 minutes. Nothing else is known.", [("", "c1", "fuzzy")]),
        ("- The pump runs for 40 minutes on one charge.\n- It rains.", [("", "c1", "exact")]),
        ("The pump runs for 40 minutes on one charge. [2]", [("[2]", "c2", "unsupported")]),
        ("The pump runs [1] for 40 minutes on one charge. So.", [("[1]", "c1", "exact")]),
        ("The pump runs for 40 minutes on one charge. [99] So.", [("", "c1", "exact")]),
        ("It runs [1]. The pump runs for 40 minutes on one charge.", [("[1]", "c1", "fuzzy"), ("", "c1", "exact")]),
        ("It runs. [1] The pump runs for 40 minutes on one charge.", [("[1]", "c1", "fuzzy"), ("", "c1", "exact")]),
        ("The pump runs for 40 minutes on one charge?", []),
        ("The pump runs for 50 minutes on one charge.", [("", "c1", "unsupported")]),
        ("It weighs 3 kilograms.", []),  # too short for a guess
        ("A red pump sometimes runs outdoors for 40 minutes.", []),
    ],
)
def test_statements_without_a_marker(answer: str, expected: list[tuple[str, str, str]]) -> None:
    assert [(marker, chunk, status) for marker, _, chunk, status in cited(answer)] == expected


def test_a_citation_without_a_marker_stands_at_the_end_of_its_statement() -> None:
    stream = cite("So: yes.\nThe pump runs for 40 minutes on one charge. More.")
    (citation,) = stream.citations
    assert stream.text[citation.start : citation.end] == "The pump runs for 40 minutes on one charge."
    assert citation.marker_start == citation.marker_end == citation.end


def test_the_best_source_wins_and_then_the_lower_number() -> None:
    sources = (shown(7, PUMP), shown(4, PUMP), shown(2, PUMP.upper()))
    assert [c.chunk.seq for c in cite("The pump runs for 40 minutes on one charge.", sources=sources).citations] == [4]


def test_only_what_may_become_a_marker_is_held_back() -> None:
    stream = CitationStream(SHOWN)
    assert stream.feed("It weighs") == ["It weighs"]
    assert stream.feed(" ") == []
    assert stream.feed("3 kilograms ") == [" 3 kilograms"]
    assert stream.feed("[") == stream.feed("1") == stream.feed("]") == []
    text, citation = stream.feed(".")[:2]
    assert text == " [1]"
    assert isinstance(citation, Citation)
    assert stream.feed(" [x") == [" [x"]
    assert stream.feed(" [1") == []
    assert stream.finish() == [" [1"]


def test_a_citation_comes_before_the_rest_of_the_answer() -> None:
    stream = CitationStream(SHOWN)
    events = stream.feed("It weighs 3 kilograms [1][2] and more")
    assert [event if isinstance(event, str) else event.chunk.id for event in events] == [
        "It weighs 3 kilograms",
        " [1]",
        "c1",
        "[2]",
        "c2",
        " and more",
    ]


def test_a_full_width_marker_is_no_identifier() -> None:
    assert [marker for marker, *_ in cited("x【1】[2]")] == ["【1】", "[2]"]


def test_without_sources_there_are_no_citations() -> None:
    stream = cite("The pump runs [1]. So.", sources=())
    assert (stream.text, stream.citations, stream.n_unknown) == ("The pump runs. So.", (), 1)


PARTS = st.sampled_from(
    [
        *("[", "]", "[1]", "[2, 99]", "[99]", "[1-3]", "【3】", "[1](", "[^1]", "1", ",", "\\"),
        *(" ", "  ", "\n", "\n\n", "\t", "\u00a0", "\u2028"),
        *(".", ". ", "?", "...", ".\u201d ", "\u3002", "\uff01", "e.g.", "No. ", "5", "J. ", "3.5", "**", "- ", "|"),
        *("e\u0301", "\u0301", "\u200d", "\U0001f469\u200d\U0001f4bb", "1\ufe0f\u20e3", "\u0628\u0651", "\u0939\u093f"),
        *("`", "```", "~~~", "a[0]", "The pump runs for 40 minutes on one charge", "It weighs 3 kilograms"),
        *("the pump costs 1200 euros", "\u9000\u6b3e\u9700\u572814\u5929\u5185\u63d0\u51fa", "and", "x"),
    ]
)
ANSWERS = st.one_of(
    st.lists(PARTS, max_size=25).map("".join), st.text(max_size=60), st.lists(PARTS | st.text(max_size=4)).map("".join)
)


PIECES = st.lists(st.floats(0, 1), max_size=12)
MAX_HELD = 2 * 24  # blanks, and a marker behind them


def pieces_of(answer: str, shares: list[float]) -> list[str]:
    cuts = sorted(int(share * len(answer)) for share in shares)
    return [answer[start:end] for start, end in zip([0, *cuts], [*cuts, len(answer)], strict=True)]


@pytest.mark.parametrize("drops", [False, True])
@given(answer=ANSWERS, shares=PIECES)
@example(answer=f"{PUMP} {PUMP}\n{PRICES}\n\n{REFUNDS}It runs. [1] {PUMP} [2, 99]", shares=[0.5])
@example(answer="The pump runs for 40 minutes on one charge.\u201d Nothing else does.", shares=[])
def test_any_split_gives_the_same_answer(drops: bool, answer: str, shares: list[float]) -> None:
    whole = cite(answer, drops=drops)
    check(whole)
    for split in (cite(*pieces_of(answer, shares), drops=drops), cite(*answer, drops=drops)):
        assert (split.text, split.citations, split.faults) == (whole.text, whole.citations, whole.faults)


def said_of(stream: CitationStream) -> list[object]:
    """What the citations say, wherever they stand."""
    return [(bool(c.marker), c.chunk.id, c.status, c.quote, c.source_start) for c in stream.citations]


@pytest.mark.parametrize("drops", [False, True])
@given(answer=ANSWERS, shares=PIECES, releases=st.lists(st.booleans(), min_size=13, max_size=13))
@example(answer="Known [2, 99]. It runs [99] for [1].", shares=[0.5], releases=[True] * 13)
@example(answer="Known [99][1] [ 2 [3", shares=[0.4, 0.5, 0.6, 0.7], releases=[True] * 13)
def test_what_is_shown_before_it_is_certain_changes_no_citation(drops, answer, shares, releases) -> None:
    stream, shown, n_fed = CitationStream(SHOWN, drops=drops), "", 0
    for piece, is_released in zip(pieces_of(answer, shares), releases, strict=False):
        events = stream.feed(piece)
        n_fed += len(piece)
        if is_released and stream.stream.unsure_at is not None:
            events += stream.release()
            assert stream.stream.unsure_at is None
        shown += "".join(event for event in events if isinstance(event, str))
        if not drops and not stream.n_unknown:
            assert n_fed - len(shown) <= MAX_HELD
    shown += "".join(event for event in stream.finish() if isinstance(event, str))
    assert shown == stream.text
    for one in stream.citations:
        assert stream.text[one.marker_start : one.marker_end] == one.marker
        assert 0 <= one.start <= one.end <= one.marker_start
    for fault in stream.faults:
        assert 0 <= fault.start <= fault.end <= len(stream.text)
    whole = cite(answer, drops=drops)
    assert stream.n_unknown == whole.n_unknown
    if drops:  # what was seen cannot be dropped
        assert [one for one in said_of(stream) if one[2] != Status.UNSUPPORTED] == said_of(whole)
        return
    assert said_of(stream) == said_of(whole)
    if not whole.n_unknown:
        assert (stream.text, stream.citations, stream.faults) == (whole.text, whole.citations, whole.faults)


@pytest.mark.parametrize(
    ("pieces", "text", "faults"),
    [
        (["Known [", "9", "9] so."], "Known [99] so.", [("[99]", "[99]")]),
        (["Known [9", "8][", "99] so."], "Known [98] so.", [("[98]", "[98]"), ("[99]", "")]),
        (["Known [2", ", 99]."], "Known [2, 99].", [("[99]", "[2, 99]")]),
        (["Known [", "99](x)."], "Known [99](x).", []),
        (["\u6c34\u3010", "99\u3011\u3002"], "\u6c34\u301099\u3011\u3002", [("\u301099\u3011",) * 2]),
    ],
)
def test_an_unknown_marker_that_was_seen_stays_and_is_named(pieces, text, faults) -> None:
    stream = CitationStream(SHOWN)
    for piece in pieces:
        stream.feed(piece)
        if stream.stream.unsure_at is not None and piece is not pieces[-1] and not piece.endswith("]["):
            stream.release()
    stream.finish()
    assert stream.text == text
    found = [fault for fault in stream.faults if fault.problem is Problem.UNKNOWN_MARKER]
    assert [(fault.marker, text[fault.start : fault.end]) for fault in found] == faults


@pytest.mark.parametrize(
    ("answer", "text", "cited"),
    [
        ("It weighs 3 kilograms [1]. It flies [2].", "It weighs 3 kilograms [1]. It flies.", ["[1]"]),
        ("It weighs 3 kilograms [1, 2].", "It weighs 3 kilograms [1].", ["[1]"]),
        ("It weighs 3 kilograms [2][1].", "It weighs 3 kilograms [1].", ["[1]"]),
        ("It flies [2] [1], so it does.", "It flies, so it does.", []),
        ("It flies [99] [1].", "It flies.", []),
        ("It flies [1].\nIt weighs 3 kilograms [1].", "It flies.\nIt weighs 3 kilograms [1].", ["[1]"]),
        ("It flies [1]. The pump runs for 40 minutes on one charge.", None, [""]),
    ],
)
def test_markers_of_unsupported_citations_are_dropped(answer, text, cited) -> None:
    stream = cite(answer, drops=True)
    check(stream)
    assert stream.text == (text or answer.replace(" [1]", ""))
    assert [citation.marker for citation in stream.citations] == cited
    kept = cite(answer)
    unsupported = [citation for citation in kept.citations if citation.status == Status.UNSUPPORTED]
    assert len(stream.faults) == len(unsupported) + kept.n_unknown
    for fault, citation in zip([one for one in stream.faults if one.chunk], unsupported, strict=True):
        assert stream.text[fault.start : fault.end] == kept.text[citation.start : citation.end]
        assert fault.marker == f"[{citation.chunk.seq}]"


@given(ANSWERS)
def test_an_answer_is_whole_where_nothing_was_removed(answer: str) -> None:
    stream = cite(answer)
    assert (stream.text == answer) == (stream.n_unknown == 0)
