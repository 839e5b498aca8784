"""The page in the format that is asked for."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from tests.telemetry.pages import samples
from thriftgate.ledger.entries import Counters
from thriftgate.telemetry.page import MetricsPage, page_text
from thriftgate.telemetry.standings import Standings
from thriftgate.telemetry.tallies import Tallies


def made() -> MetricsPage:
    return MetricsPage(Counters(), Tallies(5), Standings(), places=5)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/html, */*", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/plain;version=1.0.0", "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"),
        (
            "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;q=0.5",
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores",
        ),
        ("\xff\x00,;;;=", "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
def test_what_is_asked_for(accept: str, content_type: str) -> None:
    told, page = page_text(made().families(), accept)
    assert told == content_type
    openmetrics = told.startswith("application/openmetrics")
    assert page.endswith(b"# EOF\n") is openmetrics
    assert samples(page.decode(), openmetrics=openmetrics)


def test_two_pages_do_not_meet() -> None:
    """Each has a registry of its own, and the global one stays as it was."""
    before = {family.name for family in REGISTRY.collect()}
    assert len(made().families()) == len(made().families())
    assert {family.name for family in REGISTRY.collect()} == before
