"""Files of vector stores made searchable in the background, and taken out again.

The lock that a collection's writer holds is also the lease on its files: of several services on one data directory
one indexes a vector store, and what a killed one left in progress is free at once.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import structlog

from rag.embed import Encoder
from rag.embed.borrowed import BorrowedEncoder
from rag.errors import CollectionBusy, ConfigError, CorpusError, NotFound
from rag.library import Library
from rag.store import Attachment, Cut, Draft, FileError, FileStatus
from rag.telemetry import Metrics
from rag.types import CollectionId, FileId

log = structlog.get_logger()

_AT_ONCE = 512  # files in one generation
_LOOK_S = 1.0  # between two looks for what another service left, and for what has expired
_TRIES = 3  # before files are failed for a reason that is not theirs


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A file to index."""

    file_id: FileId  # also the root of its document
    file: Path
    filename: str  # the path of its document
    cut: Cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """What came of some jobs."""

    outcomes: Mapping[FileId, FileError | None]  # why each file that was still wanted failed; None: it is in the draft
    n_embedded: int = 0  # chunks
    seconds: Mapping[str, float] = field(default_factory=dict)  # by stage


class Indexer(Protocol):
    """Puts files into a draft. Calls block."""

    def cut(self, encoder: Encoder, wanted: Cut | None) -> Cut:
        """How files are cut that ask for `wanted`: within what the encoder reads. None: the settings' way."""

    def index(
        self, draft: Draft, jobs: Sequence[Job], encoder: Encoder, *, is_wanted: Callable[[FileId], bool]
    ) -> Indexed:
        """What came of the files that were still wanted."""


class Indexing:
    """One worker: a loop that looks for work, and a thread that does it."""

    def __init__(self, library: Library, indexer: Indexer, encoder: BorrowedEncoder, metrics: Metrics) -> None:
        """Nothing is done before `start`."""
        self._library = library
        self._indexer = indexer
        self._encoder = encoder
        self._metrics = metrics
        self._news = asyncio.Event()
        self._is_closing = threading.Event()
        self._n_failures: dict[CollectionId, int] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="index")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Nothing; the worker works until `close`."""
        self._task = asyncio.create_task(self._run(), name="indexing")

    def wake(self) -> None:
        """Nothing; there is new work. From the event loop."""
        self._news.set()

    def cut(self, wanted: Cut | None) -> Cut:
        """How files are cut that ask for `wanted`."""
        return self._indexer.cut(self._encoder, wanted)

    async def close(self) -> None:
        """Nothing; the worker has stopped. What it was at is begun again by the next one."""
        self._is_closing.set()
        self._encoder.close()
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await asyncio.to_thread(self._thread.shutdown)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._news.clear()
            try:
                await loop.run_in_executor(self._thread, self._work)
            except CorpusError as error:
                log.warning("indexing_put_off", reason=str(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), _LOOK_S)

    def _work(self) -> None:
        """Nothing; what waited is done, as far as nobody else is at it."""
        self._library.expire()
        for store in self._library.shelf.attachments.waiting_stores():
            if self._is_closing.is_set():
                return
            try:
                self._index(store)
                self._n_failures.pop(store, None)
            except CollectionBusy:
                continue
            except (NotFound, ConfigError):  # deleted, by its id or while it was written
                self._library.shelf.drop_store(store)
            except CancelledError:  # the encoder was closed
                return
            except CorpusError as error:
                log.warning("indexing_failed", collection=store, reason=str(error))
                self._give_up_at_last(store)
            except Exception as error:  # noqa: BLE001 - a top frame: one vector store's fault must not stop the others
                log.error("indexing_failed", collection=store, error=type(error).__name__)
                self._give_up_at_last(store)

    def _index(self, store: CollectionId) -> None:
        """Nothing; one generation more, with what waited and without what was detached."""
        attachments = self._library.shelf.attachments
        self._library.store.collection(store)  # a deleted one must not be made anew
        with self._library.store.draft(store, self._encoder.info) as draft:
            # Read under the lock: a writer before us may have done it.
            removing = [each.file_id for each in attachments.with_status(store, FileStatus.REMOVING, limit=_AT_ONCE)]
            waiting = attachments.with_status(store, FileStatus.IN_PROGRESS, limit=_AT_ONCE)
            _remove(draft, set(removing))
            jobs, outcomes = self._jobs(waiting)
            indexed = self._indexer.index(
                draft, jobs, self._encoder, is_wanted=lambda file_id: self._is_wanted(store, file_id)
            )
            outcomes |= indexed.outcomes
            unwanted = {file_id for file_id in outcomes if not attachments.is_waiting(store, file_id)}
            _remove(draft, unwanted | {file_id for file_id, error in outcomes.items() if error})
            began = time.perf_counter()
            generation = draft.publish()
            self._count(indexed, outcomes, time.perf_counter() - began)
            attachments.removed(store, removing)
            attachments.finish(store, {key: error for key, error in outcomes.items() if key not in unwanted})
        if jobs or removing:
            n_failed = sum(error is not None for error in outcomes.values())
            log.info(
                "indexed",
                collection=store,
                generation=generation,
                files=len(outcomes),
                failed=n_failed,
                removed=len(removing),
            )
        if len(removing) == _AT_ONCE or len(waiting) == _AT_ONCE:
            self._index(store)

    def _count(self, indexed: Indexed, outcomes: Mapping[FileId, FileError | None], publish_s: float) -> None:
        for stage, seconds in {**indexed.seconds, "publish": publish_s}.items():
            self._metrics.indexing_s.labels(stage).inc(seconds)
        self._metrics.embedded_chunks.inc(indexed.n_embedded)
        for error in outcomes.values():
            self._metrics.indexed_files.labels("failed" if error else "completed").inc()

    def _jobs(self, waiting: Sequence[Attachment]) -> tuple[list[Job], dict[FileId, FileError | None]]:
        """What to index, and the errors of what is gone."""
        files = self._library.shelf.files
        jobs: list[Job] = []
        errors: dict[FileId, FileError | None] = {}
        for each in waiting:
            stored = files.get(each.file_id)
            if stored is None or each.cut is None:
                errors[each.file_id] = FileError(code="server_error", message="The file is gone. Upload it again.")
            else:
                jobs.append(Job(file_id=stored.id, file=files.path(stored), filename=stored.filename, cut=each.cut))
        return jobs, errors

    def _is_wanted(self, store: CollectionId, file_id: FileId) -> bool:
        if self._is_closing.is_set():
            raise CancelledError
        return self._library.shelf.attachments.is_waiting(store, file_id)

    def _give_up_at_last(self, store: CollectionId) -> None:
        """Nothing; after several tries the files that wait are failed, so that nobody waits for ever."""
        self._metrics.indexing_errors.inc()
        self._n_failures[store] = self._n_failures.get(store, 0) + 1
        if self._n_failures[store] < _TRIES:
            return
        attachments = self._library.shelf.attachments
        error = FileError(
            code="server_error", message="The vector store could not be written. The service's log says why."
        )
        waiting = attachments.with_status(store, FileStatus.IN_PROGRESS, limit=_AT_ONCE)
        attachments.finish(store, {each.file_id: error for each in waiting})
        self._metrics.indexed_files.labels("failed").inc(len(waiting))


def _remove(draft: Draft, file_ids: set[FileId]) -> None:
    if file_ids:
        for listed in draft.files():
            if listed.file_id in file_ids:
                draft.remove(listed.root, listed.path)
