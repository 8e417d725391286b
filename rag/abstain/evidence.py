"""How much of a question retrieval has found. Pure."""

import re
from collections.abc import Sequence

from rag.scripts import UNSPACED, beginning, folded, pieces
from rag.types import Hit

# Evidence below which nothing that was found answers, by embedding model: the cosines of one say nothing of another's.
# Source: `rag bench no-answer`, whose figures stand in docs/answers.md (2026-11).
CALIBRATED = {"all-MiniLM-L6-v2": 0.30}

_WORDS_SHARE = 0.3
_BEST = 3  # hits whose words count
_MIN_CHARS = 4  # shorter words say little, unless they have digits
_MIN_KEYS = 2  # fewer are a greeting or thanks
_TOKEN = re.compile(rf"[{UNSPACED}]+|[^\W_{UNSPACED}]+")
_IS_UNSPACED = re.compile(f"[{UNSPACED}]")
# Of English, whose questions are put with long small words. Other languages' stand in their documents anyway.
_SMALL_WORDS = (
    "about been could does from have into many much should than that their them then there they this today what when "
    "where which whom whose will with would your "
    # What is said to a service rather than asked of documents.
    "documentation documents describe explain give hello help list overview please show summarise summarize summary "
    "tell thank thanks topics"
)
_SMALL = frozenset(_SMALL_WORDS.split())


def evidence(question: str, hits: Sequence[Hit]) -> float:
    """How well the best of `hits` fit a question: 0 without hits, about 1 at most.

    It is the cosine similarity of the best; or, where that is more, 0.7 of it and 0.3 of the share of the question's
    words that the three best have. So words can only speak for a question: one in another language than the documents'
    has none in common with them.
    """
    if not hits:
        return 0.0
    # The best in meaning need not come first: words order hits too.
    cosine = max(hit.score if hit.cosine is None else hit.cosine for hit in hits)
    keys = _keys(question)
    if not keys:
        return cosine
    found = folded("\n".join(f"{hit.chunk.title}\n{hit.chunk.text}" for hit in hits[:_BEST]))
    share = sum(key in found for key in keys) / len(keys)
    return max(cosine, (1 - _WORDS_SHARE) * cosine + _WORDS_SHARE * share)


def is_question_of_facts(text: str) -> bool:
    """Whether `text` names something that documents could be asked about; greetings and thanks do not."""
    return len(_keys(text)) >= _MIN_KEYS


def _keys(question: str) -> frozenset[str]:
    """What a question is about: beginnings of its words; of scripts without spaces, pairs of characters."""
    keys: set[str] = set()
    for token in _TOKEN.findall(folded(question)):
        if _IS_UNSPACED.match(token):
            keys.update(pieces(token, 2))
        elif any(char.isdecimal() for char in token) or (len(token) >= _MIN_CHARS and token not in _SMALL):
            keys.add(beginning(token))
    return frozenset(keys)
