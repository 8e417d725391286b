"""A Ray cluster for one run: a local one that nobody else reaches, or one that is there."""

import logging
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from ingest.cluster.below import Below, end
from rag.embed.cores import usable_cores
from rag.errors import ConfigError

LOCAL = "local"
_STORE_BYTES = 256 * 2**20  # of shared memory for what is between two processes; more goes to the disk
_BLOCK_BYTES = 1  # a block is full with one row: Ray would hold back answers until a larger one is
_SILENT = logging.CRITICAL + 1  # what goes wrong reaches the user as one line of ours
_START_DEATHS = 3  # of workers one after the other, before the cluster is given up
_KNOCK_S = 10.0


@contextmanager
def joined(address: str) -> Iterator[Sequence[Mapping[str, float]]]:
    """Inside, this process is part of the cluster at `address`: what each of its machines has, by Ray's names.

    "local" starts one on this machine, and ends all of its processes.

    Raises:
        ConfigError: Ray is not installed, or no cluster is there.
    """
    below = Below()
    with tempfile.TemporaryDirectory(prefix="rag-ray-", ignore_cleanup_errors=True) as folder:
        try:
            _join(address, folder)
            _quiet()
            yield _machines()
        finally:
            started = below.found()
            if ray := sys.modules.get("ray"):
                ray.shutdown()
            end(started)  # readers too, which may outlive their worker


def _join(address: str, folder: str) -> None:
    _settle(is_local=address == LOCAL)
    try:
        with _hushed():
            import ray
            import ray.data
            import ray.exceptions

            if address == LOCAL:
                ray.init(
                    address=LOCAL,
                    num_cpus=usable_cores(),
                    object_store_memory=_STORE_BYTES,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=_SILENT,
                    _node_ip_address="127.0.0.1",
                    _temp_dir=folder,  # of this user alone: it may hold text of documents
                )
            else:
                _knock(address)
                ray.init(address=address, log_to_driver=False, logging_level=_SILENT)
    except ImportError as error:
        raise ConfigError(
            f"--engine ray needs Ray, which is not installed here ({error}). Install it with "
            "`pip install 'prefixrag[ray]'`, or run without --engine ray."
        ) from None
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise ConfigError(_unreachable(address, error)) from None


def _settle(*, is_local: bool) -> None:
    """Nothing; what Ray takes from the environment alone is there, before it is imported. What a user has set stays."""
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Else a thread that is still at it when this run has left its cluster would start another one.
    os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")
    if is_local:
        # Of its two words the second counts: no cluster of several machines, so nothing listens beyond loopback.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        # Who has no token is refused: other users of this machine. Ray itself would write one into the home folder.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


@contextmanager
def _hushed() -> Iterator[None]:
    """Inside, standard error goes nowhere: the native part of Ray writes there past all settings while it starts."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _knock(address: str) -> None:
    """Nothing; something is there. Ray itself would try for a minute.

    Raises:
        OSError: nothing is.
    """
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_S).close()


def _quiet() -> None:
    """Nothing; Ray Data shows nothing, and an answer is passed on as soon as it is there."""
    from ray.data import DataContext

    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(_SILENT)
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.target_max_block_size = _BLOCK_BYTES
    context.execution_no_progress_timeout_s = -1  # encoders may have nothing to do for long, and readers too
    context.max_consecutive_actor_init_deaths = _START_DEATHS


def _machines() -> Sequence[Mapping[str, float]]:
    import ray

    return [each["Resources"] for each in ray.nodes() if each["Alive"]]


def _unreachable(address: str, error: Exception) -> str:
    words = next(filter(None, map(str.strip, str(error).splitlines())), type(error).__name__).rstrip(".")
    if address == LOCAL:
        return f"A local Ray cluster cannot be started: {words}. Mend this, or run without --engine ray."
    return (
        f"No Ray cluster can be joined at {address!r}: {words}. Correct --ray-address (ingest.ray_address), start one "
        "there with `ray start --head`, or leave it out for a local one. One that wants a token is joined with "
        "RAY_AUTH_MODE=token in the environment."
    )
