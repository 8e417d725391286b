"""Every metric in one table: name, unit in the name, what it counts, labels. docs/metrics.md is made from it."""

import platform

from prometheus_client import GCCollector, ProcessCollector, generate_latest

import rag
from rag.telemetry.table import Table
from rag.types import Priority

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_TOKENS = (0, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384)


class Metrics:
    """The service's metrics in a registry of their own."""

    def __init__(self) -> None:
        """Register them all."""
        table = self.table = Table()
        ProcessCollector(registry=table.registry)
        GCCollector(registry=table.registry)
        self._requests(table)
        self._reuse(table)
        self._answers(table)
        self._engines(table)
        self._aliases(table)
        self._collections(table)
        self._start_from_zero()
        build = table.gauge("rag_build_info", "1; the labels say what runs.", "version", "python")
        build.labels(rag.__version__, platform.python_version()).set(1)

    def _requests(self, table: Table) -> None:
        self.requests = table.counter("rag_requests", "Answered HTTP requests.", "route", "status")
        self.in_flight = table.gauge("rag_in_flight_requests", "Requests that hold a place at the engine.")
        self.queued = table.gauge("rag_queued_requests", "Requests that wait for a place.")
        self.predicted_wait = table.gauge(
            "rag_predicted_wait_seconds",
            "What a short request of normal priority that came now would wait for a place; 0 also while not known.",
        )
        self.held_tokens = table.gauge(
            "rag_held_tokens", "Tokens of the engines' caches that running requests hold and share with nobody."
        )
        self.shed = table.counter(
            "rag_shed_requests",
            "Requests answered 429 at once: the queue was full, or the first token would have come too late.",
            "reason",
            "priority",
        )
        self.first_tokens = table.counter(
            "rag_first_tokens",
            "First tokens, by whether they came within server.first_token_objective_s of the request's arrival.",
            "priority",
            "objective",
        )
        self.first_token_s = table.histogram(
            "rag_first_token_seconds", "Arrival of a request to its first token.", buckets=_SECONDS
        )
        self.stage_s = table.histogram(
            "rag_stage_seconds",
            "Time in one stage of the path: `queue` (for a place), `retrieve`, `compose`, `engine` (to its first "
            "token, with the wait for room in its cache), `generate` (from there to the end), `cite` (work beside it).",
            "stage",
            buckets=_SECONDS,
        )

    def _reuse(self, table: Table) -> None:
        self.prompt_tokens = table.counter("rag_prompt_tokens", "Prompt tokens of finished answers.", "collection")
        self.cached_tokens = table.counter(
            "rag_cached_tokens", "Those of them that the engine reported as cached.", "collection"
        )
        self.predicted_cached_tokens = table.counter(
            "rag_predicted_cached_tokens", "Those of them that were predicted to be cached.", "collection"
        )
        self.misses = table.counter(
            "rag_misses",
            "Answers whose prompt had a reusable part that the engine computed anew, by the first such part's reason.",
            "collection",
            "reason",
        )
        self.replaced_hits = table.counter(
            "rag_replaced_hits",
            "Hits left out of prompts for near-tied ones that the shared prefix shows anyway.",
            "collection",
        )
        self.prediction_error_tokens = table.histogram(
            "rag_prediction_error_tokens",
            "Absolute difference of predicted and reported cached tokens of a request.",
            buckets=_TOKENS,
        )

    def _answers(self, table: Table) -> None:
        self.citations = table.counter("rag_citations", "Citations given, by how well they are supported.", "status")
        self.judge_s = table.histogram(
            "rag_judge_seconds", "Worker time to hold one statement against its sources.", buckets=_SECONDS
        )
        self.citation_problems = table.counter(
            "rag_citation_problems",
            "Citations and markers of answers that are wrong, by what is wrong with them.",
            "problem",
        )
        self.no_answers = table.counter(
            "rag_no_answers",
            "Answers that there is none, by who found so: retrieval, without asking the model, or the model.",
            "collection",
            "by",
        )
        self.quotes_dropped = table.counter(
            "rag_quotes_dropped",
            "Lines of answers of quotes that were dropped because no source has them word for word.",
        )

    def _engines(self, table: Table) -> None:
        self.engine_up = table.gauge(
            "rag_engine_up", "1 while the engine is ready, or an operator has drained it.", "engine"
        )
        self.engine_restarts = table.gauge("rag_engine_restarts", "Restarts of the local engine.", "engine")
        self.reuse_proven = table.gauge(
            "rag_engine_reuse_proven", "1 if the probe at start saw a prompt reused.", "engine"
        )
        self.mirror_live = table.gauge(
            "rag_engine_mirror_live",
            "1 while what the engine holds is known from its events, 0 while it is guessed.",
            "engine",
        )
        self.event_gaps = table.gauge("rag_engine_event_gaps", "Times that its KV events were missed.", "engine")
        self.event_replays = table.gauge(
            "rag_engine_event_replays", "Times that its KV events were asked for again.", "engine"
        )
        self.engine_running = table.gauge(
            "rag_engine_running_requests", "Requests of this service that it has.", "engine"
        )
        self.engine_queue_s = table.gauge(
            "rag_engine_queue_seconds", "What the prompts that it has should take to their first tokens.", "engine"
        )
        self.routed = table.gauge("rag_engine_routed_requests", "Requests that came to it, by why.", "engine", "why")
        self.prediction_error = table.gauge(
            "rag_engine_prediction_error_ratio",
            "Share of the prompt tokens of the last 100 requests whose reuse was predicted wrongly.",
            "engine",
        )
        self.of_engines = (
            self.engine_up,
            self.engine_restarts,
            self.reuse_proven,
            self.mirror_live,
            self.event_gaps,
            self.event_replays,
            self.engine_running,
            self.engine_queue_s,
            self.routed,
            self.prediction_error,
        )

    def _aliases(self, table: Table) -> None:
        self.alias_answers = table.counter(
            "rag_alias_answers",
            "Chats, responses and completions that named an alias, by the model that got them.",
            "alias",
            "model",
            "outcome",
        )
        self.alias_left = table.gauge(
            "rag_alias_left", "1 after the alias's conversations have left a model that did worse.", "alias", "model"
        )

    def _collections(self, table: Table) -> None:
        self.indexed_files = table.counter(
            "rag_indexed_files", "Uploaded files that the service has indexed, or could not.", "outcome"
        )
        self.embedded_chunks = table.counter("rag_embedded_chunks", "Chunks that it embedded for them.")
        self.indexing_s = table.counter(
            "rag_indexing_seconds",
            "Its time for them by stage: `read`, `chunk`, `wait` (for vectors), `store` and `publish` follow each "
            "other; `embed` is done meanwhile.",
            "stage",
        )
        self.indexing_errors = table.counter(
            "rag_indexing_errors", "Times that a collection could not be written; it is tried again."
        )
        self.generation = table.gauge("rag_collection_generation", "Number of its current generation.", "collection")
        self.published = table.gauge(
            "rag_collection_published_timestamp_seconds", "When that was made, in Unix time.", "collection"
        )
        self.documents = table.gauge("rag_collection_documents", "Documents in it.", "collection")
        self.chunks = table.gauge("rag_collection_chunks", "Chunks in it.", "collection")
        self.storage_synced = table.gauge(
            "rag_storage_synced_timestamp_seconds",
            "When collections and shared storage were last found or made the same; 0: never.",
        )
        self.disk_free = table.gauge("rag_data_disk_free_bytes", "Free on the disk that has the data directory.")
        self.disk_size = table.gauge("rag_data_disk_size_bytes", "Size of that disk.")

    def _start_from_zero(self) -> None:
        """Nothing; what alerts count is there before it happens: Prometheus sees no increase to a first value."""
        for priority in Priority:
            for reason in ("queue_full", "too_late"):
                self.shed.labels(reason, priority)
            for objective in ("kept", "missed"):
                self.first_tokens.labels(priority, objective)
        for outcome in ("completed", "failed"):
            self.indexed_files.labels(outcome)

    def first_token(self, seconds: float, *, priority: Priority, objective_s: float) -> None:
        """Count a first token that came so long after its request, for which `objective_s` was promised."""
        self.first_token_s.observe(seconds)
        self.first_tokens.labels(priority, "kept" if seconds <= objective_s else "missed").inc()

    def render(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self.table.registry)
