"""The events of an answer that is none."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from rag.ask import Choice, Found, Piece, Report, Reuse
from rag.types import Prompt, Usage

_READ_CHARS = 2000  # of an answer: models say at its beginning that they do not know
_NO_REUSE = Reuse(
    prompt_tokens=0, predicted_cached_tokens=0, cached_tokens=0, segments=(), miss_reason=None, n_replaced=0
)


def marked(choice: Choice, admits: Callable[[str], bool]) -> Choice:
    """The same, marked as no answer where it cites nothing and `admits` says that it says so."""
    if choice.citations or choice.calls or choice.no_answer or not admits(choice.text[:_READ_CHARS]):
        return choice
    return replace(choice, no_answer="model")


def refused(
    text: str,
    found: Found,
    *,
    n_choices: int,
    collection: str,
    generation: int,
    layout: str,
    n_turns_dropped: int,
    timings_ms: Mapping[str, float],
) -> tuple[Found, list[Piece], Report]:
    """What was found, `text` for each choice, and a report of no tokens: the engine was not asked."""
    choices = tuple(Choice(finish_reason="stop", text=text, no_answer="retrieval") for _ in range(n_choices))
    report = Report(
        choices=choices,
        usage=Usage(prompt_tokens=0, completion_tokens=0, cached_tokens=0),
        collection=collection,
        generation=generation,
        prompt=Prompt(token_ids=(), segments=(), shown=(), layout=layout),
        hits=found.hits,
        n_turns_dropped=n_turns_dropped,
        reuse=_NO_REUSE,
        timings_ms=dict(timings_ms),
    )
    return found, [Piece(choice=index, content=text) for index in range(n_choices)], report
