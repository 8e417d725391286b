"""What a line that begins with a slash does in a conversation."""

from collections.abc import Callable
from dataclasses import dataclass

from rag.cli.chat.conversation import Conversation
from rag.cli.cited import citation_lines
from rag.cli.output import note, say, say_table


@dataclass(frozen=True, slots=True)
class Command:
    """One of them. `run` gets what stands behind the name, and says whether the conversation goes on."""

    usage: str
    meaning: str
    run: Callable[[Conversation, str], bool]


def obey(line: str, conversation: Conversation) -> bool:
    """Whether the conversation goes on.

    Raises:
        RagError: the service is not there, or refuses.
    """
    name, _, argument = line.partition(" ")
    found = COMMANDS.get(name)
    if found is None:
        note(f"error: {name} is no command. /help lists them; a question may begin with a space and a slash.")
        return True
    return found.run(conversation, argument.strip())


def _help(_: Conversation, __: str) -> bool:
    say_table(("command", "what it does"), ((each.usage, each.meaning) for each in COMMANDS.values()))
    say("Anything else is a question. Ctrl-C stops an answer, Ctrl-D ends the conversation.")
    return True


def _collection(conversation: Conversation, name: str) -> bool:
    names = conversation.collections()
    if not name:
        _list(names, conversation.collection or "default", none="There are none. `rag ingest PATH` makes one.")
    elif name in names or name.startswith("vs_"):
        conversation.collection = name
        conversation.begin_anew()
        say(f"Answers come from {name!r} now. A new conversation begins.")
    else:
        note(f"error: There is no collection {name!r}. There are: {', '.join(names) or 'none'}.")
    return True


def _model(conversation: Conversation, name: str) -> bool:
    names = conversation.models()
    if not name:
        _list(names, conversation.model, none="There are none.")
    elif name.removesuffix(":plain") in names:
        conversation.model = name
        say(f"{name} answers from now on.")
    else:
        note(f"error: There is no model {name!r}. There are: {', '.join(names)}.")
    return True


def _list(names: list[str], current: str, *, none: str) -> None:
    for name in names:
        say(f"{'*' if name == current else ' '} {name}")
    if not names:
        say(none)


def _sources(conversation: Conversation, _: str) -> bool:
    rag = (conversation.last or {}).get("rag") or {}
    if not rag.get("retrieved"):
        say("No answer has sources yet." if conversation.last is None else "The last answer has no sources.")
        return True
    cited = rag.get("citations", ())
    for line in citation_lines((conversation.last or {})["answer"], cited):
        say(line.lstrip("\n"))
    for url in dict.fromkeys(citation["url"] for citation in cited if citation.get("url")):
        say(f"    {url}")
    chunks = {citation["chunk_id"] for citation in cited}
    rows = [
        (hit["rank"], f"{hit['score']:.3f}", hit["document"], "cited" if hit["chunk_id"] in chunks else hit["placed"])
        for hit in rag["retrieved"]
    ]
    say_table(("rank", "score", "document", "used"), rows)
    return True


def _new(conversation: Conversation, _: str) -> bool:
    conversation.begin_anew()
    say("A new conversation begins.")
    return True


def _quit(_: Conversation, __: str) -> bool:
    return False


COMMANDS = {
    "/collection": Command("/collection [NAME]", "list the collections, or answer from another one", _collection),
    "/model": Command("/model [NAME]", "list the models, or let another one answer; NAME:plain: no documents", _model),
    "/sources": Command("/sources", "what was retrieved for the last answer, with links to what it cites", _sources),
    "/new": Command("/new", "forget the turns so far", _new),
    "/help": Command("/help", "this list", _help),
    "/quit": Command("/quit", "end the conversation", _quit),
}
