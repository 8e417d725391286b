"""The links that one answer's citations get."""

from fastapi import Request

from rag.api.sources.link import SourceLinks
from rag.auth import Caller
from rag.rooms import Rooms


async def links_of(request: Request, collection: str | None, caller: Caller, rooms: Rooms) -> SourceLinks:
    """Links into a collection, on the address that the request was sent to.

    collection: its id; None: the answer has no documents. They are for the caller's group; a caller without a key has
    none, and theirs are for the group whose collection it is.

    Raises:
        NotFound: the collection was deleted meanwhile.
    """
    group = caller.group
    if collection is not None and caller.key_id is None:
        group = (await rooms.blocking(rooms.store.collection, collection)).group
    return SourceLinks(base_url=str(request.base_url), collection=collection, group=group, signer=rooms.signer)
