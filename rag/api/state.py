"""What the routes share: the rooms, once they are open."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from rag.errors import EngineUnavailable
from rag.rooms import Rooms
from rag.settings import Settings
from rag.warm import Warmer


@dataclass(slots=True)
class State:
    """The service's settings, and its rooms from when the engine is ready."""

    settings: Settings
    rooms: Rooms | None = None
    warmer: Warmer | None = None


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
