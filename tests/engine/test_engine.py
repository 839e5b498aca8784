"""One call through the engine: each outcome with its entry, its postings and its hold."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from tests.fixtures import (
    HEADERS,
    MODEL,
    TestClock,
    assert_sound,
    call_of,
    engine_on,
    message,
    only_entry,
    settings_of,
    simulator,
    told,
)
from tests.scripted import MESSAGE, Provider, Say, say_error
from tests.sqlite_books import writer_of
from thriftgate.core.errors import (
    BrokenReply,
    InputError,
    LedgerError,
    PolicyRefusal,
    ThriftgateError,
    UnknownPrice,
    Unreachable,
    UpstreamTimeout,
)
from thriftgate.core.money import pico_from_usd, usd_from_pico
from thriftgate.engine.build import build_engine
from thriftgate.ledger.entries import BASELINE, UPSTREAM, Hold
from thriftgate.ledger.sql import SqlLedger
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.transport import Incoming, Outgoing, Timeouts
from thriftgate.simulator import Faults

INPUT_PICO, OUTPUT_PICO = 5_000_000, 25_000_000  # Opus 4.8, a token: $5 and $25 per million


# --- answered ----------------------------------------------------------------------------------------------------------


async def test_answered_as_the_simulator_bills_it() -> None:
    app = simulator()
    async with engine_on(app) as engine:
        body = msgspec.json.encode(message("[[sim: out=77]]"))
        reply = await engine.messages(call_of(body))
        entry = await only_entry(engine)
        (billed,) = app.bill.calls
        assert reply.status == 200
        assert entry.outcome == "answered"
        assert (entry.resolution, entry.usage_source, entry.status, entry.attempts) == ("post", "exact", 200, 1)
        assert (entry.model, entry.served_model, entry.endpoint) == (MODEL, MODEL, "anthropic.messages")
        assert (entry.message_id, entry.upstream_request_id) == (billed.message_id, billed.request_id)
        assert entry.usage.total.output == 77
        assert -entry.posted(UPSTREAM) == entry.posted(BASELINE) == pico_from_usd(billed.cost)
        assert told(reply.headers, "thriftgate-request-id") == entry.id
        assert told(reply.headers, "thriftgate-cost-usd") == usd_from_pico(pico_from_usd(billed.cost))
        assert told(reply.headers, "thriftgate-saved-usd") == "0"
        assert told(reply.headers, "thriftgate-usage-source") == "exact"
        assert msgspec.json.decode(reply.body or b"")["id"] == billed.message_id


async def test_a_saving_is_booked_to_its_lever() -> None:
    app = simulator()
    long = message(system="word " * 6000)
    async with engine_on(app) as engine:
        for _ in range(3):
            await engine.messages(call_of(long))
        entries = await engine.ledger.entries()
        report = await engine.ledger.report()
        await assert_sound(engine.ledger)
    write, *reads = entries
    assert write.usage.total.write_5m > 5000
    assert write.posted("saved:cache.breakpoints") > 0  # a posting of what it cost: the account is debited
    assert all(entry.usage.total.read >= write.usage.total.write_5m for entry in reads)
    assert all(entry.posted("saved:cache.breakpoints") < 0 for entry in reads)
    assert report.paid_pico == sum(pico_from_usd(call.cost) for call in app.bill.calls)
    assert report.levers["cache.breakpoints"] == report.baseline_pico - report.paid_pico > 0


async def test_what_no_lever_touches_leaves_as_it_came() -> None:
    provider = Provider()
    body = b'{ "model" : "claude-opus-4-8", "x": 1.50, "max_tokens":9,"messages":[{"role":"user","content":"h\\u00e9"}]}'
    async with engine_on(provider) as engine:
        reply = await engine.messages(call_of(body))
    assert provider.bodies == [body]
    assert reply.body == MESSAGE


# --- failed ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "kind"), [(400, "invalid_request_error"), (401, "authentication_error"), (413, "x")])
async def test_an_error_of_the_provider_is_passed_on_and_costs_nothing(status: int, kind: str) -> None:
    said = say_error(status, kind, ("request-id", "req_1"), ("x-should-retry", "false"))
    async with engine_on(Provider(said)) as engine:
        reply = await engine.messages(call_of(message()))
        entry = await only_entry(engine)
    assert (reply.status, reply.body) == (status, said.pieces[0])
    assert told(reply.headers, "request-id") == "req_1"
    assert told(reply.headers, "x-should-retry") == "false"
    assert (entry.outcome, entry.resolution, entry.usage_source) == ("failed", "void", "none")
    assert (entry.status, entry.upstream_request_id) == (status, "req_1")
    assert entry.posted(UPSTREAM) == entry.posted(BASELINE) == 0


async def test_a_redirect_is_no_answer_of_a_model() -> None:
    async with engine_on(Provider(Say([b"moved"], 307, [("location", "/elsewhere")]))) as engine:
        reply = await engine.messages(call_of(message()))
        entry = await only_entry(engine)
    assert (reply.status, reply.body, told(reply.headers, "location")) == (307, b"moved", "/elsewhere")
    assert (entry.outcome, entry.usage_source) == ("failed", "none")


# --- no usable answer --------------------------------------------------------------------------------------------------


class Failing:
    """A transport that fails in one way."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.sent = 0

    async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> Incoming:
        self.sent += 1
        raise self.error

    async def close(self) -> None:
        return


