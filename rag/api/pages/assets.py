"""What the pages are made of, read once: scripts, styles and pictures below `static/`, and the pages themselves."""

import functools
import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from fastapi import FastAPI
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rag.api.pages.operations import operations, shapes

_HERE = Path(__file__).parent
_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file as it goes out, plain and compressed."""

    body: bytes
    packed: bytes
    media_type: str
    tag: str  # of its content, without quotes


@functools.cache
def assets() -> MappingProxyType[str, Asset]:
    """Every file below `static/` by its path there."""
    folder = _HERE / "static"
    files = sorted(file for file in folder.rglob("*") if file.suffix in _KINDS)
    return MappingProxyType(
        {file.relative_to(folder).as_posix(): _asset(file.read_bytes(), _KINDS[file.suffix]) for file in files}
    )


@functools.cache
def version() -> str:
    """A word that changes with any of `assets`: it stands in their addresses, so browsers may keep them for good."""
    words = "\n".join(f"{path} {asset.tag}" for path, asset in assets().items())
    return _digest(words.encode())


@functools.cache
def document(name: str) -> Asset:
    """The page of this name, which every caller gets alike."""
    return _page(name)


@functools.lru_cache(maxsize=1)  # a process has one application; tests have many
def api_page(app: FastAPI) -> Asset:
    """The page of the API that `app` serves."""
    told = app.openapi()
    return _page("docs", version=app.version, operations=operations(told), shapes=shapes(told))


def _page(name: str, **words: object) -> Asset:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    html = environment.get_template(f"{name}.html.j2").render(page=name, static=f"static/{version()}", **words)
    return _asset(html.encode(), "text/html; charset=utf-8")


def _asset(body: bytes, media_type: str) -> Asset:
    return Asset(body=body, packed=gzip.compress(body, mtime=0), media_type=media_type, tag=_digest(body))


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:16]
