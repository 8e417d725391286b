"""OpenAI's pages: a limit, an order, and the id of the object before or behind the page. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

from fastapi import Depends, Query

from rag.api.wire import Json
from rag.errors import InvalidRequest

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """Which page is asked for."""

    limit: int
    order: Literal["asc", "desc"]
    after: str | None = None
    before: str | None = None

    def page(self, items: Sequence[Item], key: Callable[[Item], str], wire: Callable[[Item], Json]) -> Json:
        """The page of `items`, which come oldest first, as JSON.

        key: the id of an item. wire: its JSON.

        Raises:
            InvalidRequest: `after` or `before` is the id of none.
        """
        ordered = list(items) if self.order == "asc" else list(reversed(items))
        ids = [key(item) for item in ordered]
        first = 0 if self.after is None else _place(ids, self.after, "after") + 1
        end = len(ids) if self.before is None else _place(ids, self.before, "before")
        inside = range(first, max(first, end))
        # With `before` alone the page is the one that ends there.
        is_backwards = self.before is not None and self.after is None
        chosen = inside[-self.limit :] if is_backwards else inside[: self.limit]
        return {
            "object": "list",
            "data": [wire(ordered[index]) for index in chosen],
            "first_id": ids[chosen[0]] if chosen else None,
            "last_id": ids[chosen[-1]] if chosen else None,
            "has_more": len(inside) > len(chosen),
        }


Order = Annotated[Literal["asc", "desc"], Query(description="Of arrival: the newest first, or the oldest.")]
After = Annotated[str | None, Query(description="Id of the object that the page begins behind.")]
Before = Annotated[str | None, Query(description="Id of the object that the page ends before.")]


def _paging(
    limit: Annotated[int, Query(ge=1, le=100, description="Objects in a page.")] = 20,
    order: Order = "desc",
    after: After = None,
    before: Before = None,
) -> Paging:
    return Paging(limit=limit, order=order, after=after, before=before)


PagingDep = Annotated[Paging, Depends(_paging)]


def _place(ids: Sequence[str], cursor: str, param: str) -> int:
    try:
        return ids.index(cursor)
    except ValueError:
        raise InvalidRequest(
            f"{param} = {cursor!r} is not in this list. Start without it.", param=param, code="invalid_value"
        ) from None
