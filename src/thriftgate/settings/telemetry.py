"""What is told about calls, and to whom."""

from __future__ import annotations

from pydantic import Field, SecretStr

from thriftgate.settings.table import Table


class TelemetrySettings(Table):
    """`[telemetry]`: spans and metrics over OTLP, the log of calls, the labels of the metrics page. Never prompt text."""

    on: bool = Field(default=False, description="send spans and metrics to `endpoint`; needs the extra `otel`")
    endpoint: str = Field(
        default="http://127.0.0.1:4318",
        description="OTLP/HTTP receiver; /v1/traces and /v1/metrics are put behind it",
    )
    headers: dict[str, SecretStr] = Field(default_factory=dict, description="headers for the receiver, such as its key")
    sample: float = Field(
        default=1.0, ge=0, le=1, description="share of traces that begin here and are sent; others go by their own flag"
    )
    service: str = Field(default="thriftgate", min_length=1, description="service.name of what is sent")
    interval_s: float = Field(default=60.0, ge=1, description="between two deliveries of metrics")
    queue_calls: int = Field(
        default=10_000, ge=100, description="calls that wait for delivery at most; later ones are dropped and counted"
    )
    log_calls: bool = Field(default=False, description="a line in the log for each call: who, what, cost; no text")
    labels_max: int = Field(
        default=50,
        ge=1,
        le=1_000,
        description="models, teams and tasks that the metrics tell apart, the busiest; the rest is `other`",
    )
