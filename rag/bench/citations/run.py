"""Cases in, figures out: each case as it is, with a fact changed, and with its passage gone."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

from rag.bench.citations.alter import altered, names_of, with_another
from rag.bench.citations.cases import Case
from rag.bench.stats import percentile
from rag.cite.align import LIMITS, Limits
from rag.cite.judge import Judge, Statement
from rag.cite.stream import StatementStream
from rag.types import Citation, Shown, Status

MakeJudge = Callable[[Sequence[Shown], Limits], Judge]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the citations of one set are worth. Shares are 0 to 1."""

    name: str
    n_answers: int
    n_statements: int
    aligned: float  # answers with support in the gold passage
    statements_aligned: float  # statements with support in it
    statements_elsewhere: float  # statements with support in another passage only
    warned: float  # statements that are called unsupported although nothing was changed
    sentence_f1: float  # of the cited sentences against the gold ones, the mean of the answers
    n_altered: int
    altered_unsupported: float  # of the altered statements
    altered_supported: float  # the rest has no citation
    altered_by_kind: dict[str, float]  # unsupported, of each kind of fact
    marked_altered_unsupported: float  # the same with the gold passage's marker behind each
    marked_supported: float  # unchanged statements with the gold passage's marker
    removed_cited: float  # answers that keep a supported citation without the gold passage
    removed_warned: float  # answers with a citation that is unsupported then
    cpu_p50_ms: float  # of a statement, without a marker, the reading of the prompt's passages included
    cpu_p95_ms: float

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def make_judge(shown: Sequence[Shown], limits: Limits) -> Judge:
    """A judge as the service makes one, without embeddings."""
    return Judge(shown, limits=limits)


def measure(name: str, cases: Sequence[Case], *, make: MakeJudge = make_judge, limits: Limits = LIMITS) -> Figures:
    """The figures of these cases."""
    names = names_of([chunk for case in cases for chunk in case.passages])
    facts = sorted({case.text[slice(*case.fact)] for case in cases if case.fact})
    plain = [_Answered(case, make, limits) for case in cases]
    times = [time_ms for answered in plain for time_ms in answered.times_ms]
    changed = [found for case in cases if (found := _change(case, names, facts))]
    verdicts = [_judged_alone(case, statement, make, limits) for case, statement, _ in changed]
    marked = [_judged_alone(case, statement, make, limits, is_marked=True) for case, statement, _ in changed]
    kinds = sorted({kind for *_, kind in changed})
    removed = [_Answered(case, make, limits, with_gold=False) for case in cases]
    statements = [pair for answered in plain for pair in answered.statements]
    in_gold = [answered.case.gold for answered in plain for _ in answered.statements]
    unchanged = [
        _judged_alone(case, statement.text, make, limits, is_marked=True)
        for case, answered in zip(cases, plain, strict=True)
        for statement, _ in answered.statements
    ]
    return Figures(
        name=name,
        n_answers=len(cases),
        n_statements=len(statements),
        aligned=_share(answered.is_aligned for answered in plain),
        statements_aligned=_share(
            any(c.chunk == gold and _is_supported(c) for c in cited)
            for (_, cited), gold in zip(statements, in_gold, strict=True)
        ),
        statements_elsewhere=_share(
            any(c.chunk != gold and _is_supported(c) for c in cited)
            for (_, cited), gold in zip(statements, in_gold, strict=True)
        ),
        warned=_share(any(not _is_supported(c) for c in cited) for _, cited in statements),
        sentence_f1=sum(answered.sentence_f1() for answered in plain) / max(len(plain), 1),
        n_altered=len(changed),
        altered_unsupported=_share(_is_unsupported(cited) for cited in verdicts),
        altered_supported=_share(any(map(_is_supported, cited)) for cited in verdicts),
        altered_by_kind={
            kind: _share(
                _is_unsupported(cited) for cited, found in zip(verdicts, changed, strict=True) if found[2] == kind
            )
            for kind in kinds
        },
        marked_altered_unsupported=_share(_is_unsupported(cited) for cited in marked),
        marked_supported=_share(any(map(_is_supported, cited)) for cited in unchanged),
        removed_cited=_share(
            any(_is_supported(c) for _, cited in answered.statements for c in cited) for answered in removed
        ),
        removed_warned=_share(
            any(not _is_supported(c) for _, cited in answered.statements for c in cited) for answered in removed
        ),
        cpu_p50_ms=percentile(times, 0.5),
        cpu_p95_ms=percentile(times, 0.95),
    )


class _Answered:
    """The statements of a case's answer with their citations, and what each cost."""

    def __init__(self, case: Case, make: MakeJudge, limits: Limits, *, with_gold: bool = True) -> None:
        self.case = case
        began = time.process_time()
        judge = make(case.shown(with_gold=with_gold), limits)
        found = statements_of(case)
        self.statements: list[tuple[Statement, tuple[Citation, ...]]] = []
        self.times_ms: list[float] = []
        for statement in found:
            self.statements.append((statement, judge.citations(statement)))
            self.times_ms.append((time.process_time() - began) * 1000)
            began = time.process_time()

    @property
    def is_aligned(self) -> bool:
        return any(c.chunk == self.case.gold and _is_supported(c) for _, cited in self.statements for c in cited)

    def sentence_f1(self) -> float:
        spans = [
            (c.source_start, c.source_end)
            for _, cited in self.statements
            for c in cited
            if c.chunk == self.case.gold and c.source_start is not None and c.source_end is not None
        ]
        cited = {
            number
            for number, (start, end) in enumerate(self.case.gold_spans)
            for first, last in spans
            if 2 * (min(end, last) - max(start, first)) > min(end - start, last - first)
        }
        n_both = len(cited & self.case.gold_numbers)
        return 2 * n_both / (len(cited) + len(self.case.gold_numbers)) if n_both else 0.0


def _change(case: Case, names: Sequence[str], facts: Sequence[str]) -> tuple[Case, str, str] | None:
    """A statement of the case with one fact changed, and the fact's kind."""
    if case.fact:
        text = with_another(case.text, case.fact, case.gold.text, facts, case.question)
        return (case, text, "number" if case.text[case.fact[0]].isdecimal() else "name") if text else None
    source = f"{case.gold.title} {case.gold.text}"
    for statement in statements_of(case):
        if found := altered(statement.text, source, names, case.question):
            return case, *found
    return None


def statements_of(case: Case) -> list[Statement]:
    """What the case's answer says, statement by statement."""
    stream = StatementStream(())
    return [event for event in (*stream.feed(case.text), *stream.finish()) if isinstance(event, Statement)]


def _judged_alone(
    case: Case, text: str, make: MakeJudge, limits: Limits, *, is_marked: bool = False
) -> tuple[Citation, ...]:
    shown = case.shown()
    numbers = tuple(one.number for one in shown if one.chunk == case.gold) if is_marked else ()
    marker = f"[{numbers[0]}]" if numbers else ""
    end = len(text)
    return make(shown, limits).citations(
        Statement(start=0, end=end, text=text, marker=marker, marker_start=end, marker_end=end, numbers=numbers)
    )


def _is_supported(citation: Citation) -> bool:
    return citation.status is not Status.UNSUPPORTED


def _is_unsupported(cited: Sequence[Citation]) -> bool:
    return bool(cited) and not any(map(_is_supported, cited))


def _share(found: Iterable[bool]) -> float:
    values = list(found)
    return sum(values) / len(values) if values else 0.0
