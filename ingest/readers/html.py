"""HTML: what a reader of the page sees, one block a line."""

import re
from dataclasses import replace
from html.parser import HTMLParser

from ingest.readers.base import Extracted, Mark, Skip
from ingest.readers.decode import decode
from ingest.readers.outline import Outline

_CHARSET = re.compile(
    rb"""<meta[^>]+charset\s*=\s*["']?\s*([\w:.-]+)|<\?xml[^>]+encoding\s*=\s*["']([\w:.-]+)""", re.IGNORECASE
)
_HEAD_BYTES = 4096
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_SPACE = re.compile(r"[ \t\r\n\f]+")
_DROPPED = frozenset(["script", "style", "template", "nav", "noscript", "svg", "iframe", "object", "select", "button"])
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)
_IMPLIED_END = frozenset(["p", "li", "td", "th", "tr", "dt", "dd"])  # may stand without an end tag
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCK_NAMES = """address article aside blockquote body br caption dd details dialog div dl dt fieldset figcaption
    figure footer form header hr li main ol p pre section summary table tbody tfoot thead title tr ul"""
_BLOCKS = frozenset(_BLOCK_NAMES.split()) | _HEADINGS.keys()
_SPACED = frozenset(["blockquote", "dl", "ol", "p", "pre", "table", "ul"]) | _HEADINGS.keys()


class HtmlReader:
    """HTML pages. Scripts, styles, navigation and hidden elements are left out."""

    def read(self, data: bytes) -> Extracted:
        """The visible text, a mark at each heading; title is the page's, else its first h1."""
        page = _Page()
        page.feed(decode(data, declared_charset(data)))
        page.close()
        text = "".join(page.parts).rstrip()
        if not text:
            raise Skip("empty: the page shows no text")
        marks = page.marks
        if page.title and not page.first_h1:  # nothing on the page says what it is about
            top = f"{page.title}\n\n"
            marks = [Mark(start=0, heading=page.title), *(replace(m, start=m.start + len(top)) for m in marks)]
            text = top + text
        return Extracted(text=text, title=page.title or page.first_h1 or None, marks=tuple(marks), has_lines=False)


def declared_charset(data: bytes) -> str | None:
    """The character set that an HTML or XML file says it is in."""
    declared = _CHARSET.search(data[:_HEAD_BYTES])
    return (declared[1] or declared[2]).decode("ascii", "replace") if declared else None


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.marks: list[Mark] = []
        self.title = ""
        self.first_h1 = ""
        self._length = 0
        self._break = 0  # newlines due before the next text
        self._space = False  # a space is due before the next text
        self._dropping: list[str] = []  # the element that is left out and those open inside it
        self._pre = 0
        self._in_title = False
        self._heading: tuple[int, int, list[str]] | None = None  # level, start, text
        self._outline = Outline()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        dropping = self._dropping
        while dropping and _ends_at(dropping[-1], tag):
            dropping.pop()
        if tag not in _VOID and (dropping or tag in _DROPPED or _is_hidden(dict(attrs))):
            dropping.append(tag)
        if dropping:
            return
        self._block(tag)
        self._pre += tag == "pre"
        self._in_title = self._in_title or (tag == "title" and not self.title)
        if tag in _HEADINGS:
            self._end_heading()
            self._heading = (_HEADINGS[tag], -1, [])
        elif tag in ("td", "th"):
            self._space = True

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        dropping = self._dropping
        if tag in dropping:
            while dropping.pop() != tag:
                pass
            return
        if dropping and dropping[0] not in _IMPLIED_END:
            return
        dropping.clear()  # the end of what is around the element that was left out
        self._pre = max(0, self._pre - (tag == "pre"))
        if tag == "title":
            self._in_title = False
        if tag in _HEADINGS:
            self._end_heading()
        self._block(tag)

    def handle_data(self, data: str) -> None:
        if self._dropping:
            return
        if self._in_title:
            self.title = " ".join((self.title + data).split())
            return
        if self._pre:
            self._add(data.replace("\r\n", "\n"))
            return
        words = _SPACE.sub(" ", data)
        self._space = self._space or words.startswith(" ")
        if words.strip(" "):
            self._add(words.strip(" "))
            self._space = words.endswith(" ")

    def close(self) -> None:
        # Not the parser's own close: it goes over what is left once for each "<" in it, hours for a hostile file.
        # A tag makes it hand over text that it held back; a tag or comment that never ends is dropped.
        self.feed("<p>")
        self._end_heading()

    def _block(self, tag: str) -> None:
        if tag in _BLOCKS:
            self._break = max(self._break, 2 if tag in _SPACED else 1)

    def _add(self, text: str) -> None:
        gap = "\n" * self._break if self._break else " " * self._space
        if self.parts:
            self._append(gap)
        self._break, self._space = 0, False
        if self._heading:
            level, start, words = self._heading
            self._heading = (level, self._length if start < 0 else start, [*words, text])
        self._append(text)

    def _append(self, text: str) -> None:
        self.parts.append(text)
        self._length += len(text)

    def _end_heading(self) -> None:
        if self._heading:
            level, start, words = self._heading
            name = " ".join(" ".join(words).split())
            self._heading = None
            if name:
                self.marks.append(Mark(start=start, heading=self._outline.enter(level, name)))
                self.first_h1 = self.first_h1 or (name if level == 1 else "")


def _ends_at(open_tag: str, tag: str) -> bool:
    """Whether an element without an end tag ends where `tag` begins."""
    return open_tag in _IMPLIED_END and (tag == open_tag or (open_tag == "p" and tag in _BLOCKS))


def _is_hidden(attributes: dict[str, str | None]) -> bool:
    return "hidden" in attributes or bool(_HIDDEN_STYLE.search(attributes.get("style") or ""))
