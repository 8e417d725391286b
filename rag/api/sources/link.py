"""What the link of a citation names: a span of a document, in a way that outlives the generation it was made from.

    /v1/sources/<chunk id>?in=<collection>&doc=<document>&at=310-352&quote=<fingerprint>&group=…&until=…&sig=…#quote

Chunk ids are hashes that change with what stands before the chunk, so the rest names the document by its path, and the
quote by where it was and by a fingerprint. `sig` is over all of it and lets a browser in that sends no key.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote as escaped
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from rag.auth import Caller, Scope, Signer
from rag.cite import fingerprint, is_fingerprint
from rag.errors import InvalidRequest
from rag.types import DEFAULT_GROUP, Citation

ROUTE = "/v1/sources/"
_PARAMS = {"collection": "in", "document": "doc", "at": "at", "quote": "quote"}  # in this order in every link
_SIGNED_PARAMS = {"group": "group", "until": "until", "signature": "sig"}
_SPAN = re.compile(r"(\d{1,9})-(\d{1,9})", re.ASCII)
_MOST_CHARS = 20_000  # of a quote: more than any chunk has
_NAME_CHARS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a link says; None where it does not. A bare one has a chunk id and nothing else."""

    chunk_id: str
    collection: str | None = None  # its id
    document: str | None = None  # the name that `document_name` makes of its path
    at: str | None = None  # the quote's offsets in the document's text, as 310-352
    quote: str | None = None  # its fingerprint
    group: str | None = None  # the access group that it was made for
    until: str | None = None  # the last day on which it opens without a key
    signature: str | None = None

    @property
    def span(self) -> tuple[int, int] | None:
        """Where the quote was."""
        found = _SPAN.fullmatch(self.at or "")
        return (int(found[1]), int(found[2])) if found else None

    def query(self) -> str:
        """Its parameters as they stand in a URL."""
        params = {name: getattr(self, field) for field, name in (_PARAMS | _SIGNED_PARAMS).items()}
        return urlencode({name: value for name, value in params.items() if value is not None})

    def signed_words(self) -> tuple[str, ...]:
        """All that a signature is over."""
        fields = (self.chunk_id, *(getattr(self, field) for field in _PARAMS), self.group, self.until)
        return tuple(each or "" for each in fields)


def read_link(chunk_id: str, params: Mapping[str, str]) -> Link:
    """The link of a request.

    Raises:
        InvalidRequest: a parameter is not as links have it.
    """
    named = {field: params.get(name) for field, name in (_PARAMS | _SIGNED_PARAMS).items()}
    link = Link(chunk_id=chunk_id, **named)
    if (link.at is None) != (link.quote is None) or (link.at is not None and link.document is None):
        raise InvalidRequest(
            "A link that names a quote has all of `doc`, `at` and `quote`. Open it as it stands in the answer.",
            param="at",
        )
    if link.at is not None and not (link.span and link.span[0] < link.span[1] <= link.span[0] + _MOST_CHARS):
        raise InvalidRequest(
            f"{link.at!r} is no span of a document. Send the quote's first and last offset, as 310-352.", param="at"
        )
    if link.quote is not None and not is_fingerprint(link.quote):
        raise InvalidRequest(
            f"{link.quote!r} is no fingerprint of a quote. Open the link as it stands in the answer.", param="quote"
        )
    return link


def signed_link(scope: Mapping[str, Any]) -> Link | None:
    """The link of a request for a source, if it is a signed one. scope: of ASGI.

    Raises:
        InvalidRequest: as `read_link`.
    """
    params = QueryParams(scope["query_string"])
    if not scope["path"].startswith(ROUTE) or _SIGNED_PARAMS["signature"] not in params:
        return None
    return read_link(scope["path"].removeprefix(ROUTE).partition("/")[0], params)


def document_name(path: str) -> str:
    """The name in links of the document with this path."""
    digest = hashlib.sha256(path.encode("utf-8", "surrogatepass")).digest()
    return base64.urlsafe_b64encode(digest)[:_NAME_CHARS].decode("ascii")


def opened_by(link: Link, signer: Signer) -> Caller:
    """Who comes by a signed link: they may read the one document that it names.

    Whether the group still reads the collection is seen where the document is.

    Raises:
        LinkInvalid, LinkExpired: it opens nothing.
    """
    signer.check(link.signed_words(), link.until or "", link.signature or "")
    return Caller(
        group=link.group or DEFAULT_GROUP,
        key_id="",
        scopes=frozenset({Scope.CHAT}),
        collections=frozenset({link.collection or ""}),
        document=link.document or "",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLinks:
    """Makes the links of one answer's citations."""

    base_url: str
    collection: str | None = None  # its id; None: an answer without documents
    group: str = DEFAULT_GROUP  # that the links are for
    signer: Signer | None = None  # None: they are not signed

    def url(self, citation: Citation) -> str:
        """The link to the quote; to the chunk, if nothing supports the statement."""
        chunk = citation.chunk
        start, end, quote = chunk.start, chunk.end, chunk.text
        if citation.source_start is not None and citation.source_end is not None and citation.quote is not None:
            start, end, quote = citation.source_start, citation.source_end, citation.quote
        link = Link(
            chunk_id=chunk.id,
            collection=self.collection,
            document=document_name(chunk.document),
            at=f"{start}-{end}",
            quote=fingerprint(quote),
        )
        if self.signer and self.signer.is_on:
            link = replace(link, group=self.group, until=self.signer.last_day())
            link = replace(link, signature=self.signer.sign(link.signed_words()))
        return f"{self.base_url.rstrip('/')}{ROUTE}{escaped(chunk.id, safe='')}?{link.query()}#quote"
