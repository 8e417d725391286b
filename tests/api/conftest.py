"""A service on a real socket in front of a fake engine."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from functools import partial
from pathlib import Path

import pytest
import uvicorn

from ingest.pipeline import ingest
from ingest.uploads import UploadIndexer
from rag.api.app import create_app
from rag.api.serve import _announced, _Server
from rag.api.state import State
from rag.auth import DEFAULT_SCOPES, Keys, Scope
from rag.embed import Encoder, FakeEncoder
from rag.engine import EngineInfo, EnginePool, FakeEngine, Slot
from rag.rooms import open_rooms
from rag.settings import Settings, load
from rag.store import KeyLimits, KeyStore, Store
from rag.warm import warming

SAMPLE = Path(__file__).parents[2] / "data" / "sample"


@contextmanager
def serving(
    settings: Settings,
    *,
    pool: EnginePool | None = None,
    encoder: Encoder | None = None,
    is_announced: bool = False,
    clock: Callable[[], float] = time.time,
) -> Iterator[str]:
    """The URL of a service in a thread of its own, on a real socket: the in-process transport buffers streams.

    is_announced: commands on its data directory find it.
    """
    started = threading.Event()
    failure: list[BaseException] = []
    box: dict[str, object] = {}

    async def run() -> None:
        state = State(settings)
        config = uvicorn.Config(create_app(state), port=0, log_config=None, access_log=False, lifespan="off")
        server = box["server"] = _Server(config)
        async with (
            open_rooms(settings, UploadIndexer(settings.ingest), pool=pool, encoder=encoder, clock=clock) as rooms,
            warming(rooms) as warmer,
        ):
            state.rooms, state.warmer = rooms, warmer
            task = asyncio.create_task(server.serve())
            while not server.started:  # noqa: ASYNC110 - uvicorn sets a flag and no event
                await asyncio.sleep(0.01)
            box["url"] = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
            with _announced(state, str(box["url"])) if is_announced else nullcontext():
                started.set()
                await task
        await state.limiter.close()
        state.keys.close()

    def main() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            failure.append(error)
            started.set()

    thread = threading.Thread(target=main, name="service")
    thread.start()
    started.wait()
    if failure:
        raise failure[0]
    try:
        yield str(box["url"])
    finally:
        box["server"].should_exit = True  # type: ignore[attr-defined]
        thread.join()


ServeFake = Callable[..., AbstractContextManager[tuple[str, FakeEngine]]]


@pytest.fixture(scope="session")
def start_service() -> Callable[..., AbstractContextManager[str]]:
    """Starts a service over engines of the test's own: `start_service(settings, pool=…, encoder=…)`."""
    return serving


@pytest.fixture(scope="session")
def sample_data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with the sample in the collection `default`, embedded by the fake encoder."""
    folder = tmp_path_factory.mktemp("data")
    store = Store(folder)
    summary = ingest([SAMPLE], collection="default", store=store, encoder=FakeEncoder(), settings=Settings().ingest)
    store.close()
    assert not summary.failed
    return folder


@pytest.fixture(scope="session")
def serve_fake(sample_data_dir: Path, tiny_format: Path, tmp_path_factory: pytest.TempPathFactory) -> ServeFake:
    """Starts a service over the sample with a fake engine: `serve_fake(reply, settings={...}, encoder=…, **engine)`.

    Nothing is computed ahead unless the settings say so: the first question then computes the shared prefix.
    Whoever names no data directory shares one; what is written there is not in the sample, which others copy.
    """
    shared = shutil.copytree(sample_data_dir, tmp_path_factory.mktemp("shared") / "data")

    @contextmanager
    def start(
        reply: str | Sequence[str],
        *,
        settings: dict[str, object] | None = None,
        encoder: Encoder | None = None,
        is_announced: bool = False,
        clock: Callable[[], float] = time.time,
        **engine: object,
    ) -> Iterator[tuple[str, FakeEngine]]:
        info = EngineInfo(model="tiny", source=str(tiny_format), window_tokens=8192, block_size=16, kv_tokens=200_000)
        # Without a cost of its own, what the service measures as its pace would be noise.
        says = reply if callable(reply) else lambda _: reply
        fake = FakeEngine(says, info=info, **{"uncached_token_s": 2e-5, **engine})  # type: ignore[arg-type]
        own = {"data_dir": shared, "engine": {"urls": ["fake://engine"]}, "cache": {"warm": False}}
        tree = {**own, **(settings or {})}
        pool = EnginePool([Slot(engine=fake)])
        with serving(
            load(tree).settings,
            pool=pool,
            encoder=encoder or FakeEncoder(),
            is_announced=is_announced,
            clock=clock,
        ) as url:
            yield url, fake

    return start


CopyData = Callable[[Path], Path]
KeyIn = Callable[..., str]


@pytest.fixture(scope="session")
def copy_data(sample_data_dir: Path) -> CopyData:
    """Makes a data directory below a folder: the sample in `default`, and its guide in `secret`, which is group g's."""

    def copy(folder: Path) -> Path:
        data_dir = shutil.copytree(sample_data_dir, folder / "data")
        store = Store(data_dir)
        guide, settings = SAMPLE / "guide", Settings().ingest
        ingest([guide], collection="secret", group="g", store=store, encoder=FakeEncoder(), settings=settings)
        store.close()
        return data_dir

    return copy


