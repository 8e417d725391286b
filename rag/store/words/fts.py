"""An index of words in one SQLite file, open for reading."""

import sqlite3
import threading
from pathlib import Path

from rag.store.info import damaged
from rag.store.words.base import CHARS, ENTRIES, Found, rarest
from rag.store.words.spelling import TOKENIZER, spelled

_REMEMBERED = 100_000  # words whose number of entries is kept
_SETUP = f"""
PRAGMA temp_store = MEMORY;
CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, words, row);
CREATE VIRTUAL TABLE temp.question USING fts5(text, tokenize = "{TOKENIZER.removeprefix("porter ")}");
CREATE VIRTUAL TABLE temp.question_words USING fts5vocab(temp, question, row);
CREATE VIRTUAL TABLE temp.word USING fts5(text, tokenize = "{TOKENIZER}");
CREATE VIRTUAL TABLE temp.word_stems USING fts5vocab(temp, word, instance);
"""


class FtsIndex:
    """Which chunks have a question's words. Any thread may call."""

    def __init__(self, file: Path, *, n_entries: int = ENTRIES) -> None:
        """Open `file`. n_entries: of the index, as many as a search may score.

        Raises:
            CorpusError: it is no index of words.
        """
        uri = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
        self._connection = sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None)
        self._lock = threading.Lock()  # one connection, one user at a time
        self._n_entries = n_entries
        self._counts: dict[str, int] = {}
        try:
            self._connection.executescript(_SETUP)
        except sqlite3.DatabaseError:
            self._connection.close()
            raise damaged(file) from None

    def search(self, text: str, k: int, allowed: frozenset[int] | None = None, *, share: float = 1.0) -> Found:
        """Up to `k` chunks that have any of the words of `text`, frequent words left out.

        Nothing in `text` is an operator. allowed: the numbers that may be found; None: all. share: of the usual
        effort, for a text that counts less.
        """
        with self._lock:
            stems = self._stems(spelled(text[:CHARS]))
            counts = {stem: self._count(stem) for stem in stems}
            words = [stems[stem] for stem in rarest(counts, round(share * self._n_entries))]
            if not words:
                return ()
            found = self._connection.execute(
                "SELECT rowid, -bm25(words) AS score FROM words WHERE words MATCH ? ORDER BY score DESC, rowid LIMIT ?",
                (" OR ".join(f'"{word}"' for word in words), k if allowed is None else -1),
            ).fetchall()
        return tuple(found) if allowed is None else tuple([pair for pair in found if pair[0] in allowed][:k])

    @property
    def n_chunks(self) -> int:
        """How many chunks it has."""
        with self._lock:
            return int(self._connection.execute("SELECT count(*) FROM words_docsize").fetchone()[0])

    def close(self) -> None:
        """Nothing; the file is closed."""
        with self._lock:
            self._connection.close()

    def _stems(self, text: str) -> dict[str, str]:
        """The words of a text by their stems, as the tokenizer reads them. A stem itself has another stem."""
        try:
            self._connection.execute("INSERT INTO temp.question (rowid, text) VALUES (1, ?)", (text,))
            words = [word for (word,) in self._connection.execute("SELECT term FROM temp.question_words")]
            self._connection.executemany("INSERT INTO temp.word (rowid, text) VALUES (?, ?)", enumerate(words))
            stems = self._connection.execute("SELECT term, doc FROM temp.word_stems").fetchall()
        finally:
            self._connection.execute("DELETE FROM temp.question")
            self._connection.execute("DELETE FROM temp.word")
        return {stem: words[row] for stem, row in stems}

    def _count(self, stem: str) -> int:
        if (known := self._counts.get(stem)) is not None:
            return known
        row = self._connection.execute("SELECT doc FROM temp.vocabulary WHERE term = ?", (stem,)).fetchone()
        if len(self._counts) >= _REMEMBERED:
            self._counts.clear()
        self._counts[stem] = found = int(row[0]) if row else 0
        return found
