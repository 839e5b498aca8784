"""The simulated AWS: what each way to Claude wants and answers, and that the official SDK can talk to it."""

from __future__ import annotations

import base64
from typing import Any

import anthropic
import msgspec
import pytest
from anthropic.lib.aws import AsyncAnthropicAWS

from tests.fixtures import serving
from tests.simulator.support import MODEL, Answer, body, call, simulator
from thriftgate.simulator import Faults, Simulator
from thriftgate.simulator.clouds.aws_identity import BEARER

KEY = {"authorization": f"Bearer {BEARER}acme"}
VERSIONED = KEY | {"anthropic-version": "2023-06-01"}
INVOKED = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]}
GLOBAL = f"global.anthropic.{MODEL}"
TALK: Any = {"max_tokens": 100, "messages": [{"role": "user", "content": "[[sim: out=40]] hello"}]}


async def invoke(app: Simulator, document: Any = INVOKED, model: str = GLOBAL, verb: str = "invoke") -> Answer:
    return await call(app, "POST", f"/bedrock-runtime/model/{model}/{verb}", document, headers=KEY)


async def mantle(app: Simulator, document: Any, **headers: str) -> Answer:
    return await call(app, "POST", "/bedrock-mantle/anthropic/v1/messages", document, headers=VERSIONED | headers)


@pytest.mark.parametrize(
    ("document", "model", "says"),
    [
        (INVOKED | {"model": MODEL}, GLOBAL, "model: Extra inputs are not permitted"),
        (INVOKED | {"stream": True}, GLOBAL, "stream: Extra inputs are not permitted"),
        (INVOKED | {"cache_control": {"type": "ephemeral"}}, GLOBAL, "cache_control: Extra inputs"),
        ({**INVOKED, "anthropic_version": "2023-06-01"}, GLOBAL, "Invalid API version"),
        (TALK, GLOBAL, "anthropic_version: Field required"),
        (INVOKED | {"anthropic_beta": ["files-api-2025-04-14"]}, GLOBAL, "invalid beta flag"),
        (INVOKED, f"anthropic.{MODEL}", "with on-demand throughput isn’t supported"),
        (INVOKED, "global.anthropic.claude-haiku-4-5", "The provided model identifier is invalid."),
        (INVOKED, "global.anthropic.claude-haiku-4-5-20251001", "The provided model identifier is invalid."),
        (INVOKED, MODEL, "The provided model identifier is invalid."),
        ([], GLOBAL, "Malformed input request"),
    ],
)
async def test_invoke_model_refuses_in_awss_shape(document: Any, model: str, says: str) -> None:
    answer = await invoke(simulator(), document, model)
    assert answer.status == 400
    assert answer.headers["x-amzn-errortype"].startswith("ValidationException:")
    assert says in answer.json()["message"]
    assert set(answer.json()) == {"message"}
    assert "request-id" not in answer.headers


@pytest.mark.parametrize(
    ("fault", "status", "name"),
    [
        ("rate_limit", 429, "ThrottlingException"),
        ("overloaded", 503, "ServiceUnavailableException"),
        ("internal_error", 500, "InternalServerException"),
    ],
)
async def test_faults_have_awss_names(fault: str, status: int, name: str) -> None:
    answer = await invoke(simulator(faults=Faults.parse({fault: 1.0})))
    assert (answer.status, answer.headers["x-amzn-errortype"].partition(":")[0]) == (status, name)


async def test_other_operations_and_long_bodies_are_refused() -> None:
    app = simulator()
    assert (await invoke(app, verb="converse")).headers["x-amzn-errortype"].startswith("UnknownOperationException")
    long = msgspec.json.encode(INVOKED | {"system": "x" * 21 * 1024 * 1024})
    assert (await invoke(app, long)).status == 400
    assert (await mantle(app, long)).status == 413
    assert not app.bill.calls


