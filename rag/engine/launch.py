"""Starts a local vLLM, keeps it running, and leaves no orphan."""

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable
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
from rag.settings import EngineSettings

_POLL_S = 0.25
_STOP_S = 20.0
_LONGEST_BACK_OFF_S = 60.0
_LOG_BYTES = 50 * 2**20
_TAIL_BYTES = 64 * 1024

log = structlog.get_logger()


class LocalEngine:
    """One vLLM process on loopback. `url` stays the same over restarts."""

    def __init__(self, settings: EngineSettings, *, source: str, run_dir: Path) -> None:
        """Prepare to serve the model at `source`; logs go to `run_dir`/engine.log."""
        self._settings = settings
        self._source = source
        self._run_dir = run_dir
        self._port = settings.port or _free_port()
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._log_start = 0  # where in the log the present process begins
        self.url = f"http://127.0.0.1:{self._port}"
        self.tokens_only = is_tokens_only(settings)
        self.log_file = run_dir / "engine.log"
        self.addresses = event_addresses(run_dir)
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """Process id of the running server."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self, on_state: Callable[[bool], Awaitable[None]]) -> None:
        """Start the process and wait until it answers, then restart it for as long as it dies.

        on_state: awaited with True when the engine has become ready, with False when it has died.

        Raises:
            EngineUnavailable: it ended, or was not ready in `start_timeout_s`; the message has its own last words.
        """
        await self._launch()
        try:
            await self._ready()
        except BaseException:
            await self._end()
            raise
        await on_state(True)
        self._supervisor = asyncio.create_task(self._supervise(on_state), name="engine-supervisor")

    async def stop(self) -> None:
        """End the process and all its children."""
        if self._supervisor:
            self._supervisor.cancel()
            with suppress(asyncio.CancelledError):
                await self._supervisor
        await self._end()

    async def _supervise(self, on_state: Callable[[bool], Awaitable[None]]) -> None:
        back_off_s = 1.0
        loop = asyncio.get_running_loop()
        while self._process:
            started = loop.time()
            status = await self._process.wait()
            await on_state(False)
            if loop.time() - started > _LONGEST_BACK_OFF_S:
                back_off_s = 1.0
            log.warning("engine_died", status=status, restart_in_s=back_off_s, log=str(self.log_file))
            await self._end()
            await asyncio.sleep(back_off_s)
            back_off_s = min(2 * back_off_s, _LONGEST_BACK_OFF_S)
            self.restarts += 1
            await self._launch()
            try:
                await self._ready()
            except EngineUnavailable as error:
                log.error("engine_not_restarted", reason=str(error))
                await self._end()
                continue
            await on_state(True)

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
                ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=engine_environment(self._settings, source=self._source, inherited=os.environ),
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

    async def _end(self) -> None:
        process = self._process
        if process is None:
            return
        # The group holds the engine's own children; it may outlive its leader.
        for sign, wait_s in ((signal.SIGTERM, _STOP_S), (signal.SIGKILL, _STOP_S)):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, sign)
            if await _is_gone(process, wait_s):
                return


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
