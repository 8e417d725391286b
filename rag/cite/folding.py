"""Text with the differences folded away that do not change what it says, and the way back to the source."""
# ruff: noqa: RUF001 - characters that look like ASCII ones are what this is about

import functools
import re
import unicodedata
from dataclasses import dataclass

import regex

from rag.cite.graphemes import clusters

_SAME = {
    **dict.fromkeys("‘’‚‛′´ʼ", "'"),
    **dict.fromkeys("“”„‟«»″", '"'),
    **dict.fromkeys("‐‑‒–—―−", "-"),
}
# Soft hyphen, zero-width space and (non-)joiner, word joiner, byte-order mark, marks of writing direction.
_INVISIBLE = str.maketrans(
    "", "", "\u00ad\u200b\u200c\u200d\u2060\ufeff\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e"
)
_EMOJI = regex.compile(r"\p{Extended_Pictographic}")
_MARKUP = re.compile(
    r"^[ \t]*\#{1,6}[ \t]+"  # headings
    r"|`+"
    r"|(?<![^\W_])[*_]+|[*_]+(?![^\W_])",  # emphasis; within a word, as in max_tokens or 2*3, it is none
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """`text[n]` came from the source's grapheme cluster `starts[n]:ends[n]`."""

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def source_span(self, start: int, end: int) -> tuple[int, int] | None:
        """Where `text[start:end]` stands in the source; None if it would cut a cluster of the source in two."""
        if start and self.starts[start - 1] == self.starts[start]:
            return None
        if end < len(self.starts) and self.starts[end - 1] == self.starts[end]:
            return None
        return self.starts[start], self.ends[end - 1]


def normalize(text: str) -> str:
    """`text` as `normalized` citations compare it: equal results say the same in the same words.

    Without differences of case, width and composition (NFKD), white space, quotes, dashes, invisible characters and
    Markdown's headings, code and emphasis.
    """
    return fold(text).text


def fold(text: str) -> Folded:
    """As `normalize`, with the way back."""
    markup = {at for found in _MARKUP.finditer(text) for at in range(*found.span())}
    chars: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    last, start = " ", 0
    for cluster in clusters(text):
        end = start + len(cluster)
        if start not in markup or len(cluster) > 1:
            for folded in _fold_cluster(cluster):
                if folded != " " or last != " ":
                    chars.append(folded)
                    starts.append(start)
                    ends.append(end)
                    last = folded
        start = end
    if chars and last == " ":
        del chars[-1], starts[-1], ends[-1]
    return Folded(text="".join(chars), starts=tuple(starts), ends=tuple(ends))


@functools.lru_cache(maxsize=8192)
def _fold_cluster(cluster: str) -> str:
    """Decomposed, since that can be done piece by piece: texts are equal under NFKC if they are under NFKD."""
    if cluster.isspace():
        return " "
    if len(cluster) > 1 and not _EMOJI.search(cluster):  # whose joiners make a family of a man, a woman and a girl
        cluster = cluster.translate(_INVISIBLE)
    elif len(cluster) == 1:
        cluster = _SAME.get(cluster, cluster).translate(_INVISIBLE)
    return unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", cluster).casefold())
