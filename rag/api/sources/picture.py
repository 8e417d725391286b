"""The page of a PDF beside its text."""

from dataclasses import dataclass

from rag.api.sources.original import OriginalGone, read_original
from rag.api.sources.place import Source
from rag.pdf import Page, Unrendered
from rag.rooms import Rooms

_MAGIC = b"%PDF-"
_MAGIC_WITHIN = 1024  # where readers look for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A page; without one the reason, in words for the reader; neither: the document has no pages."""

    page: Page | None = None
    reason: str | None = None


async def picture_of(source: Source, rooms: Rooms) -> Picture:
    """The page on which the span begins.

    Raises:
        Overloaded: too many wait for theirs.
    """
    number = source.anchor.page
    if number is None:
        return Picture()
    try:
        data = await rooms.blocking(read_original, source.listed, source.known, rooms)
        if _MAGIC not in data[:_MAGIC_WITHIN]:
            return Picture()
        return Picture(page=await rooms.pages.render(data, number, source.quote))
    except OriginalGone as gone:
        return Picture(reason=str(gone))
    except Unrendered as why:
        return Picture(reason=f"The page cannot be shown: {why}.")
