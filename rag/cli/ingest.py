"""`rag ingest`: files in, a searchable collection out."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

import rag
from rag.cli.options import AsJson, Collection, Config, DataDir, load_settings
from rag.cli.output import can_redraw, note, say_json
from rag.cli.sharing import pull_before, push_after
from rag.cli.summary import show_summary

if TYPE_CHECKING:
    from ingest.engine import Engine
    from ingest.lines import Lines
    from ingest.pipeline import Summary
    from ingest.progress import Bars, Silent
    from rag.embed import Encoder
    from rag.settings import Settings
    from rag.store import Rules, Store

_MIN_CHUNK_TOKENS = 16
Shown = Literal["auto", "json", "off"]
Patterns = list[str] | None
EngineName = Literal["local", "ray"]


def ingest(
    *,
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH", help="Files, folders, and URLs such as s3://bucket/folder.", show_default=False),
    ] = None,
    sample: Annotated[
        bool, typer.Option("--sample", help="Take the handbook that prefixrag ships, to try it on.")
    ] = False,
    collection: Collection = "default",
    group: Annotated[
        str | None,
        typer.Option(
            help="Access group whose collection it is, and that a new one belongs to. [default: any; default]",
            show_default=False,
        ),
    ] = None,
    include: Annotated[
        Patterns, typer.Option(metavar="PATTERN", help="Take only such files; kept with the collection. '' ends it.")
    ] = None,
    exclude: Annotated[
        Patterns, typer.Option(metavar="PATTERN", help="Leave out such files; kept with the collection. '' ends it.")
    ] = None,
    chunk_tokens: Annotated[
        int | None,
        typer.Option(
            min=0, help="Largest chunk in tokens; kept with the collection. 0: ingest.chunk_tokens.", show_default=False
        ),
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune/--no-prune", help="Remove documents that have vanished below PATH.")
    ] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done and write nothing.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Read every file, even if its size and times have not changed.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until interrupted, and take in what changes.")] = False,
    engine: Annotated[EngineName, typer.Option(help="Read and embed on this machine, or on a Ray cluster.")] = "local",
    ray_address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Cluster of --engine ray: local starts one for the run; auto or HOST:PORT joins this machine's. "
            "[default: ingest.ray_address]",
            show_default=False,
        ),
    ] = None,
    progress: Annotated[
        Shown, typer.Option(help="Bars (lines without a terminal), JSON lines on standard error, or nothing.")
    ] = "auto",
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make files searchable.

    Takes text, Markdown, HTML, PDF, office files, mail, source code and archives. Only what has changed since the
    last time is read, cut and embedded. Questions see all of it at once when it is done, or none. Exit code 1: some
    files failed, and the rest is in. Patterns are written as in .gitignore, and so are the .ragignore files of folders.
    """
    paths = [*(paths or ()), *([str(_sample())] if sample else ())]
    if not paths:
        raise typer.BadParameter("name what to take in: PATH, or --sample")
    if watch and dry_run:
        raise typer.BadParameter("--watch and --dry-run exclude each other")
    if chunk_tokens and chunk_tokens < _MIN_CHUNK_TOKENS:
        raise typer.BadParameter(f"--chunk-tokens {chunk_tokens} is less than {_MIN_CHUNK_TOKENS}")
    settings = load_settings(data_dir, config, ingest={"ray_address": ray_address}).settings
    from rag.store import Store

    store = Store(settings.data_dir, settings.index)
    try:
        run = partial(
            _ingest,
            paths,
            collection,
            group,
            store,
            settings,
            _encoder(settings),
            said=partial(_said, include=include, exclude=exclude, chunk_tokens=chunk_tokens),
            prune=prune,
            dry_run=dry_run,
            check=check,
            engine=_engine(engine, settings),
            shown="off" if watch and progress == "auto" else progress,
        )
        if watch:
            from rag.cli.watch import watch as watch_paths

            watch_paths(paths, partial(_shared, run, settings, collection), data_dir=settings.data_dir, as_json=as_json)
            return
        if not dry_run:
            pull_before(settings, collection)
        summary = run()
    finally:
        store.close()
    is_pushed = dry_run or push_after(settings, collection)
    if as_json:
        say_json(summary.as_dict())
    else:
        show_summary(summary, dry_run=dry_run)
    if summary.failed or not is_pushed:
        raise typer.Exit(1)


