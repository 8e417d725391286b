"""An engine without weights: it says what it is told to, at the speed it is told to, with a real block cache."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from itertools import pairwise

from rag.engine.base import EngineInfo
from rag.errors import EngineError
from rag.plan import Held, block_chain
from rag.types import Delta, Sampling, Tokens, Usage

Reply = Callable[[Tokens], str]


class FakeEngine:
    """Answers each prompt with `reply(token_ids)`, three characters a token.

    token_s: seconds between two tokens. uncached_token_s: seconds that each uncached token of the prompt adds to
    the first. fail_after: an EngineError after so many tokens. It keeps its cache as the real engine does: full
    blocks, at most all but the last token, least recently used first out.
    """

    def __init__(
        self,
        reply: Reply,
        *,
        info: EngineInfo | None = None,
        token_s: float = 0.0,
        uncached_token_s: float = 0.0,
        fail_after: int | None = None,
    ) -> None:
        """Set what it says, how fast, and whether it breaks."""
        self.url = "fake://engine"
        self.salts: list[str] = []
        self.n_cancelled = 0
        self._reply = reply
        self._info = info or EngineInfo(model="fake", source="fake", window_tokens=4096, block_size=16, kv_tokens=65536)
        self._token_s = token_s
        self._uncached_token_s = uncached_token_s
        self._fail_after = fail_after
        kv_tokens = self._info.kv_tokens
        self._held = Held(kv_tokens // self._info.block_size if kv_tokens else None)

    async def info(self) -> EngineInfo:
        """What it was told to say of itself."""
        return self._info

    async def stream(
        self, token_ids: Tokens, sampling: Sampling, *, salt: str, request_id: str, report: bool = False
    ) -> AsyncGenerator[Delta, None]:
        """Pieces of the reply. It publishes nothing, so it has nothing to report."""
        del request_id, report
        self.salts.append(salt)
        block_size = self._info.block_size
        chain = block_chain(token_ids, block_size, salt)
        cached = min(self._held.match(chain), (len(token_ids) - 1) // block_size) * block_size
        try:
            await asyncio.sleep((len(token_ids) - cached) * self._uncached_token_s)
            self._held.admit(chain)
            spoken = _pieces(_until_stop(self._reply(token_ids), sampling.stop))
            pieces = spoken[: sampling.max_tokens]
            finished = "length" if len(spoken) > len(pieces) else "stop"
            for index, (text, next_text) in enumerate(pairwise([*pieces, ""])):
                if index == self._fail_after:
                    raise EngineError("The fake engine was told to fail here. Tell it otherwise.")
                yield Delta(text=text, token_ids=(index,), finish_reason=None if next_text else finished)
                await asyncio.sleep(self._token_s)
            yield Delta(usage=Usage(prompt_tokens=len(token_ids), completion_tokens=len(pieces), cached_tokens=cached))
        except (GeneratorExit, asyncio.CancelledError):
            self.n_cancelled += 1
            raise

    async def close(self) -> None:
        """Nothing to let go of."""


def _until_stop(text: str, stop: tuple[str, ...]) -> str:
    ends = [text.index(word) for word in stop if word in text]
    return text[: min(ends)] if ends else text


def _pieces(text: str) -> list[str]:
    return [text[start : start + 3] for start in range(0, len(text), 3)]
