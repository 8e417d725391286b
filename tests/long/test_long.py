"""Ten minutes at five times what the service can serve, and 100,000 requests in all: `make test-long`.

Shorter while it is being worked on: LONG_SECONDS and LONG_REQUESTS. Every figure is printed.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from ingest.pipeline import ingest
from rag.bench.openloop.arms import ServiceArm
from rag.bench.openloop.arrivals import Arrival, poisson
from rag.bench.openloop.callers import Seen, call
from rag.bench.stats import percentile
from rag.embed import FakeEncoder
from rag.settings import Settings
from rag.store import Store
from rag.telemetry import Scraped, scraped

SECONDS = float(os.environ.get("LONG_SECONDS", "600"))
REQUESTS = int(os.environ.get("LONG_REQUESTS", "100000"))
CAPACITY = float(os.environ.get("LONG_CAPACITY", "10"))  # answers in a second
N_TOKENS, TOKEN_S = 10, 0.05
PLACES = round(CAPACITY * N_TOKENS * TOKEN_S)
OBJECTIVE_S = 2.0
SHED_MS = 50
AGAIN_S = 10  # after which everything is as before
IDLE_S = 7  # after which the service has closed what nobody uses

ROOT = Path(__file__).parents[2]
QUESTIONS = [
    json.loads(line)["text"] for line in (ROOT / "data/questions/queries.jsonl").read_text("utf-8").splitlines()
]
pytestmark = [pytest.mark.long, pytest.mark.timeout(SECONDS * 2 + REQUESTS / 10 + 300)]


@dataclass
class Service:
    """A service in a process of its own, in front of the fake engine in another one."""

    url: str
    process: "subprocess.Popen[str]"
    _asking: threading.Lock = field(default_factory=threading.Lock)

    def state(self, what: str = "") -> dict[str, float]:
        """Its threads, handles and memory now; of "all" also its tasks, which holds it up."""
        with self._asking:
            self.process.stdin.write(f"{what}\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())

    def metrics(self) -> Scraped:
        return scraped(httpx2.get(f"{self.url}/metrics", timeout=30).text)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, tiny_format: Path) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("long")
    store = Store(folder / "data")
    ingest([ROOT / "data/sample"], collection="default", store=store, encoder=FakeEncoder(), settings=Settings().ingest)
    store.close()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = {
        "--port": port,
        "--model": "tiny",
        "--source": tiny_format,
        "--token-ms": 1000 * TOKEN_S,
        "--reply": "abc" * N_TOKENS,
    }
    fake = [sys.executable, "-m", "rag.engine.fake_server", *(str(word) for pair in words.items() for word in pair)]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "RAG_EMBEDDING__MODEL": "fake",
        "RAG_SERVER__MAX_CONCURRENT": str(PLACES),
        "RAG_SERVER__FIRST_TOKEN_OBJECTIVE_S": str(OBJECTIVE_S),
        "RAG_ENGINE__TOKENS_ONLY": "off",
        "RAG_CACHE__WARM": "false",
    }
    options = ["--data-dir", folder / "data", "--port", "0", "--engine-url", f"http://127.0.0.1:{port}"]
    command = [sys.executable, Path(__file__).with_name("service_process.py"), *options]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(fake, env=environment, stderr=log) as engine,
        subprocess.Popen(
            list(map(str, command)), env=environment, stdin=-1, stdout=-1, stderr=log, text=True, cwd=folder
        ) as process,
    ):
        try:
            yield Service(url=_ready(folder / "data/run/service.json", process), process=process)
        finally:
            process.terminate()
            process.wait(60)
            engine.terminate()


def _ready(note: Path, process: "subprocess.Popen[str]") -> str:
    """The URL of the service, once its engine is ready."""
    while True:
        assert process.poll() is None
        time.sleep(0.2)
        try:
            url = json.loads(note.read_text("utf-8"))["url"]
            if httpx2.get(f"{url}/ready", timeout=5).is_success:
                return str(url)
        except (OSError, ValueError, httpx2.HTTPError):
            continue


async def _send(service: Service, arrivals: list[Arrival], every_s: float) -> tuple[list[Seen], list[dict[str, float]]]:
    """What became of each request, sent when it was due; the service's state now and then."""
    arm = ServiceArm(url=f"{service.url}/v1/chat/completions", headers={}, model="tiny", questions=QUESTIONS)
    seen: list[Seen] = []
    states: list[dict[str, float]] = []
    under_way: set[asyncio.Task[None]] = set()
    start = time.perf_counter()
    # A connection each: one that is kept may be closed by the service just as the next request is sent on it.
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx2.AsyncClient(timeout=60, limits=limits, trust_env=False) as client, asyncio.TaskGroup() as group:

        async def one(body: dict[str, object], due: float) -> None:
            seen.append(await call(client, arm.url, body, arm.headers, due=due))

        async def watch() -> None:
            while True:
                await asyncio.sleep(every_s)
                states.append(await asyncio.to_thread(service.state))

        watcher = group.create_task(watch())
        for arrival in arrivals:
            await asyncio.sleep(max(0.0, start + arrival.at_s - time.perf_counter()))
            task = group.create_task(one(arm.body(arrival), start + arrival.at_s))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        await asyncio.gather(*under_way)
        watcher.cancel()
    return seen, states


