"""`rag collections`: what has been ingested."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from rag.cli.options import AsJson, Config, DataDir, load_settings
from rag.cli.output import say, say_json, say_table
from rag.cli.sharing import pull, push, tell_deleted
from rag.cli.upkeep import backup, restore, verify

if TYPE_CHECKING:
    from rag.store import CollectionInfo, Failure, Store

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name or id of a collection.")]

app = typer.Typer(rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def collections(
    context: typer.Context, *, data_dir: DataDir = None, config: Config = None, as_json: AsJson = False
) -> None:
    """List, show, delete, check and copy collections. Without a command: list."""
    if context.invoked_subcommand is None:
        list_(data_dir=data_dir, config=config, as_json=as_json)
    elif data_dir or config or as_json:
        raise typer.BadParameter(f"write the options behind `{context.invoked_subcommand}`")


@app.command("list", epilog="\b\nExample:\n  rag collections list --json")
def list_(*, data_dir: DataDir = None, config: Config = None, as_json: AsJson = False) -> None:
    """List all collections."""
    with _store(data_dir, config) as store:
        infos = store.collections()
    if as_json:
        say_json({"collections": [_facts(info) for info in infos]})
    elif infos:
        columns = ("name", "id", "group", "generation", "documents", "chunks", "failed", "embedding")
        rows = [
            (i.name, i.id, i.group, i.generation, i.documents, i.chunks, i.failed, i.embedding.model) for i in infos
        ]
        say_table(columns, rows)
    else:
        say("There are no collections. Make one with `rag ingest PATH`.")


@app.command(epilog="\b\nExample:\n  rag collections show default")
def show(name: Name, *, data_dir: DataDir = None, config: Config = None, as_json: AsJson = False) -> None:
    """Show a collection and its documents."""
    with _store(data_dir, config) as store, store.pin(name) as generation:
        info, roots = generation.info, generation.roots()
        rules, failed = store.rules(info.id).as_dict(), generation.failures()
        files = [(root, path, known.size) for root in roots for path, known in generation.known(root).items()]
    if as_json:
        rows = [{"root": root, "path": path, "bytes": size} for root, path, size in files]
        listed = [_failure(each) for each in failed]
        say_json({**_facts(info), "rules": rules, "roots": list(roots), "files": rows, "failures": listed})
        return
    say(f"{info.name} ({info.id}), access group {info.group}")
    say(f"generation {info.generation}: {info.documents} documents, {info.chunks} chunks")
    say(f"embedding: {info.embedding.model}, {info.embedding.dimensions} dimensions, {info.embedding.dtype}")
    for rule, value in rules.items():
        said = ", ".join(map(str, value)) if isinstance(value, list) else value
        say(f"{rule.replace('_', ' ')}: {said} (kept; `rag ingest --{rule.replace('_', '-')}` changes it)")
    say_table(("document", "bytes", "root"), [(path, size, root) for root, path, size in files])
    if failed:
        say(f"{len(failed)} files could not be read. Mend or remove them, and run `rag ingest` again:")
        columns = ("failed", "since", "error", "root")
        say_table(columns, [tuple(str(_failure(each)[name]) for name in ("path", *columns[1:])) for each in failed])


@app.command(epilog="\b\nExample:\n  rag collections delete drafts --yes")
def delete(
    name: Name,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Delete a collection. The files that it was made from stay."""
    from rag.errors import ConfigError, CorpusError

    with _store(data_dir, config) as store:
        try:
            info = store.collection(name)
            what: dict[str, object] = {"id": info.id, "name": info.name}
            words = f"{info.name!r} with {info.documents} documents"
        except CorpusError:  # a damaged one has to be deleted most of all
            what, words = {"id": name, "name": None}, f"{name!r}, which is damaged"
        if not yes:
            if as_json or not sys.stdin.isatty():
                raise ConfigError(f"Nobody can be asked whether to delete {words}. Add --yes.")
            if not typer.confirm(f"Delete {words}?", err=True):
                raise typer.Exit(1)
        store.delete(name)
    tell_deleted(load_settings(data_dir, config).settings)
    if as_json:
        say_json({"deleted": what})
    else:
        say(f"Deleted {words}.")


app.command(epilog="\b\nExample:\n  rag collections verify\n  rag collections verify default --json")(verify)
app.command(epilog="\b\nExample:\n  rag collections backup default default.tar")(backup)
app.command(epilog="\b\nExample:\n  rag collections restore default.tar --as copy")(restore)
app.command(epilog="\b\nExample:\n  rag collections push\n  rag collections push default --json")(push)
app.command(epilog="\b\nExample:\n  rag collections pull\n  rag collections pull default --replace")(pull)


@contextmanager
def _store(data_dir: DataDir, config: Config) -> "Iterator[Store]":
    from rag.store import Store

    store = Store(load_settings(data_dir, config).settings.data_dir)
    try:
        yield store
    finally:
        store.close()


def _failure(failure: "Failure") -> dict[str, object]:
    since = None if failure.since is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(failure.since))
    return {"root": failure.root, "path": failure.path, "error": failure.reason, "since": since}


def _facts(info: "CollectionInfo") -> dict[str, object]:
    return {
        "id": info.id,
        "name": info.name,
        "group": info.group,
        "generation": info.generation,
        "documents": info.documents,
        "chunks": info.chunks,
        "failed": info.failed,
        "embedding": asdict(info.embedding),
    }
