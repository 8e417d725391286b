"""`rag bench load`: what the service adds to its engine."""

from typing import Annotated

import typer

from rag.cli.options import ApiKey, AsJson, load_settings
from rag.cli.output import say, say_json

EXAMPLE = "\b\nExample:\n  rag bench load\n  rag bench load --url http://127.0.0.1:8000 --requests 100 --json"


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
