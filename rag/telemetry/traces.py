"""Traces by OpenTelemetry, from the client's through this service to vLLM's. Attributes hold no word of a prompt.

Without `tracing` every span is OpenTelemetry's empty one, which costs nothing worth measuring.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from rag.errors import ConfigError

_NONE = trace.NoOpTracer()
_W3C = TraceContextTextMapPropagator()


class _Current:
    """The tracer of the process: OpenTelemetry's own can be set only once."""

    tracer: Tracer = _NONE


@contextmanager
def tracing(*, is_on: bool) -> Iterator[None]:
    """Spans go to where the variables of OpenTelemetry say, until the end of the block.

    Raises:
        ConfigError: it is on, and OpenTelemetry's SDK is not installed.
    """
    if not is_on:
        yield
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ConfigError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT asks for traces, and {error.name} is not installed. "
            "Run `pip install 'prefixrag[otel]'`, or unset it."
        ) from None
    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES go before this name.
    provider = TracerProvider(resource=Resource({"service.name": "prefixrag"}).merge(OTELResourceDetector().detect()))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _Current.tracer = provider.get_tracer("prefixrag")
    try:
        yield
    finally:
        _Current.tracer = _NONE
        provider.shutdown()


@contextmanager
def request_span(name: str, headers: Mapping[str, str]) -> Iterator[Span]:
    """The span of a request to the service, below the client's; what is done inside is below it."""
    parent = _W3C.extract(headers)
    span = _Current.tracer.start_span(name, context=parent, kind=SpanKind.SERVER)
    # No exception is recorded: its message may quote a prompt.
    with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        yield span


def engine_span(name: str) -> tuple[Span, dict[str, str]]:
    """The span of a request to an engine, which the caller ends, and the headers that put the engine's below it.

    Of a request that is not sampled they say so: without them the engine would begin a trace of its own.
    """
    span = _Current.tracer.start_span(name, kind=SpanKind.CLIENT)
    headers: dict[str, str] = {}
    if _Current.tracer is not _NONE:
        _W3C.inject(headers, trace.set_span_in_context(span))
    return span, headers


def stage_span(name: str, seconds: float) -> None:
    """Nothing; a stage of the current request has ended now and took so long."""
    if trace.get_current_span().is_recording():
        now = time.time_ns()
        _Current.tracer.start_span(name, start_time=now - round(seconds * 1e9)).end(now)


def describe_request(**attributes: AttributeValue) -> None:
    """Nothing; the current request's span has these attributes, each called `rag.` and its name."""
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attributes({f"rag.{name}": value for name, value in attributes.items()})
