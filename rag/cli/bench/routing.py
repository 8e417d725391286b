"""`rag bench routing`: several engines instead of one."""

from dataclasses import asdict
from typing import Annotated

import typer

from rag.cli.bench.options import Data, whole_numbers
from rag.cli.options import AsJson
from rag.cli.output import say_json, say_table

EXAMPLE = (
    "\b\nExample:\n  rag bench routing --data sets\n"
    "  rag bench routing --data sets --trace azure2023_conv --kv-tokens 200000 --engines 2,4,8"
)
_POLICIES = "ours,most-cached,consistent-hash,least-running,round-robin"


def routing(
    *,
    data: Data,
    trace: Annotated[
        str,
        typer.Option(
            help="A file below traces/. Where it does not say which blocks of prompts are equal, each prompt gets one "
            "of 200 shared prefixes of 2,048 tokens, by Zipf's law."
        ),
    ] = "mooncake_conversation",
    engines: Annotated[str, typer.Option(help="Numbers of engines, joined by commas.")] = "2,4",
    policies: Annotated[str, typer.Option(help="Joined by commas.")] = _POLICIES,
    kv_tokens: Annotated[int, typer.Option(min=512, help="Cache of all engines together.")] = 4_000_000,
    load: Annotated[
        float, typer.Option(min=0.01, max=0.99, help="Share of the time that an engine computes prompts.")
    ] = 0.6,
    n: Annotated[int, typer.Option("--n", min=2, help="Requests, from the trace's start.")] = 5000,
    seed: Annotated[int, typer.Option(help="Of prefixes that are drawn.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Replay a recorded trace on one simulated engine, and on several that share its cache out among them.

    Each engine is an 8B model on one H200, with as much to do as the one alone. Says how much of its hit ratio is left,
    and how evenly the engines are loaded: the busiest one's computing time over the mean.
    """
    from rag.bench.routing.run import bench_routing

    rows = bench_routing(
        data / "traces" / f"{trace}.jsonl.gz",
        engines=whole_numbers(engines, "--engines"),
        policies=tuple(policies.split(",")),
        kv_tokens=kv_tokens,
        load=load,
        n_requests=n,
        seed=seed,
    )
    if as_json:
        say_json({"trace": trace, "kv_tokens": kv_tokens, "requests": n, "rows": [asdict(row) for row in rows]})
        return
    say_table(
        ("engines", "policy", "hit ratio", "of one", "imbalance", "by requests", "load", "first token p50", "p95"),
        [
            (
                row.engines,
                row.policy,
                f"{row.hit_ratio:.3f}",
                f"{row.of_one_engine:.2f}",
                f"{row.imbalance:.2f}",
                f"{row.imbalance_requests:.2f}",
                f"{row.load:.2f}",
                f"{row.first_token_p50_ms:.0f} ms",
                f"{row.first_token_p95_ms:.0f} ms",
            )
            for row in rows
        ],
    )
