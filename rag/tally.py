"""Reuse by collection since the service started: how much, by whom, and what stood in its way."""

import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from rag.ask import Reuse
from rag.types import CollectionId

MINUTES = 60  # of the past that are kept one by one
_REMEMBERED = 256  # collections and groups with their minutes and prefixes: some 6 MB with all of them in use
_PREFIXES = 64  # of one collection and group, those used last


@dataclass(slots=True)
class Sums:
    """Answers added up."""

    n_answers: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    misses: Counter[str] = field(default_factory=Counter)

    def add(self, reuse: Reuse) -> None:
        """Count one answer."""
        self.n_answers += 1
        self.prompt_tokens += reuse.prompt_tokens
        self.cached_tokens += reuse.cached_tokens or 0
        if reuse.miss_reason:
            self.misses[reuse.miss_reason] += 1

    def join(self, other: "Sums") -> None:
        """Count what another one has counted."""
        self.n_answers += other.n_answers
        self.prompt_tokens += other.prompt_tokens
        self.cached_tokens += other.cached_tokens
        self.misses.update(other.misses)


@dataclass(slots=True)
class PrefixUse:
    """Answers whose prompt began with one shared prefix."""

    first_at: int  # Unix seconds
    last_at: int
    n_answers: int = 0
    cached_tokens: int = 0  # of the prefix alone


@dataclass(slots=True)
class _Kept:
    """What is known of one group's answers from one collection."""

    total: Sums = field(default_factory=Sums)
    minutes: deque[tuple[int, Sums]] = field(default_factory=lambda: deque(maxlen=MINUTES))  # by number of the minute
    prefixes: OrderedDict[str, PrefixUse] = field(default_factory=OrderedDict)  # by version


class Tally:
    """Sums over answers. Used on one event loop; `facts` and `n_answers` may be called on others and miss the latest.

    Memory is bounded: of collections and groups that were not used for long the sums stay, and nothing else.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Nothing answered yet. clock: Unix seconds."""
        self._clock = clock
        self.since = int(clock())
        self._kept: dict[CollectionId, dict[str, _Kept]] = {}
        self._used: OrderedDict[tuple[CollectionId, str], None] = OrderedDict()

    def add(self, collection: CollectionId, group: str, reuse: Reuse) -> None:
        """Count one answer."""
        now = int(self._clock())
        kept = self._kept.setdefault(collection, {}).setdefault(group, _Kept())
        kept.total.add(reuse)
        minute = now // 60
        if not kept.minutes or kept.minutes[-1][0] < minute:
            kept.minutes.append((minute, Sums()))
        kept.minutes[-1][1].add(reuse)
        if reuse.prefix_version:
            self._note_prefix(kept, reuse, now)
        self._used[collection, group] = None
        self._used.move_to_end((collection, group))
        while len(self._used) > _REMEMBERED:
            (gone, of), _ = self._used.popitem(last=False)
            self._kept[gone][of].minutes.clear()
            self._kept[gone][of].prefixes.clear()

    def n_answers(self, collection: CollectionId) -> int:
        """Answers from a collection."""
        return self.sums(collection).n_answers

    def sums(self, collection: CollectionId, groups: Collection[str] | None = None) -> Sums:
        """Everything from a collection since the start. groups: of their answers alone; None: of all."""
        total = Sums()
        for kept in self._of(collection, groups):
            total.join(kept.total)
        return total

    def minutes(self, collection: CollectionId, groups: Collection[str] | None = None) -> dict[int, Sums]:
        """The same of each minute of the last hour that had answers, by the Unix second in which it began."""
        oldest = int(self._clock()) // 60 - MINUTES
        found: dict[int, Sums] = {}
        for kept in self._of(collection, groups):
            for minute, sums in kept.minutes:
                if minute > oldest:
                    found.setdefault(minute * 60, Sums()).join(sums)
        return dict(sorted(found.items()))

    def prefixes(self, collection: CollectionId, groups: Collection[str] | None = None) -> dict[str, PrefixUse]:
        """How prefixes of a collection were used, by version. Those of earlier generations are among them."""
        found: dict[str, PrefixUse] = {}
        for kept in self._of(collection, groups):
            for version, use in kept.prefixes.items():
                known = found.setdefault(version, PrefixUse(use.first_at, use.last_at))
                known.first_at, known.last_at = min(known.first_at, use.first_at), max(known.last_at, use.last_at)
                known.n_answers += use.n_answers
                known.cached_tokens += use.cached_tokens
        return found

    def facts(self, collection: CollectionId) -> dict[str, object]:
        """The sums of a collection, its misses by reason, most frequent first."""
        sums = self.sums(collection)
        return {
            "answers": sums.n_answers,
            "prompt_tokens": sums.prompt_tokens,
            "cached_tokens": sums.cached_tokens,
            "misses": dict(sums.misses.most_common()),
        }

    def _of(self, collection: CollectionId, groups: Collection[str] | None) -> Iterator[_Kept]:
        for group, kept in list(self._kept.get(collection, {}).items()):
            if groups is None or group in groups:
                yield kept

    def _note_prefix(self, kept: _Kept, reuse: Reuse, now: int) -> None:
        use = kept.prefixes.setdefault(reuse.prefix_version, PrefixUse(now, now))
        kept.prefixes.move_to_end(reuse.prefix_version)
        use.last_at = now
        use.n_answers += 1
        use.cached_tokens += sum(n or 0 for segment, n in reuse.segments if segment.name == "shared_prefix")
        while len(kept.prefixes) > _PREFIXES:
            kept.prefixes.popitem(last=False)
