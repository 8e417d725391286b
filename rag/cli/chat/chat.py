"""The command `rag chat`."""

from typing import Annotated, Any

import typer

from rag.cli.chat.commands import COMMANDS, obey
from rag.cli.chat.conversation import Conversation
from rag.cli.chat.keyboard import is_typed, lines, waiting
from rag.cli.cited import citation_lines
from rag.cli.options import ApiKey, AsJson, Config, DataDir, ServedCollection, Url, load_settings
from rag.cli.output import note, say, say_json, say_parts
from rag.cli.running import target


def chat(
    *,
    collection: ServedCollection = None,
    model: Annotated[
        str | None,
        typer.Option(help="Who answers; with :plain at its end without documents. [default: the service's model]"),
    ] = None,
    url: Url = None,
    api_key: ApiKey = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Talk with the running service.

    Each answer streams; its citations follow. /help lists what else can be typed. Ctrl-C stops an answer, Ctrl-D ends
    the conversation. From a pipe each line is a turn, --json prints a JSON line each, and Ctrl-C ends the command.
    Exit code 1: some turn had no answer. Nothing of it is kept on this machine.
    """
    settings = load_settings(data_dir, config).settings
    service = target(settings, url=url, api_key=api_key)
    conversation = Conversation(service=service, timeout_s=settings.server.request_timeout_s, collection=collection)
    conversation.model = model or conversation.models()[0]
    if is_typed() and not as_json:
        say_parts((f"{conversation.model} at {service.url}. ", ""), ("/help lists the commands, /quit ends.", "dim"))
    if not _converse(conversation, as_json=as_json):
        raise typer.Exit(1)


def _converse(conversation: Conversation, *, as_json: bool) -> bool:
    """Whether every turn had its answer."""
    from rag.errors import RagError

    is_well = True
    for line in lines(tuple(COMMANDS)):
        if not line.strip():
            continue
        try:
            if line.startswith("/"):
                if not obey(line, conversation):
                    break
            else:
                _turn(conversation, line.strip(), as_json=as_json)
        except RagError as error:
            is_well = False
            note(f"error: {error}")
            if as_json:
                say_json({"question": line, "error": {"message": str(error), "code": error.code}}, indent=None)
        except KeyboardInterrupt:  # between two pieces of work
            if not is_typed():
                raise
            note("stopped")
    return is_well or is_typed()


def _turn(conversation: Conversation, question: str, *, as_json: bool) -> None:
    if as_json:
        answer = conversation.ask(question, lambda _: None)
    else:
        with waiting() as begun:

            def show(text: str) -> None:
                begun()
                say(text, end="")

            answer = conversation.ask(question, show)
        say()
    if answer.get("stopped") and not is_typed():
        raise KeyboardInterrupt
    if as_json:
        where = {"question": question, "model": conversation.model, "collection": conversation.collection}
        say_json({**where, **answer}, indent=None)
        return
    if answer.get("stopped"):
        note("stopped")
    for line in citation_lines(answer["answer"], answer["rag"].get("citations", ())):
        say(line)
    if is_typed():
        for fact in _facts(answer["rag"]):
            say_parts((fact, "dim"))
    say()


# Any: JSON of the service.
def _facts(rag: dict[str, Any]) -> list[str]:
    """What the answer cost, if the service says."""
    reuse, first = rag.get("reuse"), rag.get("timings_ms", {}).get("first_token")
    if not reuse or reuse["cached_tokens"] is None or first is None:
        return []
    return [
        f"{reuse['cached_tokens']} of {reuse['prompt_tokens']} prompt tokens reused, first token after {first:.0f} ms"
    ]
