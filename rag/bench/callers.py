"""Many callers of one text each over keep-alive connections: a client that costs next to nothing itself."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from rag.errors import EngineError


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """What the callers saw."""

    seconds: float
    latencies_ms: tuple[float, ...]


async def embed(url: str, model: str, texts: Sequence[str], *, n_callers: int, token: str) -> Calls:
    """Every text sent once, by `n_callers` that each wait for their answer before they send the next.

    Raises:
        EngineError: an answer is no 200.
    """
    place = urlsplit(url)
    waiting = [_request(place.netloc, model, text, token) for text in texts]
    latencies: list[float] = []

    async def call() -> None:
        reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=2**20)
        while waiting:
            sent = time.perf_counter()
            writer.write(waiting.pop())
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(_length(head))
            if not head.startswith(b"HTTP/1.1 200"):
                raise EngineError(f"{url} answers {head.splitlines()[0].decode()}: {body[:200]!r}.")
            latencies.append((time.perf_counter() - sent) * 1000)
        writer.close()

    start = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(n_callers)))
    return Calls(seconds=time.perf_counter() - start, latencies_ms=tuple(latencies))


def _request(host: str, model: str, text: str, token: str) -> bytes:
    # As the official client asks: it decodes base64 by itself.
    body = json.dumps({"model": model, "input": text, "encoding_format": "base64"}).encode()
    head = (
        f"POST /v1/embeddings HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _length(head: bytes) -> int:
    line = next(line for line in head.lower().splitlines() if line.startswith(b"content-length:"))
    return int(line.partition(b":")[2])
