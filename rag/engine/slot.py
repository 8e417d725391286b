"""One engine, and what is known of it."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import zip_longest

from rag.engine.accuracy import Accuracy
from rag.engine.base import Engine, EngineInfo
from rag.engine.events import EventAddresses, KvEvents
from rag.engine.flight import Flights
from rag.engine.http import VllmEngine
from rag.engine.launch import LocalEngine
from rag.engine.probe import Reuse
from rag.engine.pulse import Pulse
from rag.errors import ConfigError
from rag.plan import Candidate, EngineView, Held, Pace, Why
from rag.settings import EngineSettings


class State(StrEnum):
    """Whether an engine gets requests."""

    STARTING = "starting"  # it comes up, or what others share is computed on it first
    READY = "ready"
    DRAINING = "draining"  # it finishes what it has
    DRAINED = "drained"  # it has nothing more, and gets nothing
    DOWN = "down"  # it failed, and is tried again


@dataclass(slots=True, kw_only=True, eq=False)
class Slot:
    """One engine and what is known of it."""

    engine: Engine
    local: LocalEngine | None = None
    events: KvEvents | None = None  # None: it says nothing of its cache
    state: State = State.STARTING
    reason: str = ""  # a sentence: why it does not get requests, where that is its own fault
    info: EngineInfo | None = None  # None: it cannot be asked anything
    has_served: bool = False  # it has been ready, with the model that it has now
    is_leaving: bool = False  # an operator wants it to get no more requests
    reuse: Reuse = Reuse.UNREPORTED
    held: Held = field(default_factory=lambda: Held(None))
    accuracy: Accuracy = field(default_factory=Accuracy)
    pace: Pace = field(default_factory=Pace)
    n_running: int = 0
    flights: Flights = field(default_factory=Flights)
    pulse: Pulse = field(default_factory=Pulse)
    n_routed: Counter[Why] = field(default_factory=Counter)  # requests, by why they came here

    @property
    def name(self) -> str:
        """What prefixes find their home by: the same in every service, and after every restart."""
        return self.local.name if self.local else self.engine.url

    @property
    def is_ready(self) -> bool:
        """Whether it gets requests."""
        return self.state is State.READY and self.info is not None

    @property
    def is_finishing(self) -> bool:
        """Whether it gets no new requests, and those that had come so far as to ask it may still do so."""
        return self.state is State.DRAINING and self.info is not None

    @property
    def queue_ms(self) -> float:
        """What the prompts before a new one should take to their first tokens."""
        return self.flights.n_tokens * self.pace.new_ms

    def view(self) -> EngineView | None:
        """The engine as planning sees it; None: it cannot be asked."""
        if self.info is None:
            return None
        return EngineView(held=self.held, block_size=self.info.block_size, pace=self.pace, coming=self.flights)

    def candidate(self, *, n_new: int, n_cached: int, work_ms: float | None = None) -> Candidate:
        """The engine as routing sees it, with a prompt of so many tokens. work_ms: if it is weighed otherwise."""
        return Candidate(
            name=self.name,
            work_ms=self.pace.first_token_ms(n_new, n_cached) if work_ms is None else work_ms,
            n_new=n_new,
            new_ms=self.pace.computing_ms(n_new, n_cached),
            queue_ms=self.queue_ms,
            n_running=self.n_running,
        )


def local_slot(local: LocalEngine) -> Slot:
    """A slot for an engine of ours that is yet to start."""
    return Slot(
        engine=VllmEngine(local.url, tokens_only=local.tokens_only), local=local, events=KvEvents(local.addresses)
    )


def running_slots(settings: EngineSettings) -> list[Slot]:
    """A slot for each engine at `engine.urls`.

    Raises:
        ConfigError: an address is none, or there are other numbers of them than of engines.
    """
    n_urls = len(settings.urls)
    for name, listed in (("kv_events", settings.kv_events), ("kv_replay", settings.kv_replay)):
        if len(listed) not in (0, n_urls):
            raise ConfigError(
                f"engine.{name} lists {len(listed)} addresses {list(listed)!r} for {n_urls} engines. Give one for each "
                "of engine.urls, in their order, or none."
            )
    if settings.kv_replay and not settings.kv_events:
        raise ConfigError(f"engine.kv_replay is {list(settings.kv_replay)!r} without engine.kv_events. Set both.")
    addresses = zip_longest(settings.urls, settings.kv_events, settings.kv_replay)
    return [running_slot(url, settings, events=events, replay=replay) for url, events, replay in addresses]


def running_slot(url: str, settings: EngineSettings, *, events: str | None, replay: str | None) -> Slot:
    """A slot for the engine at `url`. events, replay: where it publishes what it holds; None: it does not.

    Raises:
        ConfigError: `url` is none.
    """
    key = settings.api_key.get_secret_value() if settings.api_key else None
    return Slot(
        engine=VllmEngine(url, key, tokens_only=settings.tokens_only == "auto"),
        events=KvEvents(EventAddresses(events=events, replay=replay)) if events else None,
    )
