"""The service, its port and its engines."""

import socket
from collections.abc import Iterator, Mapping
from typing import Any

import rag
from rag.cli.checks.check import Check, Status
from rag.cli.running import Running, is_local, ready_facts, running
from rag.engine.probe import ADVICE, Reuse
from rag.ledger import CURES
from rag.settings import ServerSettings, Settings

_TIMEOUT_S = 5.0
_ENOUGH_ANSWERS = 20  # before a share of reuse means anything
_GOOD_REUSE = 0.5


def service(settings: Settings) -> Iterator[Check]:
    """Checks of what runs, or of what `rag serve` would meet."""
    found = running(settings.data_dir)
    if found is None:
        yield Check("service", "ok", "none runs on this data directory; `rag serve` starts one")
        yield _port(settings.server)
        for url in settings.engine.urls:
            yield _remote(url)
        return
    facts = ready_facts(found)
    if facts is None:
        yield Check(
            "service", "fail", f"process {found.pid} lives, {found.url} does not answer", f"kill {found.pid}; rag serve"
        )
        return
    state = facts["status"]
    log = settings.data_dir / "run" / ("engine.log" if settings.engine.count == 1 else "engine-*.log")
    cure = None if state == "ready" else f"tail {log}"
    yield Check("service", "ok" if state == "ready" else "warn", f"{state} at {found.url} (pid {found.pid})", cure)
    yield from _version(found)
    for engine in facts["engines"]:
        yield _engine(engine)
    for collection in facts["collections"]:
        yield from _reuse(collection)


def _version(found: Running) -> Iterator[Check]:
    """A service that was started before an upgrade runs on as it was."""
    import httpx2

    from rag.cli.trust import http_client

    try:
        with http_client(found, _TIMEOUT_S) as client:
            runs = str(client.get(f"{found.url}/health").json()["version"])
    except (httpx2.HTTPError, ValueError, KeyError, TypeError):
        return  # it answered just now; if it ended meanwhile, the next run says so
    if runs != rag.__version__:
        detail = f"the service is version {runs}, this command {rag.__version__}"
        yield Check("version", "warn", detail, f"kill {found.pid}; rag serve")
    else:
        yield Check("version", "ok", f"the service is this version, {runs}")


# Any: JSON of the service.
def _engine(engine: Mapping[str, Any]) -> Check:
    name = f"engine {engine['url']}"
    if engine["state"] != "ready":
        status: Status = "fail" if engine["state"] == "down" else "warn"
        detail = f"{engine['state']}, restarted {engine['restarts']} times. {engine.get('reason') or ''}"
        cure = f"tail {engine['log']}" if engine.get("log") else f"curl {engine['url']}/health"
        if engine["state"] in {"draining", "drained"}:
            cure = f"rag engines add {engine['url']}"
        return Check(name, status, detail.rstrip(), cure)
    reuse = engine.get("reuse", Reuse.UNREPORTED.value)
    if reuse == Reuse.ON.value:
        return Check(name, "ok", f"{engine['model']} is ready, reuse is proven")
    return Check(name, "warn", f"{engine['model']} is ready, reuse: {reuse}", ADVICE[Reuse(reuse)])


# Any: JSON of the service.
def _reuse(collection: Mapping[str, Any]) -> Iterator[Check]:
    """How much of the prompts was reused, once there are enough of them to tell."""
    reuse = collection.get("reuse")
    if not reuse or reuse["answers"] < _ENOUGH_ANSWERS:
        return
    name, share = f"reuse of {collection['name']!r}", reuse["cached_tokens"] / max(reuse["prompt_tokens"], 1)
    detail = f"{share:.0%} of the prompt tokens of {reuse['answers']} answers"
    if share >= _GOOD_REUSE or not reuse["misses"]:
        yield Check(name, "ok", detail)
        return
    reason, count = max(reuse["misses"].items(), key=lambda miss: int(miss[1]))
    yield Check(name, "warn", f"{detail}; {count} misses of the kind {reason!r}", CURES.get(reason) or "rag status")


def _port(server: ServerSettings) -> Check:
    try:
        with socket.create_server((server.host, server.port)):
            pass
    except OSError as error:
        detail = f"{server.host}:{server.port} cannot be used: {error.strerror or error}"
        return Check("port", "fail", detail, f"rag serve --port {server.port + 1}")
    return Check("port", "ok", f"{server.host}:{server.port} is free")


def _remote(url: str) -> Check:
    import httpx2

    try:
        with httpx2.Client(trust_env=not is_local(url), timeout=_TIMEOUT_S) as client:
            status = client.get(f"{url.rstrip('/')}/health").status_code
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return Check(f"engine {url}", "fail", f"not reachable: {error}", f"curl {url}/health")
    if status != httpx2.codes.OK:
        return Check(f"engine {url}", "fail", f"its /health answers {status}", f"curl {url}/health")
    return Check(f"engine {url}", "ok", "reachable; reuse is proven when the service starts")
