"""The bench without an engine: real prompts, a block cache by vLLM's rules, and a cost model instead of a clock."""

import time
from collections import OrderedDict
from contextlib import ExitStack
from dataclasses import replace

from rag.bench.reuse.arms import Arm, open_arms, request_salt
from rag.bench.reuse.cost import LLAMA_8B_ON_H200
from rag.bench.reuse.ground import Ground
from rag.bench.reuse.sample import Run, Sample, n_shown
from rag.bench.reuse.workload import Request, Workload
from rag.plan import BlockName, Held, Pace, block_chain
from rag.types import Tokens


def simulate(arm: str, workload: Workload, ground: Ground, *, round_number: int, cost: Pace = LLAMA_8B_ON_H200) -> Run:
    """What a workload would cost with one arm, one request after the other, on an engine that begins empty.

    The cache has `ground.kv_tokens`, holds full blocks, gives at most all but the last token of a prompt, and frees
    the least recently used first, of one prompt its last. Answers leave nothing in it. First-token times are the
    model's, plus the time that planning took here.
    """
    engine = _Engine(ground)
    ground = replace(ground, held=lambda: engine.held)
    samples, warm_tokens = [], 0
    with ExitStack() as stack:
        arms = open_arms(arm, workload, ground, stack)
        for group, planner in arms.items():
            for plan in planner.warm():
                token_ids = ground.prompt(plan).token_ids
                warm_tokens += len(token_ids) - engine.compute(token_ids, request_salt(arm, ground.salt, group, -1))[0]
                planner.served(plan)
        for index, request in enumerate(workload.requests):
            salt = request_salt(arm, ground.salt, request.group, index)
            samples.append(_sample(index, request, arms[request.group], engine, salt, cost))
    return Run(
        arm=arm,
        round=round_number,
        kv_tokens=ground.kv_tokens,
        block_size=ground.block_size,
        warm_tokens=warm_tokens,
        samples=tuple(samples),
    )


def _sample(index: int, request: Request, arm: Arm, engine: "_Engine", salt: str, cost: Pace) -> Sample:
    start = time.perf_counter()
    plan = arm.plan(request.dialogue, request.hits)
    plan_ms = (time.perf_counter() - start) * 1000
    prompt = engine.ground.prompt(plan)
    n_tokens = len(prompt.token_ids)
    cached, predicted = engine.compute(prompt.token_ids, salt)
    arm.served(plan)
    return Sample(
        request=index,
        prompt_tokens=n_tokens,
        cached_tokens=cached,
        predicted_tokens=predicted,
        first_token_ms=plan_ms + cost.first_token_ms(n_tokens - cached, cached),
        plan_ms=plan_ms,
        n_gold=len(request.gold),
        n_shown_gold=n_shown(request, prompt),
    )


class _Engine:
    """The engine's cache, and the service's account of it."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self._n_blocks = ground.kv_tokens // ground.block_size if ground.kv_tokens else None
        self._blocks: OrderedDict[BlockName, None] = OrderedDict()  # least recently used first
        self.held = Held(self._n_blocks)

    def compute(self, token_ids: Tokens, salt: str) -> tuple[int, int]:
        """Tokens of a prompt that were in the cache, and that were thought to be; afterwards its full blocks are."""
        chain = block_chain(token_ids, self.ground.block_size, salt)
        n_found = next((index for index, name in enumerate(chain) if name not in self._blocks), len(chain))
        # The last token is always computed: its output is the first token of the answer.
        most = (len(token_ids) - 1) // self.ground.block_size
        cached, predicted = (min(n, most) * self.ground.block_size for n in (n_found, self.held.match(chain)))
        for name in reversed(chain):
            self._blocks[name] = None
            self._blocks.move_to_end(name)
        while self._n_blocks is not None and len(self._blocks) > self._n_blocks:
            self._blocks.popitem(last=False)
        self.held.admit(chain)
        return cached, predicted
