"""How a text is written before a tokenizer reads it: so that it finds words where there are no spaces.

SQLite folds case and accents, and cuts English endings (Porter), which paid on every Latin set that was measured,
German included; so does tantivy. What they cannot do is done here:

- Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese become overlapping pairs of characters. Singles beside them
  gain nothing, triples lose (xquad-zh, recall at 10: pairs 0.994, triples 0.926; 2026-11).
- Arabic, where articles and prepositions stick to their word, loses its vowel signs, and words of more than three
  letters become overlapping triples (xquad-ar, nDCG at 10: 0.952 for 0.892 with whole words; 2026-11).

A change of this file makes old indexes wrong: raise `RECIPE`, and the next ingest builds them anew.
"""

import re
import unicodedata

from rag.scripts import UNSPACED, pieces

RECIPE = 1
TOKENIZER = "porter unicode61 remove_diacritics 2 categories 'L* N* Co M*'"

_UNSPACED = re.compile(f"[{UNSPACED}]+")
_ARABIC = re.compile("[\u0620-\u064a\u066e-\u06d3\u06d5\u06ee\u06ef\u06fa-\u06ff\u0750-\u077f\u08a0-\u08c7]+")
_ARABIC_SIGNS = dict.fromkeys((1600, 1648, *range(1611, 1632)))  # stretching and vowels
_ARABIC_LETTERS = str.maketrans("أإآٱىؤئة", "اااايويه")
_FOLDED = _ARABIC_SIGNS | _ARABIC_LETTERS | {ord("ß"): "ss"}


def spelled(text: str) -> str:
    """`text` for the tokenizer: the same for documents and questions."""
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKC", text).translate(_FOLDED)
    return _ARABIC.sub(_triples, _UNSPACED.sub(_pairs, text))


def _pairs(match: re.Match[str]) -> str:
    return f" {' '.join(pieces(match.group(), 2))} "


def _triples(match: re.Match[str]) -> str:
    return f" {' '.join(pieces(match.group(), 3))} "
