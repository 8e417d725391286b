"""What every index of words can do, which one is for which size, and how much of a question is searched."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

from rag.settings import IndexSettings

Found = tuple[tuple[int, float], ...]  # pairs of chunk number and BM25, best first; equal scores by number

# Scoring is what a search costs: SQLite scores about a million entries of its index a second. So a question is
# searched by its rarest words, as many as have so many entries together. On the 9,434 passages of nine sets, with 300
# entries, the fused nDCG at 10 was that of all words (0.873, 0.872); that of words alone fell from 0.827 to 0.799
# (2026-11).
ENTRIES = 3_000
CHARS = 4_000  # of one question that are read
# The rarest word may be this many times over that, alone; all words of a question may be frequent.
_ALONE = 2
_TERMS = 64  # of one question, the rarest


class WordsKind(StrEnum):
    """How words are kept."""

    FTS = "fts"  # in one SQLite file: nothing to load, small, and scored one entry after the other
    SEGMENTS = "segments"  # in tantivy's files: blocks of entries that cannot be among the best are never read


def kind_for(n: int, settings: IndexSettings) -> WordsKind:
    """The kind of index for `n` chunks."""
    return WordsKind.FTS if n <= settings.fts_chunks else WordsKind.SEGMENTS


class WordIndex(Protocol):
    """A published index. Any thread may call."""

    @property
    def n_chunks(self) -> int:
        """How many chunks it has."""

    def search(self, text: str, k: int, allowed: frozenset[int] | None = None, *, share: float = 1.0) -> Found:
        """Up to `k` chunks that have any of the words of `text`, frequent words left out.

        Nothing in `text` is an operator. allowed: the numbers that may be found; None: all. share: of the usual
        effort, for a text that counts less.
        """

    def close(self) -> None:
        """Nothing; the files are closed."""


def rarest(counts: Mapping[str, int], n_entries: int) -> list[str]:
    """Of words with the number of chunks that have them, the rarest that occur at all, as many as the effort allows.

    Equal numbers by word. None where even the rarest has far too many.
    """
    counted = sorted((n, word) for word, n in counts.items() if n)[:_TERMS]
    if not counted or counted[0][0] > _ALONE * n_entries:
        return []
    kept = [counted[0][1]]
    left = n_entries - counted[0][0]
    for n, word in counted[1:]:
        left -= n
        if left < 0:
            break
        kept.append(word)
    return kept
