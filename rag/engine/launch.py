"""Starts a local vLLM, keeps it running, and leaves no orphan."""

import asyncio
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path

import httpx2
import structlog

from rag.engine.command import (
    engine_command,
    engine_environment,
    event_addresses,
    installed_build,
    is_tokens_only,
)
from rag.errors import EngineUnavailable
from rag.settings import EngineSettings, traces_endpoint

_POLL_S = 0.25
_STOP_S = 20.0
_LOG_BYTES = 50 * 2**20
_TAIL_BYTES = 64 * 1024

log = structlog.get_logger()


class LocalEngine:
    """One vLLM process on loopback. `url` and `name` stay the same over restarts."""

    def __init__(self, settings: EngineSettings, *, source: str, run_dir: Path, number: int = 0) -> None:
        """Prepare to serve the model at `source`; logs go to `run_dir`. number: of the engine among those started."""
        self._settings = settings
        self._source = source
        self._run_dir = run_dir
        self._number = number
        self._port = settings.port + number if settings.port else _free_port()
        self._process: asyncio.subprocess.Process | None = None
        self._log_start = 0  # where in the log the present process begins
        self.name = f"engine-{number + 1}" if settings.count > 1 else "engine"
        self.url = f"http://127.0.0.1:{self._port}"
        self.tokens_only = is_tokens_only(settings)
        self.log_file = run_dir / f"{self.name}.log"
        self.addresses = event_addresses(run_dir, suffix=self.name.removeprefix("engine"))
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """Process id of the running server."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Start the process and wait until it answers. Whatever ran before has ended.

        Raises:
            EngineUnavailable: it ended, or was not ready in `start_timeout_s`; the message has its own last words.
        """
        if self._process:
            self.restarts += 1
        await self._launch()
        try:
            await self._ready()
        except BaseException:
            await self.stop()
            raise

    async def exited(self) -> int:
        """The status of the process, once it has ended."""
        assert self._process  # noqa: S101 - it was started
        return await self._process.wait()

    async def stop(self) -> None:
        """End the process and all its children, if there are any."""
        process = self._process
        if process is None:
            return
        # The group holds the engine's own children; it may outlive its leader.
        for sign, wait_s in ((signal.SIGTERM, _STOP_S), (signal.SIGKILL, _STOP_S)):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, sign)
            if await _is_gone(process, wait_s):
                return

    async def _launch(self) -> None:
        self._run_dir.mkdir(parents=True, exist_ok=True)
        _rotate(self.log_file)
        with self.log_file.open("ab") as output:
            self._log_start = output.tell()
            self._process = await asyncio.create_subprocess_exec(
                *engine_command(
                    self._settings,
                    source=self._source,
                    port=self._port,
                    addresses=self.addresses,
                    build=installed_build(),
                    traces=traces_endpoint(),
                ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=engine_environment(self._settings, source=self._source, inherited=os.environ, number=self._number),
                start_new_session=True,  # a Ctrl-C is for the service, which then stops the engine in order
            )
        log.info("engine_starting", model=self._settings.model, pid=self._process.pid, log=str(self.log_file))

    async def _ready(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.start_timeout_s), httpx2.AsyncClient(trust_env=False) as client:
                while self.pid is not None:
                    with suppress(httpx2.TransportError):
                        if (await client.get(f"{self.url}/health", timeout=5.0)).status_code == httpx2.codes.OK:
                            return
                    await asyncio.sleep(_POLL_S)
                raise EngineUnavailable(
                    f"The engine for {self._settings.model!r} ended while starting: "
                    f"{_last_words(self.log_file, self._log_start)} Its log is {self.log_file}."
                )
        raise EngineUnavailable(
            f"The engine for {self._settings.model!r} was not ready after {self._settings.start_timeout_s:g} s: "
            f"{_last_words(self.log_file, self._log_start)} See {self.log_file}, or raise engine.start_timeout_s."
        )


async def _is_gone(process: asyncio.subprocess.Process, wait_s: float) -> bool:
    try:
        async with asyncio.timeout(wait_s):
            await process.wait()
            while True:
                os.killpg(process.pid, 0)
                await asyncio.sleep(_POLL_S)
    except ProcessLookupError:
        return True
    except TimeoutError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _rotate(file: Path) -> None:
    if file.exists() and file.stat().st_size > _LOG_BYTES:
        file.replace(file.with_suffix(".log.1"))


def _last_words(file: Path, start: int) -> str:
    """The last line of the log from `start` on that names an error, or the last line."""
    with file.open("rb") as log_file:
        log_file.seek(max(start, file.stat().st_size - _TAIL_BYTES))
        lines = [line.strip() for line in log_file.read().decode("utf-8", "replace").splitlines() if line.strip()]
    errors = [line for line in lines if "Error" in line and not line.startswith(("Traceback", "File"))]
    return repr((errors or lines or ["(its log is empty)"])[-1][-300:]) + "."
