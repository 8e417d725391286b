"""Names that stand for one model or for several by share, and the way back from one that does worse."""

import hashlib
import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from statistics import median

import structlog

from rag.errors import EngineError
from rag.settings import AliasShare
from rag.telemetry import Metrics

_KEPT = 50  # requests of a kind to a model by an alias, the last ones
_LEAST = 20  # of them on both sides before their times are compared
_FAILED, _MORE_FAILED = 3, 0.1  # so many failed, and so much more of them than of the former's
_SLOWER, _SLOWER_S = 1.5, 0.1  # times, and seconds, to the first token at the median

log = structlog.get_logger()

Aliased = Mapping[str, str | Sequence[AliasShare]]


@dataclass(frozen=True, slots=True)
class Trial:
    """One request to a model, by an alias."""

    _note: Callable[[float | None], None]

    def answered(self, first_s: float) -> None:
        """Nothing; it was answered. first_s: from its place to its first token."""
        self._note(first_s)


@dataclass(slots=True)
class _Record:
    """The last requests of a kind to a model by an alias."""

    failed: deque[bool] = field(default_factory=lambda: deque(maxlen=_KEPT))
    first_s: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT))

    @property
    def failed_share(self) -> float:
        return sum(self.failed) / len(self.failed) if self.failed else 0.0


class Aliases:
    """Picks a model for each conversation that names an alias. Used on one event loop."""

    def __init__(self, aliases: Aliased, metrics: Metrics) -> None:
        """Nothing has been asked yet."""
        self._metrics = metrics
        self.set(aliases)

    def set(self, aliases: Aliased) -> None:
        """Nothing; the aliases are these from now on. Models that traffic had left are tried again."""
        self._shares: dict[str, tuple[AliasShare, ...]] = {
            alias: (AliasShare(model=target),) if isinstance(target, str) else tuple(target)
            for alias, target in aliases.items()
        }
        self._records: dict[tuple[str, str, bool], _Record] = {}
        self._left: set[tuple[str, str]] = set()
        self._metrics.alias_left.clear()
        for alias, shares in self._shares.items():
            for share in shares[1:]:
                self._metrics.alias_left.labels(alias, share.model).set(0)

    def names_of(self, models: Collection[str]) -> tuple[str, ...]:
        """The aliases that stand for one of these models."""
        return tuple(name for name, shares in self._shares.items() if any(share.model in models for share in shares))

    def pick(self, alias: str, talk: str, models: Collection[str]) -> str | None:
        """The model that answers a conversation, one of `models`: those that take requests. None: no such alias.

        Of a share that grows or shrinks only so many conversations move, and all services agree: it depends on the
        conversation alone. talk: what stays the same in it from its first turn on.

        Source: weighted rendezvous hashing (Schindelhauer and Schomaker, 2005).
        """
        shares = self._shares.get(alias, ())
        there = [share for share in shares if share.model in models]
        if not there:
            return shares[0].model if shares else None
        former = there[0]
        chosen = max(there, key=lambda share: _score(talk, share))
        return former.model if (alias, chosen.model) in self._left else chosen.model

    @asynccontextmanager
    async def trial(self, alias: str | None, model: str, *, documents: bool) -> AsyncIterator[Trial]:
        """A request, whose outcome counts for the model: an answer or the engine's failure within the block.

        documents: whether it is answered from them. Only requests alike are compared: the bare model is faster.
        """
        note = partial(self._note, alias, model, documents=documents)
        try:
            yield Trial(note)  # who takes the answer need not come back for its end
        except EngineError:
            note(None)
            raise

    def _note(self, alias: str | None, model: str, first_s: float | None, *, documents: bool) -> None:
        if alias is None or alias not in self._shares:
            return
        self._metrics.alias_answers.labels(alias, model, "failed" if first_s is None else "completed").inc()
        record = self._records.setdefault((alias, model, documents), _Record())
        record.failed.append(first_s is None)
        if first_s is not None:
            record.first_s.append(first_s)
        former = self._shares[alias][0].model
        if model == former or (alias, model) in self._left:
            return
        if why := _worse(record, self._records.get((alias, former, documents), _Record())):
            self._left.add((alias, model))
            self._metrics.alias_left.labels(alias, model).set(1)
            log.warning("traffic_returned", alias=alias, model=model, to=former, reason=why)


def _worse(new: _Record, old: _Record) -> str | None:
    """Why a model does worse than the one before it; None: it does not."""
    if sum(new.failed) >= _FAILED and new.failed_share >= old.failed_share + _MORE_FAILED:
        n_failed, n_all = sum(new.failed), len(new.failed)
        return f"{n_failed} of its last {n_all} requests failed, {old.failed_share:.0%} of the other's"
    if min(len(new.first_s), len(old.first_s)) < _LEAST:
        return None
    new_s, old_s = median(new.first_s), median(old.first_s)
    if new_s > max(_SLOWER * old_s, old_s + _SLOWER_S):
        return f"its first token takes {new_s:.2f} s at the median, the other's {old_s:.2f} s"
    return None


def _score(talk: str, share: AliasShare) -> float:
    if share.share == 0:
        return -math.inf
    digest = hashlib.blake2b(f"{share.model}\n{talk}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return share.share / -math.log((int.from_bytes(digest) + 1) / (2**64 + 1))
