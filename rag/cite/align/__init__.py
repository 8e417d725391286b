"""Where a text says what a statement says, and where it only seems to. From the strictest way to the loosest."""

from collections.abc import Mapping
from dataclasses import dataclass

from rag.cite.align.cover import cover, spans
from rag.cite.align.facts import differing, is_denied_before
from rag.cite.align.limits import LIMITS, Limits
from rag.cite.align.literal import literal
from rag.cite.align.meaning import Embed, nearest
from rag.cite.align.quotation import is_stitched
from rag.cite.align.source import Source
from rag.cite.tokens import loosened
from rag.cite.words import Words, words_of
from rag.types import Problem, Status

__all__ = ["LIMITS", "Embed", "Limits", "Match", "Source", "Verdict", "align", "align_in"]


_MIN_NEAR = 3  # content words that a source has, for it to talk about the same and contradict


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The span `start:end` of a text that supports a statement."""

    start: int
    end: int
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a text says to a statement: where it supports it, or the problem, and how near it comes.

    score: the share of the statement's content words that the evidence has, without facts that differ.
    """

    matches: tuple[Match, ...] = ()
    problem: Problem | None = None
    score: float = 0.0


def align(statement: str, text: str, limits: Limits = LIMITS) -> Verdict:
    """What `text` says to `statement`."""
    return align_in(statement, words_of(statement), Source(text), limits.marked, limits)


def align_in(
    statement: str,
    words: Words,
    source: Source,
    share: float,
    limits: Limits = LIMITS,
    embed: Embed | None = None,
) -> Verdict:
    """As `align`, for a source that many statements are compared with. `words` are the statement's.

    share: of the statement's content that the evidence must have. embed: for what is said in other words.
    """
    shared = source.shares(words)
    is_likely = len(shared) == len(words.content) or loosened(statement) in source.loose
    if found := literal(statement, source, is_likely=is_likely):
        start, end, status = found
        if is_denied_before(source, start):
            return Verdict(problem=Problem.CONTRADICTED, score=1.0)
        return Verdict(matches=(Match(start=start, end=end, status=status),), score=1.0)
    verdict = _covered(words, shared, source, share, limits)
    if verdict.matches and is_stitched(statement, source):
        return Verdict(problem=Problem.STITCHED, score=verdict.score)
    if embed is None or verdict.problem is not Problem.UNSUPPORTED:
        return verdict
    near = nearest(statement, source, embed, limits.meaning)
    if near is None or differing(words, shared, [near], source):
        return verdict
    return Verdict(matches=(Match(start=near.start, end=near.end, status=Status.FUZZY),), score=verdict.score)


def _covered(words: Words, shared: Mapping[str, str], source: Source, share: float, limits: Limits) -> Verdict:
    evidence = cover(shared, len(words.content), source, limits)
    if not evidence:
        return Verdict(problem=Problem.UNSUPPORTED)
    told = source.title.content.union(*(sentence.content for sentence in evidence))
    covered = {key for key, own in shared.items() if own in told}
    facts = differing(words, shared, evidence, source)
    rest = words.content - facts
    score = len(covered & rest) / len(rest) if rest else 0.0
    if facts:
        is_near = score >= limits.near and len(covered & rest) >= _MIN_NEAR
        return Verdict(problem=Problem.CONTRADICTED if is_near else Problem.UNSUPPORTED, score=score)
    if score < share:
        return Verdict(problem=Problem.UNSUPPORTED, score=score)
    matches = (Match(start=start, end=end, status=Status.FUZZY) for start, end in spans(evidence, source))
    return Verdict(matches=tuple(matches), score=score)
