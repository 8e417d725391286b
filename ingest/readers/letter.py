"""What a message reads like, whatever program stored it."""

from collections.abc import Iterable, Sequence
from contextlib import suppress

from ingest.readers.base import Extracted, Skip
from ingest.readers.builder import Builder
from ingest.readers.html import HtmlReader


def letter(
    headers: Iterable[tuple[str, str | None]], *, text: str | None, html: bytes | None, attached: Sequence[str]
) -> Extracted:
    """Headers, a line each, then the body, then the names of what is attached. The subject is title and heading.

    text: the body; where it is missing or blank, html is read.
    """
    builder = Builder()
    named = [(name, " ".join(value.split())) for name, value in headers if value and value.strip()]
    subject = next((value for name, value in named if name == "Subject"), None)
    builder.title = subject
    builder.section(heading=subject)
    builder.block("\n".join(f"{name}: {value}" for name, value in named))
    if text and text.strip():
        builder.block(text.replace("\r\n", "\n"))
    elif html:
        with suppress(Skip):  # a picture and nothing else
            builder.block(HtmlReader().read(html).text)
    builder.block(f"Attachments: {', '.join(attached)}" if attached else "")
    return builder.extracted()