async def test_unreachable_is_tried_again_and_costs_nothing() -> None:
    transport, clock = Failing(Unreachable("nobody there")), TestClock()
    async with engine_on(transport=transport, clock=clock) as engine:
        with pytest.raises(Unreachable) as caught:
            await engine.messages(call_of(message()))
        entry = await only_entry(engine)
    assert (entry.outcome, entry.resolution, entry.usage_source) == ("unreachable", "void", "none")
    assert (entry.attempts, transport.sent, entry.note) == (3, 3, "nobody there")
    assert entry.posted(BASELINE) == 0
    assert clock.slept == [0.1, 0.2]
    assert caught.value.call_id == entry.id


@pytest.mark.parametrize(
    ("error", "outcome"), [(UpstreamTimeout("too late"), "timeout"), (BrokenReply("no HTTP"), "garbage")]
)
async def test_no_answer_is_sent_once_and_booked_as_estimated(error: ThriftgateError, outcome: str) -> None:
    transport = Failing(error)
    async with engine_on(transport=transport) as engine:
        with pytest.raises(type(error)) as caught:
            await engine.messages(call_of(message()))
        entry = await only_entry(engine)
    assert transport.sent == 1
    assert (entry.outcome, entry.resolution, entry.usage_source) == (outcome, "post", "estimated")
    assert -entry.posted(UPSTREAM) == entry.forecast_pico > 0
    assert (entry.note, entry.attempts, caught.value.call_id) == (str(error), 1, entry.id)


async def test_a_transport_with_a_bug_leaves_no_hold_open() -> None:
    async with engine_on(transport=Failing(ValueError("bug"))) as engine:
        with pytest.raises(ValueError, match="bug"):
            await engine.messages(call_of(message()))
        entry = await only_entry(engine)
    assert (entry.usage_source, entry.note) == ("estimated", "ValueError")


NO_MESSAGE = (b"", b"<html>sorry</html>", b"[1,2]", b'"text"', b'{"hello":1}', b"[" * 100_000, b'{"type":"mes', b"\xff\xfe")


@pytest.mark.parametrize("body", NO_MESSAGE, ids=lambda body: repr(body[:12]))
async def test_garbage_is_a_clear_error_and_booked_as_estimated(body: bytes) -> None:
    async with engine_on(Provider(Say([body]))) as engine:
        with pytest.raises(BrokenReply, match="that are no message") as caught:
            await engine.messages(call_of(message()))
        entry = await only_entry(engine)
    assert (entry.outcome, entry.usage_source, entry.status) == ("garbage", "estimated", 200)
    assert -entry.posted(UPSTREAM) > 0
    assert caught.value.call_id == entry.id
    assert entry.id in str(caught.value)


