"""Bedrock's InvokeModel."""

from __future__ import annotations

import base64
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from thriftgate.core.errors import ConfigError
from thriftgate.providers.bedrock_legacy import BedrockLegacy
from thriftgate.providers.endpoint import Endpoint
from thriftgate.providers.transport import FileBody, Headers, Outgoing

ROW = Endpoint(region="us-east-1")
BODY = (
    b'{"model":"claude-haiku-4-5", "max_tokens": 1 ,"stream":true,"service_tier":"auto","messages":[],"temperature":1.0e0}'
)
HOST = "https://bedrock-runtime.us-east-1.amazonaws.com"
HAIKU = "/model/global.anthropic.claude-haiku-4-5-20251001-v1%3A0"


def prepared(body: bytes | FileBody = BODY, headers: Headers = (), path: str = "/v1/messages") -> Outgoing:
    return BedrockLegacy(ROW).prepare("POST", path, "beta=true", headers, body)


def test_model_and_stream_stand_in_the_path_version_and_betas_in_the_body() -> None:
    headers = (
        (b"anthropic-version", b"2026-10-21"),
        (b"anthropic-beta", b"claude-code-20250219,context-1m-2025-08-07"),
        (b"anthropic-user-profile-id", b"up_1"),
        (b"accept", b"application/json"),
        (b"content-type", b"application/json; charset=utf-8"),
        (b"x-amzn-bedrock-guardrailidentifier", b"gr"),
    )
    outgoing = prepared(headers=headers)
    assert outgoing.url == f"{HOST}{HAIKU}/invoke-with-response-stream"
    assert outgoing.body == (
        b'{"max_tokens": 1,"messages":[],"temperature":1.0e0,"anthropic_version":"bedrock-2023-05-31",'
        b'"anthropic_beta":["context-1m-2025-08-07"],"user_profile_id":"up_1"}'
    )
    assert dict(outgoing.headers) == {
        b"x-amzn-bedrock-guardrailidentifier": b"gr",
        b"accept-encoding": b"identity",
        b"content-type": b"application/json",
    }
    assert prepared(BODY.replace(b"true", b"false")).url == f"{HOST}{HAIKU}/invoke"


def test_a_version_of_its_own_that_the_client_wrote_is_put_right() -> None:
    body = b'{"anthropic_version":"x","model":"claude-opus-5-5","max_tokens":1,"messages":[]}'
    assert prepared(body).body == b'{"anthropic_version":"bedrock-2023-05-31","max_tokens":1,"messages":[]}'


def test_tokens_are_counted_under_the_plain_id() -> None:
    outgoing = prepared(BODY.replace(b',"stream":true', b""), path="/v1/messages/count_tokens")
    assert outgoing.url == f"{HOST}/model/anthropic.claude-haiku-4-5-20251001-v1%3A0/count-tokens"
    assert isinstance(outgoing.body, bytes)
    inner = base64.b64decode(msgspec.json.decode(outgoing.body)["input"]["invokeModel"]["body"])
    assert inner == b'{"max_tokens": 1,"messages":[],"temperature":1.0e0,"anthropic_version":"bedrock-2023-05-31"}'
    assert outgoing.finish is not None
    assert outgoing.finish.retold(b'{"inputTokens":12}') == b'{"input_tokens":12}'  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"model":1}', b'{"model":"a","model":"b"}', b"\xff", FileBody(Path("x"), 1)]
)
def test_what_is_no_request_goes_as_it_is(body: bytes | FileBody) -> None:
    outgoing = prepared(body)
    assert (outgoing.url, outgoing.body) == (f"{HOST}/v1/messages", body)


OLD, NEW = "claude-opus-4-1-20250805", "claude-opus-5-5"


@pytest.mark.parametrize(
    ("region", "named", "place", "ids"),
    [
        ("us-east-1", {}, "", {NEW: f"global.anthropic.{NEW}", OLD: f"us.anthropic.{OLD}-v1:0", "gpt-5": ""}),
        ("eu-west-1", {}, "", {NEW: f"global.anthropic.{NEW}", OLD: f"eu.anthropic.{OLD}-v1:0"}),
        ("us-east-1", {"claude-opus-5": "eu.anthropic.claude-opus-5"}, "regional", {NEW: f"eu.anthropic.{NEW}", OLD: ""}),
        ("us-east-1", {"claude-opus-4-6": "anthropic.claude-opus-4-6-v1"}, "regional", {NEW: f"anthropic.{NEW}"}),
        ("us-east-1", {OLD: f"us.anthropic.{OLD}-v1:0"}, "", {NEW: f"global.anthropic.{NEW}"}),
        (
            "ap-southeast-2",
            {"mine": "arn:aws:bedrock:ap-southeast-2:1:application-inference-profile/x"},
            "regional",
            {"mine": "arn:aws:bedrock:ap-southeast-2:1:application-inference-profile/x", NEW: f"apac.anthropic.{NEW}"},
        ),
    ],
)
def test_all_models_of_a_target_are_of_one_price(
    region: str, named: dict[str, str], place: str, ids: dict[str, str]
) -> None:
    provider = BedrockLegacy(replace(ROW, region=region, models=named))
    assert provider.place == place
    assert {model: provider.model_id(model) for model in ids} == ids


def test_prices_that_differ_want_a_target_each() -> None:
    with pytest.raises(ConfigError, match="give them a target each"):
        BedrockLegacy(replace(ROW, models={"a": "us.anthropic.claude-opus-5", "b": "global.anthropic.claude-opus-5-5"}))
