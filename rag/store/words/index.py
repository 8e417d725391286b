"""A published word index, open for reading."""

import sqlite3
import threading
from pathlib import Path

from rag.store.info import damaged
from rag.store.words.spelling import TOKENIZER, spelled
from rag.store.words.write import WORDS, has_words

Found = tuple[tuple[int, float], ...]  # pairs of chunk number and BM25, best first; equal scores by number

# SQLite scores about a million entries of its index a second. So a question is searched by its rarest words, as many
# as have so many entries together. On the 9,434 passages of nine sets, with 300 entries, the fused nDCG at 10 was that
# of all words (0.873, 0.872); that of words alone fell from 0.827 to 0.799 (2026-11).
_ENTRIES = 3_000
# The rarest word may be this many times over that, alone; all words of a question may be frequent.
_ALONE = 2
_TERMS = 64  # of one question, the rarest
_CHARS = 4_000  # of one question that are read
_REMEMBERED = 100_000  # words whose number of entries is kept
_SETUP = f"""
PRAGMA temp_store = MEMORY;
CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, words, row);
CREATE VIRTUAL TABLE temp.question USING fts5(text, tokenize = "{TOKENIZER.removeprefix("porter ")}");
CREATE VIRTUAL TABLE temp.question_words USING fts5vocab(temp, question, row);
CREATE VIRTUAL TABLE temp.word USING fts5(text, tokenize = "{TOKENIZER}");
CREATE VIRTUAL TABLE temp.word_stems USING fts5vocab(temp, word, instance);
"""


class WordIndex:
    """Which chunks have a question's words. Any thread may call."""

    def __init__(self, file: Path, *, n_entries: int = _ENTRIES) -> None:
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
            words = self._rare(self._stems(spelled(text[:_CHARS])), round(share * self._n_entries))
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

    def _rare(self, words: dict[str, str], n_entries: int) -> list[str]:
        """The rarest words that are in the index at all, as many as the effort allows."""
        counted = sorted((n, stem) for stem in words if (n := self._count(stem)))[:_TERMS]
        if not counted or counted[0][0] > _ALONE * n_entries:
            return []
        kept = [words[counted[0][1]]]
        left = n_entries - counted[0][0]
        for n, stem in counted[1:]:
            left -= n
            if left < 0:
                break
            kept.append(words[stem])
        return kept

    def _count(self, stem: str) -> int:
        if (known := self._counts.get(stem)) is not None:
            return known
        row = self._connection.execute("SELECT doc FROM temp.vocabulary WHERE term = ?", (stem,)).fetchone()
        if len(self._counts) >= _REMEMBERED:
            self._counts.clear()
        self._counts[stem] = found = int(row[0]) if row else 0
        return found


def open_words(generation: Path) -> WordIndex | None:
    """The index of words of a generation; None where an older version made the generation."""
    return WordIndex(generation / WORDS) if has_words(generation) else None
