"""A receiver of OTLP/HTTP on a loopback socket, which reads what comes with the protocol's own messages."""

from __future__ import annotations

import contextlib
import gzip
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Receiver:
    """What came. `status` is what it answers with."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.metrics: list[Metric] = []
        self.resources: list[Mapping[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []
        self.bodies: list[bytes] = []
        self.status = 200
        self.url = ""

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> None:
        self.headers.append(headers)
        self.bodies.append(body)
        if path == "/v1/traces":
            for one in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources.append(attributes(one.resource))
                self.spans += [span for scope in one.scope_spans for span in scope.spans]
        else:
            assert path == "/v1/metrics", path
            for of in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                self.resources.append(attributes(of.resource))
                self.metrics += [metric for scope in of.scope_metrics for metric in scope.metrics]

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    def below(self, parent: Span) -> list[Span]:
        """The spans below another, in order of time."""
        found = [one for one in self.spans if one.parent_span_id == parent.span_id]
        assert all(one.trace_id == parent.trace_id for one in found)
        return sorted(found, key=lambda one: one.start_time_unix_nano)

    def newest(self, name: str) -> Metric:
        """The last report of a metric."""
        return [metric for metric in self.metrics if metric.name == name][-1]


def attributes(of: Any) -> dict[str, Any]:
    """The attributes of a span, a resource or a data point."""
    return {one.key: _plain(one.value) for one in of.attributes}


def _plain(value: AnyValue) -> Any:
    if value.WhichOneof("value") == "array_value":
        return tuple(_plain(one) for one in value.array_value.values)
    return getattr(value, str(value.WhichOneof("value")))


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a free port; `url` is where."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            if receiver.status == 200:
                receiver.take(self.path, {name.lower(): text for name, text in self.headers.items()}, body)
            self.send_response(receiver.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
