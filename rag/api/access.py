"""Who asks, and what exists for them. What a caller may not see is the same as what does not exist."""

from typing import Annotated, Any

from fastapi import Depends, Header, Request

from rag.auth import Caller, Scope
from rag.errors import NotAllowed, NotFound
from rag.rooms import Rooms
from rag.store import CollectionInfo


def get_caller(request: Request) -> Caller:
    """Who sent the request, as `Authenticate` has found."""
    caller: Caller = request.scope["caller"]
    return caller


CallerDep = Annotated[Caller, Depends(get_caller)]
CollectionHeader = Annotated[
    str | None, Header(description="Ours: the same as `rag.collection`, for clients that cannot add fields.")
]


# Any: what FastAPI calls a dependency has no type of its own.
def requires(*scopes: Scope) -> Any:  # noqa: ANN401
    """A dependency that refuses callers who have none of `scopes`. For a router, or for a route."""

    def check(caller: CallerDep) -> None:
        if not any(map(caller.may, scopes)):
            names = " or ".join(repr(scope.value) for scope in scopes)
            raise NotAllowed(
                f"The API key lacks the scope {names}. Make one with it: `rag keys create --name NAME --scopes ...`."
            )

    return Depends(check)


async def visible_collections(caller: Caller, rooms: Rooms) -> tuple[CollectionInfo, ...]:
    """Every collection that exists for the caller, by name."""
    infos = await rooms.blocking(rooms.store.collections)
    return tuple(info for info in infos if caller.may_see(info.id, info.name, info.group))


async def find_collection(name_or_id: str, caller: Caller, rooms: Rooms, *, param: str | None = None) -> CollectionInfo:
    """The collection of this name or id. param: the field that names it.

    Raises:
        NotFound: there is none, or none for this caller; nothing tells which.
    """
    infos = await visible_collections(caller, rooms)
    by_id = (info for info in infos if info.id == name_or_id)
    found = next(by_id, None) or next((info for info in infos if info.name == name_or_id), None)
    if found is None:
        raise NotFound(
            f"There is no collection {name_or_id!r}. Make one with `rag ingest PATH -c NAME`.",
            param=param,
            code="collection_not_found",
        )
    return found


async def find_own_collection(name_or_id: str, caller: Caller, rooms: Rooms) -> CollectionInfo:
    """The collection of this name or id, to be changed.

    Raises:
        NotFound: as `find_collection`.
        NotAllowed: it belongs to another group, and the key may only read it.
    """
    found = await find_collection(name_or_id, caller, rooms)
    if not caller.may_change(found.group):
        raise NotAllowed(
            f"The collection {name_or_id!r} belongs to another access group: this key may read it and not change it. "
            "Use a key of its group."
        )
    return found
