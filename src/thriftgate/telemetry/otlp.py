"""Spans and metrics over OTLP/HTTP, through the OpenTelemetry SDK. Imported only where telemetry is switched on: it needs
the extra `otel`.

All of it happens in the outbox's thread. No provider is set globally, so that what a program has set up for itself stays.
"""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from thriftgate import __version__
from thriftgate.logs import silence
from thriftgate.providers.trace_context import Place
from thriftgate.settings import TelemetrySettings
from thriftgate.telemetry.instruments import Instruments
from thriftgate.telemetry.spans import Span, call_span, request_span, stage_spans
from thriftgate.telemetry.told import Told, ToldCall

SCOPE = "thriftgate"
DELIVERY_S = 3.0  # the longest that one delivery is tried for
_LIBRARIES = ("opentelemetry", "urllib3")  # they tell of failed deliveries themselves, each time and not in JSON


class Otlp:
    """One per gateway. `server` is the provider's host and port."""

    def __init__(self, table: TelemetrySettings, server: tuple[str, int]) -> None:
        silence(*_LIBRARIES)
        headers = {name: value.get_secret_value() for name, value in table.headers.items()}
        at = table.endpoint.rstrip("/")
        resource = Resource.create({"service.name": table.service, "service.version": __version__})
        self._server = server
        self._spans = OTLPSpanExporter(endpoint=f"{at}/v1/traces", headers=headers, timeout=DELIVERY_S)
        self._made = _Collected()
        self._ids = _Ids()
        tracers = TracerProvider(
            sampler=ALWAYS_ON, resource=resource, id_generator=self._ids, shutdown_on_exit=False
        )  # what is not sampled never comes here
        tracers.add_span_processor(self._made)
        self._tracer = tracers.get_tracer(SCOPE, __version__)
        self._metrics = _CountedMetrics(endpoint=f"{at}/v1/metrics", headers=headers, timeout=DELIVERY_S)
        reader = PeriodicExportingMetricReader(
            self._metrics, export_interval_millis=table.interval_s * 1000, export_timeout_millis=DELIVERY_S * 1000
        )
        self._meters = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        self._instruments = Instruments(self._meters.get_meter(SCOPE, __version__), table.labels_max)

    @property
    def metrics_undelivered(self) -> int:
        """Deliveries of metrics that failed."""
        return self._metrics.failed

    def deliver(self, told: Sequence[Told]) -> int:
        """How many of these could not be delivered."""
        for one in told:
            if isinstance(one, ToldCall):
                self._instruments.record(one.entry)
            if one.place.sampled:
                self._make(one)
        spans = self._made.taken()
        if not spans or self._spans.export(spans) is SpanExportResult.SUCCESS:
            return 0
        return sum(one.place.sampled for one in told)

    def close(self) -> None:
        """Deliver the last metrics and let go. Blocks, for `DELIVERY_S` at most."""
        self._meters.shutdown(DELIVERY_S * 1000)
        self._spans.shutdown()  # type: ignore[no-untyped-call]

    def _make(self, one: Told) -> None:
        parent = one.place._replace(span_id=one.parent_id) if one.parent_id else None
        if not isinstance(one, ToldCall):
            self._span(request_span(one), one.place, parent)
            return
        self._span(call_span(one, self._server), one.place, parent, one.link)
        for stage in stage_spans(one):
            self._span(stage, one.place, one.place)

    def _span(self, one: Span, place: Place, parent: Place | None, link: Place | None = None) -> None:
        self._ids.next_trace, self._ids.next_span = place.trace_id, one.span_id
        context = trace.set_span_in_context(trace.NonRecordingSpan(_context(parent))) if parent is not None else None
        span = self._tracer.start_span(
            one.name,
            context=context if context is not None else trace.set_span_in_context(trace.INVALID_SPAN),
            kind=SpanKind[one.kind],
            attributes=one.attributes,
            links=[Link(_context(link))] if link is not None else (),
            start_time=one.began_us * 1000,
        )
        if one.error:
            span.set_attribute("error.type", one.error)
            span.set_status(Status(StatusCode.ERROR))
        span.end(one.ended_us * 1000)


def _context(place: Place) -> SpanContext:
    return SpanContext(place.trace_id, place.span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))


class _Ids(RandomIdGenerator):
    """The ids that were given out while the call was under way; what has none draws one."""

    def __init__(self) -> None:
        self.next_trace = 0
        self.next_span = 0

    def generate_trace_id(self) -> int:
        return self.next_trace or super().generate_trace_id()

    def generate_span_id(self) -> int:
        return self.next_span or super().generate_span_id()


class _Collected(SpanProcessor):
    """Ended spans, until they are taken."""

    def __init__(self) -> None:
        self._spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self._spans.append(span)

    def taken(self) -> Sequence[ReadableSpan]:
        spans, self._spans = self._spans, []
        return spans


class _CountedMetrics(OTLPMetricExporter):
    failed = 0

    def export(
        self, metrics_data: MetricsData, timeout_millis: float | None = 10_000, **kwargs: object
    ) -> MetricExportResult:
        result = super().export(metrics_data, timeout_millis, **kwargs)
        self.failed += result is not MetricExportResult.SUCCESS
        return result
