"""Runs as figures: tables for people, a document for programs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

from rag.bench.ingest.process import OURS, Sample
from rag.bench.ingest.run import Ingested, Result

WHOLE = "whole"
_LEAST_S = 0.01  # of a stage, below which its rates in a table would be noise


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFigures:
    """One stage of our ingest; `whole` is the run. Seconds are the median of the rounds."""

    stage: str
    seconds: float
    documents_per_s: float | None  # None: it took no time
    chunks_per_s: float | None
    tokens_per_s: float | None
    mb_per_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmFigures:
    """One arm. Each is the median of the rounds, the ratio that of the rounds' own; memory is the most of any."""

    arm: str
    seconds: float
    least_s: float
    most_s: float
    cpu_s: float
    texts_per_s: float
    tokens_per_s: float
    ours_is: float  # times as fast as it
    loaded_mb: float
    peak_mb: float
    over_model_mb: float  # peak less loaded
    dtype: str
    batch_size: int | None
    n_threads: int
    stages: dict[str, float]
    versions: dict[str, str]


def stage_figures(result: Result) -> list[StageFigures]:
    """A row for each stage in the order in which they first end, and one for the whole."""
    mine = _of(result, OURS)
    seconds: dict[str, list[float]] = {}
    for sample in mine:
        for stage, took_s in sample.said["stages"].items():
            seconds.setdefault(stage, []).append(took_s)
    seconds[WHOLE] = [sample.seconds for sample in mine]
    return [_stage(stage, median(values), result.ingested) for stage, values in seconds.items()]


def arm_figures(result: Result) -> list[ArmFigures]:
    """A row for each arm in the order of the first round."""
    return [_arm(arm, result) for arm in dict.fromkeys(sample.arm for sample in result.samples)]


def document(result: Result) -> dict[str, object]:
    """For JSON."""
    return {
        "ingested": asdict(result.ingested),
        "stages": [asdict(each) for each in stage_figures(result)],
        "arms": [asdict(each) for each in arm_figures(result)],
        "left_out": result.left_out,
        "runs": [asdict(each) for each in result.samples],
    }


def tables(result: Result) -> list[str]:
    """For people."""
    ingested = result.ingested
    lines = [
        f"{ingested.n_documents:,} documents of {ingested.n_bytes / 1e6:.1f} MB, {ingested.n_chunks:,} chunks",
        f"{ingested.n_texts:,} different texts of {ingested.n_tokens:,} tokens, {ingested.model} in {ingested.dtype}",
        "",
        "stage      seconds  documents/s  chunks/s  tokens/s    MB/s",
    ]
    for stage in stage_figures(result):
        rates = (stage.documents_per_s, stage.chunks_per_s, stage.tokens_per_s, stage.mb_per_s)
        shown = [_rate(rate, stage.seconds) for rate in rates]
        lines.append(f"{stage.stage:<9} {stage.seconds:>8.2f} {shown[0]:>12} {shown[1]:>9} {shown[2]:>9} {shown[3]:>7}")
    lines += [
        "",
        "arm         seconds    CPU s  texts/s  tokens/s  ours is  model MB  peak MB  over MB  batch  type     threads",
    ]
    lines += map(_row, arm_figures(result))
    return lines + [f"left out: {arm}. {why}" for arm, why in result.left_out.items()]


def _rate(per_s: float | None, seconds: float) -> str:
    if per_s is None or seconds < _LEAST_S:
        return "-"
    return f"{per_s:,.0f}" if per_s >= 100 else f"{per_s:.3g}"


def _row(arm: ArmFigures) -> str:
    speed = (
        f"{arm.seconds:>8.2f} {arm.cpu_s:>8.2f} {arm.texts_per_s:>8.1f} {arm.tokens_per_s:>9,.0f} {arm.ours_is:>7.2f}x"
    )
    memory = f"{arm.loaded_mb:>9.0f} {arm.peak_mb:>8.0f} {arm.over_model_mb:>8.0f}"
    return f"{arm.arm:<10} {speed} {memory} {arm.batch_size or '-':>6}  {arm.dtype:<8} {arm.n_threads:>7}"


def _stage(stage: str, seconds: float, ingested: Ingested) -> StageFigures:
    def rate(amount: float) -> float | None:
        return round(amount / seconds, 6) if seconds else None

    return StageFigures(
        stage=stage,
        seconds=round(seconds, 3),
        documents_per_s=rate(ingested.n_documents),
        chunks_per_s=rate(ingested.n_chunks),
        tokens_per_s=rate(ingested.n_tokens),
        mb_per_s=rate(ingested.n_bytes / 1e6),
    )


def _arm(arm: str, result: Result) -> ArmFigures:
    samples = _of(result, arm)
    seconds = [sample.seconds for sample in samples]
    ours = {sample.round_number: sample.seconds for sample in _of(result, OURS)}
    stages = [sample.said.get("stages", {}) for sample in samples]
    said = samples[0].said
    return ArmFigures(
        arm=arm,
        seconds=round(median(seconds), 3),
        least_s=round(min(seconds), 3),
        most_s=round(max(seconds), 3),
        cpu_s=round(median(sample.cpu_s for sample in samples), 3),
        texts_per_s=round(result.ingested.n_texts / median(seconds), 1),
        tokens_per_s=round(result.ingested.n_tokens / median(seconds), 1),
        ours_is=round(median(sample.seconds / ours[sample.round_number] for sample in samples), 3),
        loaded_mb=round(max(sample.loaded_mb for sample in samples), 1),
        peak_mb=round(max(sample.peak_mb for sample in samples), 1),
        over_model_mb=round(max(sample.peak_mb - sample.loaded_mb for sample in samples), 1),
        dtype=said["dtype"],
        batch_size=said.get("batch_size"),
        n_threads=said["n_threads"],
        stages={name: round(median(each[name] for each in stages if name in each), 3) for name in stages[0]},
        versions=said["versions"],
    )


def _of(result: Result, arm: str) -> Sequence[Sample]:
    return [sample for sample in result.samples if sample.arm == arm]
