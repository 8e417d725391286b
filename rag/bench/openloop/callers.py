"""One request and what its caller saw of it."""

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2

_DATA = "data: "


@dataclass(slots=True, kw_only=True)
class Seen:
    """One answer. Times in milliseconds from when the request was due."""

    status: int = 0  # 0: no answer came
    first_ms: float | None = None  # None: no text came
    total_ms: float = 0.0
    n_pieces: int = 0  # of text
    is_whole: bool = False  # it ended as a stream should
    retry_after_s: float | None = None
    reuse: dict[str, float] = field(default_factory=dict)  # of the service's own report

    @property
    def between_ms(self) -> float:
        """Mean time from one piece of text to the next."""
        return (self.total_ms - (self.first_ms or 0.0)) / max(1, self.n_pieces - 1)

    def keeps(self, *, first_ms: float, between_ms: float) -> bool:
        """Whether it was answered within both limits."""
        return (
            self.is_whole and self.first_ms is not None and self.first_ms <= first_ms and self.between_ms <= between_ms
        )


async def call(
    client: httpx2.AsyncClient, url: str, body: Mapping[str, object], headers: Mapping[str, str], *, due: float
) -> Seen:
    """What a caller sees of a streamed answer. Nothing is raised: a broken answer is seen too.

    due: by `time.perf_counter`. That it may have been sent late counts against the service.
    """
    seen = Seen()
    with suppress(httpx2.HTTPError, ValueError):
        async with client.stream("POST", url, json=body, headers=headers) as response:
            seen.status = response.status_code
            with suppress(KeyError):
                seen.retry_after_s = float(response.headers["retry-after"])
            async for line in response.aiter_lines():
                if line == f"{_DATA}[DONE]":
                    seen.is_whole = seen.status == httpx2.codes.OK
                elif line.startswith(_DATA):
                    _read(json.loads(line.removeprefix(_DATA)), due, seen)
    seen.total_ms = (time.perf_counter() - due) * 1000
    return seen


def _read(chunk: dict[str, Any], due: float, seen: Seen) -> None:  # Any: JSON
    choice = chunk["choices"][0] if chunk.get("choices") else {}
    if choice.get("text") or choice.get("delta", {}).get("content"):
        seen.n_pieces += 1
        if seen.first_ms is None:
            seen.first_ms = (time.perf_counter() - due) * 1000
    if chunk.get("rag"):
        seen.reuse = chunk["rag"]["reuse"]
