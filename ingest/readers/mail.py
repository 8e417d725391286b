"""Messages as they are sent: EML."""

from collections.abc import Iterator
from email import policy
from email.message import EmailMessage, MIMEPart
from email.parser import BytesParser

from ingest.readers.base import Extracted, Member, ReadFailure
from ingest.readers.container import Names
from ingest.readers.decode import decode
from ingest.readers.letter import letter
from ingest.readers.limits import Budget

_HEADERS = ("Subject", "From", "To", "Cc", "Date")
_ENCRYPTED = frozenset(["multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"])


class MailReader:
    """A message is a document; what is attached to it are documents inside it."""

    def read(self, data: bytes) -> Extracted:
        """Headers and body."""
        message = _parsed(data)
        if message.get_content_type() in _ENCRYPTED:
            raise ReadFailure("encrypted: it opens only with its recipient's key")
        if not any(name in message for name in _HEADERS) and not message.is_multipart():
            raise ReadFailure("damaged: it has none of a message's headers")
        plain, html = message.get_body(("plain",)), message.get_body(("html",))
        return letter(
            ((name, _header(message, name)) for name in _HEADERS),
            text=decode(_bytes(plain), plain.get_content_charset()) if plain and _bytes(plain) else None,
            html=_declared(html) if html else None,
            attached=[name for name, _ in _attached(message)],
        )

    def members(self, data: bytes, budget: Budget) -> Iterator[Member]:
        """What is attached."""
        names = Names()
        for raw, part in _attached(_parsed(data)):
            name, skipped = names.take(raw)
            content = b"" if skipped else _bytes(part)
            if len(content) > budget.member_bytes:
                yield Member(name=name, failed=f"over the limit: {len(content)} bytes")
                continue
            budget.count_bytes(len(content))
            yield Member(name=name, skipped=skipped) if skipped else Member(name=name, data=content)


def _parsed(data: bytes) -> EmailMessage:
    return BytesParser(_class=EmailMessage, policy=policy.default).parsebytes(data)


def _header(message: EmailMessage, name: str) -> str | None:
    try:
        value = message[name]
        return str(value) if value is not None else None
    except (ValueError, IndexError, AttributeError, TypeError):  # the library's own parser fails on some
        return None


def _attached(message: EmailMessage) -> Iterator[tuple[str, MIMEPart]]:
    for number, part in enumerate(message.iter_attachments(), 1):
        is_message = part.get_content_type() == "message/rfc822"
        name = part.get_filename() or f"attachment-{number}{'.eml' if is_message else ''}"
        yield name, part


def _bytes(part: MIMEPart) -> bytes:
    if part.get_content_type() == "message/rfc822":
        inner = part.get_payload(0) if part.is_multipart() else None
        return inner.as_bytes() if isinstance(inner, EmailMessage) else b""
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _declared(part: MIMEPart) -> bytes:
    """The page in UTF-8: its character set stands in the message, not in the page."""
    text = decode(_bytes(part), part.get_content_charset()) if _bytes(part) else ""
    return b"\xef\xbb\xbf" + text.encode("utf-8", "replace")
