"""One look at a service and its engines."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rag.cli.running import Target, is_local

if TYPE_CHECKING:
    import httpx2

    from rag.telemetry import Scraped

_TIMEOUT_S = 5.0
_ENGINE_TIMEOUT_S = 1.0  # an engine may stand where only the service gets to

# Any: JSON of the service.
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the service and its engines said at one moment."""

    at_s: float  # of a clock that only goes on
    state: str
    metrics: "Scraped"
    engines: tuple[Json, ...] = ()  # as of /ready
    vllm: Mapping[str, "Scraped"] = field(default_factory=dict)  # by the engine's URL, of those that let us


def read(service: Target) -> Reading:
    """One look.

    Raises:
        RagError: the service does not answer, or does not let us look.
    """
    import httpx2

    from rag.cli.trust import http_client, unreachable
    from rag.errors import ConfigError

    url = service.url
    headers = {"authorization": f"Bearer {service.token}"}
    try:
        with http_client(service, _TIMEOUT_S) as client:
            ready = _facts(client.get(f"{url}/ready", headers=headers), url)
            metrics = (
                _metrics(client.get(f"{url}/metrics", headers=headers), url)
                if ready["status"] != "starting"
                else _nothing()
            )
    except httpx2.InvalidURL as error:
        raise ConfigError(f"The URL {url!r} is none: {error}. Name one such as http://127.0.0.1:8000.") from None
    except httpx2.HTTPError as error:
        raise unreachable(url, error) from None
    engines = tuple(ready.get("engines", ()))
    vllm = {each["url"]: found for each in engines if (found := _engine(each["url"])) is not None}
    return Reading(at_s=time.monotonic(), state=ready["status"], metrics=metrics, engines=engines, vllm=vllm)


def _nothing() -> "Scraped":
    from rag.telemetry import Scraped

    return Scraped()


def _facts(response: "httpx2.Response", url: str) -> Json:
    from rag.errors import AskError

    try:
        body: Json = response.json()
        if "status" in body:
            return body
        message = str(body["error"]["message"])
    except (ValueError, KeyError, TypeError):
        message = f"The service at {url!r} answered {response.status_code}. Is it prefixrag's?"
    raise AskError(message)


def _metrics(response: "httpx2.Response", url: str) -> "Scraped":
    from rag.errors import AskError
    from rag.telemetry import scraped

    if response.status_code in {401, 403}:
        raise AskError(f"The service at {url!r} shows this only to keys of the scope admin. Name one by --api-key.")
    try:
        return scraped(response.raise_for_status().text)
    except ValueError:
        raise AskError(f"The metrics of the service at {url!r} cannot be read. Is it prefixrag's?") from None


def _engine(url: str) -> "Scraped | None":
    """What vLLM says itself; None where it cannot be asked from here."""
    import httpx2

    from rag.telemetry import scraped

    try:
        with httpx2.Client(trust_env=not is_local(url), timeout=_ENGINE_TIMEOUT_S) as client:
            return scraped(client.get(f"{url.rstrip('/')}/metrics").raise_for_status().text)
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError):
        return None
