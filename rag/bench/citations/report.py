"""The figures as lines to read, and the thresholds' curve that they were chosen by."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rag.bench.citations.cases import Case, clapnq, xquad
from rag.bench.citations.meaning import MeaningCurve, meaning_curve
from rag.bench.citations.run import Figures, measure
from rag.bench.reuse.vectors import VectorFiles
from rag.cite.align import LIMITS
from rag.embed import Encoder
from rag.errors import ConfigError

_LANGUAGES = ("zh", "ar", "de")
_SHARES = (0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8)
_ROWS: tuple[tuple[str, Callable[[Figures], float]], ...] = (
    ("answers aligned with the gold passage", lambda each: each.aligned),
    ("statements aligned with it", lambda each: each.statements_aligned),
    ("statements aligned with another only", lambda each: each.statements_elsewhere),
    ("unchanged, called unsupported", lambda each: each.warned),
    ("unchanged, supported where marked", lambda each: each.marked_supported),
    ("sentence F1 against gold sentences", lambda each: each.sentence_f1),
    ("one fact altered: unsupported", lambda each: each.altered_unsupported),
    ("one fact altered: still supported", lambda each: each.altered_supported),
    ("one fact altered, marked: unsupported", lambda each: each.marked_altered_unsupported),
    ("gold passage gone: still cited", lambda each: each.removed_cited),
    ("gold passage gone: called unsupported", lambda each: each.removed_warned),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The figures of the half that no threshold was chosen on, and the curve of the other."""

    figures: tuple[Figures, ...]
    curve: tuple[tuple[float, Figures], ...]  # by the share of content words that a statement without a marker needs

    meaning: MeaningCurve  # of that half of clapnq, too

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "meaning": self.meaning.as_dict(),
            "figures": [each.as_dict() for each in self.figures],
            "curve": [{"unmarked": share} | figures.as_dict() for share, figures in self.curve],
        }


def bench_citations(data: Path, vectors: VectorFiles, encoder: Encoder, *, say: Callable[[str], None]) -> Report:
    """Measure with the sets clapnq and xquad below `data`.

    Raises:
        ConfigError: one of them is missing or damaged.
    """
    if not data.is_dir():
        raise ConfigError(f"The data folder {str(data)!r} does not exist. Name one by --data or RAG_BENCH_DATA.")
    say("reading clapnq")
    english = clapnq(data / "clapnq", vectors)
    chosen_on = [case for case in english if not case.is_held_out]
    figures = [_held_out("clapnq", english)]
    for language in _LANGUAGES:
        for is_cut in (False, True):
            name = f"xquad-{language}{' cut' if is_cut else ''}"
            say(f"measuring {name}")
            figures.append(_held_out(name, xquad(data / "xquad", language, vectors, is_cut=is_cut)))
    say("measuring the curve")
    curve = tuple((share, measure("clapnq", chosen_on, limits=replace(LIMITS, unmarked=share))) for share in _SHARES)
    meaning = meaning_curve(chosen_on, encoder.encode_documents)
    return Report(figures=tuple(figures), curve=curve, meaning=meaning)


def lines(report: Report) -> Iterator[str]:
    """The tables."""
    yield "The half of the questions that no threshold was chosen on:"
    yield ""
    yield from _table([each.name for each in report.figures], report.figures)
    yield ""
    yield f"The other half of clapnq, by the share of content words asked for without a marker ({LIMITS.unmarked:g}):"
    yield ""
    yield "share   aligned   F1      altered unsupported   gone still cited   gone unsupported"
    for share, each in report.curve:
        yield (
            f"{share:5.2f}   {each.aligned:7.3f}   {each.sentence_f1:5.3f}   {each.altered_unsupported:19.3f}"
            f"   {each.removed_cited:16.3f}   {each.removed_warned:16.3f}"
        )

    yield ""
    yield f"Statements of that half that the words of a passage do not support, by the cosine ({LIMITS.meaning:g}):"
    yield ""
    yield f"cosine   supported by gold, of {report.meaning.n_gold}   by a wrong passage, of {report.meaning.n_wrong}"
    for cosine, by_gold, by_wrong in report.meaning.points:
        yield f"{cosine:6.2f}   {by_gold:24}   {by_wrong:28}"
    yield f"CPU ms of such a statement, median: {report.meaning.cpu_p50_ms:.1f}"


def _held_out(name: str, cases: Sequence[Case]) -> Figures:
    return measure(name, [case for case in cases if case.is_held_out])


def _table(names: Sequence[str], figures: Sequence[Figures]) -> Iterator[str]:
    yield f"{'':38}" + "".join(f"{name:>14}" for name in names)
    yield f"{'answers':38}" + "".join(f"{each.n_answers:14}" for each in figures)
    yield f"{'statements':38}" + "".join(f"{each.n_statements:14}" for each in figures)
    yield f"{'altered statements':38}" + "".join(f"{each.n_altered:14}" for each in figures)
    for title, value in _ROWS:
        yield f"{title:38}" + "".join(f"{value(each):14.3f}" for each in figures)
    for kind in ("number", "date", "name"):
        values = [each.altered_by_kind.get(kind) for each in figures]
        yield f"{f'  altered {kind}: unsupported':38}" + "".join(
            f"{'-' if value is None else format(value, '.3f'):>14}" for value in values
        )
    yield f"{'CPU ms a statement, median':38}" + "".join(f"{each.cpu_p50_ms:14.2f}" for each in figures)
    yield f"{'CPU ms a statement, p95':38}" + "".join(f"{each.cpu_p95_ms:14.2f}" for each in figures)
