"""`rag bench load`: what the service adds to the engine's own first token.

Two arms in one run, request by request in turn (ABBA, so that drift hits both alike): the service, asked a new
question over a warm shared prefix; and the engine behind it, sent token ids with the same number of cached and of
new tokens. Ids mean nothing to the time that they take, so the second arm's are drawn by a seed.
"""

import json
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx2

from rag.bench.service import rag, running_service
from rag.bench.stats import percentile
from rag.engine import base_url
from rag.errors import EngineError

_SEED = 20261122
WORDS = (
    *("river", "pump", "filter", "engine", "valve", "meter", "north", "signal"),
    *("garden", "paper", "window", "tariff", "copper", "harbour", "winter", "ledger"),
)
_WARM_UP = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """First-token times in milliseconds, one request at a time."""

    n_requests: int
    prompt_tokens: int
    cached_tokens: int
    service_p50_ms: float
    service_p95_ms: float
    engine_p50_ms: float
    engine_p95_ms: float
    added_p50_ms: float  # median of the pairwise differences
    stages_p50_ms: dict[str, float]

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def bench_load(*, url: str | None, n_requests: int, prompt_tokens: int, token: str = "") -> LoadResult:
    """Measure the service at `url`, or one of our own over a collection of `prompt_tokens` made-up tokens.

    token: what the service at `url` is to be sent, if it asks for keys.
    """
    headers = {"authorization": f"Bearer {token}"} if token else {}
    with some_service(url, prompt_tokens) as base, httpx2.Client(timeout=600.0, trust_env=False) as client:
        ready = client.get(f"{base}/ready", headers=headers).json()
        engine = ready["engines"][0]
        arms = _Arms(client, base, engine["url"], engine["model"], headers)
        client.post(f"{base}/warm", json={}, headers=headers).raise_for_status()
        for _ in range(_WARM_UP):
            arms.service()
            arms.engine()
        pairs = []
        for index in range(n_requests):
            if index % 2:
                engine_ms, service_ms = arms.engine(), arms.service()
            else:
                service_ms, engine_ms = arms.service(), arms.engine()
            pairs.append((service_ms, engine_ms))
    return _result(pairs, arms)


@contextmanager
def some_service(url: str | None, prompt_tokens: int) -> Iterator[str]:
    """The address of the service at `url`, or of one of our own over so many made-up tokens, for the block."""
    if url:
        yield base_url(url)
        return
    with tempfile.TemporaryDirectory(prefix="prefixrag-bench-") as folder:
        documents, data_dir = Path(folder) / "documents", Path(folder) / "data"
        _write_documents(documents, prompt_tokens)
        rag("ingest", str(documents), "--data-dir", str(data_dir))
        with running_service(data_dir, log=Path(folder) / "serve.log") as base:
            yield base


def _write_documents(folder: Path, n_tokens: int) -> None:
    """Documents of about `n_tokens` tokens together: one word of the list is one token of most vocabularies."""
    words = random.Random(_SEED)  # noqa: S311  # no secret
    folder.mkdir()
    per_document = 180
    for number in range(max(1, n_tokens // per_document)):
        text = " ".join(words.choices(WORDS, k=per_document - 20))
        (folder / f"note{number:03}.md").write_text(f"# Note {number}\n\n{text}.\n", "utf-8")


class _Arms:
    def __init__(self, client: httpx2.Client, service: str, engine: str, model: str, headers: dict[str, str]) -> None:
        self._client = client
        self._service = service
        self._engine = engine
        self._model = model
        self._headers = headers  # for the service alone
        self._random = random.Random(_SEED)  # noqa: S311  # no secret
        self._prefix: list[int] = []
        self.reports: list[dict[str, dict[str, float]]] = []

    def service(self) -> float:
        """First text of an answer to a question never asked before, in milliseconds."""
        question = " ".join(self._random.choices(WORDS, k=12)) + "?"
        body = {
            "model": self._model,
            "messages": [{"role": "user", "content": question}],
            "max_tokens": 2,
            "stream": True,
        }
        url = f"{self._service}/v1/chat/completions"
        first_ms, last = self._stream(url, {**body, "temperature": 0}, self._headers)
        self.reports.append(last["rag"])
        return first_ms

    def engine(self) -> float:
        """First text of the engine itself for as many cached and new tokens, in milliseconds."""
        reuse = self.reports[-1]["reuse"]
        n_cached, n_new = int(reuse["cached_tokens"]), int(reuse["prompt_tokens"] - reuse["cached_tokens"])
        if len(self._prefix) < n_cached:
            self._prefix += self._ids(n_cached - len(self._prefix))
        body = {
            "model": self._model,
            "prompt": self._prefix[:n_cached] + self._ids(n_new),
            "max_tokens": 2,
            "stream": True,
        }
        return self._stream(f"{self._engine}/v1/completions", {**body, "temperature": 0}, {})[0]

    def _ids(self, count: int) -> list[int]:
        return [self._random.randrange(1000, 8000) for _ in range(count)]

    def _stream(
        self, url: str, body: dict[str, object], headers: dict[str, str]
    ) -> tuple[float, dict[str, dict[str, dict[str, float]]]]:
        start = time.perf_counter()
        first_ms, last = 0.0, {}
        with self._client.stream("POST", url, json=body, headers=headers) as response:
            if response.status_code != httpx2.codes.OK:
                raise EngineError(f"{url} answers with status {response.status_code}: {response.read()[:200]!r}.")
            for line in response.iter_lines():
                if not line.startswith("data: {"):
                    continue
                chunk = json.loads(line[6:])
                choice = chunk["choices"][0] if chunk["choices"] else {}
                if not first_ms and (choice.get("text") or choice.get("delta", {}).get("content")):
                    first_ms = (time.perf_counter() - start) * 1000
                last = chunk
        return first_ms, last


def _result(pairs: list[tuple[float, float]], arms: _Arms) -> LoadResult:
    service, engine = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    reports = arms.reports[-len(pairs) :]
    stages = [name for name in reports[0]["timings_ms"] if name not in ("first_token", "total")]
    return LoadResult(
        n_requests=len(pairs),
        prompt_tokens=int(percentile([report["reuse"]["prompt_tokens"] for report in reports], 0.5)),
        cached_tokens=int(percentile([report["reuse"]["cached_tokens"] for report in reports], 0.5)),
        service_p50_ms=round(percentile(service, 0.5), 2),
        service_p95_ms=round(percentile(service, 0.95), 2),
        engine_p50_ms=round(percentile(engine, 0.5), 2),
        engine_p95_ms=round(percentile(engine, 0.95), 2),
        added_p50_ms=round(percentile([left - right for left, right in pairs], 0.5), 2),
        stages_p50_ms={
            name: round(percentile([report["timings_ms"][name] for report in reports], 0.5), 2) for name in stages
        },
    )
