"""Hit rates of batches that share prefixes, against the published table of a queueing model.

That model: c workers take the items in the order of the file; a write is readable after 1 s + prefix / 10,000 per s; P =
20,000; an item takes some nine seconds, plus the stall. The prefix here is a short text, and `read_per_token_s` scaled to
give the same three seconds. Where a row says "as", the same throughput is had from fewer workers and items.
"""

import random
from typing import Any

import pytest

from thriftgate.simulator import BatchRules, CacheRules, Simulator

from .support import advance, body, call, post_batch, simulator, text

PRIOR = {"spread": 0.5, "stagger": False, "readable_s": 1.0}
SERVICE_S = 9.0


def item(group: int, number: int) -> dict[str, Any]:
    """One of a group; all prompts are of one length."""
    return {
        "custom_id": f"{group}-{number}",
        "params": body(
            system=[text(f"prefix of group {group:05}", "5m")],
            messages=[{"role": "user", "content": f"item {number:05}"}],
            max_tokens=1,
        ),
    }


def laid_out(groups: int, size: int, layout: str) -> list[dict[str, Any]]:
    if layout == "striped":
        return [item(group, number) for number in range(size) for group in range(groups)]
    found = [item(group, number) for group in range(groups) for number in range(size)]
    if layout == "shuffled":
        random.Random(5).shuffle(found)
    return found


async def hit_rate(requests: list[dict[str, Any]], **rules: Any) -> float:
    """Share of items that read their prefix, in percent."""

    def make(batches: BatchRules) -> Simulator:
        return simulator(batches=batches, rules=CacheRules(min_tokens=1))

    prompt = sum(tokens for _, tokens in make(BatchRules()).count_blocks(requests[0]["params"]))
    app = make(BatchRules(**(PRIOR | {"read_per_token_s": 2.0 / prompt} | rules)))
    await post_batch(app, requests)
    advance(app, 86_400)
    await call(app, "GET", "/v1/messages/batches")
    assert len(app.bill.calls) == len(requests)
    return 100 * sum(entry.usage.read > 0 for entry in app.bill.calls) / len(requests)


@pytest.mark.parametrize(
    ("file", "workers", "stall_s", "published"),
    [
        ((1, 1000, "grouped"), 200, 0, 80),
        ((1, 1000, "grouped"), 1000, 0, 0),
        ((50, 100, "grouped"), 200, 0, 33),
        ((500, 20, "shuffled"), 50, 60, 34),
        ((50, 20, "grouped"), 50, 60, 84),  # as 500 x 20
        ((500, 2, "striped"), 50, 60, 0),  # as 500 x 20
        ((50, 20, "grouped"), 20, 51.9, 90),  # as 500 x 20 by 200 workers that stall for 600 s
        ((200, 5, "grouped"), 20, 51.9, 60),  # as 2000 x 5 by 200 workers that stall for 600 s
    ],
)
async def test_published_hit_rates(file: tuple[int, int, str], workers: int, stall_s: float, published: float) -> None:
    rate = await hit_rate(laid_out(*file), workers=workers, service_s=SERVICE_S + stall_s)
    assert rate == pytest.approx(published, abs=3)


async def test_evenly_staggered_workers() -> None:
    """The default: 200 items are in flight before the first write is readable, whatever starts later reads."""
    requests = laid_out(1, 1000, "grouped")
    even = {"workers": 200, "service_s": 3.0, "spread": 0.0, "stagger": True}
    assert await hit_rate(requests, **even) == pytest.approx(80, abs=0.2)
    assert await hit_rate(requests, **(even | {"workers": 1000})) == 0


async def test_the_order_may_be_shuffled_by_the_provider() -> None:
    """Groups sent in order gain nothing where the provider shuffles: as if the file had been shuffled."""
    requests = laid_out(50, 20, "grouped")
    slow = {"workers": 50, "service_s": 690.0}
    assert await hit_rate(requests, **slow) > 60
    assert await hit_rate(requests, **slow, order="shuffled") == pytest.approx(34, abs=6)
