"""`rag bench planner`: what one plan costs."""

from typing import Annotated

import typer

from rag.cli.options import AsJson, Config, DataDir, load_settings
from rag.cli.output import say, say_json

EXAMPLE = "\b\nExample:\n  rag bench planner --chunks 100000 --sequences 100000"


def planner(
    *,
    chunks: Annotated[int, typer.Option(min=100, help="Chunks of the collection that is made up.")] = 20_000,
    sequences: Annotated[int, typer.Option(min=1, help="Prompts remembered before.")] = 20_000,
    plans: Annotated[int, typer.Option(min=10, help="Plans that are timed.")] = 2000,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Time one plan in a large collection, with many prompts remembered. No engine is needed."""
    from rag.bench.planner import bench_planner
    from rag.renderer import make_renderer

    settings = load_settings(data_dir, config).settings
    renderer = make_renderer(settings.engine.model, settings.data_dir, settings.prompt)
    result = bench_planner(renderer, n_chunks=chunks, n_sequences=sequences, n_plans=plans)
    if as_json:
        say_json(result.as_dict())
        return
    say(f"{result.n_chunks} chunks in {result.n_topics} topics, cut in {result.topics_s:.1f} s")
    say(f"{result.n_sequences} prompts remembered in {result.remembered_mib:.0f} MiB")
    say(f"one plan  p50 {result.plan_p50_ms:.3f} ms   p99 {result.plan_p99_ms:.3f} ms   ({result.n_plans} plans)")
