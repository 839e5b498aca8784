"""OpenTelemetry's metrics of booked calls. Models are bounded as on the metrics page; nothing else comes from clients."""

from __future__ import annotations

from opentelemetry.metrics import Meter

from thriftgate.core.money import PICO_PER_USD
from thriftgate.ledger.entries import SAVED, UPSTREAM, Entry
from thriftgate.telemetry import names
from thriftgate.telemetry.busiest import Busiest, model_text
from thriftgate.telemetry.spans import error_type, input_tokens


class Instruments:
    """Used in one thread."""

    def __init__(self, meter: Meter, places: int) -> None:
        self._models = Busiest(places)
        self._served = Busiest(places)
        self._duration = meter.create_histogram(
            names.OPERATION_DURATION, "s", "GenAI operation duration.", explicit_bucket_boundaries_advisory=names.SECONDS
        )
        self._first_chunk = meter.create_histogram(
            names.TIME_TO_FIRST_CHUNK,
            "s",
            "Time to receive the first chunk of a streamed answer.",
            explicit_bucket_boundaries_advisory=names.SECONDS,
        )
        self._tokens = meter.create_histogram(
            names.TOKEN_USAGE,
            "{token}",
            "Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=names.TOKENS,
        )
        self._cost = meter.create_counter(names.COST_TOTAL, "{USD}", "What the provider bills.")
        self._saved = meter.create_up_down_counter(names.SAVED_TOTAL, "{USD}", "Saved, by lever.")
        self._calls = meter.create_counter(names.CALLS_TOTAL, "{call}", "Settled calls by how they ended.")

    def record(self, entry: Entry) -> None:
        """Add a booked call."""
        ways: dict[str, str] = {
            names.OPERATION: names.CHAT,
            names.PROVIDER: entry.provider,
            names.REQUEST_MODEL: self._models.label(model_text(entry.model))[0],
        }
        self._calls.add(1, {**ways, names.ENDPOINT: entry.endpoint, names.OUTCOME: entry.outcome})
        if entry.outcome == "refused":
            return  # no operation of a model
        if entry.served_model:
            ways[names.RESPONSE_MODEL] = self._served.label(entry.served_model)[0]
        error = error_type(entry)
        failed = {names.ERROR_TYPE: error} if error else {}
        if entry.mode != "batch":
            self._duration.record(entry.latency_ms / 1000, {**ways, **failed})
            if entry.stream and not error:
                self._first_chunk.record(entry.ttfb_ms / 1000, ways)
        if entry.usage_source != "none":
            self._tokens.record(input_tokens(entry), {**ways, names.TOKEN_TYPE: "input"})
            self._tokens.record(entry.usage.total.output, {**ways, names.TOKEN_TYPE: "output"})
        self._cost.add(max(0, -entry.posted(UPSTREAM)) / PICO_PER_USD, ways)
        for posting in entry.postings:
            if posting.account.startswith(SAVED):
                lever = {names.LEVER: posting.account.removeprefix(SAVED)}
                self._saved.add(-posting.pico / PICO_PER_USD, {**ways, **lever})
