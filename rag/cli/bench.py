"""`rag bench`: measurements that anyone can repeat."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rag.cli import bench_search
from rag.cli.options import ApiKey, AsJson, Config, DataDir, load_settings
from rag.cli.output import note, say, say_json

if TYPE_CHECKING:
    from rag.bench.reuse.run import Result

app = typer.Typer(no_args_is_help=True, help="Measure this installation.", rich_markup_mode=None)

_EXAMPLE = "\b\nExample:\n  rag bench load\n  rag bench load --url http://127.0.0.1:8000 --requests 100 --json"
_REUSE_EXAMPLE = (
    "\b\nExample:\n"
    "  rag bench reuse --data sets --set squad --simulate --kv-tokens 30000,200000\n"
    "  rag bench reuse --data sets --set squad+wiki2hop --model Qwen/Qwen3-8B --n 400 --rate 8"
)
_ARMS = "retrieval,retrieval-cut,cacheweaver,ours"
_N_LIVE, _N_SIMULATED = 24, 400


@app.command("planner", epilog="\b\nExample:\n  rag bench planner --chunks 100000 --sequences 100000")
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


@app.command("load", epilog=_EXAMPLE)
def load(
    *,
    url: Annotated[
        str | None, typer.Option(help="A running service with an engine on this machine; unset starts one.")
    ] = None,
    api_key: ApiKey = None,
    requests: Annotated[int, typer.Option(min=1, help="Pairs of requests.")] = 40,
    prompt_tokens: Annotated[int, typer.Option(min=500, help="Size of the collection that is made up.")] = 4000,
    as_json: AsJson = False,
) -> None:
    """Compare the service's first token with its engine's own, side by side.

    Each pair is a new question to the service and the same number of cached and new tokens to the bare engine.
    """
    from rag.bench.load import bench_load
    from rag.cli.running import target

    token = target(load_settings(None, None).settings, url=url, api_key=api_key).token if url else ""
    result = bench_load(url=url, n_requests=requests, prompt_tokens=prompt_tokens, token=token)
    if as_json:
        say_json(result.as_dict())
        return
    say(f"{result.n_requests} pairs, {result.prompt_tokens} prompt tokens, {result.cached_tokens} of them cached")
    say(f"first token  service p50 {result.service_p50_ms:7.1f} ms   p95 {result.service_p95_ms:7.1f} ms")
    say(f"             engine  p50 {result.engine_p50_ms:7.1f} ms   p95 {result.engine_p95_ms:7.1f} ms")
    say(f"             added   p50 {result.added_p50_ms:7.1f} ms   (median of the pairs)")
    say("stages p50   " + "   ".join(f"{name} {value:.1f} ms" for name, value in result.stages_p50_ms.items()))


@app.command("embeddings", epilog="\b\nExample:\n  rag bench embeddings --data sets --set squad --callers 64")
def embeddings(
    *,
    data: Annotated[Path, typer.Option(envvar="RAG_BENCH_DATA", help="Folder that holds the sets.")],
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
    sizes = "   ".join(f"{size}: {value:.0f}" for size, value in result.batch_sizes.items())
    say(f"{result.n_texts} texts of {result.set_name}, {result.mean_tokens:.0f} tokens each on average")
    say(f"encoder alone  {result.encoder_per_s:7.1f} texts/s   (by batch size {sizes})")
    say(f"service        {result.service_per_s:7.1f} texts/s   {result.n_callers} callers of one text each")
    say(f"ratio          {result.ratio:7.2f}           (median of {rounds} rounds side by side)")
    say(f"a caller waits p50 {result.p50_ms:.0f} ms   p95 {result.p95_ms:.0f} ms")


@app.command("citations", epilog="\b\nExample:\n  rag bench citations --data sets --out citations.json")
def citations(
    *,
    data: Annotated[Path, typer.Option(envvar="RAG_BENCH_DATA", help="Folder that holds the sets clapnq and xquad.")],
    cache: Annotated[
        Path | None, typer.Option(help="Folder of vectors. [default: bench in the data directory]", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the JSON document to a file too.", show_default=False)] = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Align answers whose sources are known: as they are, with one fact changed, and without their passage.

    Thresholds are chosen on one half of the questions; the tables are of the other, the curve is of the first.
    """
    from rag.bench.citations.report import bench_citations, lines
    from rag.bench.reuse.vectors import VectorFiles
    from rag.embed.encoder import SentenceEncoder
    from rag.models import embedding_source

    settings = load_settings(data_dir, config).settings
    if out and not out.parent.is_dir():
        raise typer.BadParameter(f"the folder {str(out.parent)!r} does not exist", param_hint="--out")
    embedding = settings.embedding
    encoder = SentenceEncoder(embedding, embedding_source(embedding.model))
    vectors = VectorFiles(cache or settings.data_dir / "bench", embedding, lambda: encoder)
    report = bench_citations(data, vectors, encoder, say=note)
    if out:
        out.write_text(json.dumps(report.as_dict(), ensure_ascii=False) + "\n", "utf-8")
    if as_json:
        say_json(report.as_dict(), indent=None)
        return
    for line in lines(report):
        say(line)


@app.command(
    "no-answer", epilog="\b\nExample:\n  rag bench no-answer --data sets --set squad --off-topic clapnq,pubmedqa"
)
def no_answer(
    *,
    data: Annotated[Path, typer.Option(envvar="RAG_BENCH_DATA", help="Folder that holds the sets.")],
    name: Annotated[str, typer.Option("--set", help="Set whose questions are asked of its own passages.")] = "squad",
    off_topic: Annotated[str, typer.Option(help="Sets whose questions have nothing to do with it.")] = "clapnq",
    max_wrong: Annotated[
        float, typer.Option(min=0, max=1, help="Share of answerable questions that may be refused.")
    ] = 0.01,
    cache: Annotated[
        Path | None, typer.Option(help="Folder of vectors. [default: bench in the data directory]", show_default=False)
    ] = None,
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


app.command("search", epilog=bench_search.EXAMPLE)(bench_search.search)


@app.command("reuse", epilog=_REUSE_EXAMPLE)
def reuse(
    *,
    data: Annotated[Path, typer.Option(envvar="RAG_BENCH_DATA", help="Folder that holds the sets.")],
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
    cache: Annotated[
        Path | None, typer.Option(help="Folder of vectors. [default: bench in the data directory]", show_default=False)
    ] = None,
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
    from rag.bench.reuse.plots import check_matplotlib, write_plots
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
        kv_tokens=_sizes(kv_tokens),
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


def _sizes(text: str | None) -> "tuple[int | None, ...]":
    """The sizes in `30000,200000`; without any, the engine's own."""
    if text is None:
        return (None,)
    sizes = [int(word) for word in text.split(",") if word.strip().isdigit()]
    if len(sizes) != len(text.split(",")) or not all(sizes):
        raise typer.BadParameter(f"{text!r} is not whole numbers above 0 joined by commas", param_hint="--kv-tokens")
    return tuple(sizes)
