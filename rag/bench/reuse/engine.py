"""The vLLM that the bench runs on: ours with a cache of a given size, or a running one."""

import asyncio
import re

import httpx2

from rag.engine import EnginePool, LocalEngine, is_cpu_build, local_slot, running_slots
from rag.errors import ConfigError
from rag.models import chat_model_source
from rag.settings import Settings

_COMPUTED = re.compile(r"^vllm:request_prefill_kv_computed_tokens_sum(?:\{.*\})? (\S+)$", re.MULTILINE)
_SETTLE_S = 0.5
_SETTLES = 20


def make_pool(settings: Settings, kv_tokens: int | None) -> EnginePool:
    """One engine that is yet to start, with a cache of `kv_tokens` (None: vLLM's choice), or those at `engine.urls`.

    Raises:
        ConfigError: a size is asked of a running engine, or is less than a block.
    """
    engine = settings.engine
    if engine.urls:
        if kv_tokens is not None:
            raise ConfigError("A running engine has the cache it has. Leave out --kv-tokens, or --engine-url.")
        return EnginePool(running_slots(engine))
    if kv_tokens is not None:
        block_size = engine.block_size or (32 if is_cpu_build() else 16)
        if kv_tokens < block_size:
            raise ConfigError(f"A cache of {kv_tokens} tokens holds no block of {block_size}. Ask for a larger one.")
        words = (*engine.extra_args, "--num-gpu-blocks-override", str(kv_tokens // block_size))
        engine = engine.model_copy(update={"block_size": block_size, "extra_args": words})
    source = chat_model_source(engine.model, settings.data_dir)
    return EnginePool([local_slot(LocalEngine(engine, source=source, run_dir=settings.data_dir / "bench" / "run"))])


async def counted_tokens(pool: EnginePool) -> int | None:
    """Prompt tokens that the engines have computed since they started, by their own counters.

    vLLM counts a request a moment after its answer, so this waits until the figure stands still. None: an engine
    does not count them, or has no metrics.
    """
    urls = [slot.engine.url for slot in pool.slots]
    async with httpx2.AsyncClient(trust_env=False, timeout=10.0) as client:
        before: int | None = -1
        for _ in range(_SETTLES):
            now = await _sum(client, urls)
            if now is None or now == before:
                return now
            before = now
            await asyncio.sleep(_SETTLE_S)
    return before


async def _sum(client: httpx2.AsyncClient, urls: list[str]) -> int | None:
    total = 0.0
    for url in urls:
        try:
            response = await client.get(f"{url}/metrics")
        except (httpx2.TransportError, httpx2.UnsupportedProtocol, httpx2.InvalidURL):
            return None
        found = _COMPUTED.findall(response.text)
        if not found:
            return None
        total += sum(map(float, found))
    return int(total)
