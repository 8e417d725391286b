"""The composition root: settings in, a running set of rooms out."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

from rag.abstain import Abstention
from rag.admission import Gate
from rag.aliases import Aliases
from rag.applications import Applications
from rag.auth import Salts, Signer
from rag.checking import Checking
from rag.embed import Batcher, Encoder
from rag.embed.borrowed import BorrowedEncoder
from rag.embed.load import load_encoder
from rag.engine import EnginePool, LocalEngine, check_devices, is_cpu_build, local_slot, running_slots
from rag.errors import NotFound
from rag.fleet import Fleet
from rag.groups import Groups
from rag.indexing import Indexer, Indexing
from rag.library import Library
from rag.models import chat_model_source
from rag.notes import Notes
from rag.passages import Passages
from rag.pdf import PageRenderer
from rag.plan import Owner
from rag.prefixes import Prefixes
from rag.retrieve import Reranker, Retriever
from rag.served import Served
from rag.settings import RetrieveSettings, Settings
from rag.sharing import Follower, Outcome, open_sharing
from rag.store import CollectionInfo, Exchange, Generation, ResponseStore, Shelf, Store, TurnStore
from rag.tally import Tally
from rag.telemetry import Metrics
from rag.types import CollectionId

_THREADS = 4
# Judging is Python's own work, which more threads do not do faster; they only keep the event loop waiting, and in
# `executor` they would stand before a question that is searched for. Measured with 32 answers that are judged all the
# time on 2 busy cores, waits at the median and the 95th percentile: for a thread of `executor` 0.1 and 16 ms, shared
# 172 and 255 ms; of the event loop 6 and 13 ms, with four threads 11 and 48 ms.
_JUDGES = 1

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """What a request passes through. Built once, handed down, never global."""

    settings: Settings
    store: Store
    library: Library
    indexing: Indexing
    batcher: Batcher
    retriever: Retriever
    abstention: Abstention
    checking: Checking
    turns: TurnStore
    responses: ResponseStore
    applications: Applications
    groups: Groups
    tally: Tally
    model: Served  # the one that a request asks; elsewhere, one of them
    fleet: Fleet
    aliases: Aliases
    gate: Gate
    salts: Salts
    signer: Signer
    pages: PageRenderer
    notes: Notes
    metrics: Metrics
    executor: ThreadPoolExecutor  # for all that blocks: the event loop never computes
    judges: ThreadPoolExecutor  # for judging statements alone, see _JUDGES

    async def blocking(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `work` returns, done beside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self.executor, partial(work, *args, **kwargs))


@asynccontextmanager
async def open_rooms(
    settings: Settings,
    indexer: Indexer,
    *,
    pool: EnginePool | None = None,
    encoder: Encoder | None = None,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[Rooms]:
    """Everything started and ready; stopped in reverse order at the end of the block.

    indexer: makes uploaded files searchable. pool, encoder: other implementations than the settings name.
    clock: Unix seconds, for what expires.

    Raises:
        RagError: whatever keeps a room from opening.
    """
    async with AsyncExitStack() as stack:
        store = Store(settings.data_dir, settings.index)
        stack.callback(store.close)
        shelf = Shelf(settings.data_dir)
        stack.callback(shelf.close)
        library = Library(store, shelf, clock)
        executor = stack.enter_context(ThreadPoolExecutor(_THREADS, thread_name_prefix="rooms"))
        judges = stack.enter_context(ThreadPoolExecutor(_JUDGES, thread_name_prefix="judge"))
        engines = await asyncio.to_thread(make_pool, settings) if pool is None else pool
        fleet = Fleet(settings, engines)
        stack.push_async_callback(fleet.close)
        if encoder is None:
            encoder = await asyncio.to_thread(make_encoder, settings, n_threads=_encoder_threads(engines))
        batcher = Batcher(encoder, max_queue=settings.embedding.max_queue)
        stack.push_async_callback(batcher.close)
        await fleet.start()
        metrics = Metrics()
        indexing = Indexing(library, indexer, BorrowedEncoder(batcher, asyncio.get_running_loop()), metrics)
        stack.push_async_callback(indexing.close)
        indexing.start()
        turns = TurnStore(settings.data_dir)
        stack.callback(turns.close)
        kept = settings.responses
        responses = ResponseStore(settings.data_dir, keep_days=kept.keep_days, capacity=kept.max_stored)
        stack.callback(responses.close)
        follower = make_follower(settings, library, fleet, metrics)
        if follower:
            stack.callback(follower.close)
            follower.start()
        yield Rooms(
            settings=settings,
            store=store,
            library=library,
            indexing=indexing,
            batcher=batcher,
            retriever=Retriever(
                batcher,
                executor,
                mode=settings.retrieve.mode,
                reranker=await asyncio.to_thread(make_reranker, settings.retrieve),
                min_score=settings.retrieve.min_score,
            ),
            checking=Checking(batcher, asyncio.get_running_loop()),
            abstention=Abstention(
                is_on=settings.answers.no_answer == "auto",
                min_evidence=settings.answers.min_evidence,
                embedding=encoder.info.model,
            ),
            turns=turns,
            responses=responses,
            applications=Applications(),
            groups=Groups(),
            tally=Tally(clock),
            model=fleet.models[0],
            fleet=fleet,
            aliases=Aliases(settings.models.aliases, metrics),
            gate=Gate(
                max_concurrent=settings.server.max_concurrent,
                max_queue=settings.server.max_queue,
                objective_s=settings.server.first_token_objective_s,
                metrics=metrics,
            ),
            salts=Salts(settings.data_dir),
            signer=Signer(settings.data_dir, days=settings.server.source_link_days, clock=clock),
            pages=PageRenderer(),
            notes=Notes(),
            metrics=metrics,
            executor=executor,
            judges=judges,
        )


def make_follower(settings: Settings, library: Library, fleet: Fleet, metrics: Metrics) -> Follower | None:
    """What keeps the collections and shared storage the same, if the settings name one."""

    def delete(collection_id: CollectionId) -> None:
        library.store.delete(collection_id)
        library.shelf.drop_store(collection_id)

    def pulled(outcome: Outcome) -> None:
        with library.store.pin(outcome.id) as generation:
            for model in fleet.models:
                model.prefixes.forget(outcome.id)
                model.prefixes.prepare(generation)

    sharing = open_sharing(settings.storage, Exchange(settings.data_dir), delete)
    if sharing is None:
        return None
    return Follower(
        sharing,
        poll_s=settings.storage.poll_s,
        pushes=settings.storage.push,
        pulled=pulled,
        synced=metrics.storage_synced.set_to_current_time,
    )


def make_encoder(settings: Settings, *, n_threads: int | None = None) -> Encoder:
    """The encoder that the settings name, loaded. n_threads: as of `SentenceEncoder`."""
    return load_encoder(settings.embedding, n_threads=n_threads)


def make_reranker(settings: RetrieveSettings) -> Reranker | None:
    """The re-ranker that the settings name, loaded; None where they name none."""
    return Reranker(settings.reranker) if settings.reranker else None


def _encoder_threads(engines: EnginePool) -> int | None:
    """One thread beside an engine on this machine's CPU, otherwise torch's own choice.

    Such an engine spins while it waits for work; of two encoder threads one then waits for a core at each of a
    hundred steps (measured on 2 cores: a question took 500 ms with two threads, 15 ms with one).
    """
    is_local_cpu = any(slot.local for slot in engines.slots) and is_cpu_build()
    return 1 if is_local_cpu else None


def make_pool(settings: Settings) -> EnginePool:
    """The engines that the settings name: running ones, or some of our own that are yet to start."""
    engine = settings.engine
    if engine.urls:
        return EnginePool(running_slots(engine), engine)
    check_devices(engine)
    source, run_dir = chat_model_source(engine.model, settings.data_dir), settings.data_dir / "run"
    locals_ = [LocalEngine(engine, source=source, run_dir=run_dir, number=number) for number in range(engine.count)]
    return EnginePool([local_slot(local) for local in locals_], engine)


def cache_owner(group: str, generation: Generation | None, rooms: Rooms) -> Owner:
    """Who shares what a group's prompts leave in the cache: the group, or all readers of the collection."""
    collection = generation.info.id if generation else ""
    is_shared = rooms.settings.cache.sharing == "collection" and generation is not None
    return Owner(f"collection:{collection}" if is_shared else f"group:{group}", collection)


