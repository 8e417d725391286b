"""`rag bench embeddings`: the throughput of the encoder and of the service."""

from typing import Annotated

import typer

from rag.cli.bench.options import Data
from rag.cli.options import AsJson, Config, DataDir, load_settings
from rag.cli.output import say, say_json

EXAMPLE = "\b\nExample:\n  rag bench embeddings --data sets --set squad --callers 64"


def embeddings(
    *,
    data: Data,
    name: Annotated[str, typer.Option("--set", help="The set whose passages are embedded.")] = "squad",
    n: Annotated[int, typer.Option("--n", min=64, help="Texts in a round.")] = 512,
    callers: Annotated[int, typer.Option(min=1, help="Callers at the same time, of one text each.")] = 64,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of both arms.")] = 5,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads of an encoder. [default: torch's choice]", show_default=False)
    ] = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Compare the encoder's own throughput with the service's for many callers of one text each, side by side."""
    from rag.bench.embeddings import bench_embeddings

    settings = load_settings(data_dir, config).settings
    result = bench_embeddings(
        settings, data=data, set_name=name, n_texts=n, n_callers=callers, n_rounds=rounds, n_threads=threads
    )
    if as_json:
        say_json(result.as_dict())
        return
    sizes = "   ".join(f"{size}: {value:.0f}" for size, value in result.batch_tokens.items())
    say(f"{result.n_texts} texts of {result.set_name}, {result.mean_tokens:.0f} tokens each on average")
    say(f"encoder alone  {result.encoder_per_s:7.1f} texts/s   (by tokens in a batch {sizes})")
    say(f"service        {result.service_per_s:7.1f} texts/s   {result.n_callers} callers of one text each")
    say(f"ratio          {result.ratio:7.2f}           (median of {rounds} rounds side by side)")
    say(f"a caller waits p50 {result.p50_ms:.0f} ms   p95 {result.p95_ms:.0f} ms")