def test_five_times_the_capacity_for_ten_minutes(service: Service) -> None:
    warm_up = poisson(CAPACITY / 2, seconds=10, answer_tokens=N_TOKENS)  # it gets to know its pace
    asyncio.run(_send(service, warm_up, every_s=60))
    time.sleep(IDLE_S)
    before, counted = service.state("all"), service.metrics()

    arrivals = poisson(5 * CAPACITY, seconds=SECONDS, answer_tokens=N_TOKENS)
    seen, states = asyncio.run(_send(service, arrivals, every_s=max(1.0, SECONDS / 40)))
    time.sleep(AGAIN_S)
    gentle = poisson(CAPACITY * 0.7, seconds=15, answer_tokens=N_TOKENS)
    again, _ = asyncio.run(_send(service, gentle, every_s=60))
    time.sleep(IDLE_S)
    after, now = service.state("all"), service.metrics()

    statuses = Counter(each.status for each in seen)
    answered = [each for each in seen if each.is_whole]
    firsts = [each.first_ms for each in answered if each.first_ms is not None]
    refused = [each.total_ms for each in seen if each.status == 429]
    cpu_ms = 1000 * (after["cpu_s"] - before["cpu_s"]) / len([*seen, *again])
    print(f"\nsent {len(seen)}, five times {CAPACITY:.0f} a second for {SECONDS:.0f} s; statuses {dict(statuses)}")
    print(f"first token p50 {percentile(firsts, 0.5):.0f} ms, p99 {percentile(firsts, 0.99):.0f} ms")
    print(f"refused after p50 {percentile(refused, 0.5):.1f} ms, p99 {percentile(refused, 0.99):.1f} ms")
    print(f"the service computed {cpu_ms:.1f} ms a request")
    print(f"afterwards {sum(each.is_whole for each in again)} of {len(again)} whole")
    _print_states(before, states, after)

    assert set(statuses) == {200, 429}  # none failed, none hung: the client gives each a minute
    assert statuses[200] == len(answered)
    assert len(refused) > len(seen) / 4
    assert all(each.is_whole for each in again)
    _counted_alike([*seen, *again], counted, now)
    _is_flat(before, states, after)
    assert percentile(firsts, 0.99) <= 1000 * OBJECTIVE_S
    assert percentile(refused, 0.99) < SHED_MS


def test_a_hundred_thousand_requests_leave_nothing_behind(service: Service) -> None:
    """As many at a time as there are places, so that all are answered."""
    before, counted = service.state("all"), service.metrics()
    begun = time.perf_counter()
    seen, states = asyncio.run(_send_in_turn(service, REQUESTS))
    took_s = time.perf_counter() - begun
    time.sleep(IDLE_S)
    after, now = service.state("all"), service.metrics()
    print(
        f"\n{len(seen)} requests, {len(seen) / took_s:.0f} a second, statuses {dict(Counter(s.status for s in seen))}"
    )
    _print_states(before, states, after)

    assert all(each.is_whole for each in seen)
    _counted_alike(seen, counted, now)
    _is_flat(before, states, after)


async def _send_in_turn(service: Service, n_requests: int) -> tuple[list[Seen], list[dict[str, float]]]:
    arm = ServiceArm(url=f"{service.url}/v1/chat/completions", headers={}, model="tiny", questions=QUESTIONS)
    seen: list[Seen] = []
    states: list[dict[str, float]] = []
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
    numbers = iter(range(n_requests))
    async with httpx2.AsyncClient(timeout=60, limits=limits, trust_env=False) as client, asyncio.TaskGroup() as group:

        async def caller() -> None:
            for number in numbers:
                body = arm.body(Arrival(at_s=0, answer_tokens=1))
                seen.append(await call(client, arm.url, body, arm.headers, due=time.perf_counter()))
                if number % max(1, n_requests // 40) == 0:
                    states.append(await asyncio.to_thread(service.state))

        for _ in range(PLACES):
            group.create_task(caller())
    return seen, states


def _print_states(before: dict[str, float], states: list[dict[str, float]], after: dict[str, float]) -> None:
    most = {name: max(each[name] for each in states) for name in states[0]}
    print(f"before {before}\nmost   {most}\nafter  {after}")


def _is_flat(before: dict[str, float], states: list[dict[str, float]], after: dict[str, float]) -> None:
    mib = [each["mib"] for each in states]
    quarter = len(mib) // 4
    assert max(mib[-quarter:]) <= max(mib[quarter : 2 * quarter]) * 1.03
    assert after["tasks"] <= before["tasks"] + 1  # one may be at work just now
    assert after["handles"] <= before["handles"] + 2


def _counted_alike(seen: list[Seen], before: Scraped, now: Scraped) -> None:
    """Every counter grew by the client's own count."""
    chat = "/v1/chat/completions"

    def grown(name: str, **labels: str) -> float:
        return now.total(name, **labels) - before.total(name, **labels)

    answered = [each for each in seen if each.is_whole]
    assert grown("rag_requests_total", route=chat, status="200") == len(answered)
    assert grown("rag_requests_total", route=chat, status="429") == sum(each.status == 429 for each in seen)
    assert grown("rag_requests_total", route=chat) == len(seen)
    assert grown("rag_shed_requests_total") == sum(each.status == 429 for each in seen)
    assert grown("rag_first_tokens_total") == sum(each.first_ms is not None for each in answered)
    assert grown("rag_first_token_seconds_count") == grown("rag_first_tokens_total")
    assert grown("rag_prompt_tokens_total") == sum(each.reuse["prompt_tokens"] for each in answered)
    assert grown("rag_cached_tokens_total") == sum(each.reuse["cached_tokens"] or 0 for each in answered)
    assert now.total("rag_in_flight_requests") == now.total("rag_queued_requests") == 0
