"""Search over the unit vectors of one generation, by cosine similarity.

Which index is written is decided by count and memory, `kind_for`. All are read where they lie on the disk, mapped into
memory: processes and collections share what the system keeps of them, and a collection that nobody asks costs nothing.
"""

from rag.store.vectors.base import IndexKind, VectorIndex, Vectors, kind_for
from rag.store.vectors.exact import nearest
from rag.store.vectors.files import open_index, write_index

__all__ = ["IndexKind", "VectorIndex", "Vectors", "kind_for", "nearest", "open_index", "write_index"]
