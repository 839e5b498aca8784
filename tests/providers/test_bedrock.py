"""Bedrock's Messages endpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from thriftgate.providers.bedrock import Bedrock, with_user_profile
from thriftgate.providers.endpoint import Endpoint
from thriftgate.providers.sigv4 import Scope
from thriftgate.providers.transport import FileBody, Headers

ROW = Endpoint(region="us-east-1")
CONTEXT = b"context-1m-2025-08-07"
BODY = b'{"model": "claude-opus-5-5","max_tokens":1,"messages":[]}'


def test_the_model_has_another_name_and_the_rest_is_the_clients() -> None:
    outgoing = Bedrock(ROW).prepare("POST", "/v1/messages", "", (), BODY)
    assert outgoing.url == "https://bedrock-mantle.us-east-1.api.aws/anthropic/v1/messages"
    assert outgoing.body == BODY.replace(b"claude-opus", b"anthropic.claude-opus")


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ((), None),
        (((b"anthropic-beta", b"claude-code-20250219"),), None),
        (((b"anthropic-beta", b"claude-code-20250219, context-1m-2025-08-07"),), CONTEXT),
        (
            (
                (b"anthropic-beta", CONTEXT),
                (b"anthropic-beta", b"compact-2026-01-12," + CONTEXT),
            ),
            CONTEXT + b",compact-2026-01-12",
        ),
    ],
)
def test_betas_that_are_heard_are_sent(asked: Headers, sent: bytes | None) -> None:
    headers = (*asked, (b"anthropic-version", b"2026-10-21"))
    found = dict(Bedrock(ROW).prepare("POST", "/v1/messages", "", headers, BODY).headers)
    assert found.get(b"anthropic-beta") == sent
    assert found[b"anthropic-version"] == b"2023-06-01"


def test_the_runtimes_messages_endpoint_is_signed_as_the_runtimes() -> None:
    there = replace(ROW, url="https://bedrock-runtime.us-east-1.amazonaws.com/anthropic")
    for row, service in ((ROW, "bedrock-mantle"), (there, "bedrock")):
        outgoing = Bedrock(row).prepare("POST", "/v1/messages", "", (), BODY)
        assert outgoing.finish is not None
        assert outgoing.finish.scope == Scope(service, "us-east-1")  # type: ignore[attr-defined]


def test_a_users_profile_is_looked_for_in_the_body() -> None:
    headers = ((b"anthropic-user-profile-id", b"up_1"),)
    outgoing = Bedrock(ROW).prepare("POST", "/v1/messages", "", headers, BODY)
    assert isinstance(outgoing.body, bytes)
    assert outgoing.body.endswith(b'"messages":[],"user_profile_id":"up_1"}')
    assert b"anthropic-user-profile-id" not in dict(outgoing.headers)
    file = FileBody(Path("x"), 1)
    assert (with_user_profile(file, headers), with_user_profile(b"[]", headers)) == (file, b"[]")


def test_ids_that_are_named_say_what_the_rest_costs() -> None:
    for named, place, there in (
        ("us.anthropic.claude-opus-5", "regional", "us.anthropic.claude-opus-5-5"),
        ("anthropic.claude-opus-5", "regional", "anthropic.claude-opus-5-5"),
        ("global.anthropic.claude-opus-5", "", "global.anthropic.claude-opus-5-5"),
        ("my-profile", "regional", "anthropic.claude-opus-5-5"),
    ):
        provider = Bedrock(replace(ROW, models={"claude-opus-5": named}))
        assert (provider.place, provider.model_id("claude-opus-5-5")) == (place, there)
        assert provider.model_id("claude-opus-4-6") == ""


def test_models_that_only_invoke_model_has_are_not_served() -> None:
    provider = Bedrock(replace(ROW, models={"claude-opus-4-6": "mine"}))
    assert provider.model_id("claude-sonnet-4-6") == ""
    assert provider.model_id("claude-opus-4-6") == "mine"
    assert provider.model_id("claude-haiku-4-5-20251001") == "anthropic.claude-haiku-4-5"
    assert (provider.place, provider.traits.batches) == ("regional", False)
