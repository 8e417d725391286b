"""The service that runs on a data directory, as it says of itself."""

import ipaddress
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from rag.settings import Settings

DEFAULT_URL = "http://127.0.0.1:8000"
_NO_KEY = "none"  # what is sent where none is known: a service without keys takes anything
_TIMEOUT_S = 10.0
_CLOCKS_S = 2.0  # a process's start and a file's time come from clocks of unlike steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A service of this machine: its process lives."""

    url: str
    pid: int
    token: str = field(repr=False)  # opens the service to whoever may read its file
    certificate: Path | None = None  # its own, if it speaks https


def running(data_dir: Path) -> Running | None:
    """The service that serves `data_dir` now, if one does.

    A service that was killed leaves its file, and its process id may be another program's by now: only a process
    that is older than the file can have written it.
    """
    import psutil

    file = data_dir / "run" / "service.json"
    try:
        note = json.loads(file.read_text("utf-8"))
        certificate = Path(note["certificate"]) if "certificate" in note else None
        token = str(note.get("token", _NO_KEY))
        found = Running(url=str(note["url"]), pid=int(note["pid"]), token=token, certificate=certificate)
        started = psutil.Process(found.pid).create_time()
        return found if started <= file.stat().st_mtime + _CLOCKS_S else None
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The service that a command speaks to, and what it authenticates with."""

    url: str
    token: str = field(repr=False)
    certificate: Path | None = None  # of the local service
    ca_file: Path | None = None  # of others: the setting


def target(settings: "Settings", *, url: str | None, api_key: str | None) -> Target:
    """The service at `url`, or the one that runs on the data directory.

    It is sent `api_key`, else what opens the local service to its own machine, else the setting api_key: the local
    service's token never leaves for another URL.
    """
    found = running(settings.data_dir)
    where = (url or (found.url if found else DEFAULT_URL)).rstrip("/").removesuffix("/v1")
    configured = settings.api_key.get_secret_value() if settings.api_key else ""
    local = found if found and found.url == where else None
    return Target(
        url=where,
        token=api_key or (local.token if local else "") or configured or _NO_KEY,
        certificate=local.certificate if local else None,
        ca_file=settings.ca_file,
    )


# Any: JSON of the service, whose fields are handed on as they are.
def ready_facts(service: Running) -> dict[str, Any] | None:
    """What `GET /ready` answers, ready or not; None if nothing of ours answers."""
    import httpx2

    from rag.cli.trust import http_client

    try:
        with http_client(service, _TIMEOUT_S) as client:
            headers = {"authorization": f"Bearer {service.token}"}
            facts = client.get(f"{service.url.rstrip('/')}/ready", headers=headers).json()
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
