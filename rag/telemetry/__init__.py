"""What the service tells its operators: metrics and logs. Never a prompt, an answer or a key."""

from rag.telemetry.logs import set_up_logs
from rag.telemetry.metrics import Metrics
from rag.telemetry.scraped import Scraped, quantile, scraped
from rag.telemetry.table import LABELS
from rag.telemetry.traces import describe_request, engine_span, request_span, stage_span, tracing

__all__ = [
    "LABELS",
    "Metrics",
    "Scraped",
    "describe_request",
    "engine_span",
    "quantile",
    "request_span",
    "scraped",
    "set_up_logs",
    "stage_span",
    "tracing",
]
