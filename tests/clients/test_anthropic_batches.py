"""The official `anthropic` SDK's batch calls through the gateway against the simulator, and the books after each."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import anthropic
import msgspec
import pytest

from tests.clients.stack import KEY, Stack, fetch, paid_usd
from thriftgate.ledger.entries import BASELINE, UPSTREAM, Entry

HAIKU, OPUS = "claude-haiku-5-5", "claude-opus-5-5"
PATH = "/v1/messages/batches"


@pytest.fixture
def quick(stack: Stack) -> Iterator[Stack]:
    """Batches end at once."""
    rules(stack, duration_s=[0.01, 0.02], cancel_s=0.01)
    yield stack
    rules(stack, duration_s=[0.01, 0.02], cancel_s=0.01)


@pytest.fixture
def client(quick: Stack) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=quick.url, api_key=KEY, max_retries=0) as made:
        yield made


def rules(stack: Stack, **members: object) -> None:
    fetch(f"{stack.simulator.url}/_sim/batches", members)


def rows(*names: str, model: str = HAIKU) -> list[Any]:
    return [
        {
            "custom_id": name,
            "params": {"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": f"What about {name}?"}]},
        }
        for name in names
    ]


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}-{at}" for at in range(count)]


def ended(client: anthropic.Anthropic, batch_id: str) -> Any:
    for _ in range(500):
        batch = client.messages.batches.retrieve(batch_id)
        if batch.processing_status == "ended":
            return batch
    raise AssertionError("the batch did not end")


def entries_of(stack: Stack, batch_id: str) -> list[Entry]:
    return [entry for entry in stack.check_books().entries if entry.upstream_request_id == batch_id]


def check_bill(stack: Stack, batch_id: str, succeeded: int) -> list[Entry]:
    """The entries of a batch are the provider's bill for it, to the last digit; thriftgate has saved nothing on them."""
    entries = entries_of(stack, batch_id)
    billed = [Decimal(call["cost_usd"]) for call in stack.bill()["calls"] if call["batch_id"] == batch_id]
    assert len(billed) == succeeded
    assert sum(map(paid_usd, entries)) == sum(billed)
    assert all(entry.posted(BASELINE) == -entry.posted(UPSTREAM) for entry in entries)
    return entries


def raw(url: str, method: str = "GET", body: bytes | None = None) -> bytes:
    headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01", "content-type": "application/json"}
    with urlopen(Request(url, data=body, headers=headers, method=method), timeout=60) as reply:
        found: bytes = reply.read()
        return found


def test_sync(client: anthropic.Anthropic, stack: Stack) -> None:
    made = client.messages.batches.create(requests=[*rows("one", "two"), *rows("three", model=OPUS)])
    assert made.processing_status == "in_progress"
    batch = ended(client, made.id)
    assert batch.request_counts.succeeded == 3
    assert batch.results_url.startswith(stack.url)  # so the SDK asks the gateway for them
    results = {one.custom_id: one.result for one in client.messages.batches.results(made.id)}
    assert sorted(results) == ["one", "three", "two"]
    assert {one.type for one in results.values()} == {"succeeded"}
    entries = check_bill(stack, made.id, 3)
    assert sorted(entry.model for entry in entries) == [HAIKU, HAIKU, OPUS]
    assert client.messages.batches.delete(made.id).type == "message_batch_deleted"
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.retrieve(made.id)


async def test_async(quick: Stack) -> None:
    async with anthropic.AsyncAnthropic(base_url=quick.url, api_key=KEY, max_retries=0) as client:
        batches = client.messages.batches
        made = await asyncio.gather(*(batches.create(requests=rows(*names(f"async-{at}", 5))) for at in range(4)))
        for one in made:
            while (await batches.retrieve(one.id)).processing_status != "ended":
                pass
            results = [line async for line in await batches.results(one.id)]
            assert {line.result.type for line in results} == {"succeeded"}
            assert len(results) == 5
        listed = [one.id async for one in batches.list(limit=2)]
        assert {one.id for one in made} <= set(listed)
    for one in made:
        await asyncio.to_thread(check_bill, quick, one.id, 5)


