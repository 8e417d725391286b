"""A running vLLM, through its OpenAI-compatible server."""

import json
import re
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import httpx2

from rag.engine.base import EngineInfo
from rag.engine.wire import REPORT_SESSION
from rag.errors import ConfigError, EngineError, EngineUnavailable, InvalidRequest
from rag.types import Delta, Sampling, Tokens, Usage

_CACHE_CONFIG = re.compile(r"^vllm:cache_config_info\{(.*)\} ", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
# The engine's own limits do the waiting; a silent one is found by the request's deadline.
_TIMEOUT = httpx2.Timeout(None, connect=5.0)
# Extra arguments that an engine does not know are ignored by it.
_REPORT = {"vllm_xargs": {"kv_cache_report_mode": "full", "session_id": REPORT_SESSION}}


class VllmEngine:
    """One vLLM server. Prompts go to `/v1/completions` as token ids, so no template touches them again."""

    def __init__(self, url: str, api_key: str | None = None) -> None:
        """Prepare to talk to the server at `url` (with or without `/v1`). Nothing is sent yet.

        Raises:
            ConfigError: `url` is no address of a server.
        """
        _check_url(url)
        self.url = url.rstrip("/").removesuffix("/v1")
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=64)
        self._client = httpx2.AsyncClient(
            base_url=self.url, headers=headers, timeout=_TIMEOUT, limits=limits, trust_env=False
        )
        self._model: str | None = None

    async def info(self) -> EngineInfo:
        """Facts about the running engine."""
        models = (await self._get("/v1/models")).json()["data"]
        if not models:
            raise EngineUnavailable(f"The engine at {self.url} serves no model. Start it with one.")
        card = models[0]
        cache = _cache_config((await self._get("/metrics")).text)
        block_size = int(cache.get("block_size", 16))
        n_blocks = cache.get("num_gpu_blocks", "")
        self._model = card["id"]
        return EngineInfo(
            model=card["id"],
            source=card.get("root") or card["id"],
            window_tokens=card["max_model_len"],
            block_size=block_size,
            kv_tokens=int(n_blocks) * block_size if n_blocks.isdigit() else None,
        )

    async def stream(
        self, token_ids: Tokens, sampling: Sampling, *, salt: str, request_id: str, report: bool = False
    ) -> AsyncGenerator[Delta, None]:
        """Pieces of the answer as they are made, the last with `usage`."""
        body = self._body(token_ids, sampling, salt) | (_REPORT if report else {})
        try:
            async with self._client.stream(
                "POST", "/v1/completions", json=body, headers={"X-Request-Id": request_id}
            ) as response:
                if response.status_code != httpx2.codes.OK:
                    raise _refusal(self.url, response.status_code, await response.aread())
                async for line in response.aiter_lines():
                    if line.startswith("data: ") and line != "data: [DONE]":
                        yield _delta(self.url, line[6:])
        except httpx2.TransportError as error:
            raise self._unreachable(error) from None

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()

    def _body(self, token_ids: Tokens, sampling: Sampling, salt: str) -> dict[str, object]:
        optional = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "min_p": sampling.min_p,
            "seed": sampling.seed,
            "stop": list(sampling.stop) or None,
            "presence_penalty": sampling.presence_penalty,
            "frequency_penalty": sampling.frequency_penalty,
            "repetition_penalty": sampling.repetition_penalty,
            "logit_bias": sampling.logit_bias or None,
            "response_format": sampling.response_format,
        }
        return {
            "model": self._model,
            "prompt": token_ids,
            "max_tokens": sampling.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
            "return_token_ids": True,
            "cache_salt": salt,
            **{name: value for name, value in optional.items() if value is not None},
        }

    async def _get(self, path: str) -> httpx2.Response:
        try:
            response = await self._client.get(path, timeout=10.0)
        except httpx2.TransportError as error:
            raise self._unreachable(error) from None
        if response.status_code != httpx2.codes.OK:
            raise EngineUnavailable(
                f"The engine at {self.url} answers {path} with status {response.status_code}. "
                "Is it a vLLM server, and is its key (engine.api_key) right?"
            )
        return response

    def _unreachable(self, error: Exception) -> EngineUnavailable:
        return EngineUnavailable(
            f"The engine at {self.url} is not reachable ({type(error).__name__}). Check that it runs; see `rag status`."
        )


def _check_url(url: str) -> None:
    try:
        parts = httpx2.URL(url)
    except httpx2.InvalidURL:
        is_server = False
    else:
        is_server = parts.scheme in {"http", "https"} and bool(parts.host)
    if not is_server:
        raise ConfigError(f"The engine's URL {url!r} is none. Name one such as http://127.0.0.1:8001 by --engine-url.")


def _delta(url: str, data: str) -> Delta:
    try:
        event: dict[str, Any] = json.loads(data)  # vLLM's JSON, read by key
        if "error" in event:
            raise _refusal(url, event["error"].get("code", 500), data.encode())
        usage = event.get("usage")
        choice = event["choices"][0] if event["choices"] else {}
        return Delta(
            text=choice.get("text", ""),
            token_ids=tuple(choice.get("token_ids") or ()),
            finish_reason=choice.get("finish_reason"),
            usage=_usage(usage) if usage else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise EngineError(
            f"The engine at {url} sent {data[:80]!r}, which is no completion. Is it a vLLM server?"
        ) from None


def _usage(usage: Mapping[str, Any]) -> Usage:
    details = usage.get("prompt_tokens_details")
    # Some versions leave `cached_tokens` out when it is zero; no details at all means that it is switched off.
    cached = (details.get("cached_tokens") or 0) if details is not None else None
    return Usage(
        prompt_tokens=usage["prompt_tokens"],
        completion_tokens=usage.get("completion_tokens") or 0,
        cached_tokens=cached,
    )


def _refusal(url: str, status: int, body: bytes) -> Exception:
    try:
        message = json.loads(body)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = body[:200].decode("utf-8", "replace")
    if status == httpx2.codes.BAD_REQUEST:
        return InvalidRequest(f"The engine refuses the request: {message}")
    if status in (httpx2.codes.SERVICE_UNAVAILABLE, httpx2.codes.TOO_MANY_REQUESTS):
        return EngineUnavailable(f"The engine at {url} is busy: {message}. Try again in a moment.", retry_after_s=1)
    return EngineError(f"The engine at {url} failed with status {status}: {message}. See its log.")


def _cache_config(metrics: str) -> dict[str, str]:
    found = _CACHE_CONFIG.search(metrics)
    return dict(_LABEL.findall(found.group(1))) if found else {}
