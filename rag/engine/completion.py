"""vLLM's `/v1/completions`: our request as its body, and its events as ours."""

import json
from collections.abc import Mapping
from typing import Any

import httpx2

from rag.engine.wire import REPORT_SESSION
from rag.errors import EngineBusy, EngineError, InvalidRequest
from rag.types import Delta, Logprob, Sampling, Tokens, Usage

# Extra arguments that an engine does not know are ignored by it.
_REPORT = {"vllm_xargs": {"kv_cache_report_mode": "full", "session_id": REPORT_SESSION}}
_TOKEN_ID = "token_id:"  # noqa: S105 - how vLLM writes a token as its id


def completion_body(
    model: str | None, token_ids: Tokens, sampling: Sampling, *, salt: str, report: bool
) -> dict[str, object]:
    """The body of a request. Prompts are token ids, so no template touches them again."""
    # vLLM refuses several choices at temperature 0; of one candidate, sampling picks the likeliest just the same.
    is_greedy = sampling.n > 1 and sampling.temperature == 0
    optional = {
        "temperature": 1.0 if is_greedy else sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": 1 if is_greedy else sampling.top_k,
        "min_p": sampling.min_p,
        "seed": sampling.seed,
        "stop": list(sampling.stop) or None,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "repetition_penalty": sampling.repetition_penalty,
        "logit_bias": sampling.logit_bias or None,
        "response_format": sampling.response_format,
        "structured_outputs": {"grammar": sampling.grammar} if sampling.grammar else None,
        "n": sampling.n if sampling.n > 1 else None,
        "logprobs": sampling.top_logprobs,
        # As ids they are exact: the text of half a character is not, and two tokens may have the same text.
        "return_tokens_as_token_ids": None if sampling.top_logprobs is None else True,
        "bad_words": list(sampling.bad_words) or None,
        "skip_special_tokens": False if sampling.special_tokens else None,
    }
    return {
        "model": model,
        "prompt": token_ids,
        "max_tokens": sampling.max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_token_ids": True,
        "cache_salt": salt,
        **{name: value for name, value in optional.items() if value is not None},
        **(_REPORT if report else {}),
    }


def read_delta(url: str, data: str, *, n_top: int | None) -> Delta:
    """One event of the engine at `url`. n_top: how many likely tokens were asked for at each position.

    Raises:
        RagError: the event says that the request failed, or cannot be read.
    """
    try:
        event: dict[str, Any] = json.loads(data)  # vLLM's JSON, read by key
        if "error" in event:
            raise refusal(url, event["error"].get("code", 500), data.encode())
        usage = event.get("usage")
        choice = event["choices"][0] if event["choices"] else {}
        token_ids = tuple(choice.get("token_ids") or ())
        return Delta(
            choice=choice.get("index", 0),
            text=choice.get("text", ""),
            token_ids=token_ids,
            logprobs=_logprobs(token_ids, choice, n_top) if n_top is not None else (),
            finish_reason=choice.get("finish_reason"),
            usage=_usage(usage) if usage else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise EngineError(
            f"The engine at {url} sent {data[:80]!r}, which is no completion. Is it a vLLM server?"
        ) from None


def refusal(url: str, status: int, body: bytes) -> Exception:
    """What an answer with this status means to the caller."""
    param = None
    try:
        error = json.loads(body)["error"]
        message, param = error["message"], error.get("param")
    except (ValueError, KeyError, TypeError):
        message = body[:200].decode("utf-8", "replace")
    if status == httpx2.codes.BAD_REQUEST:
        return InvalidRequest(f"The engine refuses the request: {message}", param=param)
    if status in (httpx2.codes.SERVICE_UNAVAILABLE, httpx2.codes.TOO_MANY_REQUESTS):
        return EngineBusy(f"The engine at {url} is busy: {message}. Try again in a moment.", retry_after_s=1)
    return EngineError(f"The engine at {url} failed with status {status}: {message}. See its log.")


def _usage(usage: Mapping[str, Any]) -> Usage:
    details = usage.get("prompt_tokens_details")
    # Some versions leave `cached_tokens` out when it is zero; no details at all means that it is switched off.
    cached = (details.get("cached_tokens") or 0) if details is not None else None
    return Usage(
        prompt_tokens=usage["prompt_tokens"],
        completion_tokens=usage.get("completion_tokens") or 0,
        cached_tokens=cached,
    )


def _logprobs(token_ids: Tokens, choice: Mapping[str, Any], n_top: int) -> tuple[Logprob, ...]:
    told = choice.get("logprobs") or {}
    logprobs = tuple(
        Logprob(token_id=token_id, logprob=logprob, top=_top(top or {}, n_top))
        for token_id, logprob, top in zip(
            token_ids, told.get("token_logprobs", ()), told.get("top_logprobs", ()), strict=True
        )
    )
    # A token that ends the answer is no part of its text. A stop string is named by its text.
    is_ended_by_token = choice.get("finish_reason") == "stop" and not isinstance(choice.get("stop_reason"), str)
    return logprobs[:-1] if is_ended_by_token else logprobs


def _top(top: Mapping[str, float], n_top: int) -> tuple[tuple[int, float], ...]:
    """The likeliest tokens. vLLM lists the one that was written as well, in front."""
    ids = [(int(token.removeprefix(_TOKEN_ID)), logprob) for token, logprob in top.items()]
    return tuple(sorted(ids, key=lambda pair: -pair[1])[:n_top])
