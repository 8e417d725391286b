"""The composition root: settings in, a running set of rooms out."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from rag.auth import Salts
from rag.embed import Batcher, Encoder
from rag.engine import EngineInfo, EnginePool, LocalEngine, Slot, VllmEngine, is_cpu_build
from rag.gate import Gate
from rag.models import chat_model_source, embedding_source, load_chat_format
from rag.passages import Passages
from rag.render import ChatTemplate, ChatTokenizer, Renderer, load_parts
from rag.retrieve import Retriever
from rag.settings import Settings
from rag.store import Generation, Store, TokenStore
from rag.telemetry import Metrics

_THREADS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """What a request passes through. Built once, handed down, never global."""

    settings: Settings
    store: Store
    batcher: Batcher
    retriever: Retriever
    renderer: Renderer
    passages: Passages
    pool: EnginePool
    engine: EngineInfo
    gate: Gate
    salts: Salts
    metrics: Metrics
    executor: ThreadPoolExecutor  # for all that blocks: the event loop never computes


@asynccontextmanager
async def open_rooms(
    settings: Settings, *, pool: EnginePool | None = None, encoder: Encoder | None = None
) -> AsyncIterator[Rooms]:
    """Everything started and ready; stopped in reverse order at the end of the block.

    pool, encoder: other implementations than the settings name.

    Raises:
        RagError: whatever keeps a room from opening.
    """
    async with AsyncExitStack() as stack:
        store = Store(settings.data_dir)
        stack.callback(store.close)
        executor = stack.enter_context(ThreadPoolExecutor(_THREADS, thread_name_prefix="rooms"))
        engines = await asyncio.to_thread(make_pool, settings) if pool is None else pool
        stack.push_async_callback(engines.close)
        if encoder is None:
            encoder = await asyncio.to_thread(make_encoder, settings, n_threads=_encoder_threads(engines))
        batcher = Batcher(encoder, batch_tokens=settings.embedding.batch_tokens, max_queue=settings.embedding.max_queue)
        stack.push_async_callback(batcher.close)
        engine = await engines.start()
        # A remote engine says itself which model it serves; its weights may have another path there than here.
        source = engine.source if settings.engine.urls else settings.engine.model
        renderer = await asyncio.to_thread(make_renderer, source, settings.data_dir)
        passages = Passages(renderer, TokenStore(settings.data_dir, renderer.tokenizer.fingerprint))
        stack.callback(passages.close)
        metrics = Metrics()
        yield Rooms(
            settings=settings,
            store=store,
            batcher=batcher,
            retriever=Retriever(batcher, executor),
            renderer=renderer,
            passages=passages,
            pool=engines,
            engine=engine,
            gate=Gate(
                max_concurrent=settings.server.max_concurrent, max_queue=settings.server.max_queue, metrics=metrics
            ),
            salts=Salts(settings.data_dir),
            metrics=metrics,
            executor=executor,
        )


def make_encoder(settings: Settings, *, n_threads: int | None = None) -> Encoder:
    """The encoder that the settings name, loaded. n_threads: as of `SentenceEncoder`."""
    from rag.embed.encoder import SentenceEncoder  # loads torch, which takes seconds

    return SentenceEncoder(settings.embedding, embedding_source(settings.embedding.model), n_threads=n_threads)


def _encoder_threads(engines: EnginePool) -> int | None:
    """One thread beside an engine on this machine's CPU, otherwise torch's own choice.

    Such an engine spins while it waits for work; of two encoder threads one then waits for a core at each of a
    hundred steps (measured on 2 cores: a question took 500 ms with two threads, 15 ms with one).
    """
    is_local_cpu = any(slot.local for slot in engines.slots) and is_cpu_build()
    return 1 if is_local_cpu else None


def make_renderer(model: str, data_dir: Path) -> Renderer:
    """The renderer for a chat model: its tokenizer and template with our words."""
    chat_format = load_chat_format(chat_model_source(model, data_dir))
    tokenizer = ChatTokenizer(chat_format.tokenizer_json)
    return Renderer(tokenizer, ChatTemplate(tokenizer, chat_format.apply_template), load_parts())


def make_pool(settings: Settings) -> EnginePool:
    """The engines that the settings name: running ones, or one of our own that is yet to start."""
    engine = settings.engine
    if engine.urls:
        key = engine.api_key.get_secret_value() if engine.api_key else None
        return EnginePool([Slot(engine=VllmEngine(url, key)) for url in engine.urls])
    local = LocalEngine(
        engine, source=chat_model_source(engine.model, settings.data_dir), run_dir=settings.data_dir / "run"
    )
    return EnginePool([Slot(engine=VllmEngine(local.url), local=local)])


def collection_facts(rooms: Rooms) -> list[dict[str, object]]:
    """What there is to say of each collection. Blocks."""
    facts: list[dict[str, object]] = []
    for info in rooms.store.collections():
        with rooms.store.pin(info.id) as generation:
            facts.append(
                describe_collection(
                    generation, rooms.passages, shared_budget(rooms.settings, rooms.engine.window_tokens)
                )
            )
    return facts


def shared_budget(settings: Settings, window_tokens: int | None) -> int:
    """Tokens that a shared prefix may take: the setting, and at most half of the model's window."""
    budget = settings.prompt.shared_prefix_tokens
    return budget if window_tokens is None else min(budget, window_tokens // 2)


def describe_collection(generation: Generation, passages: Passages, budget_tokens: int) -> dict[str, object]:
    """One collection as `rag status` and `/ready` show it. Blocks."""
    info = generation.info
    shared = passages.shared(generation, budget_tokens=budget_tokens)
    return {
        "id": info.id,
        "name": info.name,
        "generation": info.generation,
        "documents": info.documents,
        "chunks": info.chunks,
        "tokens": passages.fill(generation),
        "shared_prefix": {"version": shared.version, "documents": shared.n_documents, "tokens": shared.n_tokens},
    }
