"""Log probabilities in the two shapes that OpenAI has for them."""

import itertools
from collections.abc import Sequence

from rag.api.wire import Json
from rag.render import ChatTokenizer
from rag.types import Logprob


def chat_logprobs(logprobs: Sequence[Logprob], tokenizer: ChatTokenizer) -> Json:
    """As chat completions have them. The `bytes` of all tokens together are what the model wrote."""
    return {"content": response_logprobs(logprobs, tokenizer), "refusal": None}


def response_logprobs(logprobs: Sequence[Logprob], tokenizer: ChatTokenizer) -> list[Json]:
    """As responses have them: the same list."""
    return [
        {
            **_token(one.token_id, one.logprob, tokenizer),
            "top_logprobs": [_token(token_id, logprob, tokenizer) for token_id, logprob in one.top],
        }
        for one in logprobs
    ]


def completion_logprobs(logprobs: Sequence[Logprob], tokenizer: ChatTokenizer, *, offset: int) -> Json:
    """As completions have them. offset: characters of the choice's text before these tokens."""
    texts = [_text(tokenizer.token_bytes(one.token_id)) for one in logprobs]
    ends = itertools.accumulate(map(len, texts), initial=offset)
    return {
        "tokens": texts,
        "token_logprobs": [one.logprob for one in logprobs],
        "top_logprobs": [
            {_text(tokenizer.token_bytes(token_id)): logprob for token_id, logprob in reversed(one.top)}
            for one in logprobs
        ],
        "text_offset": list(ends)[:-1],
    }


def n_characters(logprobs: Sequence[Logprob], tokenizer: ChatTokenizer) -> int:
    """Characters that the tokens of `completion_logprobs` have."""
    return sum(len(_text(tokenizer.token_bytes(one.token_id))) for one in logprobs)


def _token(token_id: int, logprob: float, tokenizer: ChatTokenizer) -> Json:
    raw = tokenizer.token_bytes(token_id)
    return {"token": _text(raw), "logprob": logprob, "bytes": list(raw)}


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
