"""Pages for browsers: templates that escape all they are given, and headers that let nothing else happen."""

import base64
import functools
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse
from starlette.types import Scope

_FOLDER = Path(__file__).with_name("templates")
_WITH_PAGES = "/v1/sources/"
_TITLES = {
    400: "This link is not whole",
    401: "This source does not open without a key",
    403: "This link has expired",
    404: "This source is not there",
    429: "Too many ask at once",
    503: "The service is not ready",
}
_HINTS = {401: "In a browser, open the link as it stands in the answer: it then needs no key."}


def wants_page(scope: Scope) -> bool:
    """Whether a browser asks for what has a page: it names HTML. A program that reads both gets JSON."""
    accept = Headers(scope=scope).get("accept", "")
    return scope["path"].startswith(_WITH_PAGES) and "text/html" in accept and "application/json" not in accept


def page(template: str, words: dict[str, object], status: int = 200) -> HTMLResponse:
    """The page. Nothing in it runs, nothing is fetched for it but pictures from here, nobody frames it."""
    style = _style()
    body = _templates().get_template(template).render({**words, "style": style})
    return HTMLResponse(body, status, headers=_headers(style))


def error_page(message: str, status: int) -> HTMLResponse:
    """The page of a request that failed."""
    title = _TITLES.get(status, "This did not work")
    words: dict[str, object] = {"title": title, "message": message, "hint": _HINTS.get(status), "status": status}
    return page("error.html.j2", words, status)


def _headers(style: str) -> dict[str, str]:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return {"content-security-policy": policy, "x-robots-tag": "noindex", "vary": "Accept", **PRIVATE}


# For everything that shows a document: it is not kept by anybody between, and a browser asks before it shows it again.
PRIVATE = {"cache-control": "private, no-cache"}


@functools.cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )


@functools.cache
def _style() -> str:
    return (_FOLDER / "page.css").read_text("utf-8")
