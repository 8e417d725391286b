"""`rag bench no-answer`: what is refused for want of evidence."""

from typing import Annotated

import typer

from rag.cli.bench.options import Cache, Data
from rag.cli.options import AsJson, Config, DataDir, load_settings
from rag.cli.output import say, say_json

EXAMPLE = "\b\nExample:\n  rag bench no-answer --data sets --set squad --off-topic clapnq,pubmedqa"


def no_answer(
    *,
    data: Data,
    name: Annotated[str, typer.Option("--set", help="Set whose questions are asked of its own passages.")] = "squad",
    off_topic: Annotated[str, typer.Option(help="Sets whose questions have nothing to do with it.")] = "clapnq",
    max_wrong: Annotated[
        float, typer.Option(min=0, max=1, help="Share of answerable questions that may be refused.")
    ] = 0.01,
    cache: Cache = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Print what each answers.min_evidence refuses, rightly and wrongly. No engine is needed."""
    from rag.bench.no_answer import bench_no_answer, table
    from rag.bench.reuse.vectors import VectorFiles
    from rag.rooms import make_encoder

    settings = load_settings(data_dir, config).settings
    result = bench_no_answer(
        VectorFiles(cache or settings.data_dir / "bench", settings.embedding, lambda: make_encoder(settings)),
        embedding=settings.embedding.model,
        data=data,
        set_name=name,
        off_topic=[other for other in off_topic.split(",") if other],
        max_wrong=max_wrong,
    )
    if as_json:
        say_json(result.as_dict())
        return
    for line in table(result):
        say(line)