async def test_an_answer_that_breaks_off_is_cut() -> None:
    async with engine_on(Provider(Say([MESSAGE[:20], ConnectionError("reset")]))) as engine:
        with pytest.raises(BrokenReply) as caught:
            await engine.messages(call_of(message()))
        entry = await only_entry(engine)
    assert (entry.outcome, entry.usage_source, entry.status) == ("cut", "estimated", 200)
    assert caught.value.call_id == entry.id


async def test_an_error_answer_that_breaks_off_costs_nothing() -> None:
    async with engine_on(Provider(Say([b'{"type":"err', ConnectionError("reset")], 500))) as engine:
        with pytest.raises(BrokenReply):
            await engine.messages(call_of(message()))
        entry = await only_entry(engine)
    assert (entry.resolution, entry.usage_source, entry.posted(BASELINE)) == ("void", "none", 0)


async def test_an_answer_without_usage_is_passed_on_and_estimated() -> None:
    """Other servers speak this format and tell no usage."""
    body = b'{"id":"msg_1","type":"message","model":"claude-opus-4-8","content":[]}'
    async with engine_on(Provider(Say([body]))) as engine:
        reply = await engine.messages(call_of(message()))
        entry = await only_entry(engine)
    assert reply.body == body
    assert (entry.usage_source, entry.message_id) == ("estimated", "msg_1")


async def test_an_answer_compressed_against_our_wish_is_passed_on() -> None:
    async with engine_on(Provider(Say([b"\x1f\x8b..."], headers=[("content-encoding", "gzip")]))) as engine:
        reply = await engine.messages(call_of(message()))
        entry = await only_entry(engine)
    assert (reply.status, reply.body, entry.usage_source) == (200, b"\x1f\x8b...", "estimated")


@pytest.mark.parametrize(
    "usage",
    [
        {"input_tokens": -5, "output_tokens": 5},
        {"input_tokens": 10**30, "output_tokens": 5},
        {"input_tokens": 10**10, "output_tokens": 5},
        {"input_tokens": 5, "output_tokens": 5, "server_tool_use": {"web_search_requests": 10**10}},
        {"input_tokens": 5, "output_tokens": 5, "iterations": [{"input_tokens": 10**10}]},
    ],
)
async def test_a_usage_that_makes_no_sense_is_estimated_instead(usage: dict[str, object]) -> None:
    body = msgspec.json.encode(msgspec.json.decode(MESSAGE) | {"usage": usage})
    async with engine_on(Provider(Say([body]))) as engine:
        reply = await engine.messages(call_of(message()))
        entry = await only_entry(engine)
    assert reply.body == body
    assert (entry.outcome in ("answered", "garbage"), entry.usage_source) == (True, "estimated")
    assert 0 < -entry.posted(UPSTREAM) < 10**12


# --- refused -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b"\xff", "not valid"),
        (b'{"max_tokens":1,"messages":[]}', "model: Field required"),
        (b'{"model":7,"max_tokens":1,"messages":[]}', "model: Input should be a valid string"),
        (b'{"model":"m","messages":[]}', "max_tokens: Field required"),
        (b'{"model":"%s"}' % (b"m" * 257), "model: String should have at most 256 characters"),
        (b'{"model":"m","max_tokens":"9","messages":[]}', "max_tokens: Input should be a valid integer"),
        (b'{"model":"m","max_tokens":1,"messages":7}', "messages: Input should be a valid list"),
        (b'{"model":"m","max_tokens":1,"messages":[],"stream":"yes"}', "stream: Input should be a valid boolean"),
        (b'{"model":"m","max_tokens":1,"messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    ],
    ids=lambda value: str(value[:45]),
)
async def test_bad_input_is_refused_unsent_and_booked(body: bytes, words: str) -> None:
    provider = Provider()
    async with engine_on(provider) as engine:
        with pytest.raises(InputError, match=words) as caught:
            await engine.messages(call_of(body))
        entry = await only_entry(engine)
    assert provider.bodies == []
    assert (entry.outcome, entry.resolution, entry.usage_source, entry.status) == ("refused", "void", "none", 400)
    assert entry.id == caught.value.call_id
    assert words in entry.note


