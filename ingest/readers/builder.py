"""Text put together from blocks, with the marks that fall on them."""

import re
from dataclasses import replace

from ingest.readers.base import Cells, Extracted, Mark
from ingest.readers.outline import Outline

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_NAME_CHARS = 400  # a longer heading is cut: it is no name


class Builder:
    """Blocks in order, each on lines of its own. A mark stands at the start of the block that follows it."""

    def __init__(self) -> None:
        self.title: str | None = None
        self._parts: list[str] = []
        self._marks: list[Mark] = []
        self._length = 0
        self._outline = Outline()
        self._place = Mark(start=0)
        self._is_marked = False

    def section(
        self, *, heading: str | None = None, page: int | None = None, slide: int | None = None, sheet: str | None = None
    ) -> None:
        """Nothing; what follows stands here, and below none of the headings before."""
        self._outline = Outline()
        self._place = Mark(start=0, heading=_name(heading or "") or None, page=page, slide=slide, sheet=sheet)
        self._is_marked = True

    def enter(self, level: int, name: str) -> None:
        """Nothing; what follows stands below this heading. Level 1 is outermost, 0 the title of all."""
        self._place = replace(self._place, heading=self._outline.enter(level, _name(name)))
        self._is_marked = True

    def heading(self, level: int, name: str) -> None:
        """Nothing; the heading stands in the text, and what follows below it."""
        if name := " ".join(_CONTROL.sub("", name).split()):
            self.enter(level, name)
            self.block(name)
            self.title = self.title or (name if level <= 1 else None)

    def block(self, text: str, *, gap: str = "\n\n", cells: Cells | None = None) -> None:
        """Nothing; the text follows after `gap`. Control characters and white space at its ends are left out."""
        text = _CONTROL.sub("", text).strip()
        if not text:
            return
        if self._parts:
            self._append(gap)
        if self._is_marked:
            self._marks.append(replace(self._place, start=self._length))
            self._is_marked = False
        if cells:
            self._marks.append(replace(self._place, start=self._length, cells=cells))
        self._append(text)

    def graft(self, extracted: Extracted) -> None:
        """Nothing; another text follows, with its marks, each in the place that holds here."""
        if not extracted.text.strip():
            return
        if self._parts:
            self._append("\n\n")
        if self._is_marked and not (extracted.marks and extracted.marks[0].start == 0):
            self._marks.append(replace(self._place, start=self._length))
        self._is_marked = False
        self._marks.extend(replace(mark, start=self._length + mark.start) for mark in extracted.marks)
        self._append(extracted.text)

    def extracted(self, *, is_markdown: bool = False) -> Extracted:
        """All of it."""
        return Extracted(
            text="".join(self._parts),
            title=" ".join(self.title.split()) or None if self.title else None,
            marks=tuple(self._marks),
            is_markdown=is_markdown,
            has_lines=False,
        )

    def _append(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)


def _name(text: str) -> str:
    return " ".join(_CONTROL.sub("", text).split())[:_NAME_CHARS]
