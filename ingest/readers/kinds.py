"""Which reader reads which file: by suffix, and by the first bytes where they tell more."""

from pathlib import PurePosixPath

from ingest.readers.base import Skip
from ingest.readers.decode import is_binary

HEAD_BYTES = 8192
_KINDS = {
    "markdown": ".md .markdown .mdown .mkd .mdx .qmd .rmd",
    "html": ".html .htm .xhtml",
    "python": ".py .pyi",
    "code": """.js .mjs .cjs .ts .tsx .jsx .c .h .cc .cpp .cxx .hh .hpp .cs .go .rs .java .kt .kts .scala .swift .dart
        .rb .php .pl .pm .lua .r .jl .ex .exs .erl .hs .clj .sh .bash .zsh .sql .proto .zig .m .mm .groovy .gradle .vb
        .ps1""",
    "pdf": ".pdf",
    "docx": ".docx .docm .dotx",
    "pptx": ".pptx .pptm .ppsx",
    "xlsx": ".xlsx .xlsm .xltx",
    "csv": ".csv .tsv .tab",
    "odf": ".odt .ott .ods .ots .odp .otp .fodt .fods .fodp",
    "epub": ".epub",
    "rtf": ".rtf",
    "mail": ".eml",
    "msg": ".msg",
    "notebook": ".ipynb",
    "json": ".json .geojson",
    "jsonl": ".jsonl .ndjson",
    "xml": ".xml",
    "zip": ".zip",
    "tar": ".tar .tgz .tbz .tbz2 .txz .tar.gz .tar.bz2 .tar.xz",
    "text": """.txt .text .rst .adoc .org .tex .log .yaml .yml .toml .ini .cfg .conf .css .vtt .srt .properties .env
        .rmdown .wiki .mediawiki .bib .diff .patch""",
}
_SUFFIXES = {suffix: kind for kind, suffixes in _KINDS.items() for suffix in suffixes.split()}
# Told by their names, so that a large file is not opened for nothing and a false one is not taken for text.
_OTHERS = """.doc .xls .ppt .mobi .azw3 .djvu .pages .numbers .key .gz .bz2 .xz .zst .lz4 .7z .rar .jar .war .whl .deb
    .rpm .iso .dmg .png .jpg .jpeg .gif .webp .bmp .tif .tiff .ico .svg .psd .heic .mp3 .mp4 .m4a .wav .ogg .flac .avi
    .mov .mkv .webm .ttf .otf .woff .woff2 .exe .dll .so .dylib .o .a .class .pyc .pyo .db .sqlite .sqlite3 .faiss
    .parquet .npy .npz .pkl .pt .safetensors .gguf .onnx .bin .lock .map"""
_NO_DOCUMENTS = frozenset(_OTHERS.split())
_IMAGES = frozenset((".png", ".jpg", ".jpeg", ".tif", ".tiff"))


def is_document_name(path: str) -> bool:
    """Whether a file of this name may be a document or hold some; the rest is not opened."""
    return _double_suffix(path) in _SUFFIXES or _suffix(path) not in _NO_DOCUMENTS


def is_image_name(path: str) -> bool:
    """Whether a file of this name is one that `ingest.converter` reads, if there is one, and nothing of ours."""
    return _suffix(path) in _IMAGES


def kind_of(path: str, head: bytes) -> str:
    """The kind of a file with this name whose first `HEAD_BYTES` bytes are `head`.

    Raises:
        Skip: it is no document.
    """
    suffix = _suffix(path)
    if not is_document_name(path):
        raise Skip(f"not a document type ({suffix})")
    if head.startswith(b"%PDF-"):
        return "pdf"
    kind = _SUFFIXES.get(_double_suffix(path)) or _SUFFIXES.get(suffix)
    if kind is not None:
        return kind
    if head.startswith(b"{\\rtf"):
        return "rtf"
    if is_binary(head):
        raise Skip(f"not a document type ({suffix or 'no suffix'}, binary)")
    start = head.lstrip()[:15].lower()
    return "html" if start.startswith((b"<!doctype html", b"<html")) else "text"


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower()


def _double_suffix(path: str) -> str:
    return "".join(PurePosixPath(path).suffixes[-2:]).lower()
