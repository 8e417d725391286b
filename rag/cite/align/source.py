"""A text that statements are held against, read once and only as far as they ask for it."""

import functools
import re
from dataclasses import dataclass

from rapidfuzz import process
from rapidfuzz.distance import Indel

from rag.cite.folding import Folded, fold
from rag.cite.statements import sentences
from rag.cite.tokens import Token, is_unspaced, loosened
from rag.cite.words import Words, content_of, words_of

_CODE_PART = re.compile(r"\d+|\D+")
_MIN_INFLECTED = 6  # letters from which on two words may differ in some
_MIN_SIMILARITY = 0.8
_MIN_PART = 5  # letters of a part of a compound


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """`start:end` of a source."""

    start: int
    end: int
    tokens: tuple[Token, ...]  # with offsets of the source
    content: frozenset[str]


class Source:
    """A text, and the title that it stands under."""

    def __init__(self, text: str, title: str = "") -> None:
        self.text = text
        self._title = title

    @functools.cached_property
    def loose(self) -> str:
        """The text in which the keys of its words can be looked for."""
        return loosened(f"{self._title}\n{self.text}")

    @functools.cached_property
    def folded(self) -> Folded:
        """The text for comparisons that overlook spelling."""
        return fold(self.text)

    @functools.cached_property
    def sentences(self) -> tuple[Sentence, ...]:
        """Its sentences and lines, in their order."""
        tokens = words_of(self.text).tokens
        found: list[Sentence] = []
        at = 0
        for start, end in sentences(self.text):
            first = at
            while at < len(tokens) and tokens[at].start < end:
                at += 1
            own = tokens[first:at]
            found.append(Sentence(start=start, end=end, tokens=own, content=content_of(own)))
        return tuple(found)

    @functools.cached_property
    def title(self) -> Words:
        """What the title talks about."""
        return words_of(self._title)

    @functools.cached_property
    def content(self) -> frozenset[str]:
        """All that the text and its title talk about."""
        return self.title.content.union(*(sentence.content for sentence in self.sentences))

    @functools.cached_property
    def _spelled(self) -> tuple[list[str], str]:
        """Its longer words, as a list and as one text."""
        words = sorted(key for key in self.content if len(key) >= _MIN_PART and key.isalpha())
        return words, f" {' '.join(words)} "

    def shares(self, words: Words) -> dict[str, str]:
        """The statement's content keys that the source has, each with its own key: another form, or a compound."""
        shared = {key: key for key in words.content if key in self.content}
        names = {token.key for token in words.tokens if token.is_capital}
        for key in words.content - shared.keys():
            if is_code(key):
                if self._has_code(key):
                    shared[key] = key
            elif len(key) >= _MIN_PART and key.isalpha() and not is_unspaced(key[0]):
                found = self._compound(key) or (None if key in names else self._inflected(key))
                if found:
                    shared[key] = found
        return shared

    def may_cover(self, words: Words, share: float) -> bool:
        """Whether it may have that share of a statement's content. Cheap: looks for letters, not words."""
        spelled = [key for key in words.content if not key[0].isdecimal() and not is_code(key)]
        most = (1 - share) * len(words.content)
        loose, n_missing = self.loose, 0
        for key in spelled:
            if key not in loose:
                n_missing += 1
                if n_missing > most:
                    return False
        return True

    def _has_code(self, code: str) -> bool:
        """Whether it has the letters and digits of `code` with a space or hyphen between them: X 5 or X-5 for X5."""
        parts = _CODE_PART.findall(code)
        spaced = r"[\s-]?".join(map(re.escape, parts))
        return re.search(rf"(?<!\w){spaced}(?!\w)", self.loose) is not None

    def _compound(self, key: str) -> str | None:
        words, joined = self._spelled
        if f" {key}" in joined or f"{key} " in joined:
            return next(word for word in words if word.startswith(key) or word.endswith(key))
        if len(key) < 2 * _MIN_PART:
            return None
        return next((word for word in words if key.startswith(word) or key.endswith(word)), None)

    def _inflected(self, key: str) -> str | None:
        if len(key) < _MIN_INFLECTED:
            return None
        found = process.extractOne(
            key, self._spelled[0], scorer=Indel.normalized_similarity, score_cutoff=_MIN_SIMILARITY
        )
        return found[0] if found and found[0][:3] == key[:3] else None


def is_code(key: str) -> bool:
    """Whether it is a word with digits, as E41."""
    return not key[0].isdecimal() and any(char.isdecimal() for char in key)
