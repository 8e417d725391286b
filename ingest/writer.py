"""Files that were read and cut into a draft, with the vectors of their texts."""

from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

from ingest.ahead import WINDOW, Ahead, windows
from ingest.progress import Progress
from ingest.stages import Stages
from rag.store import Document, Draft, NewChunk

if TYPE_CHECKING:
    from rag.embed import Encoder  # the room loads torch, which an ingest with a given encoder need not
    from rag.embed.base import Vectors

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A file that has been read and cut and waits for its vectors."""

    root: str
    file: str
    documents: tuple[tuple[Document, tuple[NewChunk, ...]], ...]
    kept: frozenset[str]  # paths of documents in it that were known and could not be read now

    @property
    def n_chunks(self) -> int:
        """How many vectors it needs."""
        return sum(len(chunks) for _, chunks in self.documents)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Files whose texts are asked for together."""

    files: tuple[Prepared, ...]
    n_windows: int  # that must have been kept before all their vectors are in the draft


class Writer:
    """Takes files in order, and stores them in that order as their vectors come. One thread uses it.

    Files are gathered until they have a window of chunks. Of their texts those are embedded that have no vector, in
    whatever document, and are not being embedded: so which texts are embedded together depends on the files and on
    the draft as it was, and on nothing that happens meanwhile. Vectors go to the disk as soon as they are there;
    what is held beside them is text of a few windows, or of the one file that is larger.
    """

    def __init__(self, draft: Draft, encoder: "Encoder", progress: Progress, stages: Stages) -> None:
        """progress: told of each file that is stored. stages: told how long that took."""
        self._draft = draft
        self._progress = progress
        self._stages = stages
        self._ahead = Ahead(encoder)
        self._files: list[Prepared] = []
        self._n_chunks = 0  # of these
        self._groups: deque[_Group] = deque()

    @property
    def n_embedded(self) -> int:
        """How many texts the encoder was asked for."""
        return self._ahead.n_texts

    def add(self, file: Prepared) -> None:
        """Nothing; the file is stored in time. Waits while the encoder has enough to do."""
        self._files.append(file)
        self._n_chunks += file.n_chunks
        if self._n_chunks >= WINDOW:
            self._ask()

    def meanwhile(self, future: "Future[T]") -> T:
        """What the future gives. What can be stored is stored until then."""
        while True:
            while (first := self._ahead.first) and first.done():
                self._keep()
            if future.done():
                return future.result()
            pending: set[Future[Any]] = {future, first} if first else {future}  # Any: of two kinds
            with self._stages.timed("read"):
                wait(pending, return_when=FIRST_COMPLETED)

    def finish(self) -> None:
        """Nothing; all files are stored."""
        self._ask()
        while self._ahead.first:
            self._keep()

    def _ask(self) -> None:
        files, self._files, self._n_chunks = tuple(self._files), [], 0
        with self._stages.timed("store"):
            texts = _texts_of(files)
            known = self._draft.vectors(texts)
            missing = [text for text in texts if text not in known and not self._ahead.has(text)]
        if missing:
            with self._stages.timed("load"):
                self._ahead.start()
        for window in windows(missing):
            while self._ahead.is_full:
                self._keep()
            self._ahead.ask(window)
        self._groups.append(_Group(files=files, n_windows=self._ahead.n_asked))
        self._store()

    def _keep(self) -> None:
        """Nothing; the next window is on the disk: should this run be killed, the next one has it."""
        with self._stages.timed("wait"):
            window, vectors = self._ahead.take()
        with self._stages.timed("store"):
            self._draft.keep(window, vectors)
        self._store()

    def _store(self) -> None:
        with self._stages.timed("store"):
            while self._groups and self._groups[0].n_windows <= self._ahead.n_taken:
                files = self._groups.popleft().files
                vectors = self._draft.vectors(_texts_of(files))
                for file in files:
                    self._put(file, vectors)
                    self._progress.advance()

    def _put(self, file: Prepared, vectors: "Mapping[str, Vectors]") -> None:
        paths = {document.path for document, _ in file.documents}
        self._draft.remove(file.root, file.file, keep=paths | file.kept)
        for document, chunks in file.documents:
            rows = [vectors[text] for text in _texts(document, chunks)]
            self._draft.put(document, chunks, np.stack(rows))

    def __enter__(self) -> Self:
        self._ahead.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ahead.__exit__(kind, error, trace)
        self._stages.add("embed", self._ahead.seconds)


def _texts_of(files: Iterable[Prepared]) -> dict[str, None]:
    """Each text of the files once, in order."""
    return dict.fromkeys(text for file in files for document in file.documents for text in _texts(*document))


def _texts(document: Document, chunks: Iterable[NewChunk]) -> list[str]:
    """What is embedded of them."""
    return [each.embedded(document.text) for each in chunks]
