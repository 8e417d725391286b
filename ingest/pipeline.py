"""Files in, a new generation out: scan, plan, read, chunk, embed, store, publish."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ingest import chunk
from ingest.chunk import Chunker
from ingest.plan import Plan, plan, read_file
from ingest.progress import Progress, Silent
from ingest.readers import Readers, ReadFailure, Skip
from ingest.scan import Found, Refused, Scan, reason_of, scan
from rag.errors import ConfigError, NotFound
from rag.settings import IngestSettings
from rag.store import Document, Draft, EmbeddingInfo, Known, NewChunk, Store

if TYPE_CHECKING:
    from rag.embed import Encoder  # the room loads torch, which an ingest with a given encoder need not

_BATCH_CHUNKS = 256
_SPECIAL_TOKENS = 2  # what an encoder puts around a text


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
    max_tokens = min(settings.chunk_tokens, encoder.max_tokens - _SPECIAL_TOKENS)
    recipe = f"{chunk.VERSION}/{max_tokens}"

    def planned(known: Callable[[str], dict[str, Known]]) -> Plan:
        _refuse_nothing(paths, found, known)
        return plan(found, known, recipe=recipe, max_file_bytes=settings.max_file_bytes, prune=prune, progress=progress)

    if dry_run:
        with _readable(store, collection, group) as (known, generation, n_chunks):
            summary = _summary(collection, planned(known), generation=generation, chunks=n_chunks, embedded=0)
    else:
        info = encoder.info
        embedding = EmbeddingInfo(model=info.model, dimensions=info.dimensions, dtype=info.dtype)
        with store.draft(collection, embedding, group) as draft, Readers(settings.file_timeout_s) as readers:
            todo = planned(draft.known)
            run = _Run(
                draft,
                encoder=encoder,
                readers=readers,
                chunker=Chunker(encoder.tokenizer, max_tokens),
                recipe=recipe,
                settings=settings,
            )
            run.apply(todo, progress)
            n_chunks = draft.counts[1]
            summary = _summary(collection, todo, generation=draft.publish(), chunks=n_chunks, embedded=run.n_embedded)
    return replace(summary, seconds=round(time.monotonic() - began, 3))


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A document that has been read and waits for its vectors."""

    document: Document
    chunks: tuple[NewChunk, ...]

    @property
    def texts(self) -> list[str]:
        return [self.document.text[each.start : each.end] for each in self.chunks]


class _Run:
    """Carries out a plan on a draft, and moves in the plan what turns out to be no document."""

    def __init__(
        self,
        draft: Draft,
        *,
        encoder: "Encoder",
        readers: Readers,
        chunker: Chunker,
        recipe: str,
        settings: IngestSettings,
    ) -> None:
        self.n_embedded = 0
        self._draft = draft
        self._encoder = encoder
        self._readers = readers
        self._chunker = chunker
        self._recipe = recipe
        self._max_file_bytes = settings.max_file_bytes

    def apply(self, todo: Plan, progress: Progress) -> None:
        """Nothing; the draft is as planned."""
        for root, path in todo.removed:
            self._draft.remove(root, path)
        for old, found in todo.moved:
            self._draft.move(found.root, old, found.path)
        progress.stage("ingest", len(todo.new) + len(todo.changed))
        waiting: list[_Waiting] = []
        for found in (*todo.new, *todo.changed):
            read = self._read(found, todo)
            if read is not None:
                waiting.append(read)
            if sum(len(each.chunks) for each in waiting) >= _BATCH_CHUNKS:
                self._store(waiting)
                waiting = []
            progress.advance()
        self._store(waiting)

    def _read(self, found: Found, todo: Plan) -> _Waiting | None:
        """The document; None if it is none, which is then noted in `todo`."""
        try:
            data = read_file(found.file, self._max_file_bytes)
            extracted = self._readers.read(found.path, data)
        except (ReadFailure, OSError) as error:
            # What was known of the file stays searchable: it may be half written just now.
            reason = reason_of(error) if isinstance(error, OSError) else str(error)
            todo.failed.append(Refused(path=found.path, reason=reason))
            _take_out(todo, found)
        except Skip as reason:
            todo.skipped.append(Refused(path=found.path, reason=str(reason)))
            if _take_out(todo, found):
                self._draft.remove(found.root, found.path)
                todo.removed.append((found.root, found.path))
        else:
            spans = self._chunker.chunk(extracted)
            places = chunk.anchors(extracted, spans)
            document = Document(
                root=found.root,
                path=found.path,
                title=extracted.title,
                sha256=hashlib.sha256(data).hexdigest(),
                size=len(data),
                recipe=self._recipe,
                text=extracted.text,
            )
            pairs = zip(spans, places, strict=True)
            return _Waiting(document, tuple(NewChunk(start=s.start, end=s.end, anchor=a) for s, a in pairs))
        return None

    def _store(self, waiting: Iterable[_Waiting]) -> None:
        """Nothing; the documents are in the draft. Text that had a vector keeps it."""
        with_old = [(each, dict(self._draft.vectors(each.document.root, each.document.path))) for each in waiting]
        missing = dict.fromkeys(text for each, old in with_old for text in each.texts if text not in old)
        vectors = dict(zip(missing, self._embed(list(missing)), strict=True))
        for each, old in with_old:
            rows = [old[text] if text in old else vectors[text] for text in each.texts]
            self._draft.put(each.document, each.chunks, np.stack(rows))

    def _embed(self, texts: list[str]) -> Iterator[np.ndarray[tuple[int], np.dtype[np.float32]]]:
        self.n_embedded += len(texts)
        for first in range(0, len(texts), _BATCH_CHUNKS):
            yield from self._encoder.encode_documents(texts[first : first + _BATCH_CHUNKS])


def _take_out(todo: Plan, found: Found) -> bool:
    """Whether the file was known; it is no longer counted as new or changed."""
    if found in todo.new:
        todo.new.remove(found)
        return False
    todo.changed.remove(found)
    return True


def _refuse_nothing(paths: Sequence[Path], found: Scan, known: Callable[[str], dict[str, Known]]) -> None:
    if found.found or found.skipped or found.failed or any(known(root) for root in found.roots):
        return
    named = ", ".join(repr(str(path)) for path in paths)
    raise ConfigError(f"{named} holds no documents. Name a folder with Markdown, text, HTML, PDF or source files.")


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
