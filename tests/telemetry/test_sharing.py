"""What is told of what replicas share."""

from __future__ import annotations

from tests.telemetry.pages import families, samples, value
from tests.telemetry.test_families import page_of
from thriftgate.engine.sharing import SharingView
from thriftgate.shared.lane import LaneView
from thriftgate.shared.news import NewsView
from thriftgate.telemetry.standings import Standings

VIEW = SharingView(
    calls=LaneView(up=False, batches=3, ops=12, seconds=0.5, lost=2),
    background=LaneView(up=True, batches=30, ops=30, seconds=0.25, lost=0),
    news=NewsView(replicas=4, told=7, heard=9),
    left_out=11,
    alone_among=4,
    clock_ahead_s=-0.5,
)


def test_without_a_server_nothing_is_told() -> None:
    assert "thriftgate_shared" not in page_of()


def test_how_the_server_is_reached() -> None:
    page = page_of(Standings(sharing=lambda: VIEW))
    found = samples(page)
    for name, calls, news in (
        ("up", 0, 1),
        ("batches_total", 3, 30),
        ("operations_total", 12, 30),
        ("seconds_total", 0.5, 0.25),
        ("losses_total", 2, 0),
    ):
        assert value(found, f"shared_{name}", lane="calls") == calls
        assert value(found, f"shared_{name}", lane="news") == news
    for name, told in (
        ("replicas", 4),
        ("alone", 1),
        ("clock_ahead_seconds", -0.5),
        ("news_told_total", 7),
        ("news_heard_total", 9),
        ("news_left_out_total", 11),
    ):
        assert value(found, f"shared_{name}") == told
    assert all(family.documentation.endswith(".") for family in families(page).values())
