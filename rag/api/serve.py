"""Runs the service: a socket first, then the rooms, then requests, until a signal."""

import asyncio
import ipaddress
import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
import uvicorn
from filelock import FileLock, Timeout

from rag.api.app import create_app
from rag.api.state import State
from rag.errors import ConfigError
from rag.rooms import open_rooms
from rag.settings import ServerSettings, Settings
from rag.warm import warming

_DRAIN_S = 10

log = structlog.get_logger()


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, then stop in order.

    Raises:
        RagError: the port is taken, the address is open to others, or a room does not open.
    """
    _check_host(settings.server)
    state = State(settings)
    # Our log has what an access log would; uvicorn's own lines would be a second format.
    config = uvicorn.Config(
        create_app(state), log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=_DRAIN_S
    )
    with _listen(settings.server) as listener, asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_run(state, _Server(config), listener))


async def _run(state: State, server: "_Server", listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    with _announced(state.settings.data_dir, url):
        requests = asyncio.create_task(server.serve([listener]), name="requests")
        opening = asyncio.create_task(_open_until(state, requests, url), name="rooms")
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(sign, _stop, server, opening, state)
        try:
            await opening
        except asyncio.CancelledError:
            log.info("stopped_while_starting")
        finally:
            server.should_exit = True
            await requests


def _stop(server: "_Server", opening: "asyncio.Task[None]", state: State) -> None:
    server.should_exit = True
    if state.rooms is None:
        opening.cancel()


async def _open_until(state: State, requests: "asyncio.Task[None]", url: str) -> None:
    """Keep the rooms open for as long as requests are served."""
    async with open_rooms(state.settings) as rooms, warming(rooms) as warmer:
        state.rooms, state.warmer = rooms, warmer
        log.info("ready", url=url, model=rooms.engine.model, docs=f"{url}/docs")
        await asyncio.wait([requests])
        log.info("stopping")
        state.rooms = state.warmer = None


class _Server(uvicorn.Server):
    """uvicorn without its signal handling: it would end the process before the engine is stopped."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextmanager
def _announced(data_dir: Path, url: str) -> Iterator[None]:
    """Leave a note for `rag status` and `rag ask` where the service is. One service at a time may.

    Raises:
        ConfigError: another service serves `data_dir`.
    """
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
        note.write_text(json.dumps({"url": url, "pid": os.getpid()}))
        try:
            yield
        finally:
            note.unlink(missing_ok=True)


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


def _check_host(server: ServerSettings) -> None:
    try:
        is_loopback = ipaddress.ip_address(server.host).is_loopback
    except ValueError:
        is_loopback = server.host == "localhost"
    if not is_loopback and not server.insecure_no_auth:
        raise ConfigError(
            f"The address {server.host!r} can be reached from other machines, and requests carry no keys. "
            "Keep 127.0.0.1 behind a proxy that checks who asks, or accept the risk with --insecure-no-auth."
        )
