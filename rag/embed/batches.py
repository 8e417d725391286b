"""Which texts are computed together. Pure: the same lengths give the same batches on every machine."""

from collections.abc import Sequence


def batches(lengths: Sequence[int], budget_tokens: int) -> tuple[tuple[int, ...], ...]:
    """The numbers of all texts, those of like length together, in order of computing: the longest first.

    A batch is as wide as its longest text; no batch is above `budget_tokens`, padding included, but one that is a
    single text. Texts of one length keep their order, so a batch that is planned again, its texts in the order given
    here, stays one batch: whoever computes it elsewhere computes the same.

    lengths: of each text in tokens, as the model reads it. The longest first, so that what does not fit into memory
    fails at once.
    """
    planned: list[tuple[int, ...]] = []
    batch: list[int] = []
    for number in sorted(range(len(lengths)), key=lambda each: -lengths[each]):
        if batch and lengths[batch[0]] * (len(batch) + 1) > budget_tokens:
            planned.append(tuple(batch))
            batch = []
        batch.append(number)
    return (*planned, tuple(batch)) if batch else ()
