"""Search by words: which chunks have the words of a question, the rare ones counting most (BM25).

Which index is written is decided by count, `kind_for`. Both read the same words and leave out the same frequent ones.
"""

from rag.store.words.base import WordIndex, WordsKind, kind_for
from rag.store.words.files import has_words, open_words, write_words

__all__ = ["WordIndex", "WordsKind", "has_words", "kind_for", "open_words", "write_words"]
