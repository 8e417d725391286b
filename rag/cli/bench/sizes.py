"""`rag bench sizes`: what a search by meaning costs and finds, by kind and size of index."""

from typing import TYPE_CHECKING, Annotated

import typer

from rag.cli.bench.options import Cache, Data, whole_numbers
from rag.cli.options import AsJson, Config, DataDir, load_settings
from rag.cli.output import note, say, say_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rag.bench.sizes import SizeResult

EXAMPLE = "\b\nExample:\n  rag bench sizes --data sets\n  rag bench sizes --data sets --sizes 1000000,10000000"


def sizes(
    *,
    data: Data,
    vectors: Annotated[str, typer.Option("--sizes", help="Numbers of vectors, joined by commas.")] = "10000,100000",
    sets: Annotated[str, typer.Option(help="Sets whose spans and questions these are.")] = "squad,clapnq,pubmedqa",
    questions: Annotated[int, typer.Option(min=10, help="Questions, one at a time.")] = 500,
    cache: Cache = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Compare exact search, lists and compressed lists over vectors of real text: time, recall, memory and disk.

    Searches run on two cores. Embedding is most of the work, a GPU's for more than 100,000 vectors; what was embedded
    is kept for the next time.
    """
    from rag.bench.sizes import bench_sizes
    from rag.rooms import make_encoder

    wanted = whole_numbers(vectors, "--sizes")
    settings = load_settings(data_dir, config).settings
    folder = cache or settings.data_dir / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    results = bench_sizes(
        sets.split(","),
        wanted,
        settings.embedding,
        n_questions=questions,
        data=data,
        cache=folder,
        load=lambda: make_encoder(settings),
        say=note,
    )
    say_json({"indexes": [result.as_dict() for result in results]}) if as_json else _show(results)


def _show(results: "Sequence[SizeResult]") -> None:
    say("  vectors kind        recall   p50 ms   p99 ms  build s  build MB  disk MB  memory MB  mapped MB")
    for each in results:
        say(
            f"{each.n_vectors:>9} {each.kind:<11} {each.recall_at_10:.4f} {each.p50_ms:>8.2f} {each.p99_ms:>8.2f} "
            f"{each.build_s:>8.1f} {each.build_mb:>9.1f} {each.disk_mb:>8.1f} {each.resident_mb:>10.1f} "
            f"{each.mapped_mb:>10.1f}"
        )
