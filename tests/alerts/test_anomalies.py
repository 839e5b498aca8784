"""The real detectors on a day of calls: a key that starts to call ten times as often is told, stands, and is over."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.cli.entries import MODEL, OPENED_US, entry_of
from thriftgate.alerts.anomalies import Anomalies, sighting_of
from thriftgate.core.alerting.alert import Sighting
from thriftgate.core.anomalies.finding import Finding
from thriftgate.core.misses import Miss
from thriftgate.ledger.entries import Entry, balanced
from thriftgate.pricing.load import load_book

BOOK = load_book()
MINUTE = 60_000_000
FINDING = Finding("pace", "key", "key_1", "", MODEL, 1_795_262_400.0, 1_795_262_460.0, 90, 3.0, 12.5, 60 * 10**12)


def test_what_is_told_of_a_finding() -> None:
    told = sighting_of(FINDING)
    assert told.kind == "pace"
    assert told.severity == "critical"
    assert told.labels == ("key=key_1", f"model={MODEL}")
    assert told.evidence == ("calls a minute: 3 before, 12.5 now", "90 calls since 2026-11-21 12:00 UTC")
    assert told.pico_per_h == 60 * 10**12
    assert told.signature == "anomaly:pace/key/key_1/"


@pytest.mark.parametrize(
    ("members", "seen"),
    [
        ({}, {"ended": "ok", "cost_pico": 2_600_000_000, "read": 1_000, "plain": 100, "rate_pico": 20_000_000}),
        ({"outcome": "refused"}, {"ended": "refused"}),
        ({"outcome": "timeout"}, {"ended": "error"}),
        ({"outcome": "left"}, {"ended": "ok"}),
        ({"endpoint": "anthropic.batches"}, {"queued": True}),
        ({"conversation": "c1", "task": "sort"}, {"run": "c1", "task": "sort"}),
        ({"model": "no-such-model"}, {"rate_pico": 0}),
    ],
)
def test_how_a_call_is_seen(members: dict[str, Any], seen: dict[str, Any]) -> None:
    entry = entry_of(miss=Miss("cold", 1, 1, "first"), **members)
    call = Anomalies(BOOK)._call(entry)
    assert {name: getattr(call, name) for name in seen} == seen


def traffic(minutes: range, each: int, seed: int) -> list[Entry]:
    draw = random.Random(seed)
    found = []
    for minute in minutes:
        for n in range(draw.randint(max(each - 1, 1), each + 1)):
            at = OPENED_US + minute * MINUTE + n * (MINUTE // (each + 2))
            pico = int(20_000_000_000 * draw.lognormvariate(0, 0.2))
            found.append(entry_of(id=f"{minute}-{n}", settled_us=at, opened_us=at, postings=balanced(pico, pico, {})))
    return found


def told_over(anomalies: Anomalies, entries: list[Entry]) -> list[Sighting]:
    found: list[Sighting] = []
    for entry in entries:
        found += anomalies.see(entry)
    return found


def test_an_incident_is_told_stands_and_is_over() -> None:
    calm, wild = 4 * 24 * 60, 4 * 24 * 60 + 40
    anomalies = Anomalies(BOOK)
    assert not told_over(anomalies, traffic(range(calm), 3, 1))
    kept = anomalies.kept()
    found = told_over(anomalies, traffic(range(calm, wild), 40, 2))
    assert [one.kind for one in found] == ["pace"]
    again = Anomalies(BOOK)
    again.restore(kept)
    assert told_over(again, traffic(range(calm, wild), 40, 2)) == found, "what is usual survives a restart"
    now_s = OPENED_US / 1e6 + wild * 60
    assert {one.signature for one in anomalies.tick(now_s)} == {found[0].signature}, "it stands"
    told_over(anomalies, traffic(range(wild, wild + 90), 3, 3))
    assert not list(anomalies.tick(now_s + 90 * 60)), "it is over"
