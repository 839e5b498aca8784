from typing import Any

import pytest

from thriftgate.simulator import Simulator, SimulatorConfig

from .support import KEY, VERSION, ask, body, call, exact, simulator, text

AUTH = {"x-api-key": KEY}


async def test_head_and_root_need_no_key() -> None:
    reply = await call(simulator(), "HEAD", "/", headers={})
    assert (reply.status, reply.raw) == (200, b"")
    assert (await call(simulator(), "GET", "/", headers={})).json() == {"simulated": True}


async def test_headers_on_every_reply() -> None:
    app = simulator()
    good, bad, nobody = await ask(app, body()), await ask(app, {}), await call(app, "GET", "/v1/models", headers={})
    for reply in (good, bad, nobody):
        assert reply.headers["x-thriftgate-simulator"] == "1"
        assert reply.headers["request-id"].startswith("req_01")
        assert "simulated" in reply.headers["anthropic-organization-id"]
    assert good.headers["anthropic-workspace-id"] == "wrkspc_simulated_test"
    assert bad.json()["request_id"] == bad.headers["request-id"]
    assert len({reply.headers["request-id"] for reply in (good, bad, nobody)}) == 3


@pytest.mark.parametrize(
    ("headers", "status", "raw"),
    [
        ({}, 401, b'"error":{"type":"authentication_error","message":"x-api-key header is required"}'),
        (AUTH, 400, b'"error":{"type":"invalid_request_error","message":"anthropic-version: header is required"}'),
        (AUTH | {"anthropic-version": "1999-01-01"}, 400, b'"anthropic-version: \\"1999-01-01\\" is not a valid version.'),
    ],
)
async def test_key_and_version(headers: dict[str, str], status: int, raw: bytes) -> None:
    reply = await ask(simulator(), body(), headers=headers)
    assert reply.status == status
    assert raw in reply.raw


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/messages", 405),
        ("POST", "/v1/nothing", 404),
        ("POST", "/v1/messages/", 200),
        ("POST", "/v1/messages?beta=true", 200),
    ],
)
async def test_routes(method: str, path: str, status: int) -> None:
    assert (await call(simulator(), method, path, body())).status == status


@pytest.mark.parametrize(
    ("content", "status", "kind"),
    [
        (b"{nonsense", 400, "invalid_request_error"),
        (body(model="claude-opus-9"), 404, "not_found_error"),
        (body(model="claude-3-opus-20240229"), 404, "not_found_error"),
        (body(system="x" * 2000), 413, "request_too_large"),
    ],
)
async def test_errors(content: Any, status: int, kind: str) -> None:
    reply = await ask(simulator(max_body_bytes=1000), content)
    assert (reply.status, reply.json()["error"]["type"]) == (status, kind)


async def test_retired_models_answer_where_the_life_cycle_is_off() -> None:
    assert (await ask(simulator(lifecycle=False), body(model="claude-3-opus-20240229"))).status == 200


async def test_bearer_and_new_version() -> None:
    headers = {"authorization": f"Bearer {KEY}", "anthropic-version": "2026-10-21"}
    assert (await ask(simulator(), body(), headers=headers)).status == 200
    refused = await ask(simulator(), body(temperature=1), headers=headers)
    assert refused.json()["error"]["message"] == "temperature: Extra inputs are not permitted"


async def test_count_tokens_is_free_and_equals_the_bill() -> None:
    app = simulator()
    content = body(system="be brief", tools=[{"name": "t", "input_schema": {}}])
    counted = (await call(app, "POST", "/v1/messages/count_tokens", content)).json()
    assert app.bill.calls == []
    usage = (await ask(app, content)).json()["usage"]
    assert counted == {"input_tokens": usage["input_tokens"]}
    edited = content | {"context_management": {"edits": []}}
    shown = (await call(app, "POST", "/v1/messages/count_tokens", edited)).json()
    assert shown["context_management"] == {"original_input_tokens": usage["input_tokens"]}
    bad = await call(app, "POST", "/v1/messages/count_tokens", content | {"messages": []})
    assert bad.status == 400


async def test_count_blocks() -> None:
    app = simulator(tokenizer=exact)
    blocks = app.count_blocks(body(system=[text("abc")]))
    assert blocks == [("system.0", 3), ("messages.0.content.0", 11 + 4), ("tail", 7)]
    usage = (await ask(app, body(system=[text("abc")]))).json()["usage"]
    assert sum(tokens for _, tokens in blocks) == usage["input_tokens"]


async def test_claude_code_shaped_traffic() -> None:
    app = simulator()
    tools = [
        {"name": f"Tool{number}", "description": "Does things. " * 50, "input_schema": {"type": "object"}}
        for number in range(25)
    ]
    tools.append(
        {
            "name": "Bash",
            "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
        }
    )
    content = body(
        model="claude-opus-4-8",
        max_tokens=64_000,
        system=[
            text("x-anthropic-billing-header: cc_version=2.1.197.abc;"),
            text("You are Claude Code.", "5m"),
            text("Rules " * 900, "5m"),
        ],
        tools=tools,
        thinking={"type": "adaptive"},
        context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        output_config={"effort": "high"},
        metadata={"user_id": '{"device_id":"d","account_uuid":"","session_id":"s"}'},
        messages=[
            {
                "role": "user",
                "content": [
                    text("<system-reminder>Today is Monday.</system-reminder>"),
                    text("list files [[sim: tool=Bash]]"),
                ],
            },
            {"role": "system", "content": "skills: none"},
        ],
    )
    reply = await call(app, "POST", "/v1/messages?beta=true", content)
    assert reply.status == 200, reply.raw
    first = reply.json()
    assert first["stop_reason"] == "tool_use"
    assert first["content"][-1]["input"] == {"command": "echo simulated"}
    assert first["context_management"] == {"applied_edits": []}
    content["system"][0] = text("x-anthropic-billing-header: cc_version=2.1.197.def;")
    again = (await ask(app, content)).json()
    assert again["usage"]["cache_read_input_tokens"] == first["usage"]["cache_creation_input_tokens"] > 0


async def test_lifespan_and_websockets() -> None:
    app = simulator()
    inbox = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    outbox: list[str] = []

    async def receive() -> dict[str, Any]:
        return inbox.pop(0)

    async def send(message: Any) -> None:
        outbox.append(message["type"])

    await app({"type": "lifespan"}, receive, send)
    assert outbox == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    with pytest.raises(RuntimeError, match="HTTP only"):
        await app({"type": "websocket"}, receive, send)


async def test_ids_differ_between_processes_by_default() -> None:
    config = {"seed": 1, "tokenizer": "estimate"}
    replies = [(await ask(Simulator(SimulatorConfig(**config)), body())).json()["id"] for _ in range(2)]  # type: ignore[arg-type]
    assert replies[0] != replies[1]
    assert VERSION == "2023-06-01"
