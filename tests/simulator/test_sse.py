from typing import Any

import msgspec

from thriftgate.simulator.sse import encode, error_event

from .support import ask, body, simulator

TOOL = {"name": "look", "input_schema": {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}}


def rebuilt(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The message that a client would assemble."""
    message: dict[str, Any] = events[0]["message"]
    partial: dict[int, str] = {}
    for event in events[1:]:
        kind = event["type"]
        if kind == "content_block_start":
            message["content"].append(event["content_block"])
        elif kind == "content_block_delta":
            block, delta = message["content"][event["index"]], event["delta"]
            if delta["type"] == "input_json_delta":
                partial[event["index"]] = partial.get(event["index"], "") + delta["partial_json"]
            else:
                [name] = [name for name in delta if name != "type"]
                block[name] = (block[name] or "") + delta[name]
        elif kind == "content_block_stop" and event["index"] in partial:
            message["content"][event["index"]]["input"] = msgspec.json.decode(partial[event["index"]])
        elif kind == "message_delta":
            message |= event["delta"]
            message["usage"] |= event["usage"]
    return message


async def test_a_stream_rebuilds_the_plain_reply() -> None:
    content = body(
        model="claude-opus-5-5",
        max_tokens=900,
        tools=[TOOL],
        messages=[
            {"role": "user", "content": '[[sim: think=40]] [[sim: tool=look input={"q": "what is a long question here?"}]]'}
        ],
    )
    plain = (await ask(simulator(), content)).json()
    stream = await ask(simulator(), content | {"stream": True})
    assert stream.headers["content-type"].startswith("text/event-stream")
    message = rebuilt(stream.events())
    assert message == plain


async def test_order_of_events() -> None:
    reply = await ask(simulator(), body(stream=True))
    events = reply.events()
    kinds = [event["type"] for event in events]
    assert kinds[:3] == ["message_start", "content_block_start", "ping"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(kinds[3:-3]) == {"content_block_delta"}
    assert reply.raw.startswith(b"event: message_start\ndata: {")


async def test_usage_at_the_start_and_at_the_end() -> None:
    events = (await ask(simulator(), body(stream=True, system="x" * 3000, cache_control={"type": "ephemeral"}))).events()
    start, end = events[0]["message"]["usage"], events[-2]["usage"]
    assert 1 <= start["output_tokens"] <= 5 < end["output_tokens"]
    assert start["cache_creation"]["ephemeral_5m_input_tokens"] > 0
    assert start["service_tier"] == "standard"
    assert "cache_creation" not in end
    assert {name: end[name] for name in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")} == {
        name: start[name] for name in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    }
    assert end["output_tokens_details"] == {"thinking_tokens": 0}


async def test_signature_comes_once_right_before_the_stop() -> None:
    content = body(model="claude-opus-5-5", stream=True, thinking={"type": "adaptive", "display": "omitted"})
    content["messages"] = [{"role": "user", "content": "[[sim: think=30]]"}]
    events = (await ask(simulator(), content)).events()
    deltas = [event["delta"]["type"] for event in events if event["type"] == "content_block_delta" and event["index"] == 0]
    assert deltas == ["signature_delta"]


async def test_first_piece_of_tool_input_is_empty() -> None:
    content = body(stream=True, tools=[TOOL], messages=[{"role": "user", "content": "[[sim: tool=look]]"}])
    events = (await ask(simulator(), content)).events()
    pieces = [event["delta"]["partial_json"] for event in events if event["type"] == "content_block_delta"]
    assert pieces[0] == ""
    assert len(pieces) > 1


def test_encoding() -> None:
    assert encode({"type": "ping"}) == b'event: ping\ndata: {"type":"ping"}\n\n'
    assert error_event() == (
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
    )


async def test_search_grows_the_input_side_within_the_stream() -> None:
    web = {"type": "web_search_20250305", "name": "web_search"}
    content = body(stream=True, tools=[web], messages=[{"role": "user", "content": "[[sim: search=tea]]"}])
    events = (await ask(simulator(), content)).events()
    assert events[-2]["usage"]["input_tokens"] > events[0]["message"]["usage"]["input_tokens"]
    kinds = [event["content_block"]["type"] for event in events if event["type"] == "content_block_start"]
    assert kinds == ["server_tool_use", "web_search_tool_result", "text"]
