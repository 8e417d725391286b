"""A running vLLM, through its OpenAI-compatible server."""

import re
from collections.abc import AsyncGenerator

import httpx2

from rag.engine.base import EngineInfo
from rag.engine.completion import completion_body, read_delta, refusal
from rag.errors import ConfigError, EngineUnavailable
from rag.types import Delta, Sampling, Tokens

_CACHE_CONFIG = re.compile(r"^vllm:cache_config_info\{(.*)\} ", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
# The engine's own limits do the waiting; a silent one is found by the request's deadline.
_TIMEOUT = httpx2.Timeout(None, connect=5.0)


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
        body = completion_body(self._model, token_ids, sampling, salt=salt, report=report)
        try:
            async with self._client.stream(
                "POST", "/v1/completions", json=body, headers={"X-Request-Id": request_id}
            ) as response:
                if response.status_code != httpx2.codes.OK:
                    raise refusal(self.url, response.status_code, await response.aread())
                async for line in response.aiter_lines():
                    if line.startswith("data: ") and line != "data: [DONE]":
                        yield read_delta(self.url, line[6:], n_top=sampling.top_logprobs)
        except httpx2.TransportError as error:
            raise self._unreachable(error) from None

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()

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


def _cache_config(metrics: str) -> dict[str, str]:
    found = _CACHE_CONFIG.search(metrics)
    return dict(_LABEL.findall(found.group(1))) if found else {}
