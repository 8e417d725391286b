"""`rag bench ingest`: how fast files become searchable, and what that takes."""

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from rag.cli.options import AsJson, Config, DataDir, load_settings
from rag.cli.output import note, say, say_json

EXAMPLE = "\b\nExample:\n  rag bench ingest ./docs\n  rag bench ingest --data sets --set squad+clapnq --n 10000"


def ingest(
    *,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", help="Files and folders; none: passages of --set.", show_default=False),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(envvar="RAG_BENCH_DATA", help="Folder that holds the sets.", show_default=False)
    ] = None,
    name: Annotated[
        str, typer.Option("--set", help="The sets whose passages are ingested, a file each; joined by +.")
    ] = "squad",
    n: Annotated[int, typer.Option("--n", min=1, help="Passages of the sets.")] = 1000,
    arms: Annotated[
        str,
        typer.Option(
            help="Besides ours: bare (the encoder alone, one call), llamaindex, haystack (see `make bench-arms`); "
            "joined by commas. '': none."
        ),
    ] = "bare,llamaindex,haystack",
    rounds: Annotated[int, typer.Option(min=1, help="Times that every arm runs, forward and backward in turn.")] = 2,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="CPU threads that compute in each arm. [default: all cores]", show_default=False),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the JSON document to a file too.", show_default=False)] = None,
    plots: Annotated[Path | None, typer.Option(help="Write PNG plots to a folder.", show_default=False)] = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Compare ingest with its bare encoder and with other programs' pipelines: time by stage, memory.

    The others get the texts of our chunks, so they need not read or cut anything, and embed them with the same model.
    Every arm is a process of its own; that its model is loaded is not part of its time.
    """
    from rag.bench.drawing import check_matplotlib
    from rag.bench.ingest.plots import write_plots
    from rag.bench.ingest.report import document, tables
    from rag.bench.ingest.run import bench_ingest
    from rag.bench.ingest.source import existing, write_passages
    from rag.embed.cores import usable_cores
    from rag.errors import ConfigError

    settings = load_settings(data_dir, config).settings
    # Told before anything is measured.
    if plots:
        check_matplotlib()
    if out and not out.parent.is_dir():
        raise typer.BadParameter(f"the folder {str(out.parent)!r} does not exist", param_hint="--out")
    if not paths and data is None:
        raise ConfigError("There is nothing to ingest. Name files or folders, or a folder of sets by --data.")
    with tempfile.TemporaryDirectory(prefix="prefixrag-bench-") as folder:
        result = bench_ingest(
            existing(paths or [write_passages(name.split("+"), data or Path(), n, Path(folder))]),
            settings,
            arms=[arm for arm in arms.split(",") if arm],
            n_rounds=rounds,
            n_threads=threads or usable_cores(),
            arms_dir=settings.data_dir / "bench",
            say=note,
        )
    everything = document(result)
    if out:
        out.write_text(json.dumps(everything, ensure_ascii=False) + "\n", "utf-8")
    for file in write_plots(result, plots) if plots else ():
        note(f"wrote {file}")
    if as_json:
        say_json(everything, indent=None)
        return
    for line in tables(result):
        say(line)
