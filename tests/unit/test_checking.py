"""What the checking of citations reads beside the passages of a prompt."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from rag.checking import KeptVectors, around
from rag.cite.judge import Judge, Statement
from rag.embed.base import Vectors
from rag.errors import Overloaded
from rag.store import Document, EmbeddingInfo, NewChunk, Store
from rag.types import Anchor, Placed, Shown, Status

TEXT = "The pump is blue.\nIt runs for 40 minutes.\nIt weighs 3 kilograms.\nIt was made in Bergen."
STARTS = [0, 18, 42, 65, len(TEXT)]


def test_a_statement_about_a_passage_is_found_in_its_neighbour(tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    with store.draft("default", EmbeddingInfo(model="test", dimensions=4, dtype="float32")) as draft:
        chunks = [
            NewChunk(start=start, end=end, anchor=Anchor(line=line))
            for line, (start, end) in enumerate(pairwise(STARTS), start=1)
        ]
        document = Document(root="/d", path="a.md", title=None, sha256="0", size=1, recipe="1", text=TEXT)
        draft.put(document, chunks, np.eye(4, dtype=np.float32))
        draft.publish()
    with store.pin("default") as generation:
        first, second, third, fourth = generation.ordered_chunks()
        assert [generation.neighbours(chunk) for chunk in (first, second, fourth)] == [
            (second,),
            (first, third),
            (third,),
        ]
        shown = Shown(number=1, chunk=second, placed=Placed.TAIL, n_tokens=1)
        text = "It weighs 3 kilograms."
        statement = Statement(
            start=0,
            end=len(text),
            text=text,
            marker="[1]",
            marker_start=len(text),
            marker_end=len(text) + 3,
            numbers=(1,),
        )
        (citation,) = Judge([shown], around=around(generation)).citations(statement)
        assert (citation.status, citation.quote, citation.anchor) == (Status.EXACT, text, Anchor(line=3))
        assert TEXT[citation.source_start : citation.source_end] == text
        (alone,) = Judge([shown]).citations(statement)
        assert alone.status is Status.UNSUPPORTED
    store.close()


def test_a_kept_vector_is_not_computed_again_and_the_oldest_go() -> None:
    asked: list[Sequence[str]] = []

    def encode(texts: Sequence[str]) -> Vectors:
        asked.append(list(texts))
        return np.array([[float(len(text))] for text in texts], np.float32)

    kept = KeptVectors(encode, capacity=2)
    assert kept(["a", "bb", "a"]).tolist() == [[1.0], [2.0], [1.0]]
    assert kept(["bb", "ccc"]).tolist() == [[2.0], [3.0]]
    assert kept(["bb", "a"]).tolist() == [[2.0], [1.0]]
    assert asked == [["a", "bb"], ["ccc"], ["a"]]


def test_an_encoder_without_time_finds_nothing_similar_and_is_asked_again() -> None:
    is_busy = True

    def encode(texts: Sequence[str]) -> Vectors:
        if is_busy:
            raise Overloaded("busy")
        return np.ones((len(texts), 4), np.float32)

    kept = KeptVectors(encode)
    vectors = kept(["one", "two"])
    assert not (vectors[1:] @ vectors[0]).any()
    is_busy = False
    assert kept(["one", "two"]).shape == (2, 4)