async def test_an_unknown_model_is_refused_unsent_and_booked() -> None:
    provider = Provider()
    async with engine_on(provider) as engine:
        with pytest.raises(UnknownPrice, match="no price for model 'claude-nobody'") as caught:
            await engine.messages(call_of(message(model="claude-nobody")))
        entry = await only_entry(engine)
    assert provider.bodies == []
    assert (entry.outcome, entry.model, entry.id) == ("refused", "claude-nobody", caught.value.call_id)


async def test_absurd_max_tokens_is_the_providers_to_refuse() -> None:
    """The worst case does not fit into 64 bits; nothing hangs, nothing breaks."""
    app = simulator()
    async with engine_on(app) as engine:
        reply = await engine.messages(call_of(message(max_tokens=10**40)))
        entry = await only_entry(engine)
    assert (reply.status, entry.outcome) == (400, "failed")


# --- the guard ---------------------------------------------------------------------------------------------------------


async def test_the_guard_refuses_what_could_cost_too_much() -> None:
    app = simulator()
    async with engine_on(app, policy={"cost_limit_usd": "0.001"}) as engine:
        with pytest.raises(PolicyRefusal, match=r"over the limit of \$0\.001") as caught:
            await engine.messages(call_of(message(max_tokens=2000)))
        entry = await only_entry(engine)
    assert (entry.outcome, entry.status, entry.id) == ("refused", 400, caught.value.call_id)
    assert [decision.decision for decision in entry.decisions if decision.lever == "count.guard"] == ["refused"]
    assert app.bill.calls == []


