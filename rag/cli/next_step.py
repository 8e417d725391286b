"""`rag` alone: what there is, and what to do next."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag import __version__
from rag.cli.options import load_settings
from rag.cli.output import say, say_parts
from rag.cli.running import Running, ready_facts, running

if TYPE_CHECKING:
    from rag.settings import Settings
    from rag.store import CollectionInfo

_LISTED = 5


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing that was found, and the commands that go on from it, each with what it does."""

    found: str
    commands: tuple[tuple[str, str], ...] = ()


def show_next_step() -> None:
    """Nothing; what was found and what to do about it stand on standard output.

    Raises:
        RagError: a setting is wrong, or the data cannot be read; the message says what to do.
    """
    settings = load_settings(None, None).settings
    say(f"prefixrag {__version__}, data in {settings.data_dir}")
    for advice in next_steps(settings):
        say()
        say(advice.found)
        width = max((len(command) for command, _ in advice.commands), default=0)
        for command, meaning in advice.commands:
            say_parts(("  ", ""), (f"{command:<{width}}", "bold"), (f"  {meaning}", "dim"))
    say()
    say("`rag --help` lists every command, `rag doctor` finds what is broken.")


def next_steps(settings: "Settings") -> Iterator[Advice]:
    """What stands in the way of an answer, or how to ask; then files that are not searchable."""
    infos = _infos(settings.data_dir)
    service = running(settings.data_dir)
    if service:
        yield _of_service(service, ready_facts(service), infos, settings.data_dir)
    elif not infos:
        yield Advice(
            "Nothing has been ingested yet.",
            (("rag ingest PATH", "makes the files of a folder searchable"), ("rag serve", "then answers questions")),
        )
    else:
        yield Advice(
            f"{_named(infos)}. No service runs.",
            (
                ("rag serve", "starts the model and answers over OpenAI's API"),
                ("rag search 'WORDS'", "finds passages, without a model"),
            ),
        )
    yield from _failed(infos, settings.data_dir)


# Any: JSON of the service.
def _of_service(
    service: Running, facts: Mapping[str, Any] | None, infos: "Sequence[CollectionInfo]", data_dir: Path
) -> Advice:
    where = f"{service.url} (pid {service.pid})"
    if facts is None:
        return Advice(
            f"The service at {where} does not answer.",
            ((f"kill {service.pid}", "ends it"), ("rag serve", "starts it again")),
        )
    logs = ((f"tail -f {data_dir / 'run'}/engine*.log", "shows what the engine is doing"),)
    if facts["status"] == "starting":
        return Advice(
            f"The service at {where} is starting: its engine loads the model, which may take minutes.",
            (*logs, ("rag status", "says when it is ready")),
        )
    if facts["status"] != "ready":
        causes = [f"{each['url']} is {each['state']}. {each.get('reason') or ''}".strip() for each in facts["engines"]]
        return Advice(
            "\n".join([f"The service at {where} has no engine that can be asked.", *causes]),
            (("rag doctor", "says what mends it"), *logs),
        )
    if not infos:
        return Advice(
            f"The service at {where} is ready, and nothing has been ingested yet.",
            (("rag ingest PATH", "makes the files of a folder searchable; the service sees them at once"),),
        )
    down = [each["url"] for each in facts["engines"] if each["state"] == "down"]
    lost = [f"{len(down)} of {len(facts['engines'])} engines are down: {', '.join(down)}. See `rag doctor`."]
    return Advice(
        "\n".join([f"The service at {where} is ready. {_named(infos)}.", *(lost if down else ())]),
        (
            ("rag chat", "a conversation here in the terminal"),
            ("rag ask 'QUESTION'", "one question"),
            ("rag top", "what the service does just now"),
            (f"{service.url}/v1", "is what OpenAI's clients take as base URL"),
        ),
    )


def _infos(data_dir: Path) -> "tuple[CollectionInfo, ...]":
    from rag.store import Store

    store = Store(data_dir)
    try:
        return store.collections()
    finally:
        store.close()


def _named(infos: "Sequence[CollectionInfo]") -> str:
    named = [f"{info.name!r} with {info.documents} documents" for info in infos[:_LISTED]]
    more = [f"{len(infos) - _LISTED} more"] if len(infos) > _LISTED else []
    word = "Collection" if len(infos) == 1 else "Collections"
    return f"{word} {', '.join([*named, *more])}"


def _failed(infos: "Sequence[CollectionInfo]", data_dir: Path) -> Iterator[Advice]:
    """Uploaded files that could not be indexed. What `rag ingest` could not read it has said itself."""
    from rag.cli.uploads import failed_uploads

    for info in infos:
        lines = [f"  {name}: {reason}" for name, reason in failed_uploads(data_dir, info.id)]
        if lines:
            more = [f"  and {len(lines) - _LISTED} more"] if len(lines) > _LISTED else []
            head = f"{len(lines)} uploaded files of {info.name!r} are not searchable:"
            yield Advice("\n".join([head, *lines[:_LISTED], *more, "Mend and upload them again, or delete them."]))