@pytest.fixture(scope="session")
def key_in() -> KeyIn:
    """Makes a key as `rag keys create` does, beside a running service: `key_in(data_dir, "chat", group="g")`."""

    def make(data_dir: Path, *scopes: str, limits: dict[str, int] | None = None, **options: object) -> str:
        with closing(Keys(KeyStore(data_dir))) as keys:
            named = [Scope(scope) for scope in scopes] or DEFAULT_SCOPES
            return keys.create("test", scopes=named, limits=KeyLimits(**(limits or {})), **options)[1]  # type: ignore[arg-type]

    return make


@pytest.fixture
def data_dir(copy_data: CopyData, tmp_path: Path) -> Path:
    """A data directory of the test's own."""
    return copy_data(tmp_path)


@pytest.fixture
def make_key(key_in: KeyIn, data_dir: Path) -> KeyIn:
    """Makes a key in the test's own data directory."""
    return partial(key_in, data_dir)


RagServe = Callable[..., AbstractContextManager["subprocess.Popen[bytes]"]]
_WITHIN_S = 120


class FakeVllms:
    """Servers of fake engines, each a process of its own."""

    def __init__(self, source: Path) -> None:
        self._source = source
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __call__(self, model: str, *, port: int | None = None, **options: object) -> str:
        """The URL of one more. options: as of `python -m rag.engine.fake_server`."""
        if port is None:
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
        named = {"source": self._source, "token_ms": 1, "new_ms": 0.005, **options}
        words = [f"--{name.replace('_', '-')}={value}" for name, value in named.items()]
        command = [sys.executable, "-m", "rag.engine.fake_server", "--port", str(port), "--model", model, *words]
        url = f"http://127.0.0.1:{port}"
        self._processes[url] = process = subprocess.Popen(command)
        _until(lambda: _is_open(port), process)
        return url

    def kill(self, url: str) -> None:
        """Nothing; it has ended."""
        with self._processes.pop(url) as process:
            process.kill()

    def close(self) -> None:
        """Nothing; all have."""
        for url in list(self._processes):
            self.kill(url)


@pytest.fixture
def vllm(tiny_format: Path) -> Iterator[FakeVllms]:
    """Starts servers of fake engines: `vllm("model", reply=…)` is the URL of one."""
    made = FakeVllms(tiny_format)
    yield made
    made.close()


@pytest.fixture
def rag_serve(data_dir: Path) -> RagServe:
    """Starts `rag serve` with more words as a process, and waits until it is ready; its log is run/serve.log."""

    @contextmanager
    def start(*words: str) -> Iterator["subprocess.Popen[bytes]"]:
        log = data_dir / "run" / "serve.log"
        log.parent.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "rag", "serve", "--port", "0", "--data-dir", str(data_dir), *words]
        own = {"RAG_EMBEDDING__MODEL": "fake", "RAG_LOG__FORMAT": "json"}
        with log.open("w") as output:
            process = subprocess.Popen(command, env=os.environ | own, stdin=subprocess.DEVNULL, stderr=output)
        with process:
            try:
                _until(lambda: '"ready"' in log.read_text(), process)
                yield process
                process.terminate()
                assert process.wait(_WITHIN_S) == 0
            finally:
                process.kill()

    return start


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _until(condition: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + _WITHIN_S
    while not condition():
        assert process.poll() is None, "it has ended"
        assert time.monotonic() < end, "it does not answer"
        time.sleep(0.05)
