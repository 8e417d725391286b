"""`rag ingest`: files in, a searchable collection out."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rag.cli.options import AsJson, Collection, Config, DataDir, load_settings
from rag.cli.output import note, say, say_json

if TYPE_CHECKING:
    from ingest.pipeline import Summary
    from ingest.scan import Refused
    from rag.embed import Encoder
    from rag.settings import Settings
    from rag.store import Store

_LISTED = 20


def ingest(
    *,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Files and folders.")],
    collection: Collection = "default",
    group: Annotated[
        str | None,
        typer.Option(
            help="Access group whose collection it is, and that a new one belongs to. [default: any; default]",
            show_default=False,
        ),
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune/--no-prune", help="Remove documents that have vanished below PATH.")
    ] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done and write nothing.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make files searchable.

    Takes text, Markdown, HTML, PDF, office files, mail, source code and archives. Only what has changed since the
    last time is read, cut and embedded. Questions see all of it at once when it is done, or none. Exit code 1: some
    files failed, and the rest is in.
    """
    settings = load_settings(data_dir, config).settings
    from rag.store import Store

    store = Store(settings.data_dir, settings.index)
    try:
        before = _generation(store, collection, group)
        summary = _ingest(paths, collection, group, store, settings, prune=prune, dry_run=dry_run)
        if not dry_run and summary.generation != before:
            _store_tokens(store, collection, group, settings)
    finally:
        store.close()
    if as_json:
        say_json(summary.as_dict())
    else:
        _show(summary, dry_run=dry_run)
    if summary.failed:
        raise typer.Exit(1)


def _ingest(
    paths: Sequence[Path],
    collection: str,
    group: str | None,
    store: "Store",
    settings: "Settings",
    *,
    prune: bool,
    dry_run: bool,
) -> "Summary":
    from ingest import pipeline
    from ingest.progress import Bars

    with Bars() as bars:
        return pipeline.ingest(
            paths,
            collection=collection,
            group=group,
            store=store,
            encoder=_encoder(settings),
            settings=settings.ingest,
            prune=prune,
            dry_run=dry_run,
            progress=bars,
        )


def _encoder(settings: "Settings") -> "Encoder":
    from rag.embed.remembered import RememberedEncoder, remembered_file
    from rag.models import embedding_source

    def load() -> "Encoder":
        from rag.rooms import make_encoder  # loads torch: seconds that an ingest without new text does not spend

        return make_encoder(settings)

    source = embedding_source(settings.embedding.model)
    return RememberedEncoder(load, remembered_file(settings.data_dir, settings.embedding, source))


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
        renderer = make_renderer(settings.engine.model, settings.data_dir)
        passages = Passages(renderer, TokenStore(settings.data_dir, renderer.tokenizer.fingerprint))
        try:
            with store.pin(collection, group) as generation:
                passages.fill(generation)
        finally:
            passages.close()
    except RagError as error:  # the documents are in: only the first question will take longer
        note(f"note: chunks are not yet tokenised for the chat model. {error}")


def _show(summary: "Summary", *, dry_run: bool) -> None:
    names = ("new", "changed", "moved", "unchanged", "removed")
    say(f"{'plan' if dry_run else 'done'}: " + ", ".join(f"{getattr(summary, name)} {name}" for name in names))
    _list("skipped", summary.skipped)
    _list("failed", summary.failed)
    if dry_run:
        say("Nothing was written.")
        return
    say(
        f"Collection {summary.collection!r}, generation {summary.generation}: {summary.chunks} chunks, "
        f"{summary.embedded} embedded in {summary.seconds:.1f} s"
    )
    say("next: rag serve")


def _list(what: str, files: Sequence["Refused"]) -> None:
    if not files:
        return
    say(f"{what}: {len(files)}")
    for each in files[:_LISTED]:
        say(f"  {each.path}: {each.reason}")
    if len(files) > _LISTED:
        say(f"  and {len(files) - _LISTED} more (--json lists all)")
