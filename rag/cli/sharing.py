"""`rag collections push` and `pull`, and what other commands do with shared storage."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from rag.cli.options import AsJson, Config, DataDir, load_settings
from rag.cli.output import note, say, say_json

if TYPE_CHECKING:
    from rag.settings import Settings
    from rag.sharing import Outcome, Sharing

Name = Annotated[str | None, typer.Argument(metavar="NAME", help="Name or id. [default: all]", show_default=False)]


def push(name: Name = None, *, data_dir: DataDir = None, config: Config = None, as_json: AsJson = False) -> None:
    """Push collections to shared storage.

    `rag ingest` and `rag serve` do it by themselves where storage.url is set. Exit code 1: one could not be pushed.
    """
    with _opened(load_settings(data_dir, config).settings) as shared:
        _show(shared.sync(name, pull=False), as_json=as_json)


def pull(
    name: Name = None,
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take theirs where a collection has changed both here and there.")
    ] = False,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Pull collections from shared storage.

    Each is checked first, and appears whole or not at all. Collections that were deleted there are deleted here.
    Exit code 1: one could not be pulled.
    """
    with _opened(load_settings(data_dir, config).settings) as shared:
        _show(shared.sync(name, push=False, replace_local=replace), as_json=as_json)


def pull_before(settings: "Settings", collection: str) -> None:
    """Nothing; an ingest goes on from what others have pushed, if that can be had."""
    from rag.errors import NotFound, RagError

    if not settings.storage.url:
        return
    try:
        with _opened(settings) as shared:
            outcomes = shared.sync(collection, push=False)
    except NotFound:  # a first ingest
        return
    except RagError as error:
        note(f"note: going on with what is here. {error}")
        return
    for each in outcomes:
        if each.error:
            note(f"note: going on with what is here. {each.error}")


def push_after(settings: "Settings", collection: str) -> bool:
    """Whether shared storage has what was ingested, or need not have it; why not is said."""
    from rag.errors import NotFound, RagError

    if not (settings.storage.url and settings.storage.push):
        return True
    problem: RagError | None = None
    try:
        with _opened(settings) as shared:
            problem = next((each.error for each in shared.sync(collection, pull=False) if each.error), None)
    except NotFound:  # nothing was ingested
        return True
    except RagError as error:
        problem = error
    if problem:
        note(f"error: ingested here, and not pushed. {problem}")
    return problem is None


def tell_deleted(settings: "Settings") -> None:
    """Nothing; shared storage knows what was deleted here, or is told later, which is said."""
    from rag.errors import RagError

    if not (settings.storage.url and settings.storage.push):
        return
    try:
        with _opened(settings) as shared:
            shared.tell()
    except RagError as error:
        note(f"note: deleted here. Shared storage is told by the next `rag collections push`, or by rag serve. {error}")


@contextmanager
def _opened(settings: "Settings") -> "Iterator[Sharing]":
    from rag.errors import ConfigError
    from rag.sharing import open_sharing
    from rag.store import Exchange, Store

    store = Store(settings.data_dir)
    try:
        shared = open_sharing(settings.storage, Exchange(settings.data_dir), store.delete)
        if shared is None:
            raise ConfigError(
                "No shared storage is named. Set storage.url, such as RAG_STORAGE__URL=s3://bucket/folder."
            )
        yield shared
    finally:
        store.close()


def _show(outcomes: "Sequence[Outcome]", *, as_json: bool) -> None:
    if as_json:
        say_json({"collections": [_facts(each) for each in outcomes]})
    else:
        for each in outcomes:
            generation = f", generation {each.generation}" if each.generation else ""
            say(f"{each.name} ({each.id}): {each.what}{generation}")
            if each.error:
                note(f"error: {each.error}")
        if not outcomes:
            say("There are no collections. Make one with `rag ingest PATH`.")
    if any(each.error for each in outcomes):
        raise typer.Exit(1)


def _facts(outcome: "Outcome") -> dict[str, object]:
    return {
        "id": outcome.id,
        "name": outcome.name,
        "outcome": outcome.what,
        "generation": outcome.generation,
        "error": outcome.error and str(outcome.error),
    }
