"""Everything that the API does with uploaded files and vector stores."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

import structlog

from rag.errors import ConfigError, CorpusError, InvalidRequest, NotFound
from rag.library.members import Member, members, with_failures
from rag.library.view import StoreView, count, created_at
from rag.retrieve import allowed_chunks
from rag.retrieve.filter import Filter
from rag.store import (
    CollectionInfo,
    EmbeddingInfo,
    Failure,
    FileStatus,
    Generation,
    Listed,
    NewAttachment,
    Shelf,
    Store,
    StoredFile,
)
from rag.types import Chunk, ChunkId, CollectionId, FileId, SourceFile

log = structlog.get_logger()

_USED_S = 60  # expiry counts in days


class Library:
    """Collections and files.db together. Calls block; any thread may call."""

    def __init__(self, store: Store, shelf: Shelf, clock: Callable[[], float]) -> None:
        """clock: Unix seconds."""
        self.store = store
        self.shelf = shelf
        self._clock = clock
        self._used: dict[CollectionId, int] = {}

    def now(self) -> int:
        """The Unix second that it is."""
        return math.floor(self._clock())

    def create(
        self,
        name: str | None,
        group: str,
        embedding: EmbeddingInfo,
        *,
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
        expires_after_days: int | None = None,
    ) -> CollectionInfo:
        """A new vector store without files.

        Raises:
            InvalidRequest: the name cannot be one.
        """
        try:
            info = self.store.create(name, group, embedding)
        except ConfigError as error:
            raise InvalidRequest(str(error), param="name") from None
        self.shelf.facts.set(
            info.id,
            now=self.now(),
            description=description,
            metadata=metadata or {},
            expires_after_days=expires_after_days,
        )
        return info

    def rename(self, info: CollectionInfo, name: str | None) -> CollectionInfo:
        """The vector store under its new name.

        Raises:
            InvalidRequest: the name cannot be one.
            NotFound: it was deleted meanwhile.
        """
        try:
            return self.store.rename(info.id, name)
        except ConfigError as error:
            raise InvalidRequest(str(error), param="name") from None

    def delete(self, info: CollectionInfo) -> None:
        """Nothing; the vector store is gone. Its files stay.

        Raises:
            NotFound: it was deleted meanwhile.
        """
        self.store.delete(info.id)
        self.shelf.drop_store(info.id)

    def view(self, info: CollectionInfo) -> StoreView:
        """The vector store as a whole."""
        facts = self.shelf.facts.get(info.id)
        statuses = [each.status for each in self.shelf.attachments.of_store(info.id)]
        with suppress(NotFound):  # deleted meanwhile
            info = self.store.collection(info.id)  # behind the statuses: what they say is done is then counted
        if all(status is FileStatus.COMPLETED for status in statuses):
            counts = count(()) | {FileStatus.COMPLETED: info.documents}
        else:
            counts = count(member.status for member in self.members(info))
        return StoreView(info=info, facts=facts, counts=counts, is_expired=facts.is_expired(self.now()))

    def members(self, info: CollectionInfo) -> list[Member]:
        """The files of the vector store in the order of arrival."""
        attachments = self.shelf.attachments.of_store(info.id)  # first: what they say is done is then in the index
        with self.store.pin(info.id) as generation:
            found = members(
                attachments,
                generation.files(),
                created_at=created_at(info),
                dimensions=info.embedding.dimensions,
            )
            return sorted(found, key=lambda member: member.order)

    def member(self, info: CollectionInfo, file_id: str) -> Member:
        """One file of the vector store.

        Raises:
            NotFound: it has none of this id.
        """
        attachment = self.shelf.attachments.get(info.id, file_id)
        with self.store.pin(info.id) as generation:
            listed = generation.files().get(FileId(file_id))
        found = next(
            members(
                [attachment] if attachment else [],
                {listed.file_id: listed} if listed else {},
                created_at=created_at(info),
                dimensions=info.embedding.dimensions,
            ),
            None,
        )
        if found is None:
            raise NotFound(
                f"No file {file_id!r} found in vector store {info.id!r}. GET /v1/vector_stores/{info.id}/files lists "
                "what there is.",
                param="file_id",
            )
        return found

    def entries(self, info: CollectionInfo) -> list[Member]:
        """The same as `members`, with the files that `rag ingest` could not read, which OpenAI's lists do not have."""
        found = self.members(info)
        return sorted(with_failures(found, self._failures(info)), key=lambda member: member.order)

    def entry(self, info: CollectionInfo, file_id: str) -> Member:
        """One of `entries`.

        Raises:
            NotFound: there is none of this id.
        """
        failures = [each for each in self._failures(info) if each.file_id == file_id]
        try:
            found = [self.member(info, file_id)]
        except NotFound:
            if not failures:
                raise
            found = []
        return next(with_failures(found, failures))

    def _failures(self, info: CollectionInfo) -> tuple[Failure, ...]:
        with self.store.pin(info.id) as generation:
            return generation.failures()

    def text(self, info: CollectionInfo, file_id: str) -> str:
        """The text that was extracted of a file of the vector store; empty as long as it is not searchable.

        Raises:
            NotFound: it has none of this id.
        """
        self.member(info, file_id)
        with self.store.pin(info.id) as generation:
            listed = generation.files().get(FileId(file_id))
            return generation.text_of(listed) if listed else ""

    def attach(self, info: CollectionInfo, files: Sequence[NewAttachment]) -> None:
        """Nothing; the files wait to be indexed.

        Raises:
            InvalidRequest: the vector store is expired.
        """
        self.refuse_expired(info)
        now = self.now()
        self.shelf.attachments.attach(info.id, files, now=now)
        self.shelf.facts.touch(info.id, now=now)

    def set_attributes(
        self, info: CollectionInfo, file_id: str, attributes: Mapping[str, str | int | float | bool] | None
    ) -> Member:
        """The file of the vector store with its new attributes.

        Raises:
            NotFound: it has none of this id.
        """
        member = self.member(info, file_id)
        self.shelf.attachments.set_attributes(info.id, member.file_id, attributes, created_at=member.created_at)
        return self.member(info, file_id)

    def detach(self, info: CollectionInfo, file_id: str) -> None:
        """Nothing; the file is on its way out of the vector store, and no search finds it.

        Raises:
            NotFound: it has none of this id.
        """
        member = self.member(info, file_id)
        self.shelf.attachments.detach(info.id, [member.file_id], now=self.now())

    def is_leaving(self, store: CollectionId, file_id: str) -> bool:
        """Whether a detached file is still in the index."""
        leaving = self.shelf.attachments.with_status(store, FileStatus.REMOVING)
        return any(each.file_id == file_id for each in leaving)

    def used(self, store: CollectionId) -> None:
        """Nothing; the vector store is in use, which puts off its expiry. Cheap enough for every question."""
        now = self.now()
        if now - self._used.get(store, 0) < _USED_S:
            return
        self._used[store] = now
        try:
            self.shelf.facts.touch(store, now=now)
        except CorpusError as error:  # a full disk must not cost an answer
            log.warning("use_not_noted", collection=store, reason=str(error))

    def refuse_expired(self, info: CollectionInfo) -> None:
        """Nothing, if the vector store is not expired.

        Raises:
            InvalidRequest: it is.
        """
        if self.shelf.facts.get(info.id).is_expired(self.now()):
            raise InvalidRequest(
                f"The vector store {info.id!r} is expired. Create a new one.", code="vector_store_expired"
            )

    def allowed(self, condition: Filter | None, generation: Generation) -> frozenset[int] | None:
        """The chunks that a search with this filter may find; None: all. What is being detached is none of them."""
        store = generation.info.id
        leaving = {each.file_id for each in self.shelf.attachments.with_status(store, FileStatus.REMOVING)}
        if condition is None and not leaving:
            return None
        gone = {seq for file_id, listed in generation.files().items() if file_id in leaving for seq in listed.seqs}
        if condition is None:
            return frozenset(seq for listed in generation.files().values() for seq in listed.seqs) - gone
        return allowed_chunks(condition, generation, self.shelf.attachments.attributes(store)) - gone

    def files_of(self, chunks: Iterable[Chunk], generation: Generation) -> dict[ChunkId, SourceFile]:
        """The file that each of a generation's chunks is of."""
        listed = {chunk.id: generation.file_of(chunk) for chunk in chunks}
        file_ids = {file.file_id for file in listed.values()}
        attributes = self.shelf.attachments.attributes(generation.info.id, file_ids)
        return {
            chunk_id: SourceFile(
                id=file.file_id, name=file.name, attributes={**file.attributes, **attributes.get(file.file_id, {})}
            )
            for chunk_id, file in listed.items()
        }

    def document(self, infos: Sequence[CollectionInfo], file_id: str) -> tuple[CollectionInfo, Listed, str] | None:
        """A document that `rag ingest` put into one of these collections, by its id as a file, with its text."""
        for info in infos:
            try:
                with self.store.pin(info.id) as generation:
                    listed = generation.files().get(FileId(file_id))
                    if listed and listed.root != listed.file_id:
                        return info, listed, generation.text_of(listed)
            except NotFound:  # deleted since it was listed
                continue
        return None

    def delete_file(self, stored: StoredFile) -> None:
        """Nothing; the file is gone, and on its way out of every vector store."""
        for store in self.shelf.attachments.stores_of(stored.id):
            self.shelf.attachments.detach(store, [stored.id], now=self.now())
        self.shelf.files.remove(stored.id)

    def expire(self) -> None:
        """Nothing; files and vector stores whose time has passed are gone and marked."""
        now = self.now()
        for stored in self.shelf.files.expired(now=now):
            self.delete_file(stored)
        for store in self.shelf.facts.newly_expired(now=now):
            try:
                with self.store.pin(store) as generation:
                    self.shelf.attachments.detach(store, generation.files(), now=now)
                waiting = self.shelf.attachments.of_store(store)
                self.shelf.attachments.detach(store, [each.file_id for each in waiting], now=now)
                self.shelf.facts.expire(store)
            except NotFound:
                self.shelf.drop_store(store)