async def test_tokens_are_counted_by_the_plain_id_only() -> None:
    app = simulator()
    inner = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 1, "messages": TALK["messages"]}
    document = {"input": {"invokeModel": {"body": base64.b64encode(msgspec.json.encode(inner)).decode()}}}
    counted = (await invoke(app, document, f"anthropic.{MODEL}", "count-tokens")).json()
    assert counted == {"inputTokens": sum(tokens for _, tokens in app.count_blocks(body(messages=TALK["messages"])))}
    assert "counting tokens" in (await invoke(app, document, GLOBAL, "count-tokens")).json()["message"]
    assert (await invoke(app, {}, f"anthropic.{MODEL}", "count-tokens")).status == 400


@pytest.mark.parametrize("model", [MODEL, f"us.anthropic.{MODEL}", "anthropic.claude-opus-4-6", "anthropic.claude-none"])
async def test_the_messages_endpoint_knows_its_own_names(model: str) -> None:
    answer = await mantle(simulator(), body(model=model))
    assert (answer.status, answer.json()["error"]["type"]) == (404, "not_found_error")
    assert answer.headers["request-id"] == answer.headers["x-amzn-requestid"]


async def test_the_messages_endpoint_hears_few_betas_and_no_geography() -> None:
    app = simulator()
    named = body(model=f"anthropic.{MODEL}")
    assert (await mantle(app, named, **{"anthropic-beta": "context-1m-2025-08-07"})).status == 200
    assert "invalid beta flag" in (await mantle(app, named, **{"anthropic-beta": "nobody"})).json()["error"]["message"]
    assert "inference_geo" in (await mantle(app, named | {"inference_geo": "us"})).json()["error"]["message"]
    assert (await call(app, "POST", "/bedrock-mantle/anthropic/v1/models", named, headers=VERSIONED)).status == 404
    assert [(one.organization, one.workspace, one.modifiers.names()) for one in app.bill.calls] == [
        ("acme", "default", ["regional"])
    ]


async def test_the_platform_wants_a_workspace() -> None:
    app, path = simulator(), "/aws-external-anthropic/v1/messages"
    key = {"x-api-key": "sk-ant-sim-1", "anthropic-version": "2023-06-01"}
    assert "anthropic-workspace-id" in (await call(app, "POST", path, body(), headers=key)).json()["error"]["message"]
    assert (await call(app, "POST", path, body(), headers=key | {"anthropic-workspace-id": "wrkspc_a"})).status == 200
    unsigned = await call(app, "POST", path, body(), headers={"anthropic-version": "2023-06-01"})
    assert (unsigned.status, unsigned.json()) == (403, {"message": "Missing Authentication Token"})
    assert [(one.workspace, one.modifiers.names()) for one in app.bill.calls] == [("a", [])]


@pytest.mark.parametrize("kind", ["platform", "mantle", "runtime"])
async def test_the_official_sdk_is_answered(kind: str) -> None:
    app = simulator()
    with serving(app) as url:
        client: Any
        if kind == "platform":
            there = f"{url}/aws-external-anthropic"
            client = AsyncAnthropicAWS(api_key="sk-ant-sim-1", workspace_id="wrkspc_a", aws_region="r", base_url=there)
        elif kind == "mantle":
            there = f"{url}/bedrock-mantle/anthropic"
            client = anthropic.AsyncAnthropicBedrockMantle(api_key=f"{BEARER}acme", aws_region="us-east-1", base_url=there)
        else:
            client = anthropic.AsyncAnthropicBedrock(
                api_key=f"{BEARER}acme", aws_region="us-east-1", base_url=f"{url}/bedrock-runtime"
            )
        model = {"platform": MODEL, "mantle": f"anthropic.{MODEL}", "runtime": GLOBAL}[kind]
        extra: Any = {"extra_body": {"anthropic_version": "bedrock-2023-05-31"}} if kind == "runtime" else {}
        async with client:
            whole = await client.messages.create(model=model, **TALK, **extra)
            stream = await client.messages.create(model=model, stream=True, **TALK, **extra)
            events = [event.type async for event in stream]
    assert (whole.model, whole.usage.output_tokens, whole.content[0].type) == (MODEL, 40, "text")
    assert (events[0], events[-1]) == ("message_start", "message_stop")
    assert [one.modifiers.names() for one in app.bill.calls] == [["regional"] if kind == "mantle" else []] * 2
