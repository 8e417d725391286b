"""What the routes share: the rooms, once they are open."""

import secrets
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from rag.auth import Keys, Limiter, MemoryCounters, RedisCounters
from rag.errors import EngineUnavailable
from rag.rooms import Rooms
from rag.settings import Settings
from rag.store import KeyStore
from rag.warm import Warmer


def _local_token() -> str:
    return f"local_{secrets.token_hex(32)}"


@dataclass(slots=True)
class State:
    """The service's settings and keys, and its rooms from when the engine is ready."""

    settings: Settings
    rooms: Rooms | None = None
    warmer: Warmer | None = None
    local_token: str = field(default_factory=_local_token, repr=False)  # opens everything to commands on this machine
    keys: Keys = field(init=False)
    limiter: Limiter = field(init=False)

    def __post_init__(self) -> None:
        """Name the keys and where their use is counted; both are opened at the first request.

        Raises:
            ConfigError: server.redis_url is none.
        """
        self.keys = Keys(KeyStore(self.settings.data_dir))
        url = self.settings.server.redis_url
        self.limiter = Limiter(RedisCounters(url.get_secret_value()) if url else MemoryCounters())


def get_state(request: Request) -> State:
    """The state of the application."""
    state: State = request.app.state.service
    return state


def get_rooms(request: Request) -> Rooms:
    """The open rooms.

    Raises:
        EngineUnavailable: the service is still starting.
    """
    rooms = get_state(request).rooms
    if rooms is None:
        raise EngineUnavailable("The service is starting: its engine is not ready yet. Try again in a few seconds.")
    return rooms


def get_warmer(request: Request) -> Warmer:
    """The warmer of the open rooms.

    Raises:
        EngineUnavailable: the service is still starting.
    """
    get_rooms(request)
    warmer = get_state(request).warmer
    assert warmer  # noqa: S101 - opened with the rooms
    return warmer


StateDep = Annotated[State, Depends(get_state)]
RoomsDep = Annotated[Rooms, Depends(get_rooms)]
WarmerDep = Annotated[Warmer, Depends(get_warmer)]
