"""Blocks: what they say of their calls, what they let them spend, and calls that can wait."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import anthropic
import pytest

from tests.client.stand import KEY, OTHER, PLAIN, Stand, ask, text_of, waiting
from tests.clients.stack import fetch, paid_usd
from tests.fixtures import until
from thriftgate import cost_limit, deadline, task
from thriftgate.client.contexts import purses, with_wishes
from thriftgate.core.errors import InputError

WAITS = (b"thriftgate-wait", b"true")
SAYS = 200  # tokens that an answer may have


# --- what they say -------------------------------------------------------------------------------------------------------


def test_the_innermost_counts_and_what_the_call_says_itself_before_it() -> None:
    with task("outer"), task("inner"), deadline("6h"):
        assert with_wishes(()) == ((b"thriftgate-task", b"inner"), (b"thriftgate-deadline", b"6h"), WAITS)
        own = ((b"thriftgate-task", b"own"), (b"thriftgate-deadline", b"1h"), (b"thriftgate-wait", b"false"))
        assert with_wishes(own) == own
    assert with_wishes(()) == (WAITS,)


@pytest.mark.parametrize(
    ("until_", "said"),
    [
        ("90m", b"90m"),
        (timedelta(hours=2), b"7200s"),
        (datetime(2026, 11, 21, 18, tzinfo=UTC), b"2026-11-21T18:00:00+00:00"),
    ],
)
def test_deadlines(until_: Any, said: bytes) -> None:
    with deadline(until_):
        assert with_wishes(())[0] == (b"thriftgate-deadline", said)


def test_what_cannot_be_said() -> None:
    for wrong in (
        lambda: task(""),
        lambda: task("line\nbreak"),
        lambda: task("x" * 101),
        lambda: deadline("soon"),
        lambda: deadline(datetime(2026, 11, 21, 18)),  # noqa: DTZ001  that is what is wrong with it
        lambda: cost_limit(0),
        lambda: cost_limit("a lot"),
    ):
        with pytest.raises(InputError), wrong():
            raise AssertionError
    assert (with_wishes(()), purses()) == ((WAITS,), ())


async def test_tasks_and_threads_that_take_the_context_over_are_in_the_block() -> None:
    async def said() -> int:
        await asyncio.sleep(0)
        return len(purses())

    with cost_limit(1):
        inside = asyncio.ensure_future(said())
        with cost_limit(1):
            both = asyncio.ensure_future(said())
        assert await asyncio.to_thread(lambda: len(purses())) == 1
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(lambda: len(purses())).result() == 0, "a bare thread is not"
            assert pool.submit(contextvars.copy_context().run, lambda: len(purses())).result() == 1
    assert (await inside, await both, len(purses())) == (1, 2, 0)


# --- what they may spend -------------------------------------------------------------------------------------------------


def one_call(client: Any) -> Any:
    return client.messages.create(model=PLAIN, max_tokens=SAYS, messages=ask(f"Say it [[sim: out={SAYS}]]"))


def worst_usd(stand: Stand) -> Decimal:
    """The most that `one_call` can cost."""
    with pytest.raises(anthropic.PaymentRequiredError) as raised, cost_limit("0.000001"):
        one_call(stand.client())
    return Decimal(raised.value.message.partition("up to $")[2].partition(",")[0])


def test_a_limit_holds_for_the_block_and_is_told(stand: Stand) -> None:
    client, worst = stand.client(), worst_usd(stand)
    calls = 0
    with cost_limit(worst * 3) as spending:
        while spending.left_usd >= worst:
            calls += 1
            one_call(client)
        with pytest.raises(anthropic.PaymentRequiredError, match=r"cost_limit: the call can cost up to .*spent, \$0 held"):
            one_call(client)
        assert calls >= 3
        paid = sum(paid_usd(entry) for entry in stand.entries())
        assert spending.spent_usd == paid <= spending.limit_usd == worst * 3
        assert spending.left_usd == spending.limit_usd - paid < worst
        assert spending.held_usd == 0
    one_call(client)
    assert spending.spent_usd == paid, "what comes after it is not its own"


@pytest.mark.parametrize("streams", [False, True])
async def test_fifty_at_once_never_overspend(stand: Stand, streams: bool) -> None:
    worst = await asyncio.to_thread(worst_usd, stand)
    async with stand.async_client() as client:

        async def call() -> str:
            try:
                if streams:
                    asked = ask(f"Say it [[sim: out={SAYS}]]")
                    async with client.messages.stream(model=PLAIN, max_tokens=SAYS, messages=asked) as stream:
                        await stream.until_done()
                else:
                    await one_call(client)
            except (anthropic.RateLimitError, anthropic.PaymentRequiredError) as error:
                return error.response.headers["thriftgate-error"]
            return ""

        with cost_limit(worst * 10) as spending:
            said = await asyncio.gather(*(call() for _ in range(50)))
        done = said.count("")
        assert 10 <= done < 50
        assert set(said) <= {"", "budget", "budget_held"}
        assert spending.spent_usd <= worst * 10
        assert spending.held_usd == 0
    answered = [entry for entry in await asyncio.to_thread(stand.entries) if entry.outcome == "answered"]
    assert (len(answered), sum(paid_usd(entry) for entry in answered)) == (done, spending.spent_usd)


async def test_calls_that_wait_for_others_get_their_turn(stand: Stand) -> None:
    """What calls under way hold is free once they are settled, so the SDK tries again."""
    worst = await asyncio.to_thread(worst_usd, stand)
    async with stand.async_client(max_retries=4) as client:
        with cost_limit(worst * 2):
            await asyncio.gather(*(one_call(client) for _ in range(2)))
    entries = await asyncio.to_thread(stand.entries)
    assert [entry.outcome for entry in entries if entry.message_id] == ["answered"] * 2


def test_nested_limits_all_hold(stand: Stand) -> None:
    client, worst = stand.client(), worst_usd(stand)
    with cost_limit(worst) as outer:
        with cost_limit(worst * 5) as inner:
            one_call(client)
            assert inner.spent_usd == outer.spent_usd > 0
            with pytest.raises(anthropic.PaymentRequiredError):
                one_call(client)
        with cost_limit(worst / 2) as smaller, pytest.raises(anthropic.PaymentRequiredError):
            one_call(client)
        assert smaller.spent_usd + outer.held_usd + inner.held_usd == 0


def test_threads_share_a_limit(stand: Stand) -> None:
    client, worst = stand.client(max_retries=0), worst_usd(stand)
    done: list[bool] = []

    def call() -> None:
        try:
            one_call(client)
        except anthropic.APIStatusError:
            return
        done.append(True)

    with cost_limit(worst * 4) as spending:
        threads = [threading.Thread(target=contextvars.copy_context().run, args=(call,)) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert 4 <= len(done) < 16
    assert spending.spent_usd <= worst * 4


def test_what_fails_gives_back_what_it_held(stand: Stand) -> None:
    client, worst = stand.client(), worst_usd(stand)
    stand.faults(internal_error=1.0)
    with cost_limit(worst) as spending:
        for _ in range(3):
            with pytest.raises(anthropic.InternalServerError):
                one_call(client)
        assert spending.spent_usd + spending.held_usd == 0


def test_batches_of_ones_own_take_their_worst_case(stand: Stand) -> None:
    client = stand.client()
    rows: list[Any] = [{"custom_id": "a", "params": {"model": PLAIN, "max_tokens": SAYS, "messages": ask("Hi")}}]
    with cost_limit("0.000001"), pytest.raises(anthropic.PaymentRequiredError, match="cost_limit"):
        client.messages.batches.create(requests=rows)
    with cost_limit(1) as spending:
        made = client.messages.batches.create(requests=rows)
        assert spending.held_usd > 0
        with pytest.raises(anthropic.BadRequestError):
            client.messages.batches.create(requests=rows * 2)  # two of one name
        held_usd = spending.held_usd
    fetch(f"{stand.url}/_sim/clock", {"advance_s": 7200})
    (result,) = client.messages.batches.results(made.id)
    assert 0 < client.cost_of(result).cost_usd <= held_usd
    refused = [entry for entry in stand.entries() if entry.outcome == "refused"]
    assert {(entry.mode, entry.resolution) for entry in refused} == {("batch", "void")}


# --- calls that can wait -------------------------------------------------------------------------------------------------


async def test_many_at_once_are_one_batch_at_half_the_price(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with waiting(tmp_path, monkeypatch) as stand:
        async with stand.async_client() as client:
            with deadline("6h"), cost_limit(1) as spending:
                asked = (
                    client.messages.create(model=PLAIN, max_tokens=50, messages=ask(f"[[sim: say=answer {at}]]"))
                    for at in range(12)
                )
                messages = await asyncio.gather(*asked)
            assert [text_of(message) for message in messages] == [f"answer {at}" for at in range(12)]
            assert {message.usage.service_tier for message in messages} == {"batch"}
            costs = [client.cost_of(message) for message in messages]
            assert all(cost.cost_usd == cost.saved_usd > 0 and cost.mode == "batch" for cost in costs)
            assert spending.spent_usd == sum(cost.cost_usd for cost in costs)
            assert spending.held_usd == 0
        await asyncio.to_thread(stand.check)
        assert len({entry.upstream_request_id for entry in await asyncio.to_thread(stand.entries)}) == 1


async def test_streams_that_wait_and_headers_instead_of_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with waiting(tmp_path, monkeypatch) as stand:
        client = stand.client(timeout=1.0)
        with deadline("6h"):
            face = client.messages.stream(model=PLAIN, max_tokens=50, messages=ask("Why? [[sim: say=Because]]"))
            with face as stream:
                assert "".join(stream.text_stream) == "Because"
                assert stream.get_final_message().usage.service_tier == "batch"
        message = client.messages.create(
            model=PLAIN, max_tokens=50, messages=ask("Hi"), extra_headers={"thriftgate-deadline": "6h"}
        )
        assert message.usage.service_tier == "batch"
        stand.close()
        await asyncio.to_thread(stand.check)


def test_calls_that_are_made_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadline is leave to wait: too near a one, another key, or too little money left, and the call is made now."""
    with waiting(tmp_path, monkeypatch) as stand:
        client = stand.client()

        def deferred(one: Any, until_: str = "6h") -> str:
            with deadline(until_):
                raw = one.messages.with_raw_response.create(model=PLAIN, max_tokens=50, messages=ask("Hi"))
            assert raw.parse().usage.service_tier == "standard"
            return str(raw.headers["thriftgate-deferred"])

        assert deferred(client, "30s").startswith("no; ")
        assert deferred(client.with_options(api_key=OTHER)) == "no; batches are sent with another key"
        with cost_limit("0.0000001"), pytest.raises(anthropic.PaymentRequiredError):
            deferred(client)
        stand.close()
        assert deferred(stand.client(overrides={"policy.levers": []})) == "no; batch.defer is off"
        stand.close()
        stand.check()


