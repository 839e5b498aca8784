"""Foundry: the same calls at a resource of one's own, held against the official SDK's client."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from anthropic import AnthropicFoundry
from msgspec.structs import replace

from tests.fixtures import TestClock
from tests.providers.clouds import Answers, answer
from tests.providers.sdk_requests import request_of
from thriftgate.core.errors import ConfigError, NotThere
from thriftgate.core.request import parse_request
from thriftgate.providers.endpoint import Endpoint
from thriftgate.providers.finishing import FinishingTransport
from thriftgate.providers.foundry import Foundry
from thriftgate.providers.provider import objection
from thriftgate.providers.transport import Timeouts, header

HERE = Endpoint(project="my-resource", key="azure-key")
ENTRA = Endpoint(project="my-resource", tenant="t.example", client_id="app", client_secret="app-secret")
BODY: dict[str, Any] = {"model": "my-opus", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
RAW = msgspec.json.encode(BODY)


def test_messages_are_sent_with_a_key_as_the_sdk_sends_them() -> None:
    url, headers, theirs = request_of(
        lambda **rest: AnthropicFoundry(resource="my-resource", api_key="azure-key", **rest),
        lambda client: client.messages.create(**BODY),
    )
    ours = Foundry(HERE).prepare("POST", "/v1/messages", "", ((b"api-key", b"sk-client"), (b"x-api-key", b"sk-client")), RAW)
    assert (ours.url, theirs, ours.body) == (url, BODY, RAW)
    for name in ("x-api-key", "api-key"):
        assert header(ours.headers, name.encode()) == headers[name] == "azure-key"
    assert not [value for _, value in ours.headers if b"client" in value]


async def test_messages_are_sent_with_a_token_as_the_sdk_sends_them() -> None:
    _, headers, _ = request_of(
        lambda **rest: AnthropicFoundry(resource="my-resource", azure_ad_token_provider=lambda: "t-1", **rest),
        lambda client: client.messages.create(**BODY),
    )
    wire = Answers(answer({"access_token": "t-1", "expires_in": 3599}), answer({"id": "msg_1"}))
    outgoing = Foundry(ENTRA).prepare("POST", "/v1/messages", "", ((b"x-api-key", b"sk-client"),), RAW)
    await FinishingTransport(wire, TestClock()).send(outgoing, Timeouts())
    sent = wire.sent[1]
    assert header(sent.headers, b"authorization") == headers["authorization"] == "Bearer t-1"
    for name in ("x-api-key", "api-key"):
        assert not header(sent.headers, name.encode())
        assert name not in headers


def test_models_are_called_by_their_deployments() -> None:
    provider = Foundry(replace(HERE, models={"claude-opus-5-5": "my-opus"}))
    names = ("claude-opus-5-5", "claude-haiku-5-5", "gpt-5")
    assert [provider.model_id(name) for name in names] == ["my-opus", "claude-haiku-5-5", ""]
    body = b'{"model": "claude-opus-5-5", "messages":[]}'
    assert provider.prepare("POST", "/v1/messages", "", (), body).body == b'{"model": "my-opus", "messages":[]}'


def test_the_data_zone_is_priced_for_itself() -> None:
    assert Foundry(HERE).place == ""
    assert Foundry(replace(HERE, region="us")).place == "us-data-zone"


def test_what_it_cannot_take_is_said() -> None:
    traits = Foundry(HERE).traits
    for members, why in ((b',"inference_geo":"us"', "inference_geo"), (b',"speed":"fast"', "fast mode (speed) for my-opus")):
        assert why in objection(parse_request(RAW[:-1] + members + b"}"), (), traits)
    fast = parse_request(RAW.replace(b"my-opus", b"claude-opus-5-5")[:-1] + b',"speed":"fast"}')
    assert objection(fast, ((b"anthropic-beta", b"fast-mode-2026-02-01"),), traits) == ""
    for path in ("/v1/models", "/v1/messages/batches"):
        with pytest.raises(NotThere, match=f"Foundry has no {path}"):
            Foundry(HERE).prepare("POST", path, "", (), b"")


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [
        (replace(HERE, project=""), "project: name the Foundry resource"),
        (replace(HERE, project="evil.example/x"), "project: name the Foundry resource"),
        (replace(HERE, region="eu"), "region: 'eu'"),
        (replace(HERE, key=""), "tenant: name it"),
        (replace(ENTRA, client_secret=""), "client_secret: name it"),
    ],
)
def test_what_it_needs(endpoint: Endpoint, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        Foundry(endpoint)


def test_another_address_takes_the_place_of_the_resource() -> None:
    assert (
        Foundry(replace(HERE, project="", url="https://proxy.example/anthropic/")).url == "https://proxy.example/anthropic"
    )
