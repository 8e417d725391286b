"""The files of an index in the folder of a generation."""

from pathlib import Path

import faiss

from rag.errors import CorpusError
from rag.settings import IndexSettings
from rag.store.vectors.base import IndexKind, Parts, VectorIndex, kind_for
from rag.store.vectors.compressed import CompressedIndex, write_compressed
from rag.store.vectors.exact import ExactIndex, write_exact
from rag.store.vectors.lists import ListIndex, write_lists

_INDEX = "vectors.faiss"
_PLACES = "vectors.places"
_ROWS = "vectors.rows"
_SEQS = "vectors.seqs"
_FILES = {
    IndexKind.EXACT: (_INDEX,),
    IndexKind.LISTS: (_INDEX, _PLACES),
    IndexKind.COMPRESSED: (_INDEX, _ROWS, _SEQS),
}


def write_index(folder: Path, parts: Parts, n: int, dimensions: int, settings: IndexSettings) -> tuple[str, ...]:
    """The names of the files in `folder` that now are an index over the `n` vectors in `parts`.

    parts: each number once, ascending.

    Raises:
        OSError: a file could not be written, or not whole.
    """
    kind = kind_for(n, dimensions, settings)
    index = folder / _INDEX
    match kind:
        case IndexKind.EXACT:
            write_exact(index, dimensions, parts)
        case IndexKind.LISTS:
            write_lists(index, folder / _PLACES, parts, n, dimensions)
        case IndexKind.COMPRESSED:
            write_compressed(index, folder / _ROWS, folder / _SEQS, parts, n, dimensions)
    return _FILES[kind]


def open_index(folder: Path) -> VectorIndex:
    """The index in `folder`, mapped into memory.

    Raises:
        CorpusError: there is none, or it is damaged.
    """
    file = folder / _INDEX
    try:
        index = faiss.read_index(str(file), faiss.IO_FLAG_MMAP_IFC)
        match index:
            case faiss.IndexIVFPQ():
                return CompressedIndex(index, folder / _ROWS, folder / _SEQS)
            case faiss.IndexIVF():
                return ListIndex(index, folder / _PLACES)
            case _:
                return ExactIndex(index)
    except (RuntimeError, OSError, ValueError):
        raise CorpusError(
            f"The vector index cannot be read: {str(file)!r}. Delete the collection and run `rag ingest` again."
        ) from None
