"""One arm over a workload on a running engine, requests arriving when they do and not when the engine is ready."""

import asyncio
import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, aclosing
from dataclasses import replace

from rag.bench.reuse.arms import Arm, open_arms, request_salt
from rag.bench.reuse.engine import counted_tokens
from rag.bench.reuse.ground import Ground
from rag.bench.reuse.sample import Run, Sample, n_shown
from rag.bench.reuse.workload import Workload
from rag.engine import EnginePool
from rag.errors import EngineError, EngineTimeout
from rag.plan import Plan
from rag.types import Prompt, Sampling, Usage

_TIMEOUT_S = 600.0
_WARM_UP = 3


async def replay(
    arm: str,
    workload: Workload,
    ground: Ground,
    pool: EnginePool,
    *,
    times_s: Sequence[float] | None,
    round_number: int = 1,
) -> Run:
    """What each request saw. Nothing of it is found by a later run: the salts are new.

    times_s: when each request arrives, in seconds after the start; None: when the one before it has its answer. A
    turn of a conversation never arrives before the answer to the turn before it.

    Raises:
        EngineError: the engine failed a request.
    """
    ground = replace(
        ground, salt=f"{ground.salt}-{secrets.token_hex(8)}", held=lambda: pool.slots[0].held, pace=pool.slots[0].pace
    )
    with ExitStack() as stack:
        # A planner has one thread, as in the service: what it takes there others wait for, here too.
        executor = stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="plan"))
        bench = _Replay(arm, workload, ground, pool, executor, open_arms(arm, workload, ground, stack))
        warm_tokens = await bench.warm()
        before = await counted_tokens(pool)
        samples = await (bench.one_by_one() if times_s is None else bench.at(times_s))
        after = await counted_tokens(pool)
    return Run(
        arm=arm,
        round=round_number,
        kv_tokens=ground.kv_tokens,
        block_size=ground.block_size,
        warm_tokens=warm_tokens,
        samples=tuple(samples),
        counted_tokens=None if before is None or after is None else after - before,
    )


async def warm_up(workload: Workload, ground: Ground, pool: EnginePool) -> None:
    """Nothing; the engine has met prompts of the workload's size, so no kernel is compiled while one is measured."""
    few = replace(workload, requests=tuple(replace(each, after=None) for each in workload.requests[:_WARM_UP]))
    await replay("retrieval", few, ground, pool, times_s=None)


class _Replay:
    """One run under way."""

    def __init__(
        self,
        name: str,
        workload: Workload,
        ground: Ground,
        pool: EnginePool,
        executor: ThreadPoolExecutor,
        arms: dict[int, Arm],
    ) -> None:
        self._name = name
        self._requests = workload.requests
        self._ground = ground
        self._pool = pool
        self._executor = executor
        self._arms = arms
        self._is_done = [asyncio.Event() for _ in workload.requests]

    async def warm(self) -> int:
        """Tokens of the arms' warm-up prompts, which are computed afterwards."""
        total = 0
        for group, arm in self._arms.items():
            for plan in arm.warm():
                prompt = self._ground.prompt(plan)
                _, usage, _ = await self._first_token(prompt, request_salt(self._name, self._ground.salt, group, -1))
                total += usage.prompt_tokens - (usage.cached_tokens or 0)
                await self._served(arm, plan)
        return total

    async def one_by_one(self) -> list[Sample]:
        """A sample of each request, which arrives when the one before has its answer."""
        return [await self._request(index, time.perf_counter()) for index in range(len(self._requests))]

    async def at(self, times_s: Sequence[float]) -> list[Sample]:
        """A sample of each request, which arrives at its time."""
        start = time.perf_counter()
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._request(index, start + time_s)) for index, time_s in enumerate(times_s)
                ]
        except BaseExceptionGroup as errors:  # the others were cancelled for the first one's sake
            raise errors.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _request(self, index: int, arrival: float) -> Sample:
        request = self._requests[index]
        if request.after is not None:
            await self._is_done[request.after].wait()
            arrival = max(arrival, time.perf_counter())
        await asyncio.sleep(arrival - time.perf_counter())
        arm = self._arms[request.group]
        plan, plan_ms, prompt = await asyncio.get_running_loop().run_in_executor(
            self._executor, self._planned, arm, index
        )
        salt = request_salt(self._name, self._ground.salt, request.group, index)
        first, usage, predicted = await self._first_token(prompt, salt)
        await self._served(arm, plan)
        self._is_done[index].set()
        return Sample(
            request=index,
            prompt_tokens=usage.prompt_tokens,
            cached_tokens=usage.cached_tokens,
            predicted_tokens=predicted,
            first_token_ms=(first - arrival) * 1000,
            plan_ms=plan_ms,
            n_gold=len(request.gold),
            n_shown_gold=n_shown(request, prompt),
        )

    def _planned(self, arm: Arm, index: int) -> tuple[Plan, float, Prompt]:
        request = self._requests[index]
        start = time.perf_counter()
        plan = arm.plan(request.dialogue, request.hits)
        plan_ms = (time.perf_counter() - start) * 1000
        return plan, plan_ms, self._ground.prompt(plan)

    async def _served(self, arm: Arm, plan: Plan) -> None:
        await asyncio.get_running_loop().run_in_executor(self._executor, arm.served, plan)

    async def _first_token(self, prompt: Prompt, salt: str) -> tuple[float, Usage, int]:
        """When the first token came, what the engine reported, and how many cached tokens were predicted."""
        first, usage = None, None
        sampling = Sampling(max_tokens=self._ground.answer_tokens, temperature=0.0)
        try:
            async with (
                asyncio.timeout(_TIMEOUT_S),
                self._pool.ticket(prompt, salt, wait_s=_TIMEOUT_S) as ticket,
            ):
                stream = self._pool.stream(ticket, sampling, request_id=f"bench-{secrets.token_hex(8)}")
                async with aclosing(stream) as deltas:
                    async for delta in deltas:
                        if first is None and (delta.text or delta.token_ids):
                            first = time.perf_counter()
                        usage = delta.usage or usage
        except TimeoutError:
            raise EngineTimeout(f"A request had no answer after {_TIMEOUT_S:g} s. Lower --rate or --top-k.") from None
        if first is None or usage is None:
            raise EngineError("The engine ended an answer without a token or without usage. See its log.")
        return first, usage, ticket.predicted_cached_tokens
