"""An index of words in tantivy's files, for collections in which SQLite would take too long.

Tantivy writes locks beside the files that it reads. A generation never changes, and may lie on a disk that cannot be
written, so its files stand in it under names of their own, and tantivy sees them through a folder of links that is
gone as soon as they are mapped into memory.
"""

import tempfile
from pathlib import Path

import tantivy

from rag.store.info import damaged
from rag.store.words.base import CHARS, ENTRIES, Found, rarest
from rag.store.words.present import SEGMENTS_MARK, SEGMENTS_PREFIX
from rag.store.words.spelling import spelled

NUMBER, TEXT = "seq", "text"
FREQUENCIES = "freq"  # kept of each word in each chunk; places of words are not needed
_META = "meta.json"
_TIED = 64  # chunks beyond those asked for: of equal scores tantivy gives any, and the lowest numbers are wanted


def analyzer() -> tantivy.TextAnalyzer:
    """The words of a spelled text, as SQLite's tokenizer finds them; endings are cut by Porter's second rules."""
    words = tantivy.Tokenizer.regex(r"[\p{L}\p{N}\p{Co}\p{M}]+")
    builder = tantivy.TextAnalyzerBuilder(words).filter(tantivy.Filter.lowercase()).filter(tantivy.Filter.ascii_fold())
    return builder.filter(tantivy.Filter.stemmer("english")).build()


class SegmentIndex:
    """Which chunks have a question's words. Any thread may call."""

    def __init__(self, generation: Path, *, n_entries: int = ENTRIES) -> None:
        """Open the files in the folder of a generation. n_entries: of the index, as many as a search may score.

        Raises:
            CorpusError: they are no index of words.
        """
        self._analyzer = analyzer()
        self._n_entries = n_entries
        with tempfile.TemporaryDirectory(prefix="prefixrag-words-") as links:
            for file in generation.glob(f"{SEGMENTS_PREFIX}*"):
                if file.name != SEGMENTS_MARK:
                    (Path(links) / file.name.removeprefix(SEGMENTS_PREFIX)).symlink_to(file.absolute())
            try:
                index = tantivy.Index.open(links)
                index.config_reader("manual")
                self._schema = index.schema
                self._searcher = index.searcher()
            except ValueError:
                raise damaged(generation / f"{SEGMENTS_PREFIX}{_META}") from None

    def search(self, text: str, k: int, allowed: frozenset[int] | None = None, *, share: float = 1.0) -> Found:
        """Up to `k` chunks that have any of the words of `text`, frequent words left out.

        Nothing in `text` is an operator. allowed: the numbers that may be found; None: all. share: of the usual
        effort, for a text that counts less.
        """
        stems = dict.fromkeys(self._analyzer.analyze(spelled(text[:CHARS])))
        counts = {stem: self._searcher.doc_freq(TEXT, stem) for stem in stems}
        words = rarest(counts, round(share * self._n_entries))
        if not words:
            return ()
        terms = [tantivy.Query.term_query(self._schema, TEXT, word, FREQUENCIES) for word in words]
        query = tantivy.Query.boolean_query([(tantivy.Occur.Should, term) for term in terms])
        limit = k + _TIED if allowed is None else sum(counts[word] for word in words)
        hits = self._searcher.search(query, limit, count=False).hits
        seqs = self._searcher.fast_field_values(NUMBER, [address for _, address in hits])
        pairs = ((int(seq or 0), float(score)) for seq, (score, _) in zip(seqs, hits, strict=True))
        found = sorted(pairs, key=lambda pair: (-pair[1], pair[0]))
        return tuple([pair for pair in found if allowed is None or pair[0] in allowed][:k])

    @property
    def n_chunks(self) -> int:
        """How many chunks it has."""
        return self._searcher.num_docs

    def close(self) -> None:
        """Nothing; the files are let go of with the object."""
