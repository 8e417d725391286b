"""A service that pulls what others push, pushes what it indexes, and serves on while shared storage is gone."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx2
import pytest
from openai import OpenAI

from ingest.pipeline import ingest
from rag.embed import FakeEncoder
from rag.errors import StorageUnavailable
from rag.settings import Settings, load
from rag.sharing import Sharing, open_sharing
from rag.store import Exchange, Store

PATIENCE_S = 60.0


class Wire:
    """A network that can be cut: it hands bytes on to a port of this machine."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._open: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self.port = 0
        self.mend()

    def mend(self) -> None:
        listener = self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        if self._listener:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open.clear()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                ends = listener.accept()[0], socket.create_connection(("127.0.0.1", self._target))
                self._open.extend(ends)
                for source, target in (ends, ends[::-1]):
                    threading.Thread(target=self._hand_on, args=(source, target), daemon=True).start()

    def _hand_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def wire(minio: dict[str, str]) -> Iterator[Wire]:
    made = Wire(int(minio["AWS_ENDPOINT_URL"].rpartition(":")[2]))
    yield made
    made.cut()


@contextmanager
def machine(data_dir: Path, url: str) -> Iterator[tuple[Store, Sharing]]:
    """Another machine that shares its collections."""
    with closing(Store(data_dir)) as store:
        settings = load({"data_dir": data_dir, "storage": {"url": url}}).settings
        sharing = open_sharing(settings.storage, Exchange(data_dir), store.delete)
        assert sharing
        yield store, sharing


def wait_for(what: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def take(store: Store, folder: Path, **files: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.md").write_text(text)
    ingest([folder], collection="default", store=store, encoder=FakeEncoder(), settings=Settings().ingest)


def test_what_is_pushed_elsewhere_is_served_and_what_is_uploaded_here_is_pushed(
    serve_fake, s3_bucket: str, wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs

    place = f"{s3_bucket}/prefix"
    with machine(tmp_path / "one", place) as (store, sharing):
        take(store, tmp_path / "docs", a="The walrus eats clams.")
        assert [each.what for each in sharing.sync()] == ["pushed"]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{wire.port}")
    s3fs.S3FileSystem.clear_instance_cache()
    settings = {"data_dir": tmp_path / "two", "storage": {"url": place, "poll_s": 0.2}}
    with (
        serve_fake("It is so [1].", settings=settings) as (url, _),
        OpenAI(base_url=f"{url}/v1", api_key="any") as client,
    ):

        def names() -> list[str | None]:
            return [each.name for each in client.vector_stores.list()]

        def texts() -> set[str]:
            (shared,) = (each for each in client.vector_stores.list() if each.name == "default")
            hits = client.vector_stores.search(shared.id, query="what eats?", max_num_results=10)
            return {part.text for hit in hits for part in hit.content}

        wait_for(lambda: names() == ["default"])
        assert texts() == {"The walrus eats clams."}
        answer = client.chat.completions.create(
            model="tiny", messages=[{"role": "user", "content": "What eats clams?"}], max_tokens=20
        )
        assert answer.choices[0].message.content == "It is so [1]."

        wire.cut()
        with machine(tmp_path / "one", place) as (store, sharing):
            take(store, tmp_path / "docs", b="The badger eats worms.")
            with pytest.raises(StorageUnavailable, match="Check the network"):  # it has the same network
                sharing.sync()
        assert texts() == {"The walrus eats clams."}  # it is served on
        assert httpx2.get(f"{url}/ready").status_code == 200
        wire.mend()
        with machine(tmp_path / "one", place) as (store, sharing):
            assert [each.what for each in sharing.sync()] == ["pushed"]
        wait_for(lambda: len(texts()) == 2)


@pytest.mark.parametrize("how", ["pushes", "only pulls"])
def test_indexing_and_deleting_of_a_service_reach_the_others(serve_fake, tmp_path: Path, how: str) -> None:
    place = f"file://{tmp_path}/place"
    storage = {"url": place, "poll_s": 0.1, "push": how == "pushes"}
    settings = {"data_dir": tmp_path / "one", "storage": storage}
    with (
        serve_fake("Yes.", settings=settings) as (url, _),
        OpenAI(base_url=f"{url}/v1", api_key="any") as client,
        machine(tmp_path / "two", place) as (store, sharing),
    ):
        uploaded = client.vector_stores.create(name="uploads")
        done = client.vector_stores.files.upload_and_poll(
            vector_store_id=uploaded.id, file=("hen.md", b"The hen eats corn."), poll_interval_ms=20
        )
        assert done.status == "completed"

        def is_here() -> bool:
            sharing.sync(push=False)
            return any(info.documents == 1 for info in store.collections())

        if how == "only pulls":
            time.sleep(1)
            assert not is_here()
            assert not (tmp_path / "place").exists()
            return
        wait_for(is_here)
        with store.pin("uploads") as generation:
            assert [chunk.text for chunk in generation.ordered_chunks()] == ["The hen eats corn."]
        assert not list((tmp_path / "two").glob("files/*"))  # uploaded files stay where they are
        client.vector_stores.delete(uploaded.id)
        wait_for(lambda: [each.what for each in sharing.sync(push=False)] == ["deleted"])
        assert store.collections() == ()
        metrics = httpx2.get(f"{url}/metrics").text
        (synced,) = (line for line in metrics.splitlines() if line.startswith("rag_storage_synced_timestamp_seconds "))
        assert float(synced.split()[1]) > 0
