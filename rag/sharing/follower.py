"""A service's thread that keeps its collections and shared storage the same."""

import threading
from collections.abc import Callable
from contextlib import suppress

import structlog

from rag.errors import CollectionBusy, RagError
from rag.sharing.sharing import Sharing
from rag.sharing.step import Outcome

log = structlog.get_logger()

_JOIN_S = 5.0


class Follower:
    """Looks every few seconds. What goes wrong is told once, and what is here is served on."""

    def __init__(
        self,
        sharing: Sharing,
        *,
        poll_s: float,
        pushes: bool,
        pulled: Callable[[Outcome], None],
        synced: Callable[[], None],
    ) -> None:
        """pulled: is told of each collection that has changed. synced: of each round in which all went well."""
        self._sharing = sharing
        self._poll_s = poll_s
        self._pushes = pushes
        self._pulled = pulled
        self._synced = synced
        self._told: dict[str, str] = {}  # what is wrong, by collection; "" is shared storage as a whole
        self._is_closing = threading.Event()
        # It may hang in a store that does not answer; what it does can be interrupted at any moment.
        self._thread = threading.Thread(target=self._run, name="sharing", daemon=True)

    def start(self) -> None:
        """Nothing; the thread works until `close`."""
        self._thread.start()

    def close(self) -> None:
        """Nothing; the thread has stopped, or will end with the process."""
        self._is_closing.set()
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        while not self._is_closing.is_set():
            try:
                self._look()
            except RagError as error:
                self._tell("", error)
            except Exception as error:  # noqa: BLE001 - a top frame: the thread must go on looking
                log.error("sharing_failed", error=type(error).__name__)
            self._is_closing.wait(self._poll_s)

    def _look(self) -> None:
        outcomes = self._sharing.sync(push=self._pushes, waits=False)
        self._told.pop("", None)
        is_well = True
        for each in outcomes:
            if each.error is None:
                self._told.pop(each.id, None)
            elif not isinstance(each.error, CollectionBusy):
                is_well = False
                self._tell(each.id, each.error)
            if each.what in {"pulled", "pushed", "deleted"}:
                log.info("shared", what=each.what, collection=each.name, generation=each.generation)
            if each.what == "pulled":
                with suppress(RagError):  # deleted meanwhile
                    self._pulled(each)
        if is_well:
            self._synced()

    def _tell(self, what: str, error: RagError) -> None:
        if self._told.get(what) != str(error):
            log.warning("sharing_failed", reason=str(error))
        self._told[what] = str(error)
