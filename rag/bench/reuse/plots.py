"""Pictures of runs."""

from collections.abc import Sequence
from pathlib import Path

from rag.bench.drawing import check_matplotlib, new_axes, saved
from rag.bench.reuse.report import Summary, summarize
from rag.bench.reuse.sample import Run


def write_plots(runs: Sequence[Run], folder: Path) -> list[Path]:
    """The files that were written: for each size of the cache first tokens and uncached tokens, and the sizes."""
    check_matplotlib()
    folder.mkdir(parents=True, exist_ok=True)
    sizes = list(dict.fromkeys(run.kv_tokens for run in runs))
    files = []
    for kv_tokens in sizes:
        chosen = [run for run in runs if run.kv_tokens == kv_tokens]
        name = "any" if kv_tokens is None else str(kv_tokens)
        files.append(_first_tokens(chosen, folder / f"first_token_{name}.png"))
        files.append(_uncached(summarize(chosen), folder / f"uncached_{name}.png"))
    if len(sizes) > 1:
        files.append(_by_size(summarize(runs), folder / "first_token_by_kv_size.png"))
    return files


def _first_tokens(runs: Sequence[Run], file: Path) -> Path:
    figure, axes = new_axes("first token, ms", "share of requests", _title(runs[0].kv_tokens))
    for arm in dict.fromkeys(run.arm for run in runs):
        values = sorted(sample.first_token_ms for run in runs if run.arm == arm for sample in run.samples)
        axes.step(values, [rank / len(values) for rank in range(1, len(values) + 1)], where="post", label=arm)
    axes.set_xscale("log")
    axes.legend()
    return saved(figure, file)


def _uncached(summaries: Sequence[Summary], file: Path) -> Path:
    figure, axes = new_axes("", "uncached tokens a request, mean", _title(summaries[0].kv_tokens))
    axes.bar([each.arm for each in summaries], [each.uncached_tokens_mean or 0 for each in summaries])
    axes.tick_params(axis="x", rotation=30)
    return saved(figure, file)


def _by_size(summaries: Sequence[Summary], file: Path) -> Path:
    figure, axes = new_axes("KV cache, tokens", "first token, ms", "mean (line) and p50 (dots)")
    for arm in dict.fromkeys(each.arm for each in summaries):
        mine = sorted((each.kv_tokens or 0, each) for each in summaries if each.arm == arm)
        sizes = [size for size, _ in mine]
        (line,) = axes.plot(sizes, [each.first_token_mean_ms for _, each in mine], label=arm)
        axes.plot(sizes, [each.first_token_p50_ms for _, each in mine], "o:", color=line.get_color())
    axes.set_xscale("log")
    axes.legend()
    return saved(figure, file)


def _title(kv_tokens: int | None) -> str:
    return "KV cache without bounds" if kv_tokens is None else f"KV cache of {kv_tokens:,} tokens"
