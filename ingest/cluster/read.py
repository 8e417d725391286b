"""Files read in the cluster, each by the same worker process and within the same limits as on one machine."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from ingest.cluster.pipe import Pipe
from ingest.scan import Found
from ingest.worker.pool import HELD_CHARS, Readers, Reading, held_chars
from rag.settings import IngestSettings
from rag.store import stamp_of

Load = Callable[[Found], tuple[str, bytes]]
_FILES = 8  # in a piece: each piece costs Ray some milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class ToRead:
    """Files for one worker."""

    files: Sequence[Found]
    load: Load


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A file that comes with its bytes."""

    path: str
    data: bytes


Readings = Sequence[Reading | None]  # None: the worker does not have that file


class ReadFiles:
    """What a worker in the cluster does."""

    def __init__(self, settings: IngestSettings) -> None:
        """Read within these limits."""
        self._readers = Readers(settings.model_copy(update={"workers": 1}))

    def __call__(self, piece: ToRead | Sent) -> Readings:
        """Readings of the files in order."""
        if isinstance(piece, Sent):
            return (self._readers.reading(piece.path, piece.data),)
        return [self._read(found, piece.load) for found in piece.files]

    def _read(self, found: Found, load: Load) -> Reading | None:
        try:
            return self._readers.reading(*load(found)) if _is_here(found) else None
        except OSError:
            return None


def _is_here(found: Found) -> bool:
    """Whether this machine has the very file: its size, times and inode are those that the run has seen.

    What is in shared storage is the same everywhere.
    """
    return not isinstance(found.file, Path) or stamp_of(found.file.stat()) == found.stamp


class ClusterReaders:
    """Readers whose files are read in the cluster. Leaving the block lets go of what is under way.

    A worker takes a file itself where it has it, in a folder that all share or in shared storage. The first one that
    it does not have makes this side send the bytes, of this one and of all that follow: then what is read is what is
    here, whatever stands there under the same path.
    """

    def __init__(self, pipe: "Pipe[ToRead | Sent, Readings]") -> None:
        """Read by the workers of `pipe`."""
        self._pipe = pipe
        self._sends = False
        self._executor = ThreadPoolExecutor(pipe.at_once, thread_name_prefix="send")

    def read_all(self, files: Iterable[Found], load: Load) -> "Iterator[tuple[Found, Future[Reading | OSError]]]":
        """Each file in order with what it gives. The next ones are read meanwhile, within bounds.

        load: the path that tells a file's kind, and its bytes; picklable. It may raise OSError.
        """
        rest = iter(files)
        ahead: deque[tuple[Found, Future[Reading | OSError]]] = deque()
        while True:
            while len(ahead) < self._pipe.at_once * _FILES and held_chars(ahead) < HELD_CHARS:
                some = tuple(islice(rest, _FILES))
                if not some:
                    break
                ahead.extend(zip(some, self._begin(some, load), strict=True))
            if not ahead:
                return
            yield ahead.popleft()

    def _begin(self, files: Sequence[Found], load: Load) -> "Sequence[Future[Reading | OSError]]":
        if self._sends:
            return [self._executor.submit(self._send, found, load) for found in files]
        futures: Sequence[Future[Reading | OSError]] = [Future() for _ in files]
        done = partial(self._take, files, load, futures)
        self._pipe.submit(ToRead(files=files, load=load)).add_done_callback(done)
        return futures

    def _take(
        self,
        files: Sequence[Found],
        load: Load,
        futures: "Sequence[Future[Reading | OSError]]",
        answer: "Future[Readings]",
    ) -> None:
        if error := answer.exception():
            for future in futures:
                future.set_exception(error)
            return
        for found, future, reading in zip(files, futures, answer.result(), strict=True):
            if reading:
                future.set_result(reading)
            else:
                self._sends = True
                self._executor.submit(self._send, found, load).add_done_callback(partial(_pass_on, future))

    def _send(self, found: Found, load: Load) -> Reading | OSError:
        try:
            path, data = load(found)
        except OSError as error:
            return error
        (reading,) = self._pipe.submit(Sent(path=path, data=data)).result()
        assert reading  # noqa: S101 - it was sent
        return reading

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.close()
        self._executor.shutdown(cancel_futures=True)


def _pass_on(future: "Future[Reading | OSError]", sent: "Future[Reading | OSError]") -> None:
    if error := sent.exception():
        future.set_exception(error)
    else:
        future.set_result(sent.result())
