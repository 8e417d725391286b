"""The worker behind vector stores: one generation for what waits, and no work twice."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingest.uploads import UploadIndexer
from rag.embed import Batcher, Encoder, FakeEncoder
from rag.embed.borrowed import BorrowedEncoder
from rag.errors import CorpusError
from rag.indexing import Indexed, Indexing, Job
from rag.library import Library
from rag.settings import Settings
from rag.store import CollectionInfo, Draft, FileStatus, NewAttachment, Shelf, Store
from rag.telemetry import Metrics
from rag.types import FileId


class Recorder(UploadIndexer):
    """Notes which files it was given; fails as told."""

    def __init__(self, failure: Exception | None = None) -> None:
        super().__init__(Settings().ingest)
        self.rounds: list[list[str]] = []
        self.failure = failure

    def index(
        self, draft: Draft, jobs: Sequence[Job], encoder: Encoder, *, is_wanted: Callable[[FileId], bool]
    ) -> Indexed:
        self.rounds.append([job.filename for job in jobs])
        if self.failure:
            raise self.failure
        return super().index(draft, jobs, encoder, is_wanted=is_wanted)


@contextmanager
def library(data_dir: Path) -> Iterator[Library]:
    store, shelf = Store(data_dir), Shelf(data_dir)
    yield Library(store, shelf, time.time)
    store.close()
    shelf.close()


def attach(library: Library, info: CollectionInfo, names: Sequence[str], indexer: UploadIndexer) -> None:
    files = []
    for name in names:
        with library.shelf.files.incoming(name) as incoming:
            incoming.write(f"text of {name}".encode())
            stored = library.shelf.files.add(incoming, group="default", purpose="user_data", now=1, expires_at=None)
        files.append(NewAttachment(file_id=stored.id, attributes=None, cut=indexer.cut(FakeEncoder(), None)))
    library.attach(info, files)


def statuses(library: Library, info: CollectionInfo) -> list[FileStatus]:
    return [each.status for each in library.shelf.attachments.of_store(info.id)]


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110 - what is waited for lies in a database
            await asyncio.sleep(0.02)


def run(*work: Callable[[Batcher], Awaitable[None]]) -> None:
    async def main() -> None:
        batcher = Batcher(FakeEncoder(), batch_tokens=1024, max_queue=64)
        await asyncio.gather(*(each(batcher) for each in work))
        await batcher.close()

    asyncio.run(main())


def worker(library: Library, indexer: UploadIndexer, is_so: Callable[[], bool]) -> Callable[[Batcher], Awaitable[None]]:
    """Runs a worker until something is so."""

    async def work(batcher: Batcher) -> None:
        indexing = Indexing(library, indexer, BorrowedEncoder(batcher, asyncio.get_running_loop()), Metrics())
        indexing.start()
        await until(is_so)
        await indexing.close()

    return work


def test_files_that_wait_together_become_one_generation(tmp_path: Path) -> None:
    with library(tmp_path) as shelf:
        info, indexer = shelf.create("one", "default", FakeEncoder().info), Recorder()
        attach(shelf, info, [f"{number}.txt" for number in range(40)], indexer)
        run(worker(shelf, indexer, lambda: set(statuses(shelf, info)) == {FileStatus.COMPLETED}))
        assert shelf.store.collection(info.id).generation == info.generation + 1
        assert shelf.store.collection(info.id).documents == 40


def test_two_services_on_one_data_directory_do_nothing_twice(tmp_path: Path) -> None:
    with library(tmp_path) as one, library(tmp_path) as two:
        indexers = (Recorder(), Recorder())
        infos = [one.create(None, "default", FakeEncoder().info) for _ in range(4)]
        for number, info in enumerate(infos):
            attach(one, info, [f"{number}-{each}.txt" for each in range(20)], indexers[0])

        def is_done() -> bool:
            return all(set(statuses(one, info)) == {FileStatus.COMPLETED} for info in infos)

        run(*(worker(each, indexer, is_done) for each, indexer in zip((one, two), indexers, strict=True)))
        names = [name for indexer in indexers for files in indexer.rounds for name in files]
        assert len(names) == len(set(names)) == 80


def test_what_was_published_before_a_kill_is_only_marked_afterwards(tmp_path: Path) -> None:
    with library(tmp_path) as shelf:
        info, indexer = shelf.create("one", "default", FakeEncoder().info), Recorder()
        attach(shelf, info, ["a.txt"], indexer)
        run(worker(shelf, indexer, lambda: statuses(shelf, info) == [FileStatus.COMPLETED]))
        number = shelf.store.collection(info.id).generation
        (attached,) = shelf.shelf.attachments.of_store(info.id)
        cut = indexer.cut(FakeEncoder(), None)
        shelf.attach(info, [NewAttachment(file_id=attached.file_id, attributes=None, cut=cut)])
        run(worker(shelf, indexer, lambda: statuses(shelf, info) == [FileStatus.COMPLETED]))
        assert shelf.store.collection(info.id).generation == number


def test_a_writer_at_work_is_waited_for(tmp_path: Path) -> None:
    with library(tmp_path) as shelf, library(tmp_path) as other:
        info, indexer = shelf.create("one", "default", FakeEncoder().info), Recorder()
        attach(shelf, info, ["a.txt"], indexer)

        async def ingest_meanwhile(_: Batcher) -> None:
            with other.store.draft(info.id, FakeEncoder().info):
                await asyncio.sleep(0.3)
                assert indexer.rounds == []

        run(ingest_meanwhile, worker(shelf, indexer, lambda: statuses(shelf, info) == [FileStatus.COMPLETED]))


@pytest.mark.parametrize("failure", [CorpusError("The disk is full."), RuntimeError("a bug")])
def test_what_fails_again_and_again_is_given_up_with_an_error(tmp_path: Path, failure: Exception) -> None:
    with library(tmp_path) as shelf:
        info, indexer = shelf.create("one", "default", FakeEncoder().info), Recorder(failure)
        attach(shelf, info, ["a.txt"], indexer)
        run(worker(shelf, indexer, lambda: statuses(shelf, info) == [FileStatus.FAILED]))
        (attached,) = shelf.shelf.attachments.of_store(info.id)
        assert attached.error
        assert attached.error.code == "server_error"
        assert len(indexer.rounds) == 3


def test_a_file_that_is_gone_is_failed(tmp_path: Path) -> None:
    with library(tmp_path) as shelf:
        info, indexer = shelf.create("one", "default", FakeEncoder().info), Recorder()
        attach(shelf, info, ["a.txt", "b.txt"], indexer)
        first, _ = shelf.shelf.attachments.of_store(info.id)
        shelf.shelf.files.remove(first.file_id)
        run(worker(shelf, indexer, lambda: FileStatus.IN_PROGRESS not in statuses(shelf, info)))
        assert statuses(shelf, info) == [FileStatus.FAILED, FileStatus.COMPLETED]


def test_a_full_queue_of_the_encoder_is_waited_for() -> None:
    async def main() -> None:
        batcher = Batcher(FakeEncoder(), batch_tokens=256, max_queue=4)
        borrowed = BorrowedEncoder(batcher, asyncio.get_running_loop())
        texts = [f"text {number}" for number in range(50)]
        asked = asyncio.create_task(batcher.queries(["question"] * 4))
        await asyncio.sleep(0)
        vectors = await asyncio.to_thread(borrowed.encode_documents, texts)
        await asked
        assert (vectors == FakeEncoder().encode_documents(texts)).all()
        await batcher.close()

    asyncio.run(main())
