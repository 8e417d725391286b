"""Pictures of a result."""

from collections.abc import Sequence
from pathlib import Path

from rag.bench.drawing import new_axes, saved
from rag.bench.sizes.measure import SizeResult


def write_plots(results: Sequence[SizeResult], folder: Path) -> list[Path]:
    """The files that were written: time and recall by size. Hollow marks are of vectors that are not all real."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        _by_size(results, "p50_ms", "p50 of a question, ms", folder / "sizes_time.png", is_log=True),
        _by_size(results, "recall_at_10", "recall of the first ten", folder / "sizes_recall.png", is_log=False),
    ]


def _by_size(results: Sequence[SizeResult], name: str, label: str, file: Path, *, is_log: bool) -> Path:
    figure, axes = new_axes("vectors", label, "hollow: with mixtures of real vectors")
    for kind in dict.fromkeys(each.kind for each in results):
        mine = sorted((each.n_vectors, each.n_mixtures, getattr(each, name)) for each in results if each.kind == kind)
        (line,) = axes.plot([size for size, _, _ in mine], [value for _, _, value in mine], label=kind)
        for size, n_mixtures, value in mine:
            fill = "none" if n_mixtures else "full"
            axes.plot(size, value, "o", color=line.get_color(), fillstyle=fill)
    axes.set_xscale("log")
    if is_log:
        axes.set_yscale("log")
    axes.legend()
    return saved(figure, file)