async def test_the_guard_has_the_prompt_counted_before_it_refuses() -> None:
    """Our upper bound is over the limit, the provider's exact count is not: the call goes out."""
    app = simulator()
    body = message("0f9 " * 2000, max_tokens=1)
    exact = sum(tokens for _, tokens in app.count_blocks(body))
    limit = usd_from_pico(exact * INPUT_PICO * 101 // 100 + OUTPUT_PICO)
    async with engine_on(app, policy={"cost_limit_usd": limit}) as engine:
        estimate = engine.knowledge.snapshot(call_of(body).dialect.parse(msgspec.json.encode(body)), "none", 0.0)
        assert estimate.state.upper[-1] * INPUT_PICO > pico_from_usd(limit), "the estimate is too good for this test"
        reply = await engine.messages(call_of(body))
        entry = await only_entry(engine)
    assert reply.status == 200
    assert app.requests == 2  # the count and the call
    assert entry.usage.total.prompt == exact
    assert entry.usage.total.input == exact  # its own count is no earlier sighting: nothing is marked


async def test_a_count_that_fails_leaves_the_refusal_standing() -> None:
    provider = Provider(say_error(500, "api_error"))
    async with engine_on(provider, policy={"cost_limit_usd": "0.000001"}, upstream={"retry": "never"}) as engine:
        with pytest.raises(PolicyRefusal):
            await engine.messages(call_of(message()))
        await only_entry(engine)
    assert provider.paths == ["/v1/messages/count_tokens"]


async def test_the_lower_of_two_limits_holds() -> None:
    async with engine_on(simulator(), policy={"cost_limit_usd": "100"}) as engine:
        with pytest.raises(PolicyRefusal, match=r"over the limit of \$0\.000001"):
            await engine.messages(call_of(message(), cost_limit_pico=10**6))
    async with engine_on(simulator(), policy={"cost_limit_usd": "0.000001"}) as engine:
        with pytest.raises(PolicyRefusal, match=r"over the limit of \$0\.000001"):
            await engine.messages(call_of(message(), cost_limit_pico=10**14))


# --- free calls --------------------------------------------------------------------------------------------------------


async def test_free_calls_are_passed_on_and_not_booked() -> None:
    app = simulator()
    body = message()
    del body["max_tokens"]
    async with engine_on(app) as engine:
        count = await engine.forward(call_of(body, path="/v1/messages/count_tokens"))
        assert msgspec.json.decode(count.body)["input_tokens"] > 0
        models = await engine.forward(call_of(b"", method="GET", path="/v1/models", query="limit=1"))
        assert len(msgspec.json.decode(models.body)["data"]) == 1
        assert (await engine.forward(call_of(b"", method="GET", path="/v1/models/nobody"))).status == 404
        assert not await engine.ledger.entries()


# --- the books fail ----------------------------------------------------------------------------------------------------


async def test_without_a_hold_nothing_is_sent() -> None:
    provider = Provider()
    async with engine_on(provider) as engine:
        await engine.ledger.close()
        with pytest.raises(LedgerError) as caught:
            await engine.messages(call_of(message()))
    assert provider.bodies == []
    assert caught.value.call_id
    assert not caught.value.after_answer


async def test_an_answer_that_cannot_be_booked_is_withheld(tmp_path: Path) -> None:
    gate = asyncio.Event()
    provider = Provider(Say([gate, MESSAGE]))
    path = str(tmp_path / "books.db")
    async with engine_on(provider, ledger={"path": path}) as engine:
        assert isinstance(engine.ledger, SqlLedger)
        call = asyncio.ensure_future(engine.messages(call_of(message())))
        await provider.asked.wait()
        writer_of(engine.ledger).execute("pragma query_only = on")
        gate.set()
        with pytest.raises(LedgerError, match="cannot write the ledger") as caught:
            await call
        assert caught.value.after_answer
        assert len(await engine.ledger.open_holds()) == 1
    async with engine_on(provider, ledger={"path": path}) as engine:  # the next start finds it
        assert (await only_entry(engine)).outcome == "lost"


# --- recovery ----------------------------------------------------------------------------------------------------------


async def test_open_holds_are_closed_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    ledger = SqlLedger.open(path)
    for number in range(3):
        await ledger.hold(Hold(f"tg_{number}", 1000 + number, "key_a", MODEL, worst_pico=900, forecast_pico=70 + number))
    await ledger.close()
    async with engine_on(Provider(), ledger={"path": str(path)}) as engine:
        entries = await engine.ledger.entries()
        await assert_sound(engine.ledger)
        assert [(entry.id, entry.opened_us, -entry.posted(UPSTREAM)) for entry in entries] == [
            ("tg_0", 1000, 70),
            ("tg_1", 1001, 71),
            ("tg_2", 1002, 72),
        ]
        assert {(entry.outcome, entry.resolution, entry.usage_source) for entry in entries} == {
            ("lost", "expire", "estimated")
        }
        assert await engine.recover() == 0


# --- keys --------------------------------------------------------------------------------------------------------------


async def test_a_key_has_a_name_that_does_not_give_it_away(tmp_path: Path) -> None:
    settings = settings_of(ledger={"path": str(tmp_path / "books.db")})
    names = []
    for _ in range(2):
        engine = await build_engine(settings, transport=AsgiTransport(Provider()))
        names.append((engine.key_of("sk-one"), engine.key_of("sk-two"), engine.key_of("")))
        await engine.messages(call_of(message(), headers=HEADERS | {"x-api-key": "sk-one"}))
        await engine.close()
    assert names[0] == names[1]  # stable over restarts
    one, two, none = names[0]
    assert len({one, two, none}) == 3
    assert none == "none"
    assert b"sk-one" not in (tmp_path / "books.db").read_bytes()
    other = await build_engine(settings_of(), transport=AsgiTransport(Provider()))
    assert other.key_of("sk-one") != one  # salted by the books
    await other.close()


async def test_faults_of_the_simulator_each_end_in_one_entry() -> None:
    faults = Faults(seed=3, reset_before_headers=0.2, overloaded=0.2, garbage_body=0.2, wrong_length=0.2, empty_body=0.2)
    app = simulator(faults=faults)
    async with engine_on(app, upstream={"retry": "never"}) as engine:
        results = await asyncio.gather(
            *(engine.messages(call_of(message(f"number {number}"))) for number in range(60)), return_exceptions=True
        )
        assert {type(result) for result in results if isinstance(result, BaseException)} == {BrokenReply}
        entries = await engine.ledger.entries()
        assert len(entries) == 60
        assert {entry.outcome for entry in entries} == {"answered", "failed", "garbage", "cut"}
        await assert_sound(engine.ledger)
