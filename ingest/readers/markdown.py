"""Markdown, as it is written: the text is the file's, headings become marks."""

import re
from collections.abc import Iterator

from ingest.attributes import front_matter
from ingest.readers.base import Extracted, Mark
from ingest.readers.decode import decode
from ingest.readers.outline import Outline

_ATX = re.compile(r" {0,3}(#{1,6})(?=[ \t]|$)(.*)$")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)$")
_NO_PARAGRAPH = re.compile(r"\s*$| {0,3}([>#|]|[-*+][ \t]|\d{1,9}[.)][ \t]|`{3}|~{3}|<)| {4}|\t")
_FRONT_TITLE = re.compile(r"^title:(.*)$", re.MULTILINE)
_CLOSING = re.compile(r"(?:^|[ \t])#+$")  # the marks that may end an ATX heading
_NAME_CHARS = 400  # a longer heading is cut: it is no name, and the patterns below would be slow on it
_ATTRIBUTES = re.compile(r"\s*\{[^{}]*\}\s*$")
_INLINE = (
    (re.compile(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])"), r"\1"),  # links and images: what they show
    (re.compile(r"</?[A-Za-z][^>]*>"), ""),
    (re.compile(r"(`+)(.+?)\1"), r"\2"),
    (re.compile(r"(\*{1,3}|~~)(?=\S)(.+?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<!\w)(_{1,3})(?=\S)(.+?)(?<=\S)\1(?!\w)"), r"\2"),
    (re.compile(r"\\([!-/:-@\[-`{-~])"), r"\1"),
)


class MarkdownReader:
    """Markdown with ATX and setext headings; what stands in code fences is no heading."""

    def read(self, data: bytes) -> Extracted:
        """The file's text; title is the first heading of level 1, else the front matter's."""
        text = decode(data)
        attributes, body = front_matter(text)
        outline = Outline()
        marks = []
        title = None
        for start, level, name in _headings(text, body):
            marks.append(Mark(start=start, heading=outline.enter(level, name)))
            title = title or (name if level == 1 else None)
        return Extracted(
            text=text,
            title=title or _front_title(text[:body]),
            marks=tuple(marks),
            is_markdown=True,
            body=body,
            attributes=attributes,
        )


def _headings(text: str, start: int) -> Iterator[tuple[int, int, str]]:
    fence = ""
    before = (start, "")  # the line before, if a setext underline could make it a heading
    for line in text[start:].split("\n"):
        bare = line.removesuffix("\r")
        fenced = _FENCE.match(bare)
        underline = _SETEXT.match(bare)
        atx = _ATX.match(bare)
        paragraph = ""
        if fence:
            if fenced and fenced[1].startswith(fence) and not fenced[2].strip():
                fence = ""
        elif fenced and not (fenced[1][0] == "`" and "`" in fenced[2]):
            fence = fenced[1]
        elif atx:
            yield start, len(atx[1]), _plain(_CLOSING.sub("", atx[2].strip()))
        elif underline and before[1]:
            yield before[0], 1 if underline[1][0] == "=" else 2, _plain(before[1])
        elif not _NO_PARAGRAPH.match(bare):
            paragraph = bare
        before = (start, paragraph)
        start += len(line) + 1


def _plain(name: str) -> str:
    name = _ATTRIBUTES.sub("", name.strip()[:_NAME_CHARS])
    for pattern, replacement in _INLINE:
        name = pattern.sub(replacement, name)
    return " ".join(name.split())


def _front_title(front: str) -> str | None:
    found = _FRONT_TITLE.search(front)  # also of front matter that is no YAML, as `title: One: two`
    return found[1].strip().strip("\"'").strip() or None if found else None