def cache_salt(group: str, generation: Generation | None, rooms: Rooms) -> str:
    """What an access group shares with itself, or what all readers of a collection share."""
    return rooms.salts.salt(cache_owner(group, generation, rooms).scope)


def collection_facts(rooms: Rooms, collections: Iterable[CollectionInfo]) -> list[dict[str, object]]:
    """What there is to say of each of these collections. Blocks."""
    facts: list[dict[str, object]] = []
    model = rooms.fleet.first
    for info in collections:
        with suppress(NotFound), rooms.store.pin(info.id) as generation:  # deleted since it was listed
            described = describe_collection(generation, model.passages, model.prefixes)
            facts.append(described | {"reuse": rooms.tally.facts(info.id)})
    return facts


def describe_collection(generation: Generation, passages: Passages, prefixes: Prefixes) -> dict[str, object]:
    """One collection as `rag status` and `/ready` show it. Blocks."""
    info = generation.info
    shared = prefixes.of(generation)
    return {
        "id": info.id,
        "name": info.name,
        "generation": info.generation,
        "documents": info.documents,
        "chunks": info.chunks,
        "failed": info.failed,
        "tokens": passages.fill(generation),
        "shared_prefix": {"version": shared.version, "documents": shared.n_documents, "tokens": shared.n_tokens},
    }
