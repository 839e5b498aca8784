"""What is sent to warm a prefix, and what is expected of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.fixtures import KEY, MODEL, assert_sound, call_of, engine_on, message, read_all, simulator
from tests.scripted import Provider, say_error
from thriftgate.core.errors import InputError
from thriftgate.core.plan import Policy
from thriftgate.core.request import Ttl, parse_request
from thriftgate.engine.snapshot import Knowledge
from thriftgate.engine.warm import Warming, warm_directly, warm_through, warming
from thriftgate.ledger.entries import UPSTREAM
from thriftgate.pricing.load import load_book, load_models
from thriftgate.providers.asgi_transport import AsgiTransport

HEAD = "word " * 12_000
MARK = {"type": "ephemeral"}
KNOWN = Knowledge(load_book(), load_models())
NOW_S = 1_795_262_400.0


def made(body: dict[str, Any], ttl: Ttl = "1h") -> Warming:
    return warming("x", msgspec.json.encode(body), ttl, KNOWN, NOW_S)


def marks(prompt: Warming) -> list[tuple[str, str]]:
    """Section and life of each breakpoint."""
    request = parse_request(prompt.body)
    prefix = KNOWN.snapshot(request, "", NOW_S).state.prefix
    return [(prefix.blocks[at].section, ttl) for at, ttl in prefix.marks()]


def test_the_end_of_tools_and_system_is_marked_and_the_messages_are_left_out() -> None:
    prompt = made(message("a long question " * 50, system=HEAD, stream=True))
    body = msgspec.json.decode(prompt.body)
    assert marks(prompt) == [("system", "1h")]
    assert (body["max_tokens"], body["messages"], "stream" in body) == (0, [{"role": "user", "content": "."}], False)
    assert prompt.worst_pico >= prompt.expected_pico > 0


def test_breakpoints_of_its_own_stay_where_they_are() -> None:
    document = [{"type": "text", "text": HEAD, "cache_control": MARK}, {"type": "text", "text": "q"}]
    body = message() | {"messages": [{"role": "user", "content": document}]}
    prompt = made(body | {"system": [{"type": "text", "text": "s", "cache_control": MARK}]})
    assert marks(prompt) == [("system", "1h"), ("messages", "1h")]
    assert b'"q"' in prompt.body


def test_without_tools_and_system_it_is_the_last_block() -> None:
    assert marks(made(message(HEAD), "5m")) == [("messages", "5m")]


def test_automatic_caching_does_not_mark_the_placeholder() -> None:
    prompt = made(message(system=HEAD, cache_control=MARK))
    assert marks(prompt) == [("system", "1h")]
    assert b'"cache_control":{"type":"ephemeral"}' not in prompt.body


def test_cited_documents_stay() -> None:
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}}
    content = [document | {"citations": {"enabled": True}}, {"type": "text", "text": "q"}]
    body = message(system=HEAD) | {"messages": [{"role": "user", "content": content}]}
    before = KNOWN.snapshot(parse_request(msgspec.json.encode(body)), "", NOW_S).state.prefix
    after = KNOWN.snapshot(parse_request(made(body).body), "", NOW_S).state.prefix
    assert after.chain[0] == before.chain[0]


def test_the_name_is_in_the_complaint() -> None:
    with pytest.raises(InputError, match=r"^x: cannot be sent with max_tokens 0: thinking has a budget"):
        made(message(thinking={"type": "enabled", "budget_tokens": 1024}))


def test_it_is_rewritten_as_the_calls_to_come_will_be() -> None:
    body = message(system=f"Today is 2026-11-21.\n{HEAD}")
    policy = Policy(stabilise=("split_volatile",))
    prompt = warming("x", msgspec.json.encode(body), "1h", KNOWN, NOW_S, policy=policy)
    said = [block["text"] for block in msgspec.json.decode(prompt.body)["system"]]
    assert said == [HEAD, "Today is 2026-11-21.\n"]
    assert marks(prompt)[-1] == ("system", "1h")


async def test_the_next_call_of_this_engine_reads_it() -> None:
    app = simulator()
    async with engine_on(app) as engine:
        (done,) = await warm_directly(engine, [made(message(system=HEAD))], KEY)
        assert not done.error
        await read_all(await engine.messages(call_of(message("a question", system=HEAD))))
        await assert_sound(engine.ledger)
        report = await engine.ledger.report()
    assert app.bill.calls[1].usage.read == done.tokens.write_1h == app.bill.calls[0].usage.write_1h > 10_000
    assert report.levers["cache.prewarm"] == -done.cost_pico


async def test_errors_are_told_and_cost_nothing() -> None:
    async with engine_on(Provider(say_error(529, "overloaded_error"))) as engine:
        (done,) = await warm_directly(engine, [made(message(system=HEAD))], KEY)
        entry = await engine.ledger.entry((await engine.ledger.entries())[0].id)
        assert entry is not None
        assert (entry.outcome, entry.attempts, entry.posted(UPSTREAM)) == ("failed", 1, 0)
    assert done.error.startswith("answered 529")
    (through,) = await warm_through(AsgiTransport(Provider(say_error(400, "x"))), "http://x", [made(message(HEAD))], "")
    assert (through.error.startswith("answered 400"), through.model) == (True, MODEL)
