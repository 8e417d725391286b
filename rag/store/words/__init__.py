"""Search by words: which chunks have the words of a question, the rare ones counting most (BM25)."""

from rag.store.words.index import WordIndex, open_words
from rag.store.words.write import has_words, write_words

__all__ = ["WordIndex", "has_words", "open_words", "write_words"]