def test_list_page_by_page(client: anthropic.Anthropic, stack: Stack) -> None:
    made = [client.messages.batches.create(requests=rows(f"page-{at}")).id for at in range(5)]
    page = client.messages.batches.list(limit=2)
    assert [one.id for one in page.data] == made[:-3:-1]
    assert page.has_more
    assert [one.id for one, _ in zip(page, range(5), strict=False)] == made[::-1]
    assert [one.id for one in client.messages.batches.list(after_id=made[2], limit=1).data] == [made[1]]
    for one in made:
        ended(client, one)
        list(client.messages.batches.results(one))
    for one in made:
        check_bill(stack, one, 1)


def test_cancel(client: anthropic.Anthropic, stack: Stack) -> None:
    rules(stack, stuck_share=1.0, cancel_s=0.01)
    made = client.messages.batches.create(requests=rows(*names("cancel", 3)))
    assert client.messages.batches.cancel(made.id).processing_status in ("canceling", "ended")
    assert ended(client, made.id).request_counts.canceled == 3
    assert {one.result.type for one in client.messages.batches.results(made.id)} == {"canceled"}
    entries = check_bill(stack, made.id, 0)
    assert {(entry.resolution, entry.note) for entry in entries} == {("void", "the item canceled")}


def test_items_with_errors(client: anthropic.Anthropic, stack: Stack) -> None:
    bad = rows("bad")
    bad[0]["params"]["max_tokens"] = "many"
    made = client.messages.batches.create(requests=[*rows("good"), *bad])
    ended(client, made.id)
    results = {one.custom_id: one.result.type for one in client.messages.batches.results(made.id)}
    assert results == {"good": "succeeded", "bad": "errored"}
    assert sorted(entry.resolution for entry in check_bill(stack, made.id, 1)) == ["post", "void"]


def test_beta_twin(client: anthropic.Anthropic, stack: Stack) -> None:
    betas = ["output-300k-2026-03-24"]
    made = client.beta.messages.batches.create(requests=rows("beta"), betas=betas)
    ended(client, made.id)
    assert client.beta.messages.batches.retrieve(made.id, betas=betas).processing_status == "ended"
    assert [one.custom_id for one in client.beta.messages.batches.results(made.id, betas=betas)] == ["beta"]
    assert made.id in [one.id for one in client.beta.messages.batches.list(betas=betas)]
    check_bill(stack, made.id, 1)
    assert client.beta.messages.batches.delete(made.id, betas=betas).id == made.id


def test_the_same_bytes_with_and_without_the_gateway(client: anthropic.Anthropic, stack: Stack) -> None:
    made = client.messages.batches.create(requests=rows(*names("bytes", 40)))
    ended(client, made.id)
    direct, here = stack.simulator.url.encode(), stack.url.encode()
    for path in (f"{PATH}/{made.id}", f"{PATH}?limit=3"):
        told = raw(stack.simulator.url + path)
        assert direct in told
        assert raw(stack.url + path) == told.replace(direct, here)
    results = f"{PATH}/{made.id}/results"
    assert raw(stack.url + results) == raw(stack.simulator.url + results)
    check_bill(stack, made.id, 40)


def test_downloaded_twice_booked_once(client: anthropic.Anthropic, stack: Stack) -> None:
    made = client.messages.batches.create(requests=rows(*names("twice", 30)))
    ended(client, made.id)
    first, second = (sorted(one.custom_id for one in client.messages.batches.results(made.id)) for _ in range(2))
    assert first == second
    assert len(check_bill(stack, made.id, 30)) == 30


def test_an_answer_that_was_lost(client: anthropic.Anthropic, stack: Stack) -> None:
    """The SDK's own retries would create it twice: it is told not to. The batch is found by whoever looks for it."""
    stack.faults(batch_post_lost=1.0)
    known = {one.id for one in client.messages.batches.list()}
    with pytest.raises(anthropic.InternalServerError, match="502"):
        client.with_options(max_retries=3).messages.batches.create(requests=rows(*names("lost", 3)))
    stack.faults()
    (found,) = [one.id for one in client.messages.batches.list() if one.id not in known]
    ended(client, found)
    assert len(list(client.messages.batches.results(found))) == 3
    assert len(check_bill(stack, found, 3)) == 3


