"""The official OpenAI client, connected to a service; what fails becomes an error of ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rag.cli.running import DEFAULT_URL, Target

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI

    from rag.errors import RagError

_CONNECT_S = 10.0


@contextmanager
def connected(service: Target, timeout_s: float) -> "Iterator[OpenAI]":
    """A client of the service; what fails inside the block becomes an error of ours.

    Raises:
        RagError: the service is not there, or refuses.
    """
    import httpx2
    import openai

    from rag.cli.trust import http_client, unreachable
    from rag.errors import ConfigError, EngineError

    url = service.url
    timeout = httpx2.Timeout(timeout_s, connect=_CONNECT_S)
    try:
        with http_client(service, timeout) as connection:
            # Never without a key: the client would take OPENAI_API_KEY from the environment, which is not for us.
            yield openai.OpenAI(base_url=f"{url}/v1", api_key=service.token, http_client=connection, timeout=timeout)
    except httpx2.InvalidURL as error:
        raise ConfigError(f"The URL {url!r} is none: {error}. Name one such as {DEFAULT_URL}.") from None
    except (openai.APIConnectionError, httpx2.TransportError) as error:
        cause = error.__cause__
        raise unreachable(url, cause if isinstance(cause, Exception) else error) from None
    except openai.APIStatusError as error:
        raise _refusal(error, url) from None
    except (openai.APIError, IndexError, ValueError) as error:
        raise EngineError(f"The service at {url!r} broke its answer off: {error}. Ask again.") from None


def _refusal(error: "APIStatusError", url: str) -> "RagError":
    from rag.errors import AskError, EngineError, EngineUnavailable, NotFound

    body = error.body if isinstance(error.body, dict) else {}
    message = str(body.get("message") or f"The service at {url!r} answered {error.status_code}. Is it prefixrag's?")
    code = str(body["code"]) if body.get("code") else None
    if error.status_code == 503:
        return EngineUnavailable(message)
    if error.status_code >= 500:
        return EngineError(message)
    return (NotFound if error.status_code == 404 else AskError)(message, code=code)
