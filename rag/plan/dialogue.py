"""The client's messages as a conversation: instructions of the application, then questions with their answers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from rag.types import Message, Role


@dataclass(frozen=True, slots=True)
class Turn:
    """What the user said, and what was answered (None: not yet).

    results: what the tools gave that the answer before had called; the user may say nothing to it.
    """

    question: str
    answer: str | None = None
    results: str = ""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A conversation. Only the last turn has no answer."""

    application: str
    turns: tuple[Turn, ...]

    @property
    def queries(self) -> tuple[str, ...]:
        """What to search for in each turn: its question, or the one before that a tool's results belong to."""
        queries: list[str] = []
        for turn in self.turns:
            is_answer_to_call = bool(turn.results) and not turn.question and queries
            queries.append(queries[-1] if is_answer_to_call else turn.question)
        return tuple(queries)


def read_dialogue(messages: Sequence[Message]) -> Dialogue | None:
    """The conversation in `messages`, or None if it does not end with something that the model can answer.

    Messages of one side that follow each other are joined by a blank line; a dialogue that the assistant opened
    has a first turn with an empty question. System messages are joined wherever they stand: behind the shared
    prefix there is one place for them.
    """
    system = [message.content for message in messages if message.role == "system"]
    turns: list[Turn] = []
    for is_answer, run in groupby((m for m in messages if m.role != "system"), key=lambda m: m.role == "assistant"):
        said = list(run)
        if not is_answer:
            turns.append(Turn(_joined(said, "user"), results=_joined(said, "tool")))
            continue
        if not turns:
            turns.append(Turn(""))
        turns[-1] = replace(turns[-1], answer=_joined(said, "assistant"))
    if not turns or turns[-1].answer is not None:
        return None
    return Dialogue("\n\n".join(system), tuple(turns))


def n_earlier_turns(messages: Sequence[Message]) -> int:
    """How many questions stand before the last one. What a tool gave belongs to the question that led to the call."""
    return len(_later_turns(messages))


def without_oldest(messages: Sequence[Message], n_turns: int) -> tuple[Message, ...]:
    """The messages without the oldest `n_turns` questions and all that belongs to them. System messages stay.

    n_turns: at most `n_earlier_turns`.
    """
    start = _later_turns(messages)[n_turns - 1] if n_turns else 0
    return tuple(message for index, message in enumerate(messages) if message.role == "system" or index >= start)


def _later_turns(messages: Sequence[Message]) -> list[int]:
    """Where each question but the first begins."""
    said = [index for index, message in enumerate(messages) if message.role != "system"]
    return [here for before, here in pairwise(said) if messages[here].role == "user" != messages[before].role]


def _joined(messages: Sequence[Message], role: Role) -> str:
    separator = "\n" if role == "tool" else "\n\n"
    return separator.join(message.content for message in messages if message.role == role)
