"""Collections made the same here and in shared storage."""

from collections.abc import Callable, Mapping
from contextlib import suppress

from rag.errors import CorpusError, NotFound, RagError, StorageUnavailable
from rag.remote import check_url
from rag.settings import StorageSettings
from rag.sharing.bucket import Bucket, Listed
from rag.sharing.step import Outcome, Step, Ways
from rag.store import Exchange
from rag.types import CollectionId

_NOWHERE = Listed()


class Sharing:
    """One data directory and one place in shared storage. Calls block; any thread may call."""

    def __init__(self, exchange: Exchange, bucket: Bucket, delete: Callable[[CollectionId], None]) -> None:
        """delete: makes a collection go away here."""
        self._exchange = exchange
        self._bucket = bucket
        self._delete = delete

    def sync(
        self,
        name_or_id: str | None = None,
        *,
        push: bool = True,
        pull: bool = True,
        replace_local: bool = False,
        waits: bool = True,
    ) -> list[Outcome]:
        """What became of each collection, or of one. One that fails leaves the others alone.

        push, pull: which way things may go. replace_local: a generation that changed on both sides is taken from
        shared storage. waits: for another process of this machine that is at the same collection.

        Raises:
            StorageUnavailable: shared storage cannot be listed.
            NotFound: the one collection is nowhere.
        """
        listing = self._bucket.listing()
        unshared = self._tell(listing) if push else self._exchange.unshared()
        everywhere = sorted({*listing, *self._exchange.ids()} - set(unshared))
        ids = everywhere if name_or_id is None else [self._find(name_or_id, listing)]
        ways = Ways(push=push, pull=pull, replace_local=replace_local)
        outcomes = []
        for each in ids:
            try:
                with self._exchange.sharing(each, waits=waits):
                    step = Step(self._exchange, self._bucket, each, listing.get(each, _NOWHERE))
                    found = step.gone(self._delete) if step.is_gone else step.run(ways)
            except (RagError, OSError) as error:
                found = Outcome(id=each, name=self._name(each), what="failed", error=_told(error, each))
            if found:
                outcomes.append(found)
        return outcomes

    def tell(self) -> None:
        """Nothing; what was deleted here is deleted there.

        Raises:
            StorageUnavailable: it cannot be told now, and is kept in mind.
        """
        if self._exchange.unshared():
            self._tell(self._bucket.listing())

    def _tell(self, listing: dict[CollectionId, Listed]) -> dict[CollectionId, str]:
        """What was deleted here is deleted there. What could not be told, or belongs elsewhere, is kept in mind."""
        unshared = self._exchange.unshared()
        for collection_id, url in unshared.items():
            if url == self._bucket.url:
                if not listing.get(collection_id, _NOWHERE).is_deleted:
                    self._bucket.delete(collection_id)
                self._exchange.told(collection_id)
        return unshared

    def _find(self, name_or_id: str, listing: Mapping[CollectionId, Listed]) -> CollectionId:
        here = self._exchange.find(name_or_id)
        if here:
            return here
        for each, listed in listing.items():
            if listed.number and not listed.is_deleted:
                if each == name_or_id:
                    return each
                with suppress(StorageUnavailable):  # a broken release has no name
                    if self._bucket.release(each, listed.number).description.name == name_or_id:
                        return each
        raise NotFound(
            f"There is no collection {name_or_id!r}, neither here nor in {self._bucket.url!r}. `rag collections pull` "
            "without a name pulls all there are.",
            code="collection_not_found",
        )

    def _name(self, collection_id: CollectionId) -> str:
        try:
            return self._exchange.info(collection_id).name
        except RagError:
            return collection_id


def open_sharing(
    settings: StorageSettings, exchange: Exchange, delete: Callable[[CollectionId], None]
) -> Sharing | None:
    """What the settings name; None: they name nothing.

    Raises:
        ConfigError: the URL carries credentials or names no place.
    """
    return Sharing(exchange, Bucket(check_url(settings.url)), delete) if settings.url else None


def _told(error: Exception, collection_id: CollectionId) -> RagError:
    if isinstance(error, RagError):
        return error
    return CorpusError(
        f"The collection {collection_id!r} could not be shared: {error}. What is here stays; free disk space."
    )
