"""What the page shows of what replicas share. Labels are our own words."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from thriftgate.engine.sharing import SharingView

_PREFIX = "thriftgate_shared_"


def sharing_families(view: SharingView) -> Iterator[Metric]:
    """Whether the server is there, how quick it is, who else is."""
    lanes = {"calls": view.calls, "news": view.background}
    up = GaugeMetricFamily(_PREFIX + "up", "1 where the Redis server answers, by what goes there.", labels=("lane",))
    for name, lane in lanes.items():
        up.add_metric((name,), float(lane.up))
    yield up
    for member, name, meaning in (
        ("batches", "batches", "Round trips to the Redis server."),
        ("ops", "operations", "Operations in them."),
        ("seconds", "seconds", "How long they took there and back."),
        ("lost", "losses", "How often the server could not be reached any more."),
    ):
        family = CounterMetricFamily(_PREFIX + name, meaning, labels=("lane",))
        for lane_name, lane in lanes.items():
            family.add_metric((lane_name,), float(getattr(lane, member)))
        yield family
    yield GaugeMetricFamily(_PREFIX + "replicas", "Replicas that were there last, this one among them.", view.news.replicas)
    yield GaugeMetricFamily(
        _PREFIX + "alone", "1 while this replica keeps its part of the limits by itself.", float(view.alone_among > 0)
    )
    yield GaugeMetricFamily(
        _PREFIX + "clock_ahead_seconds", "How far this machine's clock is ahead of the server's.", view.clock_ahead_s
    )
    yield CounterMetricFamily(_PREFIX + "news_told", "Times that something new was told to the others.", view.news.told)
    yield CounterMetricFamily(_PREFIX + "news_heard", "Times that another has told something new.", view.news.heard)
    yield CounterMetricFamily(_PREFIX + "news_left_out", "Observations that were too many to be told.", float(view.left_out))
