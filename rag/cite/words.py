"""What a text talks about."""

from collections.abc import Sequence
from dataclasses import dataclass

from rag.cite.numbers import with_numbers
from rag.cite.tokens import Kind, Token, tokens_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The tokens of a text in their order, and the keys of those that carry its content."""

    tokens: tuple[Token, ...]
    content: frozenset[str]


def words_of(text: str) -> Words:
    """What `text` talks about."""
    tokens = tuple(with_numbers(text, tokens_of(text)))
    return Words(tokens=tokens, content=content_of(tokens))


def content_of(tokens: Sequence[Token]) -> frozenset[str]:
    """The keys that carry content: words but for those that every text has, pairs of characters, numbers."""
    keys: set[str] = set()
    before: Token | None = None
    for at, token in enumerate(tokens):
        if token.kind is Kind.CHAR:
            if before is not None:
                keys.add(before.key + token.key)
            elif at + 1 == len(tokens) or not _follows(token, tokens[at + 1]):
                keys.add(token.key)
            before = token if at + 1 < len(tokens) and _follows(token, tokens[at + 1]) else None
            continue
        before = None
        if token.kind in {Kind.WORD, Kind.NUMBER} or (token.kind is Kind.SPELLED and token.key not in {"1", "2"}):
            keys.add(token.key)
    return frozenset(keys)


def _follows(token: Token, following: Token) -> bool:
    return following.kind is Kind.CHAR and following.start == token.end
