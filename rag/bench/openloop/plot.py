"""First tokens over rates, arm by arm."""

from collections.abc import Sequence
from pathlib import Path

from rag.bench.drawing import new_axes, saved
from rag.bench.openloop.run import Level, Limits


def write_plot(levels: Sequence[Level], limits: Limits, file: Path) -> None:
    """Nothing; the file is a picture of the levels. Needs matplotlib."""
    figure, axes = new_axes("requests in a second", "first token, p99, ms", "first tokens by load")
    for arm in dict.fromkeys(level.arm for level in levels):
        drawn = sorted(
            (level.rate, level.first_p99_ms) for level in levels if level.arm == arm and level.first_p99_ms is not None
        )
        axes.plot(*zip(*drawn, strict=True), marker="o", label=arm)
    axes.axhline(limits.first_ms, linestyle="--", linewidth=1, color="grey")
    axes.set_yscale("log")
    axes.legend()
    file.parent.mkdir(parents=True, exist_ok=True)
    saved(figure, file)
