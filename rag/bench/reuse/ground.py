"""What an arm may know of the bench that it runs on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rag.bench.reuse.workload import Request, Workload
from rag.embed.base import Vectors
from rag.errors import ConfigError
from rag.plan import Held, Pace, Plan, PlannedTurn
from rag.render import Renderer
from rag.types import Chunk, Prompt, Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The corpus as token arrays, the engine, and the arguments of the arms.

    An arm has one for each access group: what has another salt is never reused, so it is not worth knowing.
    """

    chunks: tuple[Chunk, ...]
    vectors: Vectors  # a row for each chunk
    tokens: Mapping[int, Tokens]  # the stored array of each chunk, by seq, without its label
    renderer: Renderer
    salt: str
    held: Callable[[], Held]  # what the engine holds at present, as far as is known
    pace: Pace  # of the engine
    block_size: int
    kv_tokens: int | None  # tokens that fit the engine's cache; None: unbounded or unknown
    window_tokens: int | None  # longest prompt with its answer; None: no limit
    answer_tokens: int  # asked for with every request
    cut: float  # hits that score below this share of the best are left out by arms named so
    seed: int
    arms_dir: Path  # environments of programs that are compared with

    def cost(self, chunk: Chunk) -> int:
        """Prompt tokens that showing a chunk takes, its label included."""
        return self.renderer.cost(self.tokens[chunk.seq])

    def prompt(self, plan: Plan) -> Prompt:
        """The prompt of a plan."""
        return self.renderer.render(plan, self.tokens)


def fitted(workload: Workload, ground: Ground) -> Workload:
    """The workload with no more hits than fit the window beside the bare conversation, for all arms alike.

    Raises:
        ConfigError: a question does not fit with even one passage.
    """
    if ground.window_tokens is None:
        return workload
    room = ground.window_tokens - ground.answer_tokens
    return replace(workload, requests=tuple(_fitted(request, ground, room) for request in workload.requests))


def _fitted(request: Request, ground: Ground, room: int) -> Request:
    turns = tuple(PlannedTurn(question=turn.question, answer=turn.answer) for turn in request.dialogue.turns)
    left = room - ground.renderer.fixed_tokens(Plan(turns=turns))
    kept = []
    for hit in request.hits[-1]:
        left -= ground.cost(hit.chunk)
        if left < 0:
            break
        kept.append(hit)
    if not kept:
        raise ConfigError(
            f"The question {request.dialogue.turns[-1].question[:60]!r} and its best passage do not fit the window of "
            f"{ground.window_tokens} tokens. Name a model with a larger one."
        )
    return replace(request, hits=(*request.hits[:-1], tuple(kept)))
