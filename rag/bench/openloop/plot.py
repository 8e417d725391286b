"""First tokens over rates, arm by arm."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rag.bench.openloop.run import Level, Limits


def write_plot(levels: Sequence[Level], limits: Limits, file: Path) -> None:
    """Nothing; the file is a picture of the levels. Needs matplotlib."""
    matplotlib = importlib.import_module("matplotlib")
    matplotlib.use("Agg")
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    for arm in dict.fromkeys(level.arm for level in levels):
        drawn = sorted(
            (level.rate, level.first_p99_ms) for level in levels if level.arm == arm and level.first_p99_ms is not None
        )
        axes.plot(*zip(*drawn, strict=True), marker="o", label=arm)
    axes.axhline(limits.first_ms, linestyle="--", linewidth=1, color="grey")
    axes.set(xlabel="requests in a second", ylabel="first token, p99, ms", yscale="log")
    axes.legend()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=120, bbox_inches="tight")
    pyplot.close(figure)
