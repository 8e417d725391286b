"""What `rag top` makes of two looks at a service."""

from io import StringIO

from rich.console import Console

from rag.cli.output import table
from rag.cli.top.picture import picture
from rag.cli.top.reading import Reading
from rag.cli.top.shown import as_line
from rag.telemetry import Metrics, quantile, scraped

VLLM = """
vllm:kv_cache_usage_perc{engine="0",model_name="small"} 0.25
vllm:prefix_cache_queries_total{engine="0",model_name="small"} 1000.0
vllm:prefix_cache_hits_total{engine="0",model_name="small"} 900.0
"""
ENGINE = {"url": "http://127.0.0.1:9001", "state": "ready", "running": 3, "restarts": 1}
CHAT = "/v1/chat/completions"


def reading(at_s: float, metrics: Metrics, vllm: str = VLLM) -> Reading:
    text = metrics.render().decode()
    return Reading(
        at_s=at_s, state="ready", metrics=scraped(text), engines=(ENGINE,), vllm={ENGINE["url"]: scraped(vllm)}
    )


def counted() -> Metrics:
    metrics = Metrics()
    metrics.requests.labels(CHAT, 200).inc(10)
    metrics.prompt_tokens.labels("docs").inc(1000)
    metrics.cached_tokens.labels("docs").inc(100)
    metrics.documents.labels("docs").set(7)
    return metrics


def test_a_picture_is_of_what_went_on_between_two_looks() -> None:
    metrics = counted()
    before = reading(100, metrics)
    metrics.requests.labels(CHAT, 200).inc(18)
    metrics.requests.labels(CHAT, 502).inc(2)
    metrics.requests.labels("/metrics", 200).inc(50)
    metrics.in_flight.set(3)
    metrics.queued.set(5)
    metrics.prompt_tokens.labels("docs").inc(2000)
    metrics.cached_tokens.labels("docs").inc(1800)
    metrics.misses.labels("docs", "cold").inc(2)
    metrics.shed.labels("queue_full", "normal").inc(4)
    for seconds in (0.3, 0.3, 0.3, 7.0):
        metrics.first_token_s.observe(seconds)
    made = picture(before, reading(110, metrics))

    assert (made.requests_per_s, made.errors_per_s, made.running, made.queued) == (2.0, 0.2, 3, 5)
    assert (made.hit_ratio, made.hit_ratio_ever) == (0.9, 0.6333)
    assert (made.cached_tokens_per_s, made.cached_tokens_ever) == (180.0, 1900)
    assert (made.shed["queue_full"], made.shed_ever) == (4, 4)
    assert 0.25 < (made.first_token_p50_s or 0) <= 0.5
    assert 5 < (made.first_token_p95_s or 0) <= 10
    (engine,) = made.engines
    assert (engine.kv_used, engine.hit_ratio, engine.running, engine.restarts) == (0.25, 0.9, 3, 1)
    docs = next(each for each in made.collections if each.name == "docs")
    assert (docs.documents, docs.prompt_tokens, docs.hit_ratio, docs.misses) == (7, 2000, 0.9, {"cold": 2})
    assert "2.0 requests/s, 3 running, 5 queued" in as_line(made)


def test_a_service_that_was_restarted_counts_from_its_start() -> None:
    many = counted()
    many.requests.labels(CHAT, 200).inc(1000)
    made = picture(reading(100, many), reading(110, counted()))

    assert made.requests_per_s == 1.0
    assert made.first_token_p50_s is None
    assert "first token - (p95 -)" in as_line(made)


def test_an_engine_that_cannot_be_asked_has_no_numbers() -> None:
    metrics = counted()
    (engine,) = picture(reading(1, metrics, ""), reading(2, metrics, "")).engines

    assert (engine.kv_used, engine.hit_ratio) == (None, None)


def test_quantiles_are_prometheus_own() -> None:
    buckets = {0.1: 10.0, 0.5: 30.0, 1.0: 40.0, float("inf"): 40.0}

    assert quantile(buckets, 0.25) == 0.1
    assert quantile(buckets, 0.5) == 0.1 + 0.4 * 10 / 20
    assert quantile(buckets, 1.0) == 1.0
    assert quantile({0.1: 0.0, float("inf"): 5.0}, 0.5) == 0.1
    assert quantile({}, 0.5) is None


def test_ids_and_urls_of_a_table_are_whole_where_there_is_room() -> None:
    columns, row = (
        ("collection", "id", "shared prefix"),
        ("default", "vs_e71e7d2baac4b5dcb0be04d8", "3313 tokens of 15 documents"),
    )

    def lines(width: int) -> list[str]:
        console = Console(width=width, file=StringIO(), force_terminal=False)
        console.print(table(columns, [row], width=width))
        return console.file.getvalue().splitlines()

    assert [line.split() for line in lines(80)] == [" ".join(columns).split(), " ".join(row).split()]
    assert all(len(line) <= 60 for line in lines(60))
    assert any(row[1] in line for line in lines(60))
