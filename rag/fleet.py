"""The engines of a service, by the model that each serves. They come and go while it runs."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from rag.engine import EngineInfo, EnginePool, LocalEngine, Slot, base_url, local_slot, running_slot
from rag.errors import ConfigError, EngineTimeout, InvalidRequest, NotFound
from rag.models import chat_model_source
from rag.served import Served, open_served
from rag.settings import Settings

_LOOK_S = 0.1

log = structlog.get_logger()


class Fleet:
    """Every engine of a service, by the model that it serves. Used on one event loop."""

    def __init__(self, settings: Settings, pool: EnginePool) -> None:
        """pool: of the engines that there are from the start; those of other models leave it for pools of their own."""
        self.warmer: Callable[[Slot], Awaitable[None]] | None = None  # computes what is shared on an engine
        self._settings = settings
        self._pools = [pool]
        self._models: dict[str, Served] = {}
        self._order = list(pool.slots)
        self._n_local = sum(slot.local is not None for slot in pool.slots)  # that there ever were
        self._opening = asyncio.Lock()
        self._closing: dict[str, asyncio.Task[None]] = {}

    @property
    def slots(self) -> list[Slot]:
        """All engines, in the order of the settings, then as they were added."""
        return list(self._order)

    @property
    def models(self) -> list[Served]:
        """Those that requests may ask for, in the order of their engines."""
        places = {slot: place for place, slot in enumerate(self._order)}
        there = [model for model in list(self._models.values()) if any(slot.has_served for slot in model.pool.slots)]
        return sorted(there, key=lambda model: min(places[slot] for slot in model.pool.slots))

    @property
    def first(self) -> Served:
        """The first of them; where no engine is left, the one that was there last."""
        return next(iter(self.models), None) or next(reversed(self._models.values()))

    @property
    def kv_tokens(self) -> int | None:
        """Tokens that the caches of all ready engines hold, whatever their model; None: one does not say."""
        told = [model.pool.kv_tokens for model in self.models if model.pool.ready()]
        known = [n_tokens for n_tokens in told if n_tokens is not None]
        return sum(known) if known and len(known) == len(told) else None

    async def start(self) -> None:
        """Nothing; the engines are started, and one is ready.

        Raises:
            RagError: as of `EnginePool.start`, or no prompts can be made for the model.
        """
        [pool] = self._pools
        self._adopt(pool)
        info = await pool.start()
        async with self._opening:
            self._models[info.model] = await self._open(info, pool)

    def find(self, name: str) -> Served | None:
        """The model of this name."""
        return next((model for model in self.models if model.name == name), None)

    def model_of(self, slot: Slot) -> Served | None:
        """The model that an engine serves, if it has said so."""
        return next((model for model in self._models.values() if slot in model.pool.slots), None)

    def engine(self, name: str) -> Slot:
        """The engine with this URL or name.

        Raises:
            NotFound: there is none.
        """
        wanted = base_url(name)
        for slot in self._order:
            if wanted in {slot.engine.url, slot.name}:
                return slot
        urls = ", ".join(slot.engine.url for slot in self._order)
        raise NotFound(f"There is no engine {name!r}. `rag engines` lists them: {urls}.", code="engine_not_found")

    def running(self, url: str, *, events: str | None = None, replay: str | None = None) -> Slot:
        """An engine at `url` that is yet to be added. events, replay: as of engine.kv_events and kv_replay.

        Raises:
            InvalidRequest: it is no URL, or there already.
        """
        try:
            slot = running_slot(url, self._settings.engine, events=events, replay=replay)
        except ConfigError as error:
            raise InvalidRequest(str(error), param="url") from None
        if any(each.engine.url == slot.engine.url for each in self._order):
            raise InvalidRequest(f"The engine {url!r} is there already. `rag engines` shows it.", param="url")
        return slot

    async def local(self, model: str, *, device: str | None = None) -> Slot:
        """An engine of ours for `model` that is yet to be added. device: as of engine.devices.

        Raises:
            InvalidRequest: there is no such model.
        """
        number, settings = self._n_local, self._settings.engine
        self._n_local += 1
        devices = (*[""] * number, device) if device else ()
        own = settings.model_copy(update={"model": model, "count": number + 1, "devices": devices})
        try:
            source = await asyncio.to_thread(chat_model_source, model, self._settings.data_dir)
        except ConfigError as error:
            raise InvalidRequest(str(error), param="model") from None
        run_dir = self._settings.data_dir / "run"
        return local_slot(LocalEngine(own, source=source, run_dir=run_dir, number=number))

    async def add(self, slot: Slot) -> None:
        """Nothing; one more engine gets requests: it was asked what it serves, tested, and what is shared is on it.

        Raises:
            InvalidRequest: it serves what cannot be used here.
            EngineError: it is not there, or fails.
        """
        pool = self._pools[0]
        self._order.append(slot)
        try:
            await pool.add(slot)
        except BaseException as error:
            await self._forget(slot)
            if isinstance(error, ConfigError):
                raise InvalidRequest(str(error), code="engine_refused") from None
            raise
        log.info("engine_added", url=slot.engine.url, model=slot.info.model if slot.info else None)

    async def drain(self, slot: Slot, *, wait_s: float, is_forced: bool = False) -> None:
        """Nothing; an engine gets no new requests, and has ended those that it had.

        Raises:
            InvalidRequest: no other one is ready, and that is not what is wanted: `is_forced`.
            EngineTimeout: it still had some after `wait_s`; it gets none.
        """
        if not is_forced and not any(each.is_ready for each in self._order if each is not slot):
            raise InvalidRequest(
                f"The engine at {slot.engine.url} is the last one that is ready: nothing could be answered without it. "
                "Add another one first with `rag engines add`, or use --force.",
                code="last_engine",
            )
        if not await self._pool_with(slot).drain(slot, wait_s=wait_s):
            raise EngineTimeout(
                f"The engine at {slot.engine.url} still has {slot.n_running} requests after {wait_s:g} s, and gets no "
                "new ones. Run this again to go on waiting; `rag engines remove --force` breaks them off."
            )
        log.info("engine_drained", url=slot.engine.url)

    async def undrain(self, slot: Slot) -> None:
        """Nothing; a drained engine gets requests again, as soon as it is well."""
        await self._pool_with(slot).undrain(slot)

    async def remove(self, slot: Slot) -> None:
        """Nothing; an engine is forgotten, and ended if it is ours. What it was at is broken off: drain it first."""
        await self._forget(slot)
        log.info("engine_removed", url=slot.engine.url)

    async def close(self) -> None:
        """Stop the local engines and let go of the others, and of what belongs to the models."""
        for task in self._closing.values():
            task.cancel()
        await asyncio.gather(*self._closing.values(), return_exceptions=True)
        for model in self._models.values():
            model.close()
        for pool in self._pools:
            await pool.close()

    async def _forget(self, slot: Slot) -> None:
        self._order.remove(slot)
        await self._pool_with(slot).remove(slot)
        self._let_go()

    def _let_go(self) -> None:
        """What belongs to models that have no engine left is closed when nobody asks them any more."""
        for name, model in self._models.items():
            if not model.pool.slots and name not in self._closing:
                task = self._closing[name] = asyncio.create_task(self._close(model), name=name)
                task.add_done_callback(lambda done: self._closing.pop(done.get_name(), None))

    async def _close(self, model: Served) -> None:
        while model.pool.n_asking:  # noqa: ASYNC110 - there is nothing to wait on but time
            await asyncio.sleep(_LOOK_S)
        if model.pool.slots or len(self._pools) == 1:  # it has come back, or the next engine needs a pool to come to
            return
        del self._models[model.name]
        self._pools.remove(model.pool)
        await asyncio.to_thread(model.close)
        log.info("model_gone", model=model.name)

    async def _pool_of(self, info: EngineInfo) -> EnginePool:
        """The pool for an engine that serves another model than those that it came to: an older one's, or a new one."""
        async with self._opening:
            known = next((pool for pool in self._pools if pool.info and pool.info.model == info.model), None)
            if known and known.info and known.info.source != info.source:
                raise ConfigError(
                    f"The engine serves {info.model!r} from {info.source!r}, others serve that name from "
                    f"{known.info.source!r}. Start it with another --served-model-name."
                )
            if known is None:
                known = EnginePool([], self._settings.engine)
                known.is_awaited = False
                known.info = info
                self._adopt(known)
                self._models[info.model] = await self._open(info, known)
                self._pools.append(known)
            # When the engine has moved, that is right after this, it may have been the last one where it was.
            asyncio.get_running_loop().call_soon(self._let_go)
            return known

    def _adopt(self, pool: EnginePool) -> None:
        pool.newcomer = self._pool_of
        pool.warmer = self._warm

    async def _warm(self, slot: Slot) -> None:
        if self.warmer:
            await self.warmer(slot)

    async def _open(self, info: EngineInfo, pool: EnginePool) -> Served:
        return await asyncio.to_thread(open_served, self._settings, info, pool)

    def _pool_with(self, slot: Slot) -> EnginePool:
        return next(pool for pool in self._pools if slot in pool.slots)
