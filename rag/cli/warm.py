"""`rag warm`: have the running service compute its shared prefixes."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from rag.cli.options import ApiKey, AsJson, Config, DataDir, Url, load_settings
from rag.cli.output import say, say_json

if TYPE_CHECKING:
    from rag.cli.running import Target

_TIMEOUT_S = 3600.0


def warm(
    *,
    collection: Annotated[str | None, typer.Option("-c", "--collection", help="Collection; unset: all.")] = None,
    url: Url = None,
    api_key: ApiKey = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Compute shared prefixes ahead of the first user, as many as the setting cache.prefix_share lets stay.

    The service does this by itself while its engines are idle; this command does it at once and waits.
    """
    from rag.cli.running import target

    warmed = _post(target(load_settings(data_dir, config).settings, url=url, api_key=api_key), collection)
    if as_json:
        say_json({"warmed": warmed})
        return
    for each in warmed:
        say(
            f"{each['collection']}: {each['prefixes']} prefixes were missing, {each['computed_tokens']} tokens computed"
        )


def _post(service: "Target", collection: str | None) -> list[dict[str, Any]]:
    """What the service computed.

    Raises:
        EngineUnavailable: no service answers, or its engine is not ready.
        NotFound: it has no such collection.
        AskError: it refuses, or is none of ours.
    """
    import httpx2

    from rag.cli.running import is_local
    from rag.errors import AskError, EngineUnavailable, NotFound

    url = service.url
    try:
        with httpx2.Client(trust_env=not is_local(url), timeout=_TIMEOUT_S) as client:
            headers = {"authorization": f"Bearer {service.token}"}
            response = client.post(f"{url}/warm", json={"collection": collection}, headers=headers)
    except (httpx2.HTTPError, httpx2.InvalidURL):
        raise EngineUnavailable(f"No service answers at {url!r}. Start one with `rag serve`.") from None
    try:
        body = response.json()
        if response.status_code == httpx2.codes.OK:
            warmed: list[dict[str, Any]] = body["warmed"]
            return warmed
        message = body["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = f"The service at {url!r} answered {response.status_code}. Is it prefixrag's?"
    if response.status_code >= httpx2.codes.INTERNAL_SERVER_ERROR:
        raise EngineUnavailable(message)
    raise (NotFound if response.status_code == httpx2.codes.NOT_FOUND else AskError)(message)
