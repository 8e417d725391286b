"""Runs the service: a socket first, then the rooms, then requests, until a signal."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, closing, contextmanager
from pathlib import Path

import structlog
import uvicorn
from filelock import FileLock, Timeout

from rag.api.app import create_app
from rag.api.reloading import reload
from rag.api.state import State
from rag.api.tls import Certificate, certificate_of
from rag.embed import Encoder
from rag.engine import EnginePool
from rag.errors import ConfigError
from rag.indexing import Indexer
from rag.rooms import Rooms, open_rooms
from rag.settings import ServerSettings, Settings
from rag.warm import warming

# Clients keep an idle connection for a few seconds, those of OpenAI's packages for five: they close first, so none
# sends a request into one that is being closed.
_IDLE_S = 30

log = structlog.get_logger()


def serve(
    settings: Settings,
    indexer: Indexer,
    *,
    pool: EnginePool | None = None,
    encoder: Encoder | None = None,
    read: Callable[[], Settings] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, then stop in order: no new connections, `server.drain_s` for requests under way.

    indexer, pool, encoder: as of `open_rooms`. read: the settings once more, at a SIGHUP: see `reload`.

    Raises:
        RagError: the port is taken, the address is open to others, the certificate is none, or a room does not open.
    """
    state, certificate = State(settings), certificate_of(settings.server)
    # Our log has what an access log would; uvicorn's own lines would be a second format.
    config = uvicorn.Config(
        create_app(state),
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=settings.server.drain_s,
        timeout_keep_alive=_IDLE_S,
    )
    config.load()
    config.ssl = certificate.context if certificate else None
    with closing(state.keys):
        _check_keys(state)
        with _listen(settings.server) as listener, asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            opened = open_rooms(settings, indexer, pool=pool, encoder=encoder)
            runner.run(_run(state, _Server(config), listener, opened, certificate, read))


async def _run(
    state: State,
    server: "_Server",
    listener: socket.socket,
    opened: AbstractAsyncContextManager[Rooms],
    certificate: Certificate | None,
    read: Callable[[], Settings] | None,
) -> None:
    host, port = listener.getsockname()[:2]
    scheme = "https" if certificate else "http"
    url = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
    with _announced(state, url):
        requests = asyncio.create_task(server.serve([listener]), name="requests")
        opening = asyncio.create_task(_open_until(state, requests, url, opened), name="rooms")
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(sign, _stop, server, opening, state)
        beside = {asyncio.create_task(certificate.keep_new())} if certificate else set()

        def hang_up() -> None:
            if read:
                task = asyncio.create_task(reload(read, state, certificate))
                beside.add(task)
                task.add_done_callback(beside.discard)

        # Of a terminal that is closed it means the end, of everybody else that the configuration has changed.
        if sys.stdin and sys.stdin.isatty():
            loop.add_signal_handler(signal.SIGHUP, _stop, server, opening, state)
        else:
            loop.add_signal_handler(signal.SIGHUP, hang_up)
        try:
            await opening
        except asyncio.CancelledError:
            log.info("stopped_while_starting")
        finally:
            server.should_exit = True
            await requests
            for task in beside:
                task.cancel()
            await state.limiter.close()


def _stop(server: "_Server", opening: "asyncio.Task[None]", state: State) -> None:
    server.should_exit = True
    if state.rooms is None:
        opening.cancel()


async def _open_until(
    state: State, requests: "asyncio.Task[None]", url: str, opened: AbstractAsyncContextManager[Rooms]
) -> None:
    """Keep the rooms open for as long as requests are served."""
    async with opened as rooms, warming(rooms) as warmer:
        state.rooms, state.warmer = rooms, warmer
        log.info("ready", url=url, model=rooms.model.name, docs=f"{url}/docs")
        await asyncio.wait([requests])
        log.info("stopping")
        state.rooms = state.warmer = None


class _Server(uvicorn.Server):
    """uvicorn without its signal handling: it would end the process before the engine is stopped."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextmanager
def _announced(state: State, url: str) -> Iterator[None]:
    """Leave a note for commands on this machine: where the service is and what opens it. One service at a time may.

    Raises:
        ConfigError: another service serves `data_dir`.
    """
    data_dir = state.settings.data_dir
    note = data_dir / "run" / "service.json"
    note.parent.mkdir(parents=True, exist_ok=True)
    try:
        # The kernel lets go of it however a service ends.
        lock = FileLock(note.with_suffix(".lock"), timeout=0).acquire()
    except Timeout:
        raise ConfigError(
            f"Another service runs on the data directory {str(data_dir)!r}. "
            "Stop it (`rag status` names its process), or name another --data-dir."
        ) from None
    with lock:
        _write_secret(
            note,
            json.dumps({"url": url, "pid": os.getpid(), "token": state.local_token, **_own(state.settings.server)}),
        )
        try:
            yield
        finally:
            note.unlink(missing_ok=True)


def _own(server: ServerSettings) -> dict[str, str]:
    """The certificate by which commands on this machine know the service: its names are for other machines."""
    return {"certificate": str(server.tls_certificate.resolve())} if server.tls_certificate else {}


def _write_secret(file: Path, text: str) -> None:
    """Nothing; `file` has `text`, and only its owner can read it at any moment."""
    temporary = file.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as opened:
        opened.write(text)
    temporary.replace(file)


def _listen(server: ServerSettings) -> socket.socket:
    try:
        family = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((server.host, server.port), family=family, backlog=2048)
    except socket.gaierror as error:
        raise ConfigError(
            f"The address {server.host!r} is not known: {error.strerror}. Name one of this machine by --host."
        ) from None
    except OSError as error:
        raise ConfigError(
            f"Cannot listen on {server.host}:{server.port}: {error.strerror or error}. "
            "Stop what uses the port, or choose another with --port."
        ) from None


def _check_keys(state: State) -> None:
    """Nothing, if whoever reaches the service can be asked for a key.

    Raises:
        ConfigError: other machines reach it, and there is no key yet.
    """
    server = state.settings.server
    if server.needs_keys and not state.keys.exist():
        raise ConfigError(
            f"The address {server.host!r} can be reached from other machines, and there is no API key yet. "
            "Make one with `rag keys create --name NAME`, keep to 127.0.0.1, or take the risk with --insecure-no-auth."
        )