def _sample() -> Path:
    """The folder of the sample: a wheel has it inside, a checkout in its place."""
    package = Path(rag.__file__).parent
    return next(folder for folder in (package / "sample", package.parent / "data" / "sample") if folder.is_dir())


def _shared(run: "Callable[[], Summary]", settings: "Settings", collection: str) -> "Summary":
    """The summary of one of many runs, which shared storage has, too, if it can be had."""
    pull_before(settings, collection)
    summary = run()
    push_after(settings, collection)
    return summary


def _said(before: "Rules", *, include: Patterns, exclude: Patterns, chunk_tokens: int | None) -> "Rules":
    """What the collection holds from now on: what was said before, but for what is said now."""
    if include is not None:
        before = replace(before, include=tuple(filter(None, include)))
    if exclude is not None:
        before = replace(before, exclude=tuple(filter(None, exclude)))
    return before if chunk_tokens is None else replace(before, chunk_tokens=chunk_tokens or None)


def _ingest(
    paths: Sequence[str],
    collection: str,
    group: str | None,
    store: "Store",
    settings: "Settings",
    encoder: "Encoder",
    *,
    said: "Callable[[Rules], Rules]",
    prune: bool,
    dry_run: bool,
    check: bool,
    engine: "Engine | None",
    shown: Shown,
) -> "Summary":
    from ingest import pipeline

    before = _generation(store, collection, group)
    with _progress(shown) as progress:
        summary = pipeline.ingest(
            paths,
            collection=collection,
            group=group,
            store=store,
            encoder=encoder,
            settings=settings.ingest,
            rules=said(store.rules(collection, group)),
            prune=prune,
            dry_run=dry_run,
            check=check,
            progress=progress,
            engine=engine,
        )
    # Engines that run elsewhere say themselves which model they serve, so its tokens are not known here.
    if not dry_run and summary.generation != before and not settings.engine.urls:
        _store_tokens(store, collection, group, settings)
    return summary


def _progress(shown: Shown) -> "Bars | Lines | Silent":
    from ingest.lines import json_lines, text_lines
    from ingest.progress import Bars, Silent

    if shown == "json":
        return json_lines()
    if shown == "off":
        return Silent()
    return Bars() if can_redraw(sys.stderr) else text_lines()


def _engine(name: EngineName, settings: "Settings") -> "Engine | None":
    if name == "local":
        return None
    from ingest.cluster.engine import RayEngine

    return RayEngine(settings.embedding)


def _encoder(settings: "Settings") -> "Encoder":
    from rag.embed.load import load_for_many
    from rag.embed.remembered import RememberedEncoder, remembered_file
    from rag.models import embedding_source

    source = embedding_source(settings.embedding.model)
    return RememberedEncoder(
        partial(load_for_many, settings.embedding), remembered_file(settings.data_dir, settings.embedding, source)
    )


def _generation(store: "Store", collection: str, group: str | None) -> int:
    from rag.errors import NotFound

    try:
        return store.collection(collection, group).generation
    except NotFound:
        return 0


def _store_tokens(store: "Store", collection: str, group: str | None, settings: "Settings") -> None:
    """Nothing; the chat model's tokens of all chunks are stored, so that the first question does not make them."""
    from rag.errors import RagError
    from rag.passages import Passages
    from rag.renderer import make_renderer
    from rag.store import TokenStore

    try:
        renderer = make_renderer(settings.engine.model, settings.data_dir, settings.prompt)
        passages = Passages(renderer, TokenStore(settings.data_dir, renderer.tokenizer.fingerprint))
        try:
            with store.pin(collection, group) as generation:
                passages.fill(generation)
        finally:
            passages.close()
    except RagError as error:  # the documents are in: only the first question will take longer
        note(f"note: chunks are not yet tokenised for the chat model. {error}")
