"""Files in, a new generation out: scan, plan, read, chunk, embed, store, publish."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ingest import chunk
from ingest.chunk import Chunker
from ingest.plan import Plan, plan
from ingest.progress import Progress, Silent
from ingest.run import SPECIAL_TOKENS, Run
from ingest.scan import Refused, Scan, scan
from ingest.worker.pool import Readers
from rag.errors import ConfigError, NotFound
from rag.settings import IngestSettings
from rag.store import EmbeddingInfo, Known, Store

if TYPE_CHECKING:
    from rag.embed import Encoder  # the room loads torch, which an ingest with a given encoder need not


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What an ingest did; after a dry run, what it would do."""

    collection: str
    generation: int  # 0: nothing was ever published
    new: int
    changed: int
    moved: int
    unchanged: int
    removed: int
    skipped: tuple[Refused, ...]
    failed: tuple[Refused, ...]
    chunks: int  # of the whole collection
    embedded: int  # chunks that the model was asked for
    seconds: float

    def as_dict(self) -> dict[str, object]:
        """The summary as it stands in JSON."""
        skipped = [{"path": each.path, "reason": each.reason} for each in self.skipped]
        failed = [{"path": each.path, "error": each.reason} for each in self.failed]
        return {**asdict(self), "skipped": skipped, "failed": failed}


def ingest(
    paths: Sequence[Path],
    *,
    collection: str,
    store: Store,
    encoder: "Encoder",
    settings: IngestSettings,
    group: str | None = None,
    prune: bool = True,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Summary:
    """The summary. What is in `paths` can then be searched, all of it at once or none.

    group: the access group whose collection it is, and to which a new one belongs; None: any, new ones are the
    default group's. prune: documents that vanished below `paths` are removed. dry_run: nothing is written.

    Raises:
        ConfigError: a path does not exist or holds no file, or the collection cannot have this name.
        CorpusError: another ingest runs, another model made the collection, or the disk is full.
    """
    began = time.monotonic()
    progress = progress or Silent()
    found = scan(paths, max_file_bytes=settings.max_file_bytes)
    max_tokens = min(settings.chunk_tokens, encoder.max_tokens - SPECIAL_TOKENS)
    recipe = chunk.recipe(max_tokens)

    def planned(known: Callable[[str], dict[str, Known]]) -> Plan:
        _refuse_nothing(paths, found, known)
        return plan(found, known, recipe=recipe, max_file_bytes=settings.max_file_bytes, prune=prune, progress=progress)

    if dry_run:
        with _readable(store, collection, group) as (known, generation, n_chunks):
            summary = _summary(collection, planned(known), generation=generation, chunks=n_chunks, embedded=0)
    else:
        info = encoder.info
        embedding = EmbeddingInfo(model=info.model, dimensions=info.dimensions, dtype=info.dtype)
        with store.draft(collection, embedding, group) as draft, Readers(settings) as readers:
            todo = planned(draft.known)
            run = Run(
                draft,
                encoder=encoder,
                readers=readers,
                chunker=Chunker(encoder.tokenizer, max_tokens),
                recipe=recipe,
                max_file_bytes=settings.max_file_bytes,
            )
            run.apply(todo, progress)
            n_chunks = draft.counts[1]
            summary = _summary(collection, todo, generation=draft.publish(), chunks=n_chunks, embedded=run.n_embedded)
    return replace(summary, seconds=round(time.monotonic() - began, 3))


def _refuse_nothing(paths: Sequence[Path], found: Scan, known: Callable[[str], dict[str, Known]]) -> None:
    if found.found or found.skipped or found.failed or any(known(root) for root in found.roots):
        return
    named = ", ".join(repr(str(path)) for path in paths)
    raise ConfigError(
        f"{named} holds no documents. Name a folder with text, Markdown, PDF, office, mail or source files."
    )


@contextmanager
def _readable(
    store: Store, collection: str, group: str | None
) -> Iterator[tuple[Callable[[str], dict[str, Known]], int, int]]:
    """Known documents, generation and number of chunks; of a collection that is not there, nothing and zeros."""
    try:
        pinned = store.pin(collection, group)
        with pinned as generation:
            yield generation.known, generation.number, generation.info.chunks
    except NotFound:
        yield lambda _: {}, 0, 0


def _summary(collection: str, done: Plan, *, generation: int, chunks: int, embedded: int) -> Summary:
    return Summary(
        collection=collection,
        generation=generation,
        new=len(done.new),
        changed=len(done.changed),
        moved=len(done.moved),
        unchanged=len(done.unchanged),
        removed=len(done.removed),
        skipped=tuple(done.skipped),
        failed=tuple(done.failed),
        chunks=chunks,
        embedded=embedded,
        seconds=0.0,
    )