def test_an_error_that_comes_later_is_the_sdks_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with waiting(tmp_path, monkeypatch) as stand, deadline("6h"):
        client = stand.client()
        with pytest.raises(anthropic.BadRequestError, match="temperature"):
            client.messages.create(
                model="claude-opus-5-5", max_tokens=50, messages=ask("Hi"), extra_body={"temperature": 0.3}
            )


async def test_what_an_earlier_process_left_is_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ticket instead of an answer; its process ends; the next one finishes the job, and the same call gets its answer."""
    name = {"thriftgate-deadline": "6h", "thriftgate-idempotency-key": "doc-17"}
    asked: dict[str, Any] = {"model": PLAIN, "max_tokens": 50, "messages": ask("[[sim: say=for doc 17]]")}
    with waiting(tmp_path, monkeypatch) as stand:
        client = stand.client()
        ticket = client.messages.with_raw_response.create(**asked, extra_headers=name | {"thriftgate-wait": "false"})
        job = ticket.headers["thriftgate-job"]
        assert (ticket.status_code, job[:4]) == (202, "job_")
        stand.close()
        async with stand.async_client() as later:

            async def answered() -> bool:
                told: Any = await later.get(f"/thriftgate/jobs/{job}", cast_to=object)
                return bool(told["status"] == "answered")

            message = await later.messages.create(**asked, extra_headers=name)
            assert text_of(message) == "for doc 17"
            await until(answered)
        await asyncio.to_thread(stand.check)
    assert KEY not in str(await asyncio.to_thread(stand.entries))
