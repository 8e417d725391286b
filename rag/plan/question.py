"""The plan of one question: which prefix, which continuation, which tail."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from rag.plan.chain import BlockName
from rag.plan.conversation import ROOM_SHARE
from rag.plan.held import Held
from rag.plan.pace import Pace
from rag.plan.prefix import Prefix
from rag.plan.sequences import Sequences
from rag.types import Chunk, Hit

_PROTECTED = 3  # best ranks, never replaced
# Of choices that cost nearly the same, the one that shows more of what was found.
_NEARLY = 1.03


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineView:
    """One engine as planning sees it."""

    held: Held
    block_size: int
    pace: Pace
    coming: Container[BlockName] = frozenset()  # blocks that requests before this one are computing

    def holds(self, name: BlockName) -> bool:
        """Whether the engine has this block, or will have it when those requests are done."""
        return self.held.holds(name) or name in self.coming

    def match(self, chain: Sequence[BlockName]) -> int:
        """Leading blocks of `chain` of which that is so."""
        return next((index for index, name in enumerate(chain) if not self.holds(name)), len(chain))


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a prompt could start with on one engine."""

    prefix: Prefix | None  # None: the system text alone
    root: str  # its name in `Sequences`
    n_tokens: int  # system text and prefix
    n_cached: int
    is_held: bool  # all its full blocks are cached
    missing_weight: float = 1.0  # of its uncached tokens: below 1 where later questions gain from computing it


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a question gets, and what that should cost."""

    prefix: Prefix | None
    chunks: tuple[Chunk, ...]  # behind the prefix, in prompt order
    replaced: tuple[tuple[Hit, Hit], ...]  # hits left out for near-tied ones that the prefix shows anyway
    n_new: int
    n_cached: int
    expected_ms: float


def plan_question(
    hits: Sequence[Hit],
    kept: Sequence[Hit],
    openings: Sequence[Opening],
    *,
    n_tokens: Mapping[int, int],
    n_fixed: int,
    budget_tokens: int,
    pace: Pace,
    sequences: Sequences,
    held: Held,
    near_tie: float,
) -> Choice:
    """The choice that should reach its first token soonest, among all `openings`.

    Every hit of `kept` is shown, in the prefix or behind it, unless it does not fit or is replaced; the best is
    never replaced. One opening must be the bare system text: the choice is then never slower than the hits alone.

    hits: all that was found; kept: those that are no noise (`relevant`), best first. n_tokens: cost of a chunk, by
    seq. n_fixed: tokens that stand in every choice. budget_tokens: for prefix and chunks. near_tie: share of its score
    by which a hit may be better than the one that replaces it; 0 replaces nothing.
    """
    choices = []
    for opening in openings:
        left = budget_tokens - (opening.prefix.n_tokens if opening.prefix else 0)
        if left < 0:
            continue
        tail, replaced = _tail(hits, kept, opening.prefix, n_tokens, left // ROOM_SHARE, near_tie)
        reused: tuple[int, ...] = ()
        if opening.is_held:
            reused = sequences.longest_held(opening.root, [hit.chunk.seq for hit in tail], held)
        choices.append(_choice(opening, tail, reused, replaced, n_tokens, n_fixed, pace))
    best_ms = min(choice.expected_ms for choice in choices)
    near = [choice for choice in choices if choice.expected_ms <= best_ms * _NEARLY]
    return max(near, key=lambda choice: (_n_shown(choice, hits), -choice.expected_ms))


def _tail(
    hits: Sequence[Hit],
    kept: Sequence[Hit],
    prefix: Prefix | None,
    n_tokens: Mapping[int, int],
    left: int,
    near_tie: float,
) -> tuple[list[Hit], tuple[tuple[Hit, Hit], ...]]:
    """The hits behind a prefix, best first, and what was replaced."""
    shown = prefix.seqs if prefix else frozenset[int]()
    kept_seqs = {hit.chunk.seq for hit in kept}
    spare = [hit for hit in hits if hit.chunk.seq in shown and hit.chunk.seq not in kept_seqs]
    replaced: list[tuple[Hit, Hit]] = []
    tail: list[Hit] = []
    for hit in reversed(kept):
        if hit.chunk.seq in shown:
            continue
        if spare and near_tie and hit.rank > _PROTECTED and spare[0].score >= (1 - near_tie) * hit.score:
            replaced.append((hit, spare.pop(0)))
        else:
            tail.append(hit)
    fitting = []
    for hit in reversed(tail):
        if n_tokens[hit.chunk.seq] <= left:
            fitting.append(hit)
            left -= n_tokens[hit.chunk.seq]
    return fitting, tuple(replaced)


def _choice(
    opening: Opening,
    tail: Sequence[Hit],
    reused: tuple[int, ...],
    replaced: tuple[tuple[Hit, Hit], ...],
    n_tokens: Mapping[int, int],
    n_fixed: int,
    pace: Pace,
) -> Choice:
    by_seq = {hit.chunk.seq: hit.chunk for hit in tail}
    fresh = [hit.chunk for hit in tail if hit.chunk.seq not in reused]
    # The best belongs next to the question. That costs 2 % of the time where there is no prefix, since sequences that
    # begin with the best are found again more often (squad, cache of half the collection; replay, 2026-11), and it
    # nearly doubles what a small model finds: with four passages 0.39 of 200 squad answers against 0.21 (SmolLM2-135M).
    fresh.reverse()
    n_missing = opening.n_tokens - opening.n_cached
    n_new = n_missing + n_fixed + sum(n_tokens[chunk.seq] for chunk in fresh)
    n_cached = opening.n_cached + sum(n_tokens[seq] for seq in reused)
    n_weighed = n_new - round(n_missing * (1 - opening.missing_weight))
    return Choice(
        prefix=opening.prefix,
        chunks=(*(by_seq[seq] for seq in reused), *fresh),
        replaced=replaced,
        n_new=n_new,
        n_cached=n_cached,
        expected_ms=pace.first_token_ms(n_weighed, n_cached),
    )


def _n_shown(choice: Choice, hits: Sequence[Hit]) -> int:
    shown = {chunk.seq for chunk in choice.chunks} | (choice.prefix.seqs if choice.prefix else frozenset())
    return sum(hit.chunk.seq in shown for hit in hits)
