"""Completions as OpenAI's clients read them, whole or in chunks."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rag.api.logprobs import completion_logprobs, n_characters
from rag.api.wire import Json, usage_json
from rag.render import ChatTokenizer
from rag.types import Delta, Logprob, Usage


@dataclass(slots=True)
class _Choice:
    text: str = ""
    logprobs: list[Logprob] = field(default_factory=list)
    n_told: int = 0  # characters of the tokens whose log probabilities were told
    finish_reason: str | None = None


@dataclass(slots=True, kw_only=True)
class CompletionWire:
    """The answers to one request, as they come. Choice `i` of prompt `p` has the index `p * n + i`."""

    id: str
    created: int
    model: str
    n: int
    include_usage: bool  # the last chunk of a stream has it
    logprobs: bool
    tokenizer: ChatTokenizer
    echoed: Sequence[str]  # what stands before the completions of each prompt
    _choices: dict[int, _Choice] = field(default_factory=dict)
    _usages: list[Usage] = field(default_factory=list)

    def take(self, prompt: int, delta: Delta) -> list[Json]:
        """The chunks that a piece stands for, and it is kept for `whole` and `end`."""
        if delta.usage:
            self._usages.append(delta.usage)
        if not (delta.text or delta.logprobs or delta.finish_reason):
            return []
        index = prompt * self.n + delta.choice
        text = delta.text if index in self._choices else self.echoed[prompt] + delta.text
        choice = self._choices.setdefault(index, _Choice())
        choice.text += text
        choice.logprobs += delta.logprobs
        choice.finish_reason = delta.finish_reason
        told = self._told(delta.logprobs, choice.n_told) if delta.logprobs else None
        choice.n_told += n_characters(delta.logprobs, self.tokenizer)
        return [self._chunk([{"index": index, "text": text, "logprobs": told, "finish_reason": delta.finish_reason}])]

    def end(self) -> list[Json]:
        """The chunk behind all others, if one was asked for."""
        return [{**self._chunk([]), "usage": usage_json(self._usage())}] if self.include_usage else []

    def whole(self) -> Json:
        """All completions."""
        choices: list[Json] = [
            {
                "index": index,
                "text": choice.text,
                "logprobs": self._told(choice.logprobs, 0) if self.logprobs else None,
                "finish_reason": choice.finish_reason or "stop",
            }
            for index, choice in sorted(self._choices.items())
        ]
        return {**self._head(), "choices": choices, "usage": usage_json(self._usage())}

    def _told(self, logprobs: Sequence[Logprob], offset: int) -> Json:
        return completion_logprobs(logprobs, self.tokenizer, offset=offset)

    def _usage(self) -> Usage:
        cached = [usage.cached_tokens for usage in self._usages]
        return Usage(
            prompt_tokens=sum(usage.prompt_tokens for usage in self._usages),
            completion_tokens=sum(usage.completion_tokens for usage in self._usages),
            cached_tokens=None if None in cached else sum(count or 0 for count in cached),
        )

    def _chunk(self, choices: list[Json]) -> Json:
        return {**self._head(), "choices": choices, **({"usage": None} if self.include_usage else {})}

    def _head(self) -> Json:
        return {
            "id": self.id,
            "object": "text_completion",
            "created": self.created,
            "model": self.model,
            "system_fingerprint": None,
        }
