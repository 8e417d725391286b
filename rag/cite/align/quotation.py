"""Whether what a statement quotes stands in the source in one piece."""

import re
from collections.abc import Sequence

from rag.cite.align.literal import literal
from rag.cite.align.source import Source
from rag.cite.words import words_of

_QUOTED = re.compile(r"“([^”]+)”|\"([^\"]+)\"|``(.+?)''|«([^»]+)»|„([^“]+)“|「([^」]+)」|『([^』]+)』")
_LEFT_OUT = re.compile(r"\s*[\[(]?(?:…|\.\.\.)[\])]?\s*")
_MIN_TOKENS = 4  # of a quotation; what is shorter is a title or a word that is meant as such
_MIN_RUN = 2
_MOST_RUNS = 4


def is_stitched(statement: str, source: Source) -> bool:
    """Whether a quotation in `statement` is put together from separate places of `source`, without a sign of it."""
    quotations = (next(filter(None, found.groups())) for found in _QUOTED.finditer(statement))
    return any(_is_stitched(part, source) for quoted in quotations for part in _LEFT_OUT.split(quoted))


def _is_stitched(quoted: str, source: Source) -> bool:
    keys = _keys(quoted)
    if len(keys) < _MIN_TOKENS or literal(quoted, source, is_likely=True):
        return False
    told = f" {' '.join(_keys(source.text))} "
    n_runs, at = 0, 0
    while at < len(keys):
        end = at
        while end < len(keys) and f" {' '.join(keys[at : end + 1])} " in told:
            end += 1
        if end - at < _MIN_RUN:
            return False
        n_runs, at = n_runs + 1, end
    return 1 < n_runs <= _MOST_RUNS


def _keys(text: str) -> Sequence[str]:
    return [token.key for token in words_of(text).tokens]
