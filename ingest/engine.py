"""Where files are read and texts are embedded: on this machine, or elsewhere."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

from ingest.scan import Found
from ingest.worker.pool import Readers, Reading
from rag.settings import IngestSettings

if TYPE_CHECKING:
    from rag.embed import Encoder  # the room loads torch, which an ingest with a given encoder need not


class FileReaders(Protocol):
    """Files in, readings out."""

    def read_all(
        self, files: Iterable[Found], load: Callable[[Found], tuple[str, bytes]]
    ) -> "Iterator[tuple[Found, Future[Reading | OSError]]]":
        """Each file in order with what it gives. The next ones are read meanwhile, within bounds.

        load: the path that tells a file's kind, and its bytes; picklable, called wherever. It may raise OSError.
        """


class Engine(Protocol):
    """What carries out the two parts of a run that take the time. The result is the same, bit for bit."""

    def working(
        self, encoder: "Encoder", settings: IngestSettings
    ) -> "AbstractContextManager[tuple[FileReaders, Encoder]]":
        """Readers, and an encoder that gives the vectors of `encoder`, for one run.

        Raises:
            RagError: it cannot be had; the message says why.
        """


class LocalEngine:
    """Worker processes that read, and the encoder itself."""

    @contextmanager
    def working(self, encoder: "Encoder", settings: IngestSettings) -> "Iterator[tuple[FileReaders, Encoder]]":
        """Readers and the same encoder."""
        with Readers(settings) as readers:
            yield readers, encoder
