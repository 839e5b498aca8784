"""The metrics page, as Prometheus reads it: over a socket, after real calls, and with nothing private in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from tests.fixtures import HEADERS, client, message, serving, settings_of, simulator
from thriftgate.gateway.app import Gateway
from thriftgate.gateway.metrics import metrics_text, queue_text
from thriftgate.ledger.entries import Counters

SAMPLE = re.compile(r'^(thriftgate_[a-z_0-9]+)(?:\{([a-z]+)="([a-z0-9_.]+)"\})? (-?\d+(?:\.\d+)?)$')
SECRET = "the combination is 4711"
MARKED = {"type": "text", "text": SECRET + " and more words" * 2_000, "cache_control": {"type": "ephemeral"}}
BODY = msgspec.json.encode(message(system=[MARKED]))


GAUGES = ("thriftgate_saved_usd", "thriftgate_queue_jobs", "thriftgate_queue_batches")


def samples(page: str) -> Mapping[tuple[str, str], float]:
    """Every sample by family and label; fails on a line that is none, and on a family without its type."""
    found = {}
    typed: set[str] = set()
    for line in page.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert (kind == "gauge") is (name in GAUGES)
            assert kind == "gauge" or name.endswith("_total")
            typed.add(name)
        elif not line.startswith("# HELP "):
            matched = SAMPLE.match(line)
            assert matched, line
            assert matched[1] in typed
            found[matched[1], matched[3] or ""] = float(matched[4])
    return found


async def test_totals_after_real_calls(tmp_path: Path) -> None:
    app = simulator()
    with (
        serving(app) as url,
        serving(Gateway(settings_of(upstream={"url": url}, ledger={"path": str(tmp_path / "b.db")}))) as at,
    ):
        async with client() as session:
            before = samples(await (await session.get(f"{at}/thriftgate/metrics")).text())
            for _ in range(3):
                async with session.post(f"{at}/v1/messages", data=BODY, headers=HEADERS) as response:
                    assert response.status == 200
            refused = {**HEADERS, "thriftgate-max-cost-usd": "0.000001"}
            async with session.post(f"{at}/v1/messages", data=BODY, headers=refused) as response:
                assert response.status >= 400
            async with session.get(f"{at}/thriftgate/metrics") as response:
                assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
                page = await response.text()
    found = samples(page)
    assert set(before) <= set(found)
    assert set(before.values()) == {0.0}
    assert found["thriftgate_calls_total", "answered"] == 3
    assert found["thriftgate_calls_total", "refused"] == 1
    billed = [call.usage for call in app.bill.calls]
    assert found["thriftgate_tokens_total", "read"] == sum(usage.read for usage in billed) > 0
    assert found["thriftgate_paid_usd_total", ""] == float(app.bill.total)
    saved = found["thriftgate_baseline_usd_total", ""] - found["thriftgate_paid_usd_total", ""]
    levers = [amount for (name, _), amount in found.items() if name == "thriftgate_saved_usd"]
    assert round(saved - sum(levers), 12) == 0
    assert found["thriftgate_cache_misses_total", "cold"] == 1
    assert found["thriftgate_cache_missed_usd_total", "cold"] > 0
    for private in (SECRET, HEADERS["x-api-key"], "key_", "tg_", "claude"):
        assert private not in page


def test_a_lever_that_cost_more_than_it_saved_is_negative() -> None:
    counters = Counters()
    counters.saved_pico["cache.breakpoints"] = -1_500_000
    assert 'thriftgate_saved_usd{lever="cache.breakpoints"} -0.0000015' in metrics_text(counters).splitlines()


def test_what_waits_in_the_queue() -> None:
    found = samples(metrics_text(Counters()) + queue_text(7, 2))
    assert (found["thriftgate_queue_jobs", ""], found["thriftgate_queue_batches", ""]) == (7.0, 2.0)
