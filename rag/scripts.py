"""Letters whose words no space tells apart, and what is compared of words instead. Pure."""

import unicodedata
from collections.abc import Iterator

# For the brackets of a pattern: letters and their marks, no digits, no punctuation.
NO_SPACES = (  # one word follows the other without a space
    "\u3005\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"  # Han and kana
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u1000-\u1049\u1050-\u109f\u1780-\u17d3"  # Thai, Lao, Burmese, Khmer
)
_HANGUL = "\u1100-\u11ff\uac00-\ud7a3"
UNSPACED = NO_SPACES + _HANGUL  # Korean sets spaces, but its words carry their particles

_BEGINNING_CHARS = 5  # of a word: endings differ between question and text


def pieces(run: str, length: int) -> Iterator[str]:
    """The overlapping pieces of a run of letters; the run itself if it is no longer than one."""
    return (run[first : first + length] for first in range(max(len(run) - length, 0) + 1))


def beginning(word: str) -> str:
    """What the forms of a word have in common, in any language and very roughly."""
    return word[:_BEGINNING_CHARS]


def folded(text: str) -> str:
    """`text` without differences of case and width."""
    return unicodedata.normalize("NFKC", text).casefold()
