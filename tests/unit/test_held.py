"""The mirror of an engine's prefix cache, held against a model of vLLM's block pool."""

import random
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.plan import Cleared, Held, Mirror, News, Removed, Stored, block_chain

SIZE = 4
LAPSE_BATCHES = 64
RUN = 20


@dataclass
class Running:
    """A request in the engine."""

    tokens: tuple[int, ...]
    salt: str
    blocks: list[int]
    n_cached: int


@dataclass
class BlockPool:
    """vLLM's pool: copies are kept apart, the least recently freed block goes first, a request's last one before."""

    n_blocks: int
    free: OrderedDict[int, None] = field(default_factory=OrderedDict)
    hashes: dict[int, int] = field(default_factory=dict)  # block -> what it holds
    copies: dict[int, dict[int, None]] = field(default_factory=dict)
    references: dict[int, int] = field(default_factory=dict)
    news: list[News] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.free.update(dict.fromkeys(range(self.n_blocks)))

    def n_hit(self, tokens: Sequence[int], salt: str) -> int:
        found = [hash_ in self.copies for hash_ in hashes_of(tokens, salt)[: (len(tokens) - 1) // SIZE]]
        return found.index(False) if False in found else len(found)

    def start(self, tokens: tuple[int, ...], salt: str, *, report: bool) -> Running | None:
        """Take a request in, or None if there is no room for it."""
        hashes, n_cached = hashes_of(tokens, salt), self.n_hit(tokens, salt)
        hit = [next(iter(self.copies[hash_])) for hash_ in hashes[:n_cached]]
        n_new = -(-len(tokens) // SIZE) - n_cached
        if len([block for block in self.free if block not in hit]) < n_new:
            return None
        for block in hit:
            self.free.pop(block, None)
        new = [self.free.popitem(last=False)[0] for _ in range(n_new)]
        if report and n_cached:
            self._announce(tokens, salt, hashes, 0, n_cached, report=report)
        for block in new:
            self._evict(block)
        for block, hash_ in zip(new, hashes[n_cached:], strict=False):
            self.hashes[block] = hash_
            self.copies.setdefault(hash_, {})[block] = None
        if len(hashes) > n_cached:
            self._announce(tokens, salt, hashes, n_cached, len(hashes), report=report)
        for block in hit + new:
            self.references[block] = self.references.get(block, 0) + 1
        return Running(tokens, salt, hit + new, n_cached)

    def finish(self, running: Running) -> None:
        for block in reversed(running.blocks):
            self.references[block] -= 1
            if not self.references[block]:
                self.free[block] = None
                if block not in self.hashes:
                    self.free.move_to_end(block, last=False)

    def clear(self) -> None:
        self.hashes.clear()
        self.copies.clear()
        self.news.append(Cleared())

    def take_news(self) -> list[News]:
        news, self.news = self.news, []
        return news

    def _announce(self, tokens, salt, hashes, start, end, *, report: bool) -> None:
        self.news.append(
            Stored(
                hashes=tuple(hashes[start:end]),
                parent=hashes[start - 1] if start else None,
                token_ids=tokens[start * SIZE : end * SIZE],
                salt="" if start else salt,
                is_report=report,
            )
        )

    def _evict(self, block: int) -> None:
        hash_ = self.hashes.pop(block, None)
        if hash_ is not None:
            self.copies[hash_].pop(block)
            if not self.copies[hash_]:
                del self.copies[hash_]
            self.news.append(Removed((hash_,)))


def hashes_of(tokens: Sequence[int], salt: str) -> list[int]:
    """As an engine that hashes otherwise than we do."""
    text = [f"{salt}|{tokens[: end * SIZE]}" for end in range(1, len(tokens) // SIZE + 1)]
    return [int.from_bytes(sha256(piece.encode()).digest()[:8], "big") for piece in text]


def predict(held: Held, tokens: Sequence[int], salt: str) -> int:
    return min(held.match(block_chain(tokens, SIZE, salt)), (len(tokens) - 1) // SIZE)


# Two kinds of block, so that prompts share beginnings; whole blocks, so that vLLM computes one anew that it has.
shapes = st.lists(st.booleans(), min_size=1, max_size=5)
EVERY_SHAPE = [[bool(number >> bit & 1) for bit in range(n)] for n in range(1, 6) for number in range(2**n)]
salts = st.sampled_from(["a", "b"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("start"), shapes, salts, st.booleans()),
        st.tuples(st.just("finish"), st.integers(0, 5)),
        st.tuples(st.just("deliver")),
        st.tuples(st.just("clear")),
    ),
    max_size=60,
)


def tokens_of(shape: Sequence[bool]) -> tuple[int, ...]:
    return tuple(int(bit) for bit in shape for _ in range(SIZE))


def live(n_blocks: int) -> Held:
    held = Held(n_blocks)
    held.restart()
    held.settle()
    return held


@settings(max_examples=200, deadline=None)
@given(st.integers(3, 14), steps)
def test_events_alone_make_it_exact(n_blocks: int, script: list[tuple]) -> None:
    pool, held, running = BlockPool(n_blocks), live(n_blocks), []
    for step in script:
        match step:
            case ("start", shape, salt, report):
                # A prompt of one block never hits: its report cannot be told from the second copy that it stores.
                if request := pool.start(tokens_of(shape), salt, report=report and len(shape) > 1):
                    running.append(request)
            case ("finish", index) if index < len(running):
                pool.finish(running.pop(index))
            case ("clear",) if not running:
                pool.clear()
            case ("deliver",):
                held.apply(pool.take_news())
                assert len(held) == len(pool.copies)
    held.apply(pool.take_news())
    assert held.is_live
    assert len(held) == len(pool.copies)
    for salt in ("a", "b"):
        for tokens in map(tokens_of, EVERY_SHAPE):
            assert predict(held, tokens, salt) == pool.n_hit(tokens, salt)


@settings(max_examples=200, deadline=None)
@given(st.integers(3, 14), steps)
def test_what_was_sent_and_never_confirmed_lapses(n_blocks: int, script: list[tuple]) -> None:
    pool, held, running = BlockPool(n_blocks), live(n_blocks), []
    for step in script:
        match step:
            case ("start", shape, salt, report):
                tokens = tokens_of(shape)
                predicted = predict(held, tokens, salt)
                if request := pool.start(tokens, salt, report=report):
                    running.append((request, predicted))
                    held.admit(block_chain(tokens, SIZE, salt))
                    assert predict(held, tokens, salt) == (len(tokens) - 1) // SIZE
            case ("finish", index) if index < len(running):
                request, predicted = running.pop(index)
                pool.finish(request)
                chain = block_chain(request.tokens, SIZE, request.salt)
                held.observe(chain, request.n_cached, n_predicted_blocks=predicted)
                held.admit(chain)
            case ("clear",) if not running:
                pool.clear()
            case ("deliver",):
                held.apply(pool.take_news())
        assert len(held) <= 2 * n_blocks
    held.apply(pool.take_news())
    for _ in range(LAPSE_BATCHES + 1):
        held.apply([])
    assert all(
        predict(held, tokens, salt) <= pool.n_hit(tokens, salt)
        for salt in ("a", "b")
        for tokens in map(tokens_of, EVERY_SHAPE)
    )


def test_an_event_confirms_what_was_sent_and_counts_it_once() -> None:
    held, tokens = live(100), tuple(range(8))
    chain, hashes = block_chain(tokens, SIZE, "a"), tuple(hashes_of(tokens, "a"))
    stored = Stored(hashes=hashes, parent=None, token_ids=tokens, salt="a")
    held.admit(chain)
    held.apply([stored])
    held.admit(chain)
    assert (held.match(chain), len(held)) == (2, 2)
    assert all(map(held.holds, chain))
    held.apply([Removed(hashes[1:])])
    assert held.match(chain) == 1
    assert held.match(block_chain(tokens, SIZE, "b")) == 0
    held.apply([stored, Removed(hashes)])  # the second copy of the first block stays
    assert held.match(chain) == 1
    held.apply([Cleared()])
    assert len(held) == 0


def test_what_hangs_behind_an_unknown_block_is_left_out() -> None:
    held, tokens = live(100), tuple(range(8))
    hashes = tuple(hashes_of(tokens, "a"))
    held.apply([Stored(hashes=hashes[1:], parent=hashes[0], token_ids=tokens[SIZE:]), Removed((b"never seen",))])
    assert len(held) == 0


def test_it_is_live_when_it_has_caught_up() -> None:
    held = Held(100)
    held.settle()
    assert held.state is Mirror.RECENCY  # nothing is known of how it began
    held.restart()
    held.apply([Stored(hashes=(1,), parent=None, token_ids=range(SIZE), salt="a")])
    assert held.state is Mirror.RECENCY
    held.settle()
    assert held.state is Mirror.LIVE
    held.unsettle()
    for _ in range(2 * RUN):  # what is late may still come: nothing is lost
        held.admit(block_chain(range(100, 108), SIZE, "a"))
        held.observe(block_chain(range(100, 108), SIZE, "a"), 0, n_predicted_blocks=0)
    assert held.state is Mirror.RECENCY
    held.settle()
    assert held.state is Mirror.LIVE
    held.lose()
    held.settle()
    assert held.state is Mirror.RECENCY


def test_without_events_the_engines_report_is_the_truth() -> None:
    held = Held(100)
    chain, other = block_chain(range(20), SIZE, "a"), block_chain(range(50, 62), SIZE, "a")
    held.admit(chain)
    held.admit(other)
    held.observe(chain, 2, n_predicted_blocks=5)
    assert held.match(chain) == 2
    assert not any(map(held.holds, chain[2:]))
    held.observe(chain, 4, n_predicted_blocks=2)
    assert held.match(chain) == 4
    assert held.match(other) == 3
    held.observe(chain, 0, n_predicted_blocks=4)  # roots go last: the engine began anew, or was cleared
    assert len(held) == 0
    assert (held.state, held.must_report(chain)) == (Mirror.RECENCY, False)


def test_a_live_mirror_keeps_what_a_request_stored_behind_a_missing_block() -> None:
    pool, held, tokens = BlockPool(20), live(20), tokens_of([True] * 4)
    chain = block_chain(tokens, SIZE, "a")
    request = pool.start(tokens, "a", report=False)
    assert request
    held.apply(pool.take_news())
    held.observe(chain, 0, n_predicted_blocks=0)
    assert held.match(chain) == 4
    held.observe(chain, 0, n_predicted_blocks=3)  # it was wrong, but since then the events have told of the blocks
    assert held.match(chain) == 4


def test_what_no_event_confirms_is_forgotten_while_live_and_kept_while_guessing() -> None:
    chain = block_chain(range(8), SIZE, "a")
    exact, guess = live(100), Held(100)
    for held in (exact, guess):
        held.admit(chain)
        for _ in range(LAPSE_BATCHES):
            held.apply([])
        assert held.match(chain) == 2
        held.apply([])
    assert (exact.match(chain), guess.match(chain)) == (0, 2)


def test_copies_that_the_report_denies_are_not_counted_on() -> None:
    held, tokens = Held(100), tuple(range(8))
    hashes, chain = tuple(hashes_of(tokens, "a")), block_chain(range(8), SIZE, "a")
    stored = Stored(hashes=hashes, parent=None, token_ids=tokens, salt="a")
    held.apply([stored])
    held.lose()  # among others the removal of the second block
    held.apply([Stored(hashes=hashes[1:], parent=hashes[0], token_ids=tokens[SIZE:])])  # the request computes it anew
    held.observe(chain, 1, n_predicted_blocks=2)
    assert held.match(chain) == 2
    held.apply([Removed(hashes[1:])])
    assert held.match(chain) == 1


def test_an_announcement_tells_of_a_block_and_counts_no_copy() -> None:
    held, tokens = live(100), tuple(range(8))
    hashes, chain = tuple(hashes_of(tokens, "a")), block_chain(range(8), SIZE, "a")
    report = Stored(hashes=hashes, parent=None, token_ids=tokens, salt="a", is_report=True)
    held.observe(chain, 2, n_predicted_blocks=0)
    assert held.must_report(chain)  # the engine holds it, but no event has told of it
    held.apply([report])
    assert not held.must_report(chain)
    held.apply([report, Removed(hashes)])
    assert held.match(chain) == 0


def test_silence_proves_nothing() -> None:
    held, chain = Held(100), block_chain(range(8), SIZE, "a")
    held.lose()
    for _ in range(3 * RUN):
        held.observe(chain, 2, n_predicted_blocks=2)
        assert held.state is Mirror.RECENCY
    held.apply([])
    held.observe(chain, 0, n_predicted_blocks=0)
    assert held.state is Mirror.RECENCY
    held.observe(chain, 2, n_predicted_blocks=2)
    assert held.state is Mirror.LIVE


def test_memory_is_bounded_whatever_comes() -> None:
    held = live(10)
    for start in range(0, 4000, SIZE):
        tokens = tuple(range(start, start + SIZE))
        held.apply([Stored(hashes=(start,), parent=None, token_ids=tokens, salt="a")])
        held.admit(block_chain(tokens, SIZE, "b"))
    assert len(held) == 20
    held.lose()
    assert len(held) == 10


class Client:
    """Sends prompts to a pool, one after the other, and hands on the events that are not lost."""

    def __init__(self, n_blocks: int, held: Held, *, seed: int) -> None:
        self.pool, self.held, self.chance = BlockPool(n_blocks), held, random.Random(seed)
        documents = [tuple(self.chance.randrange(1000) for _ in range(5 * SIZE)) for _ in range(12)]
        self.prompts = [first + second + (n,) for n, first in enumerate(documents) for second in documents[n::3]]

    def ask(self, *, lost: float = 0.0) -> tuple[int, int]:
        """Blocks that were predicted wrongly and blocks of one prompt, the popular ones asked more often."""
        tokens = self.prompts[int(len(self.prompts) * self.chance.random() ** 2)]
        chain, predicted = block_chain(tokens, SIZE, "a"), predict(self.held, tokens, "a")
        request = self.pool.start(tokens, "a", report=self.held.must_report(chain))
        assert request
        self.held.admit(chain)
        news = self.pool.take_news()
        if self.chance.random() < lost:
            self.held.lose()
        elif news:
            self.held.apply(news)
        self.held.observe(chain, request.n_cached, n_predicted_blocks=predicted)
        self.held.admit(chain)
        self.pool.finish(request)
        return abs(predicted - request.n_cached), len(chain)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("n_blocks", [40, 90, 400])
def test_a_mirror_that_lost_events_heals(n_blocks: int, seed: int) -> None:
    held = live(n_blocks)
    client = Client(n_blocks, held, seed=seed)
    assert all(client.ask()[0] == 0 for _ in range(200))
    for _ in range(100):
        client.ask(lost=0.3)
    held.lose()
    states = set()
    for _ in range(100):
        client.ask()
        states.add(held.state)
    assert states == {Mirror.RECENCY, Mirror.LIVE}
    asked = [client.ask() for _ in range(100)]
    assert held.is_live
    assert sum(wrong for wrong, _ in asked) <= 0.05 * sum(n for _, n in asked)


def test_a_mirror_whose_events_stop_guesses_again() -> None:
    held = live(400)
    client = Client(400, held, seed=1)
    client.ask()
    for n in range(RUN):
        assert held.is_live
        tokens = tuple(range(1000 * n, 1000 * n + SIZE))
        held.admit(block_chain(tokens, SIZE, "a"))
        held.observe(block_chain(tokens, SIZE, "a"), 0, n_predicted_blocks=0)
    assert held.state is Mirror.RECENCY
    for _ in range(2 * RUN):
        client.ask()
    assert held.is_live
