"""Shared prefixes: frozen runs of documents that many prompts start with."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rag.plan.demand import Demand
from rag.plan.topics import Topic, Vectors, carry_topics, cut_topics, widen_topics
from rag.plan.turns import Passage
from rag.types import Chunk

_WIDEST = 2  # a topic with its neighbours is at most so many times its core
_MOVED = 0.25  # of the tokens: with more of them new or gone, topics are cut afresh


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefix:
    """One frozen run of passages. Two prefixes with one version have the same tokens."""

    version: str
    passages: tuple[Passage, ...]
    seqs: frozenset[int] = field(compare=False)
    n_tokens: int

    @property
    def chunks(self) -> tuple[Chunk, ...]:
        """Its chunks, in order."""
        return tuple(passage.chunk for passage in self.passages)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixSet:
    """The prefixes of one generation. `by_seq` has the numbers of those that show a chunk."""

    version: str  # changes exactly when a token of any prefix does
    prefixes: tuple[Prefix, ...]
    numbers: Mapping[str, int]  # by version
    by_seq: Mapping[int, tuple[int, ...]]
    demand: Demand

    @property
    def n_tokens(self) -> int:
        """Tokens of all prefixes together."""
        return sum(prefix.n_tokens for prefix in self.prefixes)

    @property
    def n_documents(self) -> int:
        """Documents that any of them shows a part of."""
        return len({chunk.document for prefix in self.prefixes for chunk in prefix.chunks})

    def showing(self, chunks: Sequence[Chunk], allowed: frozenset[int] | None = None) -> tuple[Prefix, ...]:
        """The prefixes that show at least one of `chunks`, each once; the only one, if there is only one.

        allowed: numbers of the chunks that may be shown, so only prefixes of nothing else; None: all.
        """
        numbers = {number for chunk in chunks for number in self.by_seq.get(chunk.seq, ())}
        found = self.prefixes if len(self.prefixes) == 1 else [self.prefixes[number] for number in sorted(numbers)]
        return tuple(prefix for prefix in found if allowed is None or prefix.seqs <= allowed)

    def best(self, chunks: Sequence[Chunk]) -> Prefix | None:
        """The prefix that shows most of `chunks`, the first of several; None: there is none that shows any."""
        shown = Counter(number for chunk in chunks for number in self.by_seq.get(chunk.seq, ()))
        return self.prefixes[min(shown, key=lambda number: (-shown[number], number))] if shown else None

    def most_wanted(self, budget_tokens: float) -> Iterator[int]:
        """Numbers of the prefixes that fit the budget together, most wanted first, up to the first that does not."""
        for number in self.demand.ranked():
            budget_tokens -= self.prefixes[number].n_tokens
            if budget_tokens < 0:
                return
            yield number

    def find(self, version: str) -> Prefix | None:
        """The prefix of this version."""
        number = self.numbers.get(version)
        return None if number is None else self.prefixes[number]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long prefixes may be, and how many tokens of them an engine should hold at once."""

    whole_tokens: int  # a collection of no more than this is one prefix
    core_tokens: int  # of a topic in a larger collection
    held_tokens: int  # of all prefixes of a collection


def make_prefix(version: str, passages: Sequence[Passage]) -> Prefix:
    """The prefix of these passages."""
    return Prefix(
        version=version,
        passages=tuple(passages),
        seqs=frozenset(passage.chunk.seq for passage in passages),
        n_tokens=sum(passage.n_tokens for passage in passages),
    )


def make_prefix_set(version: str, prefixes: Sequence[Prefix], topics: Sequence[Topic], vectors: Vectors) -> PrefixSet:
    """The set of these prefixes. topics: the rows of `vectors` that each one's chunks have."""
    means = [vectors[list(topic)].mean(axis=0) for topic in topics]
    by_seq: dict[int, tuple[int, ...]] = {}
    for number, prefix in enumerate(prefixes):
        for passage in prefix.passages:
            by_seq[passage.chunk.seq] = (*by_seq.get(passage.chunk.seq, ()), number)
    numbers = {prefix.version: number for number, prefix in enumerate(prefixes)}
    demand = Demand(np.array(means, np.float32).reshape(len(topics), vectors.shape[1]))
    return PrefixSet(version=version, prefixes=tuple(prefixes), numbers=numbers, by_seq=by_seq, demand=demand)


def choose_topics(
    old: Sequence[Topic], n_gone: int, vectors: Vectors, n_tokens: Sequence[int], limits: Limits
) -> tuple[Topic, ...]:
    """The topics of a generation: each a run of chunk numbers that becomes a prefix.

    A collection within `limits.whole_tokens` is one topic in the order given. A larger one is cut by meaning into
    topics of `limits.core_tokens`, and each is widened by its neighbours as far as the engine has room for chunks
    that stand in several. What was frozen before stays as it is until a quarter of the tokens has changed, so a
    changed document moves few cached tokens.

    old: the topics of the generation before, without what is gone; n_gone: how many chunks of it are.
    """
    total = sum(n_tokens)
    if not total:
        return ()
    is_whole = total <= limits.whole_tokens
    if old and is_whole == (len(old) == 1) and _moved_tokens(old, n_gone, n_tokens) <= _MOVED * total:
        limit = total if is_whole else _WIDEST * limits.core_tokens
        return carry_topics(old, vectors, n_tokens, limit_tokens=limit)
    if is_whole:
        return (tuple(range(len(n_tokens))),)
    if not limits.core_tokens:
        return ()
    topics = cut_topics(vectors, n_tokens, core_tokens=limits.core_tokens)
    spare = limits.held_tokens / total - 1  # of the cache, beside each chunk once
    extra = round(limits.core_tokens * min(max(spare, 0.0), _WIDEST - 1))
    return widen_topics(topics, vectors, n_tokens, extra_tokens=extra) if extra else topics


def _moved_tokens(old: Sequence[Topic], n_gone: int, n_tokens: Sequence[int]) -> float:
    """Tokens of chunks that are new, and as many for each one that is gone as a chunk has on average."""
    known = {index for topic in old for index in topic}
    new = sum(size for index, size in enumerate(n_tokens) if index not in known)
    return new + n_gone * sum(n_tokens) / len(n_tokens)
