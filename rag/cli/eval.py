"""`rag eval`: how good the answers of a service are, measured on questions whose answers are known."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from typer.core import TyperGroup

from rag.cli.client import connected
from rag.cli.options import ApiKey, AsJson, Collection, Config, DataDir, Url, load_settings
from rag.cli.output import note, say, say_json, say_table
from rag.cli.running import running, target

if TYPE_CHECKING:
    from openai import OpenAI

    from rag.evaluate.run import Document
    from rag.settings import Settings

_LISTED = 20
_RUN = "run"


class _RunByDefault(TyperGroup):
    """`rag eval FOLDER` is `rag eval run FOLDER`."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """The words that are left, behind the command's name."""
        is_named = not args or args[0] in self.commands or args[0] == "--help"
        return super().parse_args(ctx, args if is_named else [_RUN, *args])


app = typer.Typer(
    cls=_RunByDefault,
    help="Measure answers on questions whose answers are known. `rag eval FOLDER` is `rag eval run FOLDER`.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@app.command(
    _RUN,
    epilog="\b\nExample:\n  rag eval questions -c default\n  rag eval squad -c squad --ingest --limit 200 --out a.json",
)
def run(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Holds queries.jsonl and more: docs/quality.md.")],
    *,
    collection: Collection = "default",
    ingest: Annotated[
        bool, typer.Option("--ingest", help="First make the collection of the folder's passages, over HTTP.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Questions at most. [default: all]", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Draws the questions of --limit.")] = 1,
    split: Annotated[
        Literal["a", "b", "all"],
        typer.Option(help="Half of the questions, by their ids: tune on one, report the other."),
    ] = "all",
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="Questions asked at the same time.")] = 4,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 256,
    top_k: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="Passages retrieved. [default: the service's own]", show_default=False),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Model asked. [default: the first one listed]", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the run to a file, for `rag eval compare`.", show_default=False)
    ] = None,
    url: Url = None,
    api_key: ApiKey = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Ask the questions of a folder and measure what comes back.

    Asks the service at --url or the one that runs on --data-dir; where none runs, one is started for the while.
    Answers are the model's likeliest words, so a run can be repeated. Exit code 1: some questions failed, and the
    rest is measured.
    """
    from ingest.progress import Bars
    from rag.evaluate.ask import Manner, ask_all
    from rag.evaluate.questions import pick, read_questions
    from rag.evaluate.run import document

    settings = load_settings(data_dir, config).settings
    questions = pick(read_questions(folder), split=split, limit=limit, seed=seed)
    if not questions:
        raise typer.BadParameter(f"half {split!r} of {str(folder)!r} has no question", param_hint="--split")
    if out and not out.parent.is_dir():  # told before anything is asked
        raise typer.BadParameter(f"the folder {str(out.parent)!r} does not exist", param_hint="--out")
    with _client(settings, url, api_key, config) as client:
        name = model or client.with_options(max_retries=0).models.list().data[0].id
        if ingest:
            _ingest(client, folder, collection, concurrency)
        manner = Manner(model=name, collection=collection, max_tokens=max_tokens, top_k=top_k)
        with Bars() as bars:
            bars.stage("ask", len(questions))
            outcomes = ask_all(client, questions, manner, n_at_once=concurrency, told=bars.advance)
    done = document(outcomes, {"folder": folder.name, "split": split, "seed": seed, **asdict(manner)})
    if out:
        out.write_text(json.dumps(done, ensure_ascii=False) + "\n", "utf-8")
    if as_json:
        say_json(done, indent=None)
    else:
        _show(done)
    if done["failed"]:
        raise typer.Exit(1)


@app.command("compare", epilog="\b\nExample:\n  rag eval compare before.json after.json")
def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="A run that was written with --out.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another one, over the same questions.")],
    *,
    resamples: Annotated[int, typer.Option(min=100, help="Resamples of the bootstrap.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Draws the resamples.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Compare two runs by a paired bootstrap, over the questions that both have answered.

    The interval holds 95 % of the resampled differences; p is the two-sided chance of such a difference if there is
    none.
    """
    from rag.evaluate import compare as paired
    from rag.evaluate.run import read_run
    from rag.evaluate.tables import comparison_table

    differences = paired.compare(read_run(a), read_run(b), n_resamples=resamples, seed=seed)
    if as_json:
        say_json({"resamples": resamples, "seed": seed, "measures": [asdict(each) for each in differences]})
    else:
        say_table(*comparison_table(differences))


@contextmanager
def _client(settings: "Settings", url: str | None, api_key: str | None, config: Path | None) -> "Iterator[OpenAI]":
    """A client of the service that is named or runs, else of one that is started and stopped."""
    timeout_s = settings.server.request_timeout_s
    if url or running(settings.data_dir):
        with connected(target(settings, url=url, api_key=api_key), timeout_s) as client:
            yield client
        return
    from rag.bench.service import running_service

    note("No service runs on this data directory: one is started for the while.")
    log = settings.data_dir / "run" / "eval-serve.log"
    arguments = ["--config", str(config)] if config else []
    with (
        running_service(settings.data_dir, log=log, arguments=arguments),
        connected(target(settings, url=None, api_key=None), timeout_s) as client,
    ):
        yield client


def _ingest(client: "OpenAI", folder: Path, collection: str, concurrency: int) -> None:
    from ingest.progress import Bars
    from rag.evaluate.questions import read_passages
    from rag.evaluate.upload import upload

    passages = list(read_passages(folder))
    with Bars() as bars:
        bars.stage("passages", len(passages))
        upload(client, passages, collection, n_at_once=concurrency, told=bars.advance)


def _show(done: "Document") -> None:
    from rag.evaluate.tables import run_tables

    say(
        f"{done['questions']} questions of {done['folder']} ({done['answerable']} can be answered), half "
        f"{done['split']}, seed {done['seed']}; collection {done['collection']}, model {done['model']}"
    )
    for columns, rows in run_tables(done):
        say()
        say_table(columns, rows)
    failed = [row for row in done["rows"] if row["error"]]
    if failed:
        say(f"\nfailed: {len(failed)}")
    for row in failed[:_LISTED]:
        say(f"  {row['id']}: {row['error']}")
    if len(failed) > _LISTED:
        say(f"  and {len(failed) - _LISTED} more (--json lists all)")
