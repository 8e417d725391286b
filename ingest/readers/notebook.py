"""Notebooks, cell by cell: their Markdown, their code, and what it printed."""

import json
from collections.abc import Iterator

from ingest.readers.base import Extracted, ReadFailure
from ingest.readers.builder import Builder
from ingest.readers.decode import decode
from ingest.readers.markdown import MarkdownReader

_LONGEST_FENCE = "`````"
_OUTPUT_CHARS = 20_000  # of one output


class NotebookReader:
    """IPYNB of format 3 and 4, valid or not: what has the shape of a cell is read."""

    def read(self, data: bytes) -> Extracted:
        """The text as Markdown; the heading of a mark ends with the number of its cell."""
        try:
            notebook = json.loads(decode(data))
        except ValueError:
            raise ReadFailure("damaged: a notebook is JSON, and this is not") from None
        builder = Builder()
        language = _language(notebook)
        path: str | None = None
        for number, cell in enumerate(_cells(notebook), 1):
            source = _joined(cell.get("source", cell.get("input")))
            kind = cell.get("cell_type")
            if kind == "heading":  # of format 3
                level = cell.get("level")
                source = f"{'#' * (level if isinstance(level, int) and 1 <= level <= 6 else 1)} {source}"
            markdown = (
                MarkdownReader().read(source.encode("utf-8", "replace")) if kind in {"markdown", "heading"} else None
            )
            if markdown and markdown.marks:
                path = markdown.marks[0].heading
                builder.title = builder.title or markdown.title
            builder.section(heading=f"{path} > cell {number}" if path else f"cell {number}")
            if kind == "code":
                builder.block(_fenced(source, language))
                for output in _outputs(cell):
                    builder.block(_fenced(output[:_OUTPUT_CHARS], ""))
            else:
                builder.block(source)
        return builder.extracted(is_markdown=True)


def _cells(notebook: object) -> Iterator[dict[str, object]]:
    if not isinstance(notebook, dict):
        raise ReadFailure("damaged: it is JSON, and no notebook")
    sheets = notebook.get("worksheets")
    holders = [notebook, *(sheets if isinstance(sheets, list) else [])]
    for holder in holders:
        cells = holder.get("cells") if isinstance(holder, dict) else None
        for cell in cells if isinstance(cells, list) else []:
            if isinstance(cell, dict):
                yield cell


def _outputs(cell: dict[str, object]) -> Iterator[str]:
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else []:
        if not isinstance(output, dict):
            continue
        data = output.get("data")
        plain = data.get("text/plain") if isinstance(data, dict) else None
        text = _joined(output.get("text")) or _joined(plain)
        if not text and output.get("ename"):
            text = f"{output.get('ename')}: {output.get('evalue', '')}"
        if text.strip():
            yield text


def _fenced(text: str, language: str) -> str:
    fence = _LONGEST_FENCE if "```" in text else "```"
    return f"{fence}{language}\n{text.rstrip()}\n{fence}" if text.strip() else ""


def _joined(value: object) -> str:
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


def _language(notebook: object) -> str:
    metadata = notebook.get("metadata") if isinstance(notebook, dict) else None
    info = metadata.get("language_info") if isinstance(metadata, dict) else None
    name = info.get("name") if isinstance(info, dict) else None
    return name if isinstance(name, str) and name.isidentifier() else ""
