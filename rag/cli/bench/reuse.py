"""`rag bench reuse`: ways to lay out retrieved passages."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rag.cli.bench.options import Cache, Data, whole_numbers
from rag.cli.options import AsJson, Config, DataDir, load_settings
from rag.cli.output import note, say, say_json

if TYPE_CHECKING:
    from rag.bench.reuse.run import Result

EXAMPLE = (
    "\b\nExample:\n"
    "  rag bench reuse --data sets --set squad --simulate --kv-tokens 30000,200000\n"
    "  rag bench reuse --data sets --set squad+wiki2hop --model Qwen/Qwen3-8B --n 400 --rate 8"
)
_ARMS = "retrieval,retrieval-cut,cacheweaver,ours"
_N_LIVE, _N_SIMULATED = 24, 400


def reuse(
    *,
    data: Data,
    name: Annotated[
        str, typer.Option("--set", help="Questions of a set; +NAME adds another set's passages as distractors.")
    ] = "squad",
    arms: Annotated[
        str,
        typer.Option(
            help="Of off, retrieval, retrieval-cut, random, document, cacheweaver, cacheweaver-cut, contextpilot "
            "(see `make bench-arms`), ours, ours-no-prefix, ours-uncut; joined by commas."
        ),
    ] = _ARMS,
    order: Annotated[str, typer.Option(help="once, zipf:S, or none (no two requests share a passage).")] = "once",
    n: Annotated[
        int | None,
        typer.Option(
            "--n",
            min=1,
            help=f"Requests. [default: at most {_N_SIMULATED} simulated, else {_N_LIVE}]",
            show_default=False,
        ),
    ] = None,
    rate: Annotated[
        str, typer.Option(help="Requests per second (Poisson), burst, sequential, or trace:NAME[@RATE].")
    ] = "sequential",
    kv_tokens: Annotated[
        str | None, typer.Option(help="Sizes of the engine's cache to try, joined by commas.", show_default=False)
    ] = None,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="No engine: a block cache and the costs of an 8B model on one H200.")
    ] = False,
    engine_url: Annotated[str | None, typer.Option(help="A running vLLM server.", show_default=False)] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Chat model to start, a folder or a name. [default: the embedded one]", show_default=False),
    ] = None,
    engine_arg: Annotated[
        list[str] | None, typer.Option(help="One more word for vLLM's command line; repeated.", show_default=False)
    ] = None,
    find_rate: Annotated[
        float | None,
        typer.Option(min=0.001, help="Find the rate at which p95 reaches so many ms.", show_default=False),
    ] = None,
    groups: Annotated[int, typer.Option(min=1, help="Access groups, each under its own salt.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, help="Times that every arm runs, forward and backward in turn.")] = 1,
    top_k: Annotated[int, typer.Option(min=1, max=1000, help="Passages retrieved for a question.")] = 8,
    cut: Annotated[
        float, typer.Option(min=0, max=1, help="-cut arms leave out what scores below this share of the best.")
    ] = 0.6,
    answer_tokens: Annotated[int, typer.Option(min=1, help="Tokens that every answer has.")] = 2,
    seed: Annotated[int, typer.Option(help="Of questions, arrivals and arms.")] = 1,
    cache: Cache = None,
    out: Annotated[Path | None, typer.Option(help="Write the JSON document to a file too.", show_default=False)] = None,
    plots: Annotated[Path | None, typer.Option(help="Write PNG plots to a folder.", show_default=False)] = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Compare ways to lay out retrieved passages by what they cost at the first token.

    Every arm gets the same questions and the same hits. Uncached tokens and gold (the share of the passages that
    answer that stand in the prompt) belong beside every hit ratio: a longer prompt with worse passages has a better
    one.
    """
    from rag.bench.drawing import check_matplotlib
    from rag.bench.reuse.plots import write_plots
    from rag.bench.reuse.prepare import Options
    from rag.bench.reuse.report import document
    from rag.bench.reuse.run import bench_reuse
    from rag.telemetry import set_up_logs

    engine = {"model": model, "urls": (engine_url,) if engine_url else None, "extra_args": engine_arg}
    settings = load_settings(data_dir, config, engine=engine).settings
    set_up_logs(settings.log)
    # Told before anything is measured.
    if plots:
        check_matplotlib()
    if out and not out.parent.is_dir():
        raise typer.BadParameter(f"the folder {str(out.parent)!r} does not exist", param_hint="--out")
    options = Options(
        data=data,
        set_name=name,
        arms=tuple(arms.split(",")),
        order=order,
        n_requests=n,
        most_requests=_N_SIMULATED if simulate else _N_LIVE,
        n_groups=groups,
        top_k=top_k,
        cut=cut,
        seed=seed,
        rounds=rounds,
        rate=rate,
        kv_tokens=(None,) if kv_tokens is None else whole_numbers(kv_tokens, "--kv-tokens"),
        answer_tokens=answer_tokens,
        cache=cache or settings.data_dir / "bench",
        limit_ms=find_rate,
    )
    result = bench_reuse(options, settings, is_simulated=simulate, say=note)
    everything = document(options, result)
    if out:
        out.write_text(json.dumps(everything, ensure_ascii=False) + "\n", "utf-8")
    for file in write_plots(result.runs, plots) if plots and result.runs else ():
        note(f"wrote {file}")
    if as_json:
        say_json(everything, indent=None)
    else:
        _show(result)


def _show(result: "Result") -> None:
    from rag.bench.reuse.report import rate_table, summarize, table

    say(f"{result.workload}: {result.n_chunks} passages, {result.corpus_tokens} tokens")
    for line in (*table(summarize(result.runs)), *rate_table(result.rates)):
        say(line)
    for arm, reason in result.left_out.items():
        say(f"left out: {arm}. {reason}")
