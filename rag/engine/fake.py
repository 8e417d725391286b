"""An engine without weights: it says what it is told to, at the speed it is told to, with a real block cache."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from itertools import chain, zip_longest

from tokenizers import Tokenizer

from rag.engine.base import EngineInfo
from rag.errors import EngineError
from rag.plan import Held, block_chain
from rag.types import Delta, Logprob, Sampling, Tokens, Usage

Reply = Callable[[Tokens], str | Sequence[str]]
Pieces = Callable[[str], Sequence[tuple[int, str]]]


class FakeEngine:
    """Answers each prompt with `reply(token_ids)`, or with one of several for each choice, in turn.

    pieces: how a reply is cut into token ids with their text; unset: three characters a token, numbered.

    token_s: seconds between two tokens. uncached_token_s: seconds that each uncached token of the prompt adds to
    the first. fail_after: an EngineError after so many tokens. It keeps its cache as the real engine does: full
    blocks, at most all but the last token, least recently used first out.

    remembers: of how many requests `salts`, `sessions`, `prompts` and `samplings` tell, the last ones; unset: of all.
    """

    def __init__(
        self,
        reply: Reply,
        *,
        info: EngineInfo | None = None,
        token_s: float = 0.0,
        uncached_token_s: float = 0.0,
        fail_after: int | None = None,
        pieces: Pieces | None = None,
        remembers: int | None = None,
    ) -> None:
        """Set what it says, how fast, and whether it breaks."""
        self.url = "fake://engine"
        self.salts: list[str] = []
        self.sessions: list[str | None] = []
        self.prompts: list[Tokens] = []
        self.samplings: list[Sampling] = []
        self.n_cancelled = 0
        self._reply = reply
        self._info = info or EngineInfo(model="fake", source="fake", window_tokens=4096, block_size=16, kv_tokens=65536)
        self._token_s = token_s
        self._uncached_token_s = uncached_token_s
        self._fail_after = fail_after
        self._pieces = pieces or _threes
        self._remembers = remembers
        kv_tokens = self._info.kv_tokens
        self._held = Held(kv_tokens // self._info.block_size if kv_tokens else None)

    async def info(self) -> EngineInfo:
        """What it was told to say of itself."""
        return self._info

    async def check(self) -> None:
        """Nothing: it is always well."""

    def learn(self, tokenizer: Tokenizer, defaults: Sampling) -> None:
        """Nothing to it: what it says is text from the start."""

    async def stream(
        self,
        token_ids: Tokens,
        sampling: Sampling,
        *,
        salt: str,
        request_id: str,
        session: str | None = None,
        report: bool = False,
    ) -> AsyncGenerator[Delta, None]:
        """Pieces of the reply. It publishes nothing, so it has nothing to report."""
        del request_id, report
        self._remember(token_ids, sampling, salt, session)
        block_size = self._info.block_size
        blocks = block_chain(token_ids, block_size, salt)
        cached = min(self._held.match(blocks), (len(token_ids) - 1) // block_size) * block_size
        try:
            await asyncio.sleep((len(token_ids) - cached) * self._uncached_token_s)
            self._held.admit(blocks)
            choices = self._choices(token_ids, sampling)
            for index, delta in enumerate(chain.from_iterable(zip_longest(*choices))):
                if delta is None:
                    continue
                if index == self._fail_after:
                    raise EngineError("The fake engine was told to fail here. Tell it otherwise.")
                yield delta
                await asyncio.sleep(self._token_s)
            n_tokens = sum(len(delta.token_ids) for deltas in choices for delta in deltas)
            yield Delta(usage=Usage(prompt_tokens=len(token_ids), completion_tokens=n_tokens, cached_tokens=cached))
        except (GeneratorExit, asyncio.CancelledError):
            self.n_cancelled += 1
            raise

    async def close(self) -> None:
        """Nothing to let go of."""

    def _remember(self, token_ids: Tokens, sampling: Sampling, salt: str, session: str | None) -> None:
        self.sessions.append(session)
        self.salts.append(salt)
        self.prompts.append(token_ids)
        self.samplings.append(sampling)
        if self._remembers is not None:
            for told in (self.sessions, self.salts, self.prompts, self.samplings):
                del told[: -self._remembers]

    def _choices(self, token_ids: Tokens, sampling: Sampling) -> list[list[Delta]]:
        said = self._reply(token_ids)
        replies = [said] if isinstance(said, str) else said
        return [self._choice(index, replies[index % len(replies)], sampling) for index in range(sampling.n)]

    def _choice(self, choice: int, reply: str, sampling: Sampling) -> list[Delta]:
        spoken = self._pieces(_until_stop(reply, sampling.stop))
        pieces = spoken[: sampling.max_tokens]
        finished = "length" if len(spoken) > len(pieces) else "stop"
        deltas = [
            Delta(choice=choice, text=text, token_ids=(token_id,), logprobs=_logprobs(token_id, sampling.top_logprobs))
            for token_id, text in pieces or [(0, "")]
        ]
        return [*deltas[:-1], replace(deltas[-1], finish_reason=finished)]


def _logprobs(token_id: int, n_top: int | None) -> tuple[Logprob, ...]:
    if n_top is None:
        return ()
    top = tuple((token_id + rank, -0.25 * (rank + 1)) for rank in range(n_top))
    return (Logprob(token_id=token_id, logprob=-0.25, top=top),)


def _until_stop(text: str, stop: tuple[str, ...]) -> str:
    ends = [text.index(word) for word in stop if word in text]
    return text[: min(ends)] if ends else text


def _threes(text: str) -> list[tuple[int, str]]:
    return list(enumerate(text[start : start + 3] for start in range(0, len(text), 3)))
