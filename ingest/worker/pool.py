"""Workers side by side: files in, documents out, in order."""

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, LifoQueue
from types import TracebackType
from typing import Self, TypeVar

from ingest.readers.base import Extracted, ReadFailure, Skip
from ingest.readers.limits import Limits
from ingest.worker.convert import Converter
from ingest.worker.frames import Part
from ingest.worker.process import Bounds, Worker
from rag.embed.cores import usable_cores
from rag.settings import IngestSettings

T = TypeVar("T")
_AHEAD = 4  # files read ahead of the one that is asked for, for each worker
HELD_CHARS = 16 * 2**20  # of text read ahead, beyond which no further file is begun


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A file that was read."""

    sha256: str
    size: int
    parts: tuple[Part, ...]  # its documents in order

    @property
    def n_chars(self) -> int:
        """How much text it gave."""
        return sum(len(part.extracted.text) for part in self.parts if part.extracted)


class Readers:
    """The workers of one run. Leaving the block ends them, whatever they do."""

    def __init__(self, settings: IngestSettings) -> None:
        """Nothing is started before the first file."""
        self._bounds = Bounds(
            timeout_s=settings.file_timeout_s,
            memory_bytes=settings.worker_memory_bytes,
            limits=Limits(
                text_chars=settings.max_text_chars,
                members=settings.max_members,
                member_bytes=settings.max_file_bytes,
                unpacked_bytes=settings.max_unpacked_bytes,
            ),
        )
        self._converter = _converter(settings, self._bounds.limits)
        self._n_workers = settings.workers or usable_cores()
        self._executor = ThreadPoolExecutor(self._n_workers, thread_name_prefix="read")
        self._lock = threading.Lock()
        self._workers: list[Worker] = []
        self._is_closed = False
        self._idle: LifoQueue[Worker] = LifoQueue()

    def read(self, path: str, data: bytes) -> Extracted:
        """The text of the file `path` with these bytes.

        Raises:
            ReadFailure: it should have some and it cannot be had; the message says why.
            Skip: there is nothing to read; the message says why.
        """
        for part in self.documents(path, data):
            if part.name:
                continue
            if part.failed:
                raise ReadFailure(part.failed)
            if part.skipped:
                raise Skip(part.skipped)
            if part.extracted:
                return part.extracted
        raise Skip("it is no document itself")

    def documents(self, path: str, data: bytes) -> tuple[Part, ...]:
        """The documents of the file `path` with these bytes. Any thread may call."""
        parts = () if self._converter and self._converter.takes(path, ()) else self._parts(path, data)
        if self._converter and self._converter.takes(path, parts):
            return (self._converter.read(path, data),)
        return parts

    def reading(self, path: str, data: bytes) -> Reading:
        """What the file `path` with these bytes gives. Any thread may call."""
        return Reading(sha256=hashlib.sha256(data).hexdigest(), size=len(data), parts=self.documents(path, data))

    def _parts(self, path: str, data: bytes) -> tuple[Part, ...]:
        try:
            worker = self._idle.get_nowait()
        except Empty:
            worker = self._new_worker()
        try:
            return tuple(worker.read(path, data))
        finally:
            self._idle.put(worker)

    def _new_worker(self) -> Worker:
        worker = Worker(self._bounds)
        with self._lock:
            self._workers.append(worker)
            is_closed = self._is_closed
        if is_closed:  # its thread was about to begin with a file
            worker.kill()
        return worker

    def read_all(
        self, files: Iterable[T], load: Callable[[T], tuple[str, bytes]]
    ) -> Iterator[tuple[T, "Future[Reading | OSError]"]]:
        """Each file in order with what it gives. The next ones are read meanwhile, within bounds.

        load: the path that tells a file's kind, and its bytes; called on other threads. It may raise OSError.
        """
        rest = iter(files)
        ahead: deque[tuple[T, Future[Reading | OSError]]] = deque()
        while True:
            while len(ahead) < self._n_workers * _AHEAD and held_chars(ahead) < HELD_CHARS:
                file = next(rest, None)
                if file is None:
                    break
                ahead.append((file, self._executor.submit(self._read, file, load)))
            if not ahead:
                return
            yield ahead.popleft()

    def _read(self, file: T, load: Callable[[T], tuple[str, bytes]]) -> Reading | OSError:
        try:
            path, data = load(file)
        except OSError as error:
            return error
        return self.reading(path, data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._is_closed, workers = True, tuple(self._workers)
        for worker in workers:
            worker.kill()
        self._executor.shutdown()


def _converter(settings: IngestSettings, limits: Limits) -> Converter | None:
    if not settings.converter:
        return None
    return Converter(
        command=settings.converter,
        suffixes=frozenset(suffix.lower() for suffix in settings.converter_suffixes),
        timeout_s=settings.converter_timeout_s,
        memory_bytes=settings.converter_memory_bytes,
        limits=limits,
    )


def held_chars(ahead: Iterable[tuple[T, "Future[Reading | OSError]"]]) -> int:
    """How much text was read ahead."""
    results = [future.result() for _, future in ahead if future.done() and not future.cancelled()]
    return sum(each.n_chars for each in results if isinstance(each, Reading))
