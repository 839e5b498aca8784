"""Anthropic's own Claude on Google Cloud: the same calls at another address, held against the official SDK's client."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from anthropic import AnthropicGoogleCloud
from msgspec.structs import replace

from tests.providers.clouds import account
from tests.providers.sdk_requests import request_of
from thriftgate.core.errors import ConfigError
from thriftgate.providers.endpoint import Endpoint
from thriftgate.providers.google_cloud import GoogleCloud
from thriftgate.providers.transport import header

HERE = Endpoint(project="p-1", workspace="wrkspc_1", key="token")
BODY: dict[str, Any] = {"model": "claude-opus-5-5", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize("region", ["global", "us-central1"])
def test_messages_are_sent_as_the_sdk_sends_them(region: str) -> None:
    url, headers, theirs = request_of(
        lambda **rest: AnthropicGoogleCloud(
            project="p-1", location=region, workspace_id="wrkspc_1", token_provider=lambda: "token", **rest
        ),
        lambda client: client.messages.create(**BODY),
    )
    raw = msgspec.json.encode(BODY)
    ours = GoogleCloud(replace(HERE, region=region)).prepare("POST", "/v1/messages", "", (), raw)
    assert ours.url == url
    assert ours.body is raw
    assert theirs == BODY
    assert header(ours.headers, b"authorization") == headers["authorization"]
    assert "x-api-key" not in headers


def test_the_whole_api_is_there() -> None:
    provider = GoogleCloud(replace(HERE, models={"deep": "claude-fable-5-2"}))
    assert provider.traits.batches
    listed = provider.prepare("GET", "/v1/models", "limit=10", ((b"authorization", b"Bearer sk-client"),), b"")
    base = "https://claude.googleapis.com/v1/projects/p-1/locations/global/workspaces/wrkspc_1/invoke"
    assert listed.url == f"{base}/v1/models?limit=10"
    assert [value for name, value in listed.headers if name == b"authorization"] == [b"Bearer token"]
    assert [provider.model_id(name) for name in ("deep", "claude-opus-5-5", "gpt-5")] == [
        "claude-fable-5-2",
        "claude-opus-5-5",
        "",
    ]
    renamed = provider.prepare("POST", "/v1/messages", "", (), b'{"model":"deep","messages":[]}')
    assert renamed.body == b'{"model":"claude-fable-5-2","messages":[]}'


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"project": ""}, "project: is missing"),
        ({"workspace": ""}, "workspace: is missing"),
        ({"workspace": "../x"}, "workspace: "),
        ({"region": "a b"}, "region: "),
        ({"key": "", "credentials": "{}"}, "credentials: "),
    ],
)
def test_what_it_needs(members: dict[str, str], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        GoogleCloud(replace(HERE, **members))


def test_the_project_is_that_of_the_key_where_none_is_named() -> None:
    file = msgspec.json.encode(account()[0]).decode()
    assert "/projects/p-1/" in GoogleCloud(Endpoint(workspace="w", credentials=file)).url
