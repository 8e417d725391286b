"""Messages as Outlook stores them: MSG."""

from collections.abc import Iterator

from oxmsg import Message

from ingest.readers.base import Extracted, Member, ReadFailure
from ingest.readers.container import Names
from ingest.readers.letter import letter
from ingest.readers.limits import Budget

_BROKEN = (ValueError, OSError, KeyError, IndexError, AttributeError)


class MsgReader:
    """A message is a document; what is attached to it are documents inside it."""

    def read(self, data: bytes) -> Extracted:
        """Headers and body."""
        message = _opened(data)
        sent = message.sent_date
        headers = (
            ("Subject", message.subject),
            ("From", message.sender),
            ("To", ", ".join(f"{each.name} <{each.email_address}>" for each in message.recipients)),
            ("Date", sent.isoformat(" ") if sent else None),
        )
        html = message.html_body
        return letter(
            headers,
            text=message.body,
            html=b"\xef\xbb\xbf" + html.encode("utf-8", "replace") if html else None,
            attached=[each.file_name or "unnamed" for each in message.attachments],
        )

    def members(self, data: bytes, budget: Budget) -> Iterator[Member]:
        """What is attached."""
        names = Names()
        for number, each in enumerate(_opened(data).attachments, 1):
            name, skipped = names.take(each.file_name or f"attachment-{number}")
            content = None if skipped else each.file_bytes
            if skipped or content is None:
                yield Member(name=name, skipped=skipped or "not stored as a file in the message")
            elif len(content) > budget.member_bytes:
                yield Member(name=name, failed=f"over the limit: {len(content)} bytes")
            else:
                budget.count_bytes(len(content))
                yield Member(name=name, data=content)


def _opened(data: bytes) -> Message:
    try:
        return Message.load(data)
    except _BROKEN as error:
        raise ReadFailure(f"damaged: no readable Outlook message ({type(error).__name__})") from None
