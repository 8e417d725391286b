"""The files of an index of words in the folder of a generation."""

from pathlib import Path

from rag.settings import IndexSettings
from rag.store.words.base import WordIndex, WordsKind, kind_for
from rag.store.words.fts import FtsIndex
from rag.store.words.fts_write import write_fts
from rag.store.words.present import FTS_FILE, kind_in


def write_words(folder: Path, last: Path | None, n: int, settings: IndexSettings) -> tuple[str, ...]:
    """The names of the files in `folder` that now are an index of words over the `n` chunks of its catalog.

    They are on the disk. last: the generation before. Where it has an index of this kind and version, only what
    differs is read and indexed.

    Raises:
        OSError, sqlite3.OperationalError: the disk is full.
    """
    kind = kind_for(n, settings)
    base = last if last and kind_in(last) is kind else None
    if kind is WordsKind.FTS:
        return write_fts(folder, base)
    from rag.store.words.segments_write import write_segments  # loads tantivy, which few need

    return write_segments(folder, base)


def open_words(generation: Path) -> WordIndex | None:
    """The index of words of a generation; None where an older version made the generation.

    Raises:
        CorpusError: it is damaged.
    """
    match kind_in(generation):
        case WordsKind.FTS:
            return FtsIndex(generation / FTS_FILE)
        case WordsKind.SEGMENTS:
            from rag.store.words.segments import SegmentIndex  # loads tantivy

            return SegmentIndex(generation)
        case None:
            return None


def has_words(generation: Path) -> bool:
    """Whether a generation has an index of words that this version can read."""
    return kind_in(generation) is not None
