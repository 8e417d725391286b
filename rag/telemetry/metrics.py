"""Every metric in one table: name, labels, unit in the name, and what it counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_TOKENS = (0, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384)


class Metrics:
    """The service's metrics in a registry of their own."""

    def __init__(self) -> None:
        """Register them all."""
        registry = self._registry = CollectorRegistry()
        self.requests = Counter("rag_requests", "Answered HTTP requests.", ["route", "status"], registry=registry)
        self.in_flight = Gauge("rag_in_flight_requests", "Requests that hold a place at the engine.", registry=registry)
        self.queued = Gauge("rag_queued_requests", "Requests that wait for a place.", registry=registry)
        self.shed = Counter(
            "rag_shed_requests",
            "Requests answered 429 at once: the queue was full, or the first token would have come too late.",
            ["reason", "priority"],
            registry=registry,
        )
        self.first_token_s = Histogram(
            "rag_first_token_seconds", "Arrival of a request to its first token.", buckets=_SECONDS, registry=registry
        )
        self.stage_s = Histogram(
            "rag_stage_seconds", "Time in one stage of the path.", ["stage"], buckets=_SECONDS, registry=registry
        )
        self.prompt_tokens = Counter(
            "rag_prompt_tokens", "Prompt tokens sent to the engine.", ["collection"], registry=registry
        )
        self.cached_tokens = Counter(
            "rag_cached_tokens", "Prompt tokens that the engine reported as cached.", ["collection"], registry=registry
        )
        self.predicted_cached_tokens = Counter(
            "rag_predicted_cached_tokens", "Prompt tokens predicted to be cached.", ["collection"], registry=registry
        )
        self.misses = Counter(
            "rag_misses",
            "Answers whose prompt had a reusable part that the engine computed anew, by the first such part's reason.",
            ["collection", "reason"],
            registry=registry,
        )
        self.replaced_hits = Counter(
            "rag_replaced_hits",
            "Hits left out of prompts for near-tied ones that the shared prefix shows anyway.",
            ["collection"],
            registry=registry,
        )
        self.prediction_error_tokens = Histogram(
            "rag_prediction_error_tokens",
            "Absolute difference of predicted and reported cached tokens of a request.",
            buckets=_TOKENS,
            registry=registry,
        )
        self.citations = Counter(
            "rag_citations", "Citations given, by how well they are supported.", ["status"], registry=registry
        )
        self.judge_s = Histogram(
            "rag_judge_seconds",
            "Worker time to hold one statement against its sources.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.citation_problems = Counter(
            "rag_citation_problems",
            "Citations and markers of answers that are wrong, by what is wrong with them.",
            ["problem"],
            registry=registry,
        )
        self.no_answers = Counter(
            "rag_no_answers",
            "Answers that there is none, by who found so: retrieval, without asking the model, or the model.",
            ["collection", "by"],
            registry=registry,
        )
        self.quotes_dropped = Counter(
            "rag_quotes_dropped",
            "Lines of answers of quotes that were dropped because no source has them word for word.",
            registry=registry,
        )
        self.engine_up = Gauge("rag_engine_up", "1 while the engine is ready.", ["engine"], registry=registry)
        self.engine_restarts = Gauge(
            "rag_engine_restarts", "Restarts of the local engine.", ["engine"], registry=registry
        )
        self.reuse_proven = Gauge(
            "rag_engine_reuse_proven", "1 if the probe at start saw a prompt reused.", ["engine"], registry=registry
        )
        self.mirror_live = Gauge(
            "rag_engine_mirror_live",
            "1 while what the engine holds is known from its events, 0 while it is guessed.",
            ["engine"],
            registry=registry,
        )
        self.event_gaps = Gauge(
            "rag_engine_event_gaps", "Times that KV events of the engine were missed.", ["engine"], registry=registry
        )
        self.event_replays = Gauge(
            "rag_engine_event_replays", "Times that KV events were asked for again.", ["engine"], registry=registry
        )
        self.prediction_error = Gauge(
            "rag_engine_prediction_error_ratio",
            "Share of the prompt tokens of the last 100 requests whose reuse was predicted wrongly.",
            ["engine"],
            registry=registry,
        )

        self.storage_synced = Gauge(
            "rag_storage_synced_timestamp_seconds",
            "When collections and shared storage were last found or made the same; 0: never.",
            registry=registry,
        )

    def render(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self._registry)
