"""Bodies with `max_tokens: 0`: accepted by the simulator, marked as they must be, refused where the API refuses them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.fixtures import HEADERS, MODEL, message, simulator
from thriftgate.core.memo import PartMemo
from thriftgate.core.prefix import Prefix, read_prefix
from thriftgate.core.request import Request, parse_request
from thriftgate.pricing.load import load_models
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.transport import Outgoing, Timeouts
from thriftgate.simulator import Simulator
from thriftgate.wire.ping import forbids_ping, plain_ping, upgrading_ping

MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}
HEAD = {"type": "text", "text": "word " * 12_000, "cache_control": MARK}
END = {"type": "text", "text": "a question", "cache_control": MARK}
ANSWER = [{"type": "text", "text": "an answer"}]


def read(body: dict[str, Any] | bytes) -> tuple[Request, Prefix]:
    request = parse_request(body if isinstance(body, bytes) else msgspec.json.encode(body))
    return request, read_prefix(request, load_models()[request.model], PartMemo(), b"")


def conversation(end: Any = END, **members: Any) -> dict[str, Any]:
    return message(system=[HEAD]) | {"messages": [{"role": "user", "content": [end]}]} | members


async def billed(app: Simulator, body: bytes) -> tuple[int, Any]:
    headers = tuple((name.encode(), value.encode()) for name, value in HEADERS.items())
    incoming = await AsgiTransport(app).send(Outgoing("POST", "http://x/v1/messages", headers, body), Timeouts())
    return incoming.status, msgspec.json.decode(await incoming.read())


def upgraded(body: dict[str, Any], answer: list[dict[str, Any]] = ANSWER) -> dict[str, Any]:
    request, prefix = read(body)
    made = upgrading_ping(request, prefix, len(prefix.chain) - 1, answer)
    assert made is not None
    return msgspec.json.decode(made, type=dict[str, Any])


async def test_a_plain_ping_reads_what_the_request_wrote() -> None:
    app = simulator()
    await billed(app, msgspec.json.encode(conversation()))
    body = msgspec.json.encode(conversation(stream=True))
    written = app.bill.calls[0].usage
    status, answer = await billed(app, plain_ping(body))
    assert (status, answer["content"]) == (200, [])
    usage = app.bill.calls[1].usage
    assert usage.read == written.write_5m > 5_000
    assert (usage.write_5m, usage.write_1h, usage.output) == (0, 0, 0)


async def test_an_upgrading_ping_keeps_the_prefix_for_an_hour() -> None:
    app = simulator()
    sent = conversation()
    status, answer = await billed(app, msgspec.json.encode(sent))
    assert status == 200
    written = app.bill.calls[0].usage.write_5m
    request, prefix = read(sent)
    made = upgrading_ping(request, prefix, len(prefix.chain) - 1, answer["content"])
    assert made is not None
    app.config.clock.advance(285)  # type: ignore[attr-defined]
    assert (await billed(app, made))[0] == 200
    ping = app.bill.calls[1].usage
    assert (ping.read, ping.write_5m, ping.output) == (written, 0, 0)
    assert 0 < ping.write_1h < 500
    app.config.clock.advance(3_500)  # type: ignore[attr-defined]
    more = [{"role": "assistant", "content": answer["content"]}, {"role": "user", "content": [END]}]
    await billed(app, msgspec.json.encode(sent | {"messages": [*sent["messages"], *more]}))
    assert app.bill.calls[2].usage.read == ping.read + ping.write_1h


@pytest.mark.parametrize(
    "sent",
    [
        conversation(),
        conversation(stream=True),
        conversation(end={"type": "text", "text": "unmarked"}, cache_control=MARK),
        conversation(end=END | {"cache_control": HOUR}) | {"system": "plain"},
        conversation(thinking={"type": "disabled"}, temperature=1, metadata={"user_id": "u"}),
        message(system="plain") | {"messages": [{"role": "user", "content": "a plain string"}], "cache_control": MARK},
    ],
)
async def test_an_upgrading_ping_has_only_marks_of_an_hour_and_is_valid(sent: dict[str, Any]) -> None:
    body = upgraded(sent)
    assert (body["max_tokens"], "stream" in body, "cache_control" in body) == (0, False, False)
    assert body["messages"][-2] == {"role": "assistant", "content": [ANSWER[0] | {"cache_control": HOUR}]}
    assert body["messages"][-1] == {"role": "user", "content": "."}
    request, prefix = read(msgspec.json.encode(body))
    assert {ttl for _, ttl in prefix.marks()} == {"1h"}
    assert len(prefix.marks()) <= 2
    _, before = read(sent)
    assert prefix.chain[: len(before.chain)] == before.chain  # the very prefix that was sent
    assert (await billed(simulator(), request.body))[0] == 200


@pytest.mark.parametrize(
    "answer",
    [
        [],
        [{"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}],
        [{"type": "text", "text": " \n"}],
        [{"type": "text", "text": "x"}] * 18,  # look-back would not reach what was sent
    ],
)
def test_some_answers_cannot_carry_the_mark(answer: list[dict[str, Any]]) -> None:
    request, prefix = read(conversation())
    assert upgrading_ping(request, prefix, len(prefix.chain) - 1, answer) is None


def test_a_prefilled_answer_cannot_be_repeated() -> None:
    prefilled = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "The"}]
    request, prefix = read(message() | {"messages": prefilled})
    assert upgrading_ping(request, prefix, 1, ANSWER) is None


TOOL = {"name": "look", "input_schema": {"type": "object"}}


@pytest.mark.parametrize(
    ("members", "model"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000}, "claude-opus-4-5"),
        ({"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}, MODEL),
        ({"tool_choice": {"type": "any"}, "tools": [TOOL]}, "claude-opus-4-5"),
        ({"tool_choice": {"type": "tool", "name": "look"}, "tools": [TOOL]}, "claude-opus-4-5"),
    ],
)
async def test_what_the_api_refuses_is_not_asked(members: dict[str, Any], model: str) -> None:
    body = msgspec.json.encode(conversation(model=model) | members)
    assert forbids_ping(parse_request(body))
    status, answer = await billed(simulator(), plain_ping(body))
    assert status == 400
    assert "max_tokens: 0" in answer["error"]["message"]


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"thinking": {"type": "adaptive"}},
        {"thinking": None, "tool_choice": None, "output_config": None},
        {"tool_choice": {"type": "auto"}, "tools": [TOOL]},
        {"output_config": {"effort": "low"}},
    ],
)
def test_everything_else_may_be_asked(members: dict[str, Any]) -> None:
    assert not forbids_ping(parse_request(msgspec.json.encode(message() | members)))


@pytest.mark.parametrize("name", ["context_management", "compaction", "mcp_servers", "thread", "output_format"])
def test_what_is_more_than_a_prompt_is_left_alone(name: str) -> None:
    assert forbids_ping(parse_request(msgspec.json.encode(message() | {name: {"x": 1}})))


def test_what_cannot_be_read_is_left_alone() -> None:
    assert forbids_ping(parse_request(msgspec.json.encode(message(thinking=[1]))))
