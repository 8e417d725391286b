"""`rag bench sizes`: what a search by meaning costs and finds, by kind and size of index."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rag.cli.bench.options import Cache, Data, whole_numbers
from rag.cli.options import AsJson, Config, DataDir, load_settings
from rag.cli.output import note, say, say_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rag.bench.sizes import SizeResult
    from rag.store import IndexKind

EXAMPLE = (
    "\b\nExample:\n  rag bench sizes --data sets\n"
    "  rag bench sizes --data sets --sizes 10000000 --real 30000 --kinds compressed"
)


def sizes(
    *,
    data: Data,
    vectors: Annotated[str, typer.Option("--sizes", help="Numbers of vectors, joined by commas.")] = "10000,100000",
    sets: Annotated[str, typer.Option(help="Sets whose spans and questions these are.")] = "squad,clapnq,pubmedqa",
    real: Annotated[
        str | None,
        typer.Option(
            help="Vectors that are embedded at most; those beyond are mixtures of them. Several, joined by commas: "
            "every size is measured with each. [default: as many as are wanted]",
            show_default=False,
        ),
    ] = None,
    kinds: Annotated[str, typer.Option(help="Kinds of index, joined by commas.")] = "exact,lists,compressed",
    questions: Annotated[int, typer.Option(min=10, help="Questions, one at a time.")] = 500,
    cache: Cache = None,
    keep: Annotated[
        Path | None,
        typer.Option(help="Folder where indexes stay. Those that are there are searched, not built again."),
    ] = None,
    plots: Annotated[Path | None, typer.Option(help="Write PNG plots to a folder.", show_default=False)] = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Compare exact search, lists and compressed lists over vectors of real text: time, recall, memory and disk.

    Searches run on two cores. Embedding is most of the work, a GPU's for more than 100,000 vectors; what was embedded
    is kept for the next time.
    """
    from rag.bench.drawing import check_matplotlib
    from rag.bench.sizes import Wanted, bench_sizes, write_plots
    from rag.rooms import make_encoder

    numbers = whole_numbers(vectors, "--sizes")
    settings = load_settings(data_dir, config).settings
    if plots:  # told before anything is measured
        check_matplotlib()
    folder = cache or settings.data_dir / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    results = bench_sizes(
        Wanted(
            sets=sets.split(","),
            sizes=numbers,
            real=whole_numbers(real, "--real") if real else (max(numbers),),
            kinds=_kinds(kinds),
            n_questions=questions,
        ),
        settings.embedding,
        data=data,
        cache=folder,
        keep=keep,
        load=lambda: make_encoder(settings),
        say=note,
    )
    for file in write_plots(results, plots) if plots else ():
        note(f"wrote {file}")
    say_json({"indexes": [result.as_dict() for result in results]}) if as_json else _show(results)


def _kinds(text: str) -> "tuple[IndexKind, ...]":
    from rag.store import IndexKind

    known = [kind.value for kind in IndexKind]
    if wrong := [word for word in text.split(",") if word not in known]:
        raise typer.BadParameter(f"{wrong[0]!r} is none of {', '.join(known)}", param_hint="--kinds")
    return tuple(IndexKind(word) for word in text.split(","))


def _show(results: "Sequence[SizeResult]") -> None:
    say(
        "  vectors  mixtures kind        recall   p50 ms   p99 ms  build s  build MB  disk MB  memory MB  mapped MB"
        "   lists  read  open ms  first ms  cold ms"
    )
    for each in results:
        say(
            f"{each.n_vectors:>9} {each.n_mixtures:>9} {each.kind:<11} {each.recall_at_10:.4f} {each.p50_ms:>8.2f} "
            f"{each.p99_ms:>8.2f} {each.build_s:>8.1f} {each.build_mb:>9.1f} {each.disk_mb:>8.1f} "
            f"{each.resident_mb:>10.1f} {each.mapped_mb:>10.1f} {each.n_lists:>7} {each.n_read:>5} "
            f"{each.open_ms:>8.1f} {each.cold_first_ms:>9.1f} {each.cold_p50_ms:>8.1f}"
        )
