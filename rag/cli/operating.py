"""Requests of operators to a service, beside OpenAI's API."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rag.cli.running import Target

_TIMEOUT_S = 3600.0


# Any: JSON of the service, whose fields are handed on as they are.
def post(service: "Target", path: str, body: Mapping[str, object]) -> dict[str, Any]:
    """What the service answers when it has done it. Raises as `_call`."""
    return _call(service, "POST", path, body)


def get(service: "Target", path: str) -> dict[str, Any]:
    """What the service answers. Raises as `_call`."""
    return _call(service, "GET", path, None)


def _call(service: "Target", method: str, path: str, body: Mapping[str, object] | None) -> dict[str, Any]:
    """The service's answer.

    Raises:
        EngineUnavailable: no service answers, or an engine is not ready.
        EngineTimeout: it takes longer than it may.
        NotFound: there is no such thing.
        AskError: it refuses, or is none of ours.
    """
    import httpx2

    from rag.cli.trust import http_client, unreachable
    from rag.errors import AskError, EngineTimeout, EngineUnavailable, NotFound

    url = service.url
    try:
        with http_client(service, _TIMEOUT_S) as client:
            headers = {"authorization": f"Bearer {service.token}"}
            response = client.request(method, f"{url}{path}", json=body, headers=headers)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise unreachable(url, error) from None
    code: str | None = None
    try:
        answer: dict[str, Any] = dict(response.json())
        if response.status_code == httpx2.codes.OK:
            return answer
        message, code = answer["error"]["message"], answer["error"].get("code")
    except (ValueError, KeyError, TypeError):
        message = f"The service at {url!r} answered {response.status_code}. Is it prefixrag's?"
    if response.status_code == httpx2.codes.GATEWAY_TIMEOUT:
        raise EngineTimeout(message)
    if response.status_code >= httpx2.codes.INTERNAL_SERVER_ERROR:
        raise EngineUnavailable(message)
    raise (NotFound if response.status_code == httpx2.codes.NOT_FOUND else AskError)(message, code=code)
