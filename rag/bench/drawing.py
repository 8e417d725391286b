"""Figures as PNG files, by matplotlib, which only this module needs."""

import importlib
import importlib.util
from pathlib import Path
from typing import Any

from rag.errors import ConfigError


def check_matplotlib() -> None:
    """Nothing; matplotlib is there.

    Raises:
        ConfigError: it is not.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError(
            "Plots need matplotlib, which is not installed. Run `pip install 'prefixrag[bench]'`, or leave out --plots."
        )


def new_axes(x: str, y: str, title: str) -> tuple[Any, Any]:  # matplotlib's types come and go with it
    """A figure and its axes, labelled."""
    figure, axes = _pyplot().subplots(figsize=(8, 5), layout="constrained")
    axes.set(xlabel=x, ylabel=y, title=title)
    axes.grid(alpha=0.3)
    return figure, axes


def saved(figure: Any, file: Path) -> Path:  # noqa: ANN401 - as above
    """The file that the figure was written to."""
    figure.savefig(file, dpi=120)
    _pyplot().close(figure)
    return file


def _pyplot() -> Any:  # noqa: ANN401 - as above
    importlib.import_module("matplotlib").use("Agg")  # files only: there may be no screen
    return importlib.import_module("matplotlib.pyplot")
