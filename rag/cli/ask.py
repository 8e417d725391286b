"""`rag ask`: one question to the running service, through the official OpenAI client."""

from collections.abc import Callable
from typing import Annotated

import typer

from rag.cli.cited import citation_lines
from rag.cli.client import connected
from rag.cli.options import ApiKey, AsJson, Config, DataDir, ServedCollection, Url, in_utf8, load_settings
from rag.cli.output import say, say_json
from rag.cli.running import target
from rag.cli.stream import stream_answer


def ask(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What you want to know.", callback=in_utf8)],
    *,
    collection: ServedCollection = None,
    url: Url = None,
    api_key: ApiKey = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Ask the running service a question.

    The answer streams; then come its citations, each checked against the source.
    """
    settings = load_settings(data_dir, config).settings
    with connected(target(settings, url=url, api_key=api_key), settings.server.request_timeout_s) as client:
        model = client.with_options(max_retries=0).models.list().data[0].id
        shown: Callable[[str], None] = (lambda _: None) if as_json else (lambda text: say(text, end=""))
        answer = stream_answer(client, model, [{"role": "user", "content": question}], collection, shown)
    if as_json:
        say_json({"question": question, "model": model, **answer})
        return
    say()
    for line in citation_lines(answer["answer"], answer["rag"].get("citations", ())):
        say(line)
