"""`rag collections verify`, `backup` and `restore`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rag.cli.options import AsJson, Config, DataDir, load_settings
from rag.cli.output import say, say_json

if TYPE_CHECKING:
    from rag.store import Problem

File = Annotated[Path, typer.Argument(metavar="FILE", help="A tar file.")]


def verify(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Name or id. [default: all]", show_default=False)
    ] = None,
    *,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Check every file, checksum, vector and offset.

    Reads all of it once. Exit code 1: something is wrong, and what to do stands beside it.
    """
    from rag.store import Copies, Store

    settings = load_settings(data_dir, config).settings
    store = Store(settings.data_dir)
    try:
        names = {info.id: info.name for info in ([store.collection(name)] if name else store.collections())}
    finally:
        store.close()
    copies = Copies(settings.data_dir)
    found = {collection_id: copies.verify(collection_id) for collection_id in names}
    if as_json:
        rows = [{"id": each, "name": names[each], "problems": [_facts(p) for p in found[each]]} for each in found]
        say_json({"collections": rows})
    else:
        for collection_id, problems in found.items():
            say(f"{names[collection_id]} ({collection_id}): {f'{len(problems)} problems' if problems else 'ok'}")
            for problem in problems:
                say(f"  {problem.place}: {problem.what} {problem.cure}")
        if not found:
            say("There are no collections. Make one with `rag ingest PATH`.")
    if any(found.values()):
        raise typer.Exit(1)


def backup(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name or id of a collection.")],
    file: File,
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Write a collection, with the files that were uploaded to it, into one file.

    It may be served and ingested meanwhile: the file is of one moment. Whoever reads the file reads the documents.
    """
    from rag.store import Copies

    info = Copies(load_settings(data_dir, config).settings.data_dir).backup(name, file, replace_file=force)
    n_bytes = file.stat().st_size
    if as_json:
        say_json({"id": info.id, "name": info.name, "generation": info.generation, "file": str(file), "bytes": n_bytes})
    else:
        say(f"Wrote {info.name!r}, generation {info.generation}, {info.documents} documents, {n_bytes:,} bytes: {file}")


def restore(
    file: File,
    *,
    name: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Another name. [default: its own]", show_default=False)
    ] = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make a collection from a file that `backup` wrote. It is checked first, and appears whole or not at all."""
    from rag.store import Copies

    info = Copies(load_settings(data_dir, config).settings.data_dir).restore(file, name=name)
    if as_json:
        say_json({"id": info.id, "name": info.name, "generation": info.generation, "documents": info.documents})
    else:
        say(f"Restored {info.name!r} ({info.id}), generation {info.generation}, {info.documents} documents.")


def _facts(problem: "Problem") -> dict[str, str]:
    return {"place": problem.place, "what": problem.what, "cure": problem.cure}
