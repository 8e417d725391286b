"""What a load is sent to: the service, and the engine behind it with and without what is already computed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rag.bench.openloop.arrivals import Arrival

Body = dict[str, object]
_SEED = 20261128


class Arm(Protocol):
    """Makes requests of a load."""

    name: str
    url: str
    headers: dict[str, str]

    def body(self, arrival: Arrival) -> Body:
        """What is sent for an arrival."""


@dataclass(slots=True, kw_only=True)
class ServiceArm:
    """Questions to the service, one after the other and around again."""

    url: str
    headers: dict[str, str]
    model: str
    questions: Sequence[str]
    name: str = "service"
    n_asked: int = 0

    def body(self, arrival: Arrival) -> Body:
        """A chat request."""
        question = self.questions[self.n_asked % len(self.questions)]
        self.n_asked += 1
        messages = [{"role": "user", "content": question}]
        return {**_common(self.model, arrival), "messages": messages}


@dataclass(slots=True, kw_only=True)
class EngineArm:
    """Token ids to the bare engine, as many as the service sends: ids mean nothing to the time that they take."""

    name: str
    url: str
    model: str
    n_cached: int  # tokens of a prompt that all prompts begin with
    n_new: int
    headers: dict[str, str] = field(default_factory=dict)
    _draw: random.Random = field(default_factory=lambda: random.Random(_SEED))  # noqa: S311 - no secret
    _prefix: list[int] = field(default_factory=list)

    def body(self, arrival: Arrival) -> Body:
        """A completion of a prompt that begins as all of them do."""
        if not self._prefix:
            self._prefix = self._ids(self.n_cached)
        return {**_common(self.model, arrival), "prompt": self._prefix + self._ids(self.n_new)}

    def _ids(self, count: int) -> list[int]:
        return [self._draw.randrange(1000, 8000) for _ in range(count)]


def _common(model: str, arrival: Arrival) -> Body:
    return {"model": model, "max_tokens": arrival.answer_tokens, "stream": True, "temperature": 0}
