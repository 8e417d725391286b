"""The pages and their files. Nothing in them is anybody's: they open without a key, and ask the API with one."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from rag.api.pages.assets import Asset, api_page, assets, document, version
from rag.errors import NotFound

STATIC = "/static/"
PATHS = frozenset({"/", "/reuse", "/documents", "/docs"})
_NAMES = {"/": "chat", "/reuse": "reuse", "/documents": "documents"}
# blob: pages of PDFs, which are fetched with the key. Trusted types: nothing makes elements of a string.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
_PAGE_HEADERS = {  # beside those of every answer: rag/api/middleware.py
    "cache-control": "no-cache",
    "content-security-policy": _POLICY,
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "x-robots-tag": "noindex",
}
_FOR_GOOD = "public, max-age=31536000, immutable"

router = APIRouter(include_in_schema=False)


@router.get("/")
@router.get("/reuse")
@router.get("/documents")
def page(request: Request) -> Response:
    """A page. It is asked for anew each time, and sent only where it has changed."""
    return _answer(document(_NAMES[request.scope["path"]]), request, _PAGE_HEADERS)


@router.get("/docs")
def api(request: Request) -> Response:
    """The page of the API."""
    return _answer(api_page(request.app), request, _PAGE_HEADERS)


@router.get("/static/{wanted}/{path:path}")
def file(wanted: str, path: str, request: Request) -> Response:
    """A file of the pages. A tab from before an upgrade gets what there is now, and does not keep it."""
    asset = assets().get(path)
    if asset is None:
        raise NotFound(f"The pages have no file {path!r}. Load the page again.", code="file_not_found")
    return _answer(asset, request, {"cache-control": _FOR_GOOD if wanted == version() else "no-cache"})


def _answer(asset: Asset, request: Request, headers: dict[str, str]) -> Response:
    is_packed = "gzip" in request.headers.get("accept-encoding", "")
    tag = f'"{asset.tag}{"-gz" if is_packed else ""}"'
    headers = {**headers, "etag": tag, "vary": "Accept-Encoding"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if is_packed:
        headers["content-encoding"] = "gzip"
    return Response(asset.packed if is_packed else asset.body, media_type=asset.media_type, headers=headers)
