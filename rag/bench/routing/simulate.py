"""A trace of requests on several simulated engines, in the order of time."""

import heapq
import itertools
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from rag.bench.reuse.cost import LLAMA_8B_ON_H200 as PACE
from rag.bench.routing.policies import POLICIES, View
from rag.bench.routing.trace import BLOCK_TOKENS, Arrival
from rag.plan import BlockName, Held

_TOKEN_MS = 10.0  # between two tokens of an answer, about what 8B on one H200 takes with a few dozen answers at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a policy made of a trace."""

    policy: str
    n_engines: int
    prompt_tokens: int
    cached_tokens: int
    requests: tuple[int, ...]  # that each engine answered
    busy_ms: tuple[float, ...]  # that each engine computed prompts for
    span_ms: float  # from the first arrival to the last first token
    first_token_ms: tuple[float, ...]  # of each request, from its arrival


@dataclass(slots=True, eq=False)
class _Engine:
    """One engine that computes one prompt after the other, and any number of answers beside it.

    What it computes is in its cache once it is computed. What is known of it is exact, as it is with KV events.
    """

    name: str
    held: Held
    waiting: deque[Arrival] = field(default_factory=deque)  # the first one is being computed
    is_busy: bool = False
    expected_ms: float = 0.0  # when it should have computed all that waits, on the trace's clock
    n_running: int = 0
    n_requests: int = 0
    busy_ms: float = 0.0
    in_flight: Counter[BlockName] = field(default_factory=Counter)  # prompts that will have computed it

    def view(self, arrival: Arrival) -> View:
        """What is known when a prompt arrives; blocks that prompts before it will have computed count as held."""
        missing = (i for i, name in enumerate(arrival.chain) if not (self.in_flight[name] or self.held.holds(name)))
        n_found = next(missing, len(arrival.chain))
        return View(
            name=self.name,
            n_cached=min(n_found * BLOCK_TOKENS, arrival.n_tokens - 1),
            queue_ms=max(self.expected_ms - arrival.at_ms, 0.0),
            n_running=self.n_running,
        )

    def take(self, arrival: Arrival, view: View) -> None:
        """Let a prompt wait for its turn."""
        self.expected_ms = max(self.expected_ms, arrival.at_ms) + PACE.first_token_ms(
            arrival.n_tokens - view.n_cached, view.n_cached
        )
        self.waiting.append(arrival)
        self.n_running += 1
        self.n_requests += 1
        self.in_flight.update(arrival.chain)

    def compute(self) -> tuple[float, int]:
        """Begin with the first prompt that waits: what it takes, and how many of its tokens are cached."""
        arrival = self.waiting[0]
        n_cached = min(self.held.match(arrival.chain) * BLOCK_TOKENS, arrival.n_tokens - 1)
        work_ms = PACE.first_token_ms(arrival.n_tokens - n_cached, n_cached)
        self.busy_ms += work_ms
        self.is_busy = True
        return work_ms, n_cached

    def computed(self) -> Arrival:
        """The prompt that was computed."""
        arrival = self.waiting.popleft()
        self.held.admit(arrival.chain)
        self.in_flight.subtract(arrival.chain)
        for name in arrival.chain:
            if not self.in_flight[name]:
                del self.in_flight[name]
        self.is_busy = False
        return arrival


def simulate(policy: str, arrivals: Sequence[Arrival], *, n_engines: int, kv_tokens: int) -> Run:
    """A run of `arrivals` over engines that begin empty and have `kv_tokens` of cache among them."""
    choose = POLICIES[policy]()
    n_blocks = kv_tokens // n_engines // BLOCK_TOKENS
    engines = [_Engine(f"engine-{number}", Held(n_blocks)) for number in range(n_engines)]
    count = itertools.count()  # of two events at one time, the older one comes first
    events: list[tuple[float, int, _Engine, bool]] = []  # engine: has computed a prompt, or ended an answer
    waiting = deque(arrivals)
    first_token_ms, cached_tokens, now_ms = [], 0, 0.0
    while waiting or events:
        if not events or (waiting and waiting[0].at_ms < events[0][0]):
            arrival = waiting.popleft()
            now_ms = arrival.at_ms
            views = [engine.view(arrival) for engine in engines]
            chosen = choose(arrival, views)
            engine = engines[chosen]
            engine.take(arrival, views[chosen])
        else:
            now_ms, _, engine, is_answer = heapq.heappop(events)
            if is_answer:
                engine.n_running -= 1
                continue
            arrival = engine.computed()
            first_token_ms.append(now_ms - arrival.at_ms)
            heapq.heappush(events, (now_ms + arrival.n_answer * _TOKEN_MS, next(count), engine, True))
        if engine.waiting and not engine.is_busy:
            work_ms, n_cached = engine.compute()
            cached_tokens += n_cached
            heapq.heappush(events, (now_ms + work_ms, next(count), engine, False))
    return Run(
        policy=policy,
        n_engines=n_engines,
        prompt_tokens=sum(arrival.n_tokens for arrival in arrivals),
        cached_tokens=cached_tokens,
        requests=tuple(engine.n_requests for engine in engines),
        busy_ms=tuple(engine.busy_ms for engine in engines),
        span_ms=now_ms - arrivals[0].at_ms,
        first_token_ms=tuple(first_token_ms),
    )
