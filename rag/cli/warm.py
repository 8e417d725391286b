"""`rag warm`: have the running service compute its shared prefixes."""

from typing import Annotated

import typer

from rag.cli.operating import post
from rag.cli.options import ApiKey, AsJson, Config, DataDir, Url, load_settings
from rag.cli.output import say, say_json


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

    service = target(load_settings(data_dir, config).settings, url=url, api_key=api_key)
    warmed = post(service, "/warm", {"collection": collection}).get("warmed", ())
    if as_json:
        say_json({"warmed": warmed})
        return
    for each in warmed:
        say(
            f"{each['collection']}: {each['prefixes']} prefixes were missing, {each['computed_tokens']} tokens computed"
        )
