"""The service that runs on a data directory, as it says of itself."""

import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

DEFAULT_URL = "http://127.0.0.1:8000"
_TIMEOUT_S = 10.0
_CLOCKS_S = 2.0  # a process's start and a file's time come from clocks of unlike steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A service of this machine: its process lives."""

    url: str
    pid: int


def running(data_dir: Path) -> Running | None:
    """The service that serves `data_dir` now, if one does.

    A service that was killed leaves its file, and its process id may be another program's by now: only a process
    that is older than the file can have written it.
    """
    import psutil

    file = data_dir / "run" / "service.json"
    try:
        note = json.loads(file.read_text("utf-8"))
        found = Running(url=str(note["url"]), pid=int(note["pid"]))
        started = psutil.Process(found.pid).create_time()
        return found if started <= file.stat().st_mtime + _CLOCKS_S else None
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None


# Any: JSON of the service, whose fields are handed on as they are.
def ready_facts(url: str) -> dict[str, Any] | None:
    """What `GET /ready` answers, ready or not; None if nothing of ours answers."""
    import httpx2

    try:
        with httpx2.Client(trust_env=not is_local(url), timeout=_TIMEOUT_S) as client:
            facts = client.get(f"{url.rstrip('/')}/ready").json()
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError):
        return None
    return facts if isinstance(facts, dict) and "status" in facts and "engines" in facts else None


def is_local(url: str) -> bool:
    """Whether the URL is of this machine: no proxy of the environment can lead there."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name, or no URL at all
        return False
