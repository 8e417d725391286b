"""The sentences of a source that say together what a statement says."""

from collections.abc import Mapping

from rag.cite.align.limits import Limits
from rag.cite.align.source import Sentence, Source

_MOST_SENTENCES = 5
_MIN_GAIN = 2  # content words
_LENGTH_PENALTY = 0.1  # what a sentence loses at most for saying more than the statement


def cover(shared: Mapping[str, str], n_content: int, source: Source, limits: Limits) -> tuple[Sentence, ...]:
    """The fewest sentences that say what can be said of `shared`, in their order.

    Greedy: the best one first, then whichever adds most, as long as that is enough to be worth reading.
    shared: the statement's content keys that the source has, to the source's own. n_content: how many keys it has.
    """
    wanted = set(shared.values())
    chosen: list[int] = []
    while wanted and len(chosen) < _MOST_SENTENCES:
        best, best_rank, best_gain = -1, 0.0, 0
        for number, sentence in enumerate(source.sentences):
            gain = len(wanted & sentence.content)
            if not gain or number in chosen:
                continue
            excess = 1 - min(1.0, n_content / max(len(sentence.content), 1))
            is_next = any(abs(number - other) == 1 for other in chosen)
            rank = gain - _LENGTH_PENALTY * excess * n_content / 2 + 0.01 * is_next
            if rank > best_rank:
                best, best_rank, best_gain = number, rank, gain
        if best < 0 or (chosen and best_gain < max(_MIN_GAIN, limits.gain * n_content)):
            break
        chosen.append(best)
        wanted -= source.sentences[best].content
    return tuple(source.sentences[number] for number in sorted(chosen))


def spans(evidence: tuple[Sentence, ...], source: Source) -> list[tuple[int, int]]:
    """The spans of the sentences, neighbours in one."""
    numbers = {sentence.start: number for number, sentence in enumerate(source.sentences)}
    found: list[tuple[int, int]] = []
    last = -2
    for sentence in evidence:
        number = numbers[sentence.start]
        if number == last + 1:
            found[-1] = (found[-1][0], sentence.end)
        else:
            found.append((sentence.start, sentence.end))
        last = number
    return found
