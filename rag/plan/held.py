"""What one engine holds: a mirror of its prefix cache."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rag.plan.chain import BlockName, continue_chain, root_name
from rag.plan.fill import Fill, Origin, Run, Share
from rag.plan.news import EngineHash, News, Removed, Stored

# A mirror that is wrong on one request in seven passes this many in a row with less than 5 % (0.857 ** 20).
_RUN = 20
# What a step stores is published before that step's token is sent. Many batches later, it never was stored.
_LAPSE_BATCHES = 64
_UNTOLD_CAPACITY = 2**18


class Mirror(StrEnum):
    """How far a mirror can be trusted."""

    LIVE = "live"  # it has followed every event since the cache was empty, or has proven itself since a gap
    RECENCY = "recency"  # it is a guess from what was sent, least recently used out first, and what events there are


@dataclass(slots=True)
class _Block:
    n_copies: int = 0  # that events tell of; 0: only sent or reported so far
    hash: EngineHash | None = None
    share: Share | None = None  # None: it is not known whose it is


class Held:
    """The blocks of one engine, by our names of them.

    Without events it is a guess: `admit` notes what was sent, in the order in which the engine frees blocks (a
    request's last one first, so the roots of prefixes live longest), and `observe` corrects it by what the engine
    reports. With events (`restart`, `apply`, `settle` and what stands between them) it is exact: an engine's hash is
    mapped to our name through the parent's, so how the engine hashes does not matter, and copies are counted,
    because the engine keeps equal blocks apart and removes them one by one.

    Everything that changes it is called on one thread, the event loop's. `match`, `holds` and `must_report` may be
    called on others meanwhile: they only look names up, one dictionary access each, which the interpreter makes
    atomic, and never iterate. A reader may so see half of an update, as if it had asked a moment earlier or later.

    Memory: at most twice the engine's blocks are kept (or 2 ** 18 where it does not tell how many fit), each some
    400 bytes. An update costs O(blocks in it).

    Source: vLLM 0.32, v1/core/block_pool.py and single_type_kv_cache_manager.py.
    """

    def __init__(self, capacity_blocks: int | None) -> None:
        """capacity_blocks: blocks that fit the engine's cache; None where the engine does not tell."""
        self.state = Mirror.RECENCY
        self._capacity = capacity_blocks if capacity_blocks is not None else _UNTOLD_CAPACITY // 2
        self._blocks: OrderedDict[BlockName, _Block] = OrderedDict()  # least recently used first
        self._names: dict[EngineHash, BlockName] = {}
        self._fill = Fill()
        self._unconfirmed: OrderedDict[BlockName, int] = OrderedDict()  # no event yet; value: `_n_batches` at the time
        self._n_batches = 0
        self._is_whole = False  # no event was missed since the cache was empty, or proven to do no harm
        self._is_healing = False  # events were missed
        self._is_heard = False  # a batch of events came since
        self._n_right = 0  # requests in a row that were predicted right while healing
        self._n_late = 0  # requests in a row, with no event since, of whose last block no event has told

    def __len__(self) -> int:
        """Blocks held."""
        return len(self._blocks)

    @property
    def is_live(self) -> bool:
        """Whether it is exact: see `Mirror`."""
        return self.state is Mirror.LIVE

    def holds(self, name: BlockName) -> bool:
        """Whether this block is held."""
        return name in self._blocks

    def match(self, chain: Sequence[BlockName]) -> int:
        """Leading blocks of `chain` that are held."""
        return next((index for index, name in enumerate(chain) if name not in self._blocks), len(chain))

    def must_report(self, chain: Sequence[BlockName]) -> bool:
        """Whether a request with `chain` should have the engine announce the blocks that it reuses.

        So while healing, and for blocks that are held by the look of it, but that no event has told of.
        """
        return self._is_healing or (
            self.is_live and any(name in self._unconfirmed for name in chain[: self.match(chain)])
        )

    def admit(self, chain: Sequence[BlockName], runs: Iterable[Run] = ()) -> None:
        """Note that all blocks of `chain` were just used, and are held now unless an event says otherwise later.

        runs: where they come from, as far as it is known.
        """
        self._use(chain)
        self._sort(chain, runs)
        self._trim()

    def fill(self) -> dict[Origin, int]:
        """Blocks held, by where they come from, as far as it is known. To be called where it is changed."""
        return self._fill.blocks()

    def observe(self, chain: Sequence[BlockName], n_cached_blocks: int, *, n_predicted_blocks: int) -> None:
        """Take what the engine reported of a finished request for the truth about the time when it began.

        The leading `n_cached_blocks` were held; the ones up to `n_predicted_blocks` were not, although it seemed
        so. Of those nothing is left but what the request stored itself, if events have told of that already.
        """
        if n_predicted_blocks and not n_cached_blocks and not self._is_whole:
            self.clear()  # roots go last, so everything is gone
        for name in chain[n_cached_blocks:n_predicted_blocks]:
            block = self._blocks.get(name)
            if block and block.n_copies:
                block.n_copies = 1
            else:
                self._forget(name)
        self._use([name for name in chain[:n_cached_blocks] if name not in self._blocks])
        self._trim()
        self._judge(chain, n_cached_blocks, n_predicted_blocks)

    def clear(self) -> None:
        """Note that the engine's cache is empty."""
        self._blocks.clear()
        self._fill.clear()
        self._names.clear()
        self._unconfirmed.clear()

    def restart(self) -> None:
        """Note that the engine began with an empty cache, and that `apply` gets all that happens from then on."""
        self.clear()
        self.state, self._is_whole, self._is_healing = Mirror.RECENCY, True, False

    def unsettle(self) -> None:
        """Note that events are missing that may still come. Goes on by recency until `settle`, or `lose`."""
        self.state = Mirror.RECENCY

    def settle(self) -> None:
        """Note that all that the engine has published until now was applied."""
        if self._is_whole and not self.is_live:
            self._go_live()

    def lose(self) -> None:
        """Note that events were missed. Goes on by recency until predictions have been right for a while."""
        self.state, self._is_whole, self._is_healing = Mirror.RECENCY, False, True
        self._is_heard, self._n_right = False, 0
        self._trim()

    def apply(self, news: Iterable[News]) -> None:
        """Follow one batch of events."""
        for item in news:
            if isinstance(item, Stored):
                self._store(item)
            elif isinstance(item, Removed):
                self._remove(item)
            else:
                self.clear()
        self._n_batches += 1
        self._is_heard, self._n_late = True, 0
        if self.is_live:
            self._lapse()
        self._trim()

    def _store(self, stored: Stored) -> None:
        parent = root_name(stored.salt) if stored.parent is None else self._names.get(stored.parent)
        if parent is None:
            return  # it hangs behind a block whose event was missed: a report will bring both
        names = continue_chain(parent, stored.token_ids, len(stored.token_ids) // len(stored.hashes))
        # A report begins at the prompt's first block; what a request computes anew behind a hit has a parent.
        is_repeated = stored.is_report and stored.parent is None
        for name, hash_ in zip(names, stored.hashes, strict=True):
            block = self._blocks.setdefault(name, _Block())
            self._blocks.move_to_end(name)
            self._unconfirmed.pop(name, None)
            block.n_copies = max(block.n_copies, 1) if is_repeated else block.n_copies + 1
            if block.hash is not None and block.hash != hash_:
                self._names.pop(block.hash, None)
            block.hash = hash_
            self._names[hash_] = name

    def _remove(self, removed: Removed) -> None:
        for hash_ in removed.hashes:
            name = self._names.get(hash_)
            if name is None:
                continue
            block = self._blocks[name]
            block.n_copies -= 1
            if not block.n_copies:
                self._forget(name)

    def _use(self, chain: Sequence[BlockName]) -> None:
        for name in reversed(chain):
            block = self._blocks.setdefault(name, _Block())
            self._blocks.move_to_end(name)
            if not block.n_copies:
                self._unconfirmed[name] = self._n_batches
                self._unconfirmed.move_to_end(name)

    def _sort(self, chain: Sequence[BlockName], runs: Iterable[Run]) -> None:
        first = 0
        for end, origin in runs:
            share = self._fill.share(origin) if first < end else None
            for name in chain[first:end]:
                block = self._blocks[name]
                if block.share is not share:
                    self._fill.move(block.share, share)
                    block.share = share
            first = max(first, end)

    def _forget(self, name: BlockName) -> None:
        block = self._blocks.pop(name, None)
        if block and block.share:
            self._fill.move(block.share, None)
        self._unconfirmed.pop(name, None)
        if block and block.hash is not None:
            self._names.pop(block.hash, None)

    def _lapse(self) -> None:
        while self._unconfirmed:
            name, since = next(iter(self._unconfirmed.items()))
            if self._n_batches - since <= _LAPSE_BATCHES:
                return
            self._forget(name)

    def _trim(self) -> None:
        # One that follows the events hears of evictions; what was sent may be noted some time before them.
        limit = self._capacity * (2 if self._is_whole else 1)
        while len(self._blocks) > limit:
            self._forget(next(iter(self._blocks)))

    def _judge(self, chain: Sequence[BlockName], n_cached_blocks: int, n_predicted_blocks: int) -> None:
        """Leave or regain the live state by what one finished request showed."""
        if self.is_live:
            self._n_late = self._n_late + 1 if chain and chain[-1] in self._unconfirmed else 0
            if self._n_late >= _RUN:
                self.lose()
        elif self._is_healing and max(n_cached_blocks, n_predicted_blocks):  # a cold prompt proves nothing
            self._n_right = self._n_right + 1 if abs(n_cached_blocks - n_predicted_blocks) <= 1 else 0
            if self._n_right >= _RUN and self._is_heard:
                self._go_live()

    def _go_live(self) -> None:
        self.state, self._is_whole, self._is_healing, self._n_late = Mirror.LIVE, True, False, 0
        self._unconfirmed = OrderedDict.fromkeys(self._unconfirmed, self._n_batches)