def test_left_in_the_middle_and_read_again(client: anthropic.Anthropic, stack: Stack) -> None:
    made = client.messages.batches.create(requests=rows(*names("left", 1200)))
    ended(client, made.id)
    results = client.messages.batches.results(made.id)
    next(iter(results))
    results.close()
    assert len(list(client.messages.batches.results(made.id))) == 1200
    assert len(check_bill(stack, made.id, 1200)) == 1200


def test_killed_while_results_are_read(client: anthropic.Anthropic, stack: Stack) -> None:
    """What was booked is booked, and the rest is booked by whoever reads it next: each line once."""
    made = client.messages.batches.create(requests=rows(*names("killed", 1500)))
    ended(client, made.id)
    results = client.messages.batches.results(made.id)
    next(iter(results))
    stack.gateway.kill()
    results.close()
    stack.serve()
    with anthropic.Anthropic(base_url=stack.url, api_key=KEY, max_retries=0) as again:
        assert len(list(again.messages.batches.results(made.id))) == 1500
    assert len(check_bill(stack, made.id, 1500)) == 1500


def test_an_unknown_model_is_refused(client: anthropic.Anthropic, stack: Stack) -> None:
    with pytest.raises(anthropic.BadRequestError, match="no price for model 'claude-nobody-9'") as raised:
        client.messages.batches.create(requests=rows("a", "b", model="claude-nobody-9"))
    entry = stack.thriftgate("explain", raised.value.response.headers["thriftgate-request-id"])
    assert (entry["outcome"], entry["endpoint"], entry["mode"]) == ("refused", "anthropic.batches", "batch")


def test_what_the_reports_say(client: anthropic.Anthropic, stack: Stack) -> None:
    before = stack.thriftgate("report")
    made = client.messages.batches.create(requests=rows(*names("report", 4)))
    ended(client, made.id)
    list(client.messages.batches.results(made.id))
    entries = check_bill(stack, made.id, 4)
    after = stack.thriftgate("report")
    paid = sum(map(paid_usd, entries))
    assert after["calls"] - before["calls"] == 4
    assert Decimal(after["paid_usd"]) - Decimal(before["paid_usd"]) == paid
    assert after["saved_usd"] == before["saved_usd"]
    told = stack.thriftgate("explain", entries[0].id)
    assert (told["endpoint"], told["mode"], told["usage"]["source"]) == ("anthropic.batches", "batch", "exact")
    assert Decimal(told["cost_usd"]) == Decimal(told["lines_sum_usd"]) == paid_usd(entries[0])
    assert told["remarks"] == []
    runs: Sequence[Any] = stack.thriftgate("batch", "list")["runs"]
    assert [one["kind"] for one in runs if one["succeeded"] == 4 and Decimal(one["cost_usd"]) == paid] == ["client"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_large_batch_takes_no_memory(client: anthropic.Anthropic, stack: Stack) -> None:
    """30 MB, in 300 requests; none of them is ever run."""
    rules(stack, stuck_share=1.0, cancel_s=0.01)
    body = msgspec.json.encode({"requests": [large(at) for at in range(300)]})
    assert len(body) > 30_000_000
    before = peak_mb(stack, anew=True)
    made = msgspec.json.decode(raw(stack.url + PATH, "POST", body))["id"]
    grown = peak_mb(stack) - before
    client.messages.batches.cancel(made)
    ended(client, made)
    assert len(list(client.messages.batches.results(made))) == 300
    assert len(check_bill(stack, made, 0)) == 300
    assert not list(Path(f"{stack.ledger}-batches").glob("*"))
    assert grown < 8, f"{grown:.1f} MB more than before"


def large(number: int) -> dict[str, object]:
    text = f"{number}: " + "All work and no play makes Jack a dull boy. " * 2300
    return {"custom_id": f"large-{number}", "params": rows("x")[0]["params"] | {"system": text}}


def peak_mb(stack: Stack, *, anew: bool = False) -> float:
    """The most resident memory of the gateway's process so far; `anew`: forget it, and tell what it is now."""
    process = Path(f"/proc/{stack.gateway.pid}")
    if anew:
        (process / "clear_refs").write_text("5", encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", (process / "status").read_text(encoding="utf-8"))
    assert found is not None
    return int(found[1]) / 1024
