"""The governor on the metrics page."""

from __future__ import annotations

from thriftgate.engine.governing import GovernorView, PlaceView
from thriftgate.gateway.pacing import governor_families
from thriftgate.telemetry.page import page_text


def test_how_near_the_providers_limits_are() -> None:
    places = (
        PlaceView("one", "opus-4", 2, 0.0, {"requests": 0.5, "input-tokens": 0.25}),
        PlaceView("key_1", "claude-x", 0, 3.0, {"requests": 0.125}),
    )
    _, page = page_text(tuple(governor_families(GovernorView(2, 7, 1.5, 1, {"rate": 4}, places), 1)), "")
    for line in (
        'left_ratio{limit="requests"} 0.125',
        'left_ratio{limit="input-tokens"} 0.25',
        'refusals_total{kind="rate"} 4.0',
        'refusals_total{kind="spend"} 0.0',
        "waited_seconds_total 1.5",
        "waiting 2.0",
        "paused 1.0",
        "keys_spent 1.0",
    ):
        assert f"thriftgate_governor_{line}\n".encode() in page
    assert b"key_1" not in page
