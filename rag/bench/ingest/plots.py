"""Pictures of a result."""

from pathlib import Path

from rag.bench.drawing import new_axes, saved
from rag.bench.ingest.report import arm_figures, stage_figures
from rag.bench.ingest.run import Result


def write_plots(result: Result, folder: Path) -> list[Path]:
    """The files that were written: speed and memory by arm, seconds by stage."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        _speed(result, folder / "ingest_speed.png"),
        _memory(result, folder / "ingest_memory.png"),
        _stages(result, folder / "ingest_stages.png"),
    ]


def _title(result: Result) -> str:
    return f"{result.ingested.n_texts:,} texts, {result.ingested.model} in {result.ingested.dtype}"


def _speed(result: Result, file: Path) -> Path:
    figure, axes = new_axes("", "tokens a second", _title(result))
    arms = arm_figures(result)
    bars = axes.bar([arm.arm for arm in arms], [arm.tokens_per_s for arm in arms])
    axes.bar_label(bars, [f"{arm.tokens_per_s:,.0f}" for arm in arms])
    return saved(figure, file)


def _memory(result: Result, file: Path) -> Path:
    figure, axes = new_axes("", "memory, MB", _title(result))
    arms = arm_figures(result)
    names, loaded = [arm.arm for arm in arms], [arm.loaded_mb for arm in arms]
    axes.bar(names, loaded, label="with the model loaded")
    axes.bar(names, [arm.over_model_mb for arm in arms], bottom=loaded, label="over it, at most")
    axes.legend()
    return saved(figure, file)


def _stages(result: Result, file: Path) -> Path:
    figure, axes = new_axes("seconds", "", _title(result))
    stages = stage_figures(result)[::-1]  # bars stand upwards, a table is read downwards
    axes.barh([stage.stage for stage in stages], [stage.seconds for stage in stages])
    return saved(figure, file)
