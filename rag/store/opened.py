"""Which generations readers have open.

The first reader of a collection waits until it is open. A newer generation of a large one is opened beside it, by a
thread of its own: the old one answers meanwhile. Only so many collections are kept open, those that were used last.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import structlog

from rag.errors import CorpusError, NotFound, RagError
from rag.store.folders import current_info
from rag.store.generation import Generation
from rag.store.info import CollectionInfo
from rag.store.layout import Folder
from rag.types import CollectionId

log = structlog.get_logger()

_RETRIES = 5  # a generation may be replaced twice between reading its number and opening it; five times is a fault
_AT_ONCE = 20_000  # chunks of the largest collection that a reader of the generation before waits for: some ms


@dataclass(slots=True, eq=False)
class Opened:
    """A generation, and how many readers it has."""

    generation: Generation
    pins: int = 0


class OpenGenerations:
    """The generation that each collection's readers get. Any thread may call."""

    def __init__(
        self,
        most: int,
        *,
        at_once: int = _AT_ONCE,
        open_: Callable[[Folder, CollectionInfo], Generation] = Generation,
    ) -> None:
        """most: collections that stay open without readers."""
        self._most = most
        self._at_once = at_once
        self._open = open_
        self._lock = threading.Lock()  # of all below; held for no longer than looking takes
        self._current: OrderedDict[CollectionId, Opened] = OrderedDict()  # used last at the end
        self._replaced: list[Opened] = []
        self._gates: dict[CollectionId, threading.Lock] = {}  # of a collection that is being opened, one opens it
        self._threads: dict[CollectionId, threading.Thread] = {}
        self._broken: dict[CollectionId, int] = {}  # the newest generation that could not be opened beside another

    def pin(self, folder: Folder) -> Opened:
        """The generation that a reader gets, which stays open until `unpin`: the current one.

        While a newer one of a large collection is being opened, and if it cannot be, it is the one before.

        Raises:
            NotFound: the collection is deleted.
            CorpusError: its files are damaged.
        """
        number = folder.current()
        with self._lock:
            opened = self._current.get(folder.id)
            if opened is not None and opened.generation.number == number:
                return self._pinned(folder.id, opened)
        if opened is not None and number and self._is_large(folder, opened.generation):
            with self._lock:
                opened = self._current.get(folder.id)
                if opened is not None:
                    self._open_beside(folder, number)
                    return self._pinned(folder.id, opened)
        return self._get(folder)

    def unpin(self, opened: Opened) -> None:
        """Nothing; the reader has gone."""
        with self._lock:
            opened.pins -= 1
            self._close_unused()

    def is_open(self, collection_id: CollectionId) -> bool:
        """Whether a generation of the collection is open."""
        with self._lock:
            return collection_id in self._current

    def catch_up(self, folder: Folder) -> None:
        """Nothing; if readers have the collection open, the next ones get the generation that is current now."""
        if self.is_open(folder.id):
            with suppress(RagError, OSError):  # the next reader is told
                self.unpin(self._get(folder))

    def retire(self, collection_id: CollectionId) -> None:
        """Nothing; the next reader opens the collection anew."""
        with self._lock:
            self._retire(collection_id)
            self._close_unused()

    def join(self) -> None:
        """Nothing; what was being opened beside a generation is open."""
        with self._lock:
            threads = list(self._threads.values())
        for thread in threads:
            thread.join()

    def close(self) -> None:
        """Nothing; every file is closed. No generation may be pinned."""
        self.join()
        with self._lock:
            for opened in (*self._current.values(), *self._replaced):
                opened.generation.close()
            self._current.clear()
            self._replaced.clear()

    def _is_large(self, folder: Folder, before: Generation) -> bool:
        with suppress(RagError):  # whoever opens it is told
            return max(before.info.chunks, current_info(folder).chunks) > self._at_once
        return False

    def _get(self, folder: Folder) -> Opened:
        """The current generation, pinned. Of those who want it at once, one opens it and the others wait."""
        with self._lock:
            gate = self._gates.setdefault(folder.id, threading.Lock())
        with gate:
            for _ in range(_RETRIES):
                number = folder.current()
                with self._lock:
                    opened = self._current.get(folder.id)
                    if opened is not None and opened.generation.number == number:
                        return self._pinned(folder.id, opened)
                try:
                    generation = self._open(folder, current_info(folder))
                except (CorpusError, FileNotFoundError):
                    if folder.current() == number:
                        raise
                    continue  # replaced and removed while it was being opened
                if opened is not None:
                    generation.warm()  # the one before answers meanwhile
                with self._lock:
                    self._retire(folder.id)
                    opened = self._current[folder.id] = Opened(generation)
                    return self._pinned(folder.id, opened)
        raise CorpusError(f"The collection {folder.id!r} is replaced faster than it can be opened. Ingest less often.")

    def _open_beside(self, folder: Folder, number: int) -> None:
        """Nothing; a thread opens the generation, if none is at it and it can be opened. The lock is held."""
        if folder.id in self._threads or self._broken.get(folder.id) == number:
            return

        def work() -> None:
            try:
                self.unpin(self._get(folder))
            except NotFound:
                pass  # deleted; the next reader is told
            except (RagError, OSError) as error:
                log.warning("generation_not_opened", collection=folder.id, generation=number, reason=str(error))
                self._broken[folder.id] = number
            finally:
                with self._lock:
                    del self._threads[folder.id]

        self._threads[folder.id] = threading.Thread(target=work, name="open", daemon=True)
        self._threads[folder.id].start()

    def _pinned(self, collection_id: CollectionId, opened: Opened) -> Opened:
        opened.pins += 1
        self._current.move_to_end(collection_id)
        self._close_unused()
        return opened

    def _retire(self, collection_id: CollectionId) -> None:
        opened = self._current.pop(collection_id, None)
        if opened is not None:
            self._replaced.append(opened)

    def _close_unused(self) -> None:
        for collection_id in list(self._current)[: -self._most]:
            self._retire(collection_id)
        for opened in [each for each in self._replaced if not each.pins]:
            opened.generation.close()
            self._replaced.remove(opened)
