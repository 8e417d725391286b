"""How many samples of what: the recipe of the training set, and the sets that are measured."""

import random
from collections.abc import Callable, Iterator, Sequence

from rag.train.samples import Sample, Samples, Shape, joined
from rag.train.sets import HELD_OUT, TUNE, Case

# Of each set's questions, how often one is shown in a pass: with what answers it, and with that removed.
VIEWS = {
    "squad": (3.0, 2.0),
    "xquad": (3.0, 2.0),
    "de": (0.7, 0.35),
    "clapnq": (3.0, 1.2),
    "mtrag": (3.0, 0.7),
    "pubmedqa": (0.7, 0.35),
    "wiki2hop": (6.0, 1.0),
    "facts": (0.7, 0.5),
}
_UNANSWERABLE = {"squad": 0.08, "clapnq": 0.6, "mtrag": 2.0}  # how often a question is shown that its set says has none
_JOINED, _FOLLOWING = 300, 400
POINTED_OUT = (0, 1, 3, 3, 3)  # most often as many as are recommended for the model


def training(
    cases: Sequence[Case], samples: Samples, *, seed: int, pointed_out: Sequence[int] = POINTED_OUT
) -> Iterator[Sample]:
    """The samples of a pass, in no order."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    seen = [case for case in cases if case.group not in HELD_OUT and case.group not in TUNE]
    spans = [case for case in seen if case.shelf in {"squad", "xquad"} and case.quotes and case.language == "en"]
    for case in seen:
        name = case.language if case.language != "en" else case.id.split("/")[0]
        if case.quotes:
            shown, removed = VIEWS[name]
            yield from _made(samples, case, name, shown, chance, pointed_out)
            yield from _made(samples, case, f"{name}-removed", removed, chance, pointed_out, is_removed=True)
        else:
            yield from _made(samples, case, f"{name}-none", _UNANSWERABLE[name], chance, pointed_out)
    for _ in range(_JOINED):
        first, second = _two(spans, chance)
        yield from _made(samples, joined(first, second), "joined", 1, chance, pointed_out)
    for at in range(_FOLLOWING):
        first, second = _two(spans, chance)
        yield from _made(samples, second, "following", 1, chance, pointed_out, is_removed=at % 5 == 0, before=first)


def _made(
    samples: Samples,
    case: Case,
    kind: str,
    times: float,
    chance: random.Random,
    pointed_out: Sequence[int],
    *,
    is_removed: bool = False,
    before: Case | None = None,
) -> Iterator[Sample]:
    n = int(times) + (chance.random() < times % 1)
    for _ in range(n):
        shape = drawn_shape(chance, pointed_out, is_removed=is_removed)
        if sample := samples.make(case, shape, chance, kind, before=before):
            yield sample


def drawn_shape(chance: random.Random, pointed_out: Sequence[int], *, is_removed: bool) -> Shape:
    """A way to fill a prompt: mostly four or five passages, sometimes many, sometimes behind a shared prefix."""
    some, many = chance.randint(6, 9), chance.randint(10, 30)
    n_tail = chance.choices((chance.randint(1, 3), 4, 5, some, many), (10, 26, 38, 17, 9))[0]
    # Passages of other questions alone are the easy case of nothing that answers.
    n_far = chance.choices((0, n_tail // 2, n_tail), (7, 2, 1))[0]
    prefix = 0
    is_inside = False
    if chance.random() < 0.21:
        prefix = 500 + int(5500 * chance.random() ** 2)
        is_inside = chance.random() < 0.45
        n_tail = min(n_tail, 12)
    return Shape(
        n_tail=n_tail,
        prefix_tokens=prefix,
        is_inside=is_inside,
        is_shuffled=chance.random() < 0.25,
        is_removed=is_removed,
        n_far=min(n_far, n_tail),
        n_pointed_out=chance.choice(pointed_out),
    )


def measured(
    cases: Sequence[Case], samples: Samples, *, group: frozenset[str], n: int, seed: int, pointed_out: int
) -> Iterator[Sample]:
    """Prompts of questions over held-out articles: five passages, five without the one that answers, forty."""
    asked = [case for case in cases if case.group in group and case.quotes and case.language == "en"]
    asked = [case for case in asked if case.shelf == ("squad" if group == HELD_OUT else "xquad")]
    for at, case in enumerate(random.Random(seed).sample(asked, min(n, len(asked)))):  # noqa: S311
        make = _maker(samples, case, seed + at)
        for kind, shape in (
            ("five", Shape(n_tail=5, n_pointed_out=pointed_out)),
            ("removed", Shape(n_tail=5, n_pointed_out=pointed_out, is_removed=True)),
        ):
            if sample := make(shape, kind):
                yield sample
        for n_all in range(40, 20, -2) if at % 4 == 0 else ():  # fewer where forty are too long for the window
            shape = Shape(n_tail=20, prefix_tokens=170 * (n_all - 20), n_pointed_out=pointed_out)
            if sample := make(shape, "forty"):
                yield sample
                break


def _maker(samples: Samples, case: Case, seed: int) -> Callable[[Shape, str], Sample | None]:
    return lambda shape, kind: samples.make(case, shape, random.Random(seed), kind)  # noqa: S311


def _two(cases: Sequence[Case], chance: random.Random) -> tuple[Case, Case]:
    """Two questions of one article."""
    while True:
        first, second = chance.choice(cases), chance.choice(cases)
        if first.group == second.group and first.shelf == second.shelf and first.id != second.id:
            return first, second
