"""The client's messages as a conversation: instructions of the application, then questions with their answers."""

from collections.abc import Sequence
from dataclasses import dataclass

from rag.types import Message


@dataclass(frozen=True, slots=True)
class Turn:
    """What the user said, and what was answered (None: not yet)."""

    question: str
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A conversation. Only the last turn has no answer."""

    application: str
    turns: tuple[Turn, ...]


def read_dialogue(messages: Sequence[Message]) -> Dialogue | None:
    """The conversation in `messages`, or None if it does not end with something that the user said.

    Messages of one side that follow each other are joined by a blank line; a dialogue that the assistant opened
    has a first turn with an empty question. System messages are joined wherever they stand: behind the shared
    prefix there is one place for them.
    """
    system = [message.content for message in messages if message.role == "system"]
    runs: list[tuple[str, str]] = []
    for message in messages:
        if message.role == "system":
            continue
        if runs and runs[-1][0] == message.role:
            runs[-1] = (message.role, f"{runs[-1][1]}\n\n{message.content}")
        else:
            runs.append((message.role, message.content))
    if not runs or runs[-1][0] != "user":
        return None
    if runs[0][0] == "assistant":
        runs.insert(0, ("user", ""))
    texts = [text for _, text in runs]
    turns = [Turn(question, answer) for question, answer in zip(texts[:-1:2], texts[1::2], strict=True)]
    return Dialogue("\n\n".join(system), (*turns, Turn(texts[-1])))
