"""What every engine does. `tests/contract` holds each implementation to it."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from tokenizers import Tokenizer

from rag.types import Delta, Sampling, Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """What an engine says of itself once it is ready."""

    model: str  # the name that requests to it must carry
    source: str  # folder or hub name of the weights
    window_tokens: int
    block_size: int  # tokens in one block of its cache
    kv_tokens: int | None  # tokens that fit its cache; None: it does not say
    gives_tokens: bool = False  # alone: the text is made by whoever asks


class Engine(Protocol):
    """Generates text from token ids. All calls are made from one event loop."""

    url: str

    async def info(self) -> EngineInfo:
        """Facts about the running engine.

        Raises:
            EngineUnavailable: it is not reachable or still starting.
        """

    async def check(self) -> None:
        """Nothing, if the engine says that it is well. It need not compute anything for that.

        Raises:
            EngineUnavailable: it says that it is not, or nothing at all.
        """

    def learn(self, tokenizer: Tokenizer, defaults: Sampling) -> None:
        """Know the model: an engine may then leave it to this side to make the text of answers.

        tokenizer: reads what the model writes. defaults: how its author wants tokens picked where a request is silent.
        """

    def stream(
        self,
        token_ids: Tokens,
        sampling: Sampling,
        *,
        salt: str,
        request_id: str,
        session: str | None = None,
        report: bool = False,
    ) -> AsyncGenerator[Delta, None]:
        """Pieces of the answers as they are made, the last with `usage`. Closing the generator ends the request.

        The pieces of `sampling.n` choices come in any order among each other; the prompt is computed once.

        salt: keys and values are shared only among requests with the same one.
        session: the same for prompts that share a prefix, for a balancer between here and several engines.
        report: an engine that publishes what it stores shall do so for the blocks that this request reuses, too.

        Raises:
            EngineUnavailable: not reachable, or it died before or while answering.
            EngineBusy: it takes no more requests for the moment.
            EngineError: it refused the request, or what it sent cannot be read.
        """

    async def close(self) -> None:
        """Let go of connections. The engine itself goes on."""
