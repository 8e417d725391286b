"""Shared prefixes computed ahead of their first user: after a start, an ingest, an engine's restart or a clear."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass

import structlog

from rag.engine import Slot
from rag.errors import CorpusError, NotFound, RagError
from rag.plan import EngineView, Owner, Prefix, PrefixSet, homes, n_homes
from rag.rooms import Rooms, cache_owner
from rag.served import Served
from rag.store import Generation
from rag.types import CollectionId, Prompt, Sampling, Segment, Tokens

log = structlog.get_logger()

_STEP_MS = 150.0  # of computing between two looks at whether someone waits
_LOOK_S = 0.2
_PATIENCE_S = 2.0  # a step is taken after this long even if the engine is never idle
_REST_S = 2.0  # between two looks at what is missing
_ASKED = 2  # times for a prefix that was evicted, before it is worth computing ahead again
_FULL = 0.9  # of its cache; below that an engine evicts nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmed:
    """What one round of warming did."""

    collection: str
    prefixes: int  # that were missing
    computed_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """One prefix that an engine should hold and does not."""

    model: Served
    slot: Slot
    block_size: int
    prefix: Prefix
    salt: str
    owner: Owner


class Warmer:
    """Keeps the most wanted prefixes in the engines, within the setting cache.prefix_share.

    Each is computed where it is at home; one that more is asked of than one engine does, where its next homes are, too.
    """

    def __init__(self, rooms: Rooms) -> None:
        """Nothing is computed yet."""
        self._rooms = rooms
        self._asked_when_warmed: dict[tuple[str, str, str], int] = {}  # engine, salt, prefix version
        self._looked_at: dict[CollectionId, int] = {}  # the generation

    async def run(self) -> None:
        """Warm whatever is missing while engines are idle, for ever."""
        while True:
            try:
                for info in self._rooms.store.collections():
                    # One that nobody asks for is closed in the end; looking at it again would open it again.
                    if self._looked_at.get(info.id) != info.generation or self._rooms.store.is_open(info.id):
                        await self.warm(info.id, waits=True)
                        self._looked_at[info.id] = info.generation
            except RagError as error:
                log.info("warming_put_off", reason=str(error))
            await asyncio.sleep(_REST_S)

    async def prepare(self, slot: Slot) -> None:
        """Compute on one engine, which is not asked yet, what it should hold, for the most asked collections first.

        Raises:
            EngineUnavailable: it went away.
        """
        rooms, model = self._rooms, self._rooms.fleet.model_of(slot)
        if model is None:
            return
        infos = await rooms.blocking(rooms.store.collections)
        for info in sorted(infos, key=lambda info: rooms.tally.n_answers(info.id), reverse=True):
            with suppress(CorpusError, NotFound), rooms.store.pin(info.id) as generation:  # deleted since, or damaged
                names = [each.name for each in model.pool.slots if each.is_ready or each is slot]
                for task in await rooms.blocking(list, self._tasks(generation, model, [slot], names, waits=False)):
                    await self._compute(task, waits=False)

    async def warm(self, collection: str, *, waits: bool = False) -> Warmed:
        """Compute the prefixes of a collection that fit the share and are not held, for every group that asks.

        waits: give way to requests, and leave out what was evicted and is hardly asked for.

        Raises:
            NotFound: there is no such collection.
            EngineUnavailable: an engine went away.
        """
        rooms = self._rooms
        n_prefixes = computed = 0
        with rooms.store.pin(collection) as generation:
            for model in rooms.fleet.models:
                slots = model.pool.ready()
                names = [slot.name for slot in slots]
                tasks = await rooms.blocking(list, self._tasks(generation, model, slots, names, waits=waits))
                n_prefixes += len(tasks)
                for task in tasks:
                    computed += await self._compute(task, waits=waits)
        warmed = Warmed(collection=generation.info.name, prefixes=n_prefixes, computed_tokens=computed)
        if n_prefixes:
            log.info("warmed", **asdict(warmed))
        return warmed

    def _tasks(
        self, generation: Generation, model: Served, slots: Sequence[Slot], names: Sequence[str], *, waits: bool
    ) -> Iterator[_Task]:
        """What `slots` of a model should compute, most wanted first. names: of engines that are homes. Blocks."""
        rooms = self._rooms
        shared = model.prefixes.of(generation)
        groups = rooms.groups.seen(generation.info.id, generation.info.group)
        wanted = [(number, _homes(model, shared, number, names)) for number in shared.demand.ranked()]
        for group in groups:
            owner = cache_owner(group, generation, rooms)
            salt = rooms.salts.salt(owner.scope)
            for slot in slots:
                view = slot.view()
                if view is None:
                    continue
                budget = self._budget(slot) / len(groups)
                for number in (number for number, at_home in wanted if slot.name in at_home):
                    prefix = shared.prefixes[number]
                    budget -= prefix.n_tokens
                    if budget < 0:
                        break
                    if model.planner.holds(prefix, view, salt=salt):
                        continue
                    if waits and not self._is_worth(slot, view, salt, prefix, shared.demand.n_asked(number)):
                        continue
                    yield _Task(
                        model=model, slot=slot, block_size=view.block_size, prefix=prefix, salt=salt, owner=owner
                    )

    def _budget(self, slot: Slot) -> float:
        share = self._rooms.settings.cache.prefix_share
        kv_tokens = slot.info.kv_tokens if slot.info else None
        return share * kv_tokens if kv_tokens else float("inf")

    def _is_worth(self, slot: Slot, view: EngineView, salt: str, prefix: Prefix, n_asked: int) -> bool:
        """Whether a prefix that is not held should be: not if it was evicted for want of room and hardly asked for."""
        key = (slot.name, salt, prefix.version)
        before = self._asked_when_warmed.get(key)
        kv_tokens = slot.info.kv_tokens if slot.info else None
        has_room = kv_tokens is None or len(view.held) * view.block_size + prefix.n_tokens < _FULL * kv_tokens
        if before is not None and not has_room and n_asked < before + _ASKED:
            return False
        self._asked_when_warmed[key] = n_asked
        return True

    async def _compute(self, task: _Task, *, waits: bool) -> int:
        """The tokens computed: a prefix, in steps short enough for a request to come between."""
        rooms, pool, block_size = self._rooms, task.model.pool, task.block_size
        whole = await rooms.blocking(_token_ids, task.model, task.prefix)
        task.model.planner.computes(task.prefix, whole, salt=task.salt, block_size=block_size)
        step = max(round(_STEP_MS / task.slot.pace.new_ms) // block_size, 1) * block_size
        computed = 0
        for end in [*range(step, len(whole), step), len(whole)]:
            if waits:
                await _until_idle(task.slot)
            segment = Segment(name="shared_prefix", n_tokens=end)
            prompt = Prompt(token_ids=whole[:end], segments=(segment,), shown=(), layout="")
            async with pool.ticket(
                prompt, task.salt, wait_s=0.0, slot=task.slot, is_fixed=True, owner=task.owner
            ) as ticket:
                async for delta in pool.stream(ticket, Sampling(max_tokens=1), request_id="warm"):
                    if delta.usage:
                        computed += end - (delta.usage.cached_tokens or 0)
        return computed


@asynccontextmanager
async def warming(rooms: Rooms) -> AsyncIterator[Warmer]:
    """A warmer; it works by itself if the setting cache.warm says so."""
    warmer = Warmer(rooms)
    rooms.fleet.warmer = warmer.prepare if rooms.settings.cache.warm else None
    task = asyncio.create_task(warmer.run()) if rooms.settings.cache.warm else None
    try:
        yield warmer
    finally:
        rooms.fleet.warmer = None
        if task:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def _homes(model: Served, shared: PrefixSet, number: int, names: Sequence[str]) -> set[str]:
    """The engines that should hold a prefix."""
    share = model.prefixes.share(shared, number)
    order = homes(shared.prefixes[number].version, names)
    return {names[index] for index in order[: n_homes(share, len(names))]}


def _token_ids(model: Served, prefix: Prefix) -> Tokens:
    return model.renderer.opening(prefix.chunks, model.passages.tokens(prefix.chunks))


async def _until_idle(slot: Slot) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE_S):
            while slot.n_running:  # noqa: ASYNC110 - there is nothing to wait on but time
                await asyncio.sleep(_LOOK_S)
