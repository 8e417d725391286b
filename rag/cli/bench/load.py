"""`rag bench load`: what the service adds to its engine, and which rate of requests it holds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rag.cli.options import ApiKey, AsJson, load_settings
from rag.cli.output import note, say, say_json

if TYPE_CHECKING:
    from rag.bench.load import LoadResult
    from rag.bench.openloop.run import Level

EXAMPLE = (
    "\b\nExample:\n  rag bench load\n  rag bench load --rate 2,4,8 --seconds 60\n"
    "  rag bench load --rate 4 --find --trace azure2023_conv.jsonl.gz --plot load.png --json"
)
_HEADS = (
    "arm",
    "rate/s",
    "sent",
    "whole",
    "shed",
    "failed",
    "within",
    "first p50",
    "p95",
    "p99",
    "between p95",
    "shed p99",
)
_LINE = "{:<12}{:>8}{:>7}{:>7}{:>6}{:>8}{:>8}{:>11}{:>8}{:>8}{:>13}{:>10}"


def load(
    *,
    url: Annotated[
        str | None, typer.Option(help="A running service with an engine on this machine; unset starts one.")
    ] = None,
    api_key: ApiKey = None,
    requests: Annotated[int, typer.Option(min=1, help="Pairs of requests.")] = 40,
    prompt_tokens: Annotated[int, typer.Option(min=500, help="Size of the collection that is made up.")] = 4000,
    rate: Annotated[
        str | None,
        typer.Option(
            help="Requests in a second, joined by commas: they come when they come, instead of in pairs.",
            show_default=False,
        ),
    ] = None,
    find: Annotated[bool, typer.Option("--find", help="Look for the highest rate that holds, from --rate on.")] = False,
    seconds: Annotated[float, typer.Option(min=1, help="Of requests at each rate.")] = 30.0,
    trace: Annotated[Path | None, typer.Option(help="Take the arrivals and lengths of this trace.")] = None,
    questions: Annotated[Path | None, typer.Option(help="JSON lines with `query`; unset makes questions up.")] = None,
    answer_tokens: Annotated[int, typer.Option(min=1, help="Longest answer.")] = 64,
    first_ms: Annotated[float, typer.Option(min=1, help="Limit for the first token.")] = 1000.0,
    between_ms: Annotated[float, typer.Option(min=1, help="Limit for the mean time between tokens.")] = 200.0,
    arms: Annotated[str, typer.Option(help="Some of service, engine, engine-cold.")] = "service,engine",
    plot: Annotated[Path | None, typer.Option(help="Draw first tokens over rates into this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the service's first token with its engine's own, side by side.

    Each pair is a new question to the service and the same number of cached and new tokens to the bare engine. With
    --rate, requests are sent as they come, and counted is which share keeps the limits for the first token and between
    tokens. engine-cold is the engine that finds nothing of a prompt computed.
    """
    from rag.bench.load import bench_load
    from rag.cli.running import target

    token = target(load_settings(None, None).settings, url=url, api_key=api_key).token if url else ""
    if rate is None:
        if find or trace or plot or questions:
            raise typer.BadParameter("--find, --trace, --questions and --plot go with --rate")
        result = bench_load(url=url, n_requests=requests, prompt_tokens=prompt_tokens, token=token)
        _show_pairs(result, as_json=as_json)
        return
    from rag.bench.drawing import check_matplotlib
    from rag.bench.openloop.command import OpenLoad, bench_open_load
    from rag.bench.openloop.run import Limits

    if plot:
        check_matplotlib()
    limits = Limits(first_ms=first_ms, between_ms=between_ms)
    wanted = OpenLoad(
        rates=_rates(rate),
        find=find,
        seconds=seconds,
        answer_tokens=answer_tokens,
        trace=trace,
        questions=questions,
        arms=tuple(word.strip() for word in arms.split(",")),
        limits=limits,
    )
    tell = note if as_json else say
    tell(_LINE.format(*_HEADS))
    found = bench_open_load(
        wanted, url=url, token=token, prompt_tokens=prompt_tokens, report=lambda level: tell(_line(level))
    )
    for arm, highest in found.highest.items():
        tell(f"{arm}: {'no rate holds' if highest is None else f'holds {highest:.2f} requests a second'}")
    if plot:
        from rag.bench.openloop.plot import write_plot

        write_plot(found.levels, limits, plot)
    if as_json:
        levels = [{**level.as_dict(), "holds": level.holds(limits)} for level in found.levels]
        say_json({"levels": levels, "highest": found.highest})


def _rates(text: str) -> tuple[float, ...]:
    try:
        rates = tuple(float(word) for word in text.split(","))
    except ValueError:
        rates = ()
    if not rates or not all(0 < rate < 1e6 for rate in rates):
        raise typer.BadParameter(f"{text!r} is not numbers above 0 joined by commas", param_hint="--rate")
    return rates


def _line(level: "Level") -> str:
    times = (level.first_p50_ms, level.first_p95_ms, level.first_p99_ms, level.between_p95_ms, level.shed_p99_ms)
    counts = (level.n_sent, level.n_whole, level.n_shed, level.n_failed, f"{level.within:.3f}")
    return _LINE.format(level.arm, level.rate, *counts, *("-" if each is None else each for each in times))


def _show_pairs(result: "LoadResult", *, as_json: bool) -> None:
    if as_json:
        say_json(result.as_dict())
        return
    say(f"{result.n_requests} pairs, {result.prompt_tokens} prompt tokens, {result.cached_tokens} of them cached")
    say(f"first token  service p50 {result.service_p50_ms:7.1f} ms   p95 {result.service_p95_ms:7.1f} ms")
    say(f"             engine  p50 {result.engine_p50_ms:7.1f} ms   p95 {result.engine_p95_ms:7.1f} ms")
    say(f"             added   p50 {result.added_p50_ms:7.1f} ms   (median of the pairs)")
    say("stages p50   " + "   ".join(f"{name} {value:.1f} ms" for name, value in result.stages_p50_ms.items()))
