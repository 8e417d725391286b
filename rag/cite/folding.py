"""Text with the differences folded away that do not change what it says, and the way back to the source."""
# ruff: noqa: RUF001 - characters that look like ASCII ones are what this is about

import functools
import re
import unicodedata
from dataclasses import dataclass

_SAME = {
    **dict.fromkeys("‘’‚‛′´ʼ", "'"),
    **dict.fromkeys("“”„‟«»″", '"'),
    **dict.fromkeys("‐‑‒–—―−", "-"),
    **dict.fromkeys("\u00ad\u200b\u200c\u200d\ufeff", ""),
}
_MARKUP = re.compile(
    r"^[ \t]*\#{1,6}[ \t]+"  # headings
    r"|`+"
    r"|(?<![^\W_])[*_]+|[*_]+(?![^\W_])",  # emphasis; within a word, as in max_tokens or 2*3, it is none
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """`text[n]` came from the source's character at `offsets[n]`."""

    text: str
    offsets: tuple[int, ...]

    def source_span(self, start: int, end: int) -> tuple[int, int] | None:
        """Where `text[start:end]` stands in the source; None if it would cut a character of the source in two."""
        if start and self.offsets[start - 1] == self.offsets[start]:
            return None
        if end < len(self.offsets) and self.offsets[end - 1] == self.offsets[end]:
            return None
        return self.offsets[start], self.offsets[end - 1] + 1


def fold(text: str) -> Folded:
    """`text` without differences of case, width, white space, quotes, dashes and Markdown emphasis."""
    markup = {at for found in _MARKUP.finditer(text) for at in range(*found.span())}
    chars: list[str] = []
    offsets: list[int] = []
    last = " "
    for offset, char in enumerate(text):
        if offset in markup:
            continue
        for folded in _fold_char(char):
            if folded != " " or last != " ":
                chars.append(folded)
                offsets.append(offset)
                last = folded
    if chars and last == " ":
        chars.pop()
        offsets.pop()
    return Folded(text="".join(chars), offsets=tuple(offsets))


@functools.lru_cache(maxsize=4096)
def _fold_char(char: str) -> str:
    """Decomposed, since that can be done one by one: texts are equal under NFKC if they are under NFKD."""
    if char.isspace():
        return " "
    if char in _SAME:
        return _SAME[char]
    return unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", char).casefold())
