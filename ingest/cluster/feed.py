"""What the run hands to a pipeline, piece by piece: Ray Data's own sources want to know all of it beforehand."""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


class Feed:
    """An actor that keeps each piece until its answer is there, so that a source that died can begin anew."""

    def __init__(self) -> None:
        """Nothing is in it."""
        self._pieces: dict[int, bytes] = {}  # by number; empty: it was answered
        self._n_begun: dict[int, int] = {}
        self._n_pieces: int | None = None  # None: more may come
        self._changed = asyncio.Condition()

    async def give(self, number: int, piece: bytes) -> None:
        """Nothing; the piece is there. Numbers begin with 0."""
        async with self._changed:
            self._pieces[number] = piece
            self._changed.notify_all()

    async def end(self, n_pieces: int) -> None:
        """Nothing; there are so many pieces and no more."""
        async with self._changed:
            self._n_pieces = n_pieces
            self._changed.notify_all()

    async def take(self, number: int) -> bytes | None:
        """The piece, once it is there; None: there is none of this number."""
        async with self._changed:
            await self._changed.wait_for(lambda: number in self._pieces or number == self._n_pieces)
        return self._pieces.get(number)

    async def begin(self, number: int) -> int:
        """How often workers have begun with the piece: more than once if one died meanwhile."""
        self._n_begun[number] = self._n_begun.get(number, 0) + 1
        return self._n_begun[number]

    async def drop(self, number: int) -> None:
        """Nothing; the piece was answered."""
        self._pieces[number] = b""
        self._n_begun.pop(number, None)


def rows(_: "pa.Table", feed: Any) -> "Iterator[pa.Table]":  # noqa: ANN401 - a handle of an actor has no type
    """A row for each piece, as they come."""
    import ray

    number = 0
    while (piece := ray.get(feed.take.remote(number))) is not None:
        yield row(number, piece)
        number += 1


def row(number: int, piece: bytes) -> "pa.Table":
    """A table of one row."""
    import pyarrow as pa

    return pa.table({"number": [number], "piece": pa.array([piece], pa.large_binary())})  # large: beyond 2 GiB
