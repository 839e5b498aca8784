"""Vertex: addresses, bodies and headers, held against the official SDK's own client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from anthropic import AnthropicVertex
from msgspec.structs import replace

from tests.providers.clouds import account
from tests.providers.sdk_requests import request_of
from thriftgate.core.errors import ConfigError, InputError, NotThere
from thriftgate.core.models import Capabilities
from thriftgate.core.request import parse_request
from thriftgate.pricing.load import load_models
from thriftgate.providers.endpoint import Endpoint
from thriftgate.providers.provider import fitted, objection
from thriftgate.providers.transport import FileBody, Headers, Outgoing, header
from thriftgate.providers.vertex import Vertex

HERE = Endpoint(project="p-1", key="token")
CLIENT: Headers = (
    (b"anthropic-version", b"2023-06-01"),
    (b"x-api-key", b"sk-client"),
    (b"anthropic-beta", b"compact-2026-01-12"),
    (b"x-nobody-knows", b"kept"),
    (b"content-type", b"application/json"),
)
BODY = b'{ "model" : "claude-opus-5-5", "max_tokens":10, "x-unknown": [1.0e2 , "\\u00e4"], "messages":[]}'


def sent(endpoint: Endpoint = HERE, path: str = "/v1/messages", body: bytes = BODY, headers: Headers = CLIENT) -> Outgoing:
    return Vertex(endpoint).prepare("POST", path, "beta=true", headers, body)


def document(outgoing: Outgoing) -> dict[str, Any]:
    assert isinstance(outgoing.body, bytes)
    return msgspec.json.decode(outgoing.body, type=dict[str, Any])


@pytest.mark.parametrize("region", ["global", "us", "eu", "us-east5"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-sonnet-4-5@20250929"])
def test_messages_are_sent_as_the_sdk_sends_them(region: str, stream: bool, model: str) -> None:
    members = {"model": model, "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}], "system": "s"}
    body = members | {"stream": True} if stream else members
    url, headers, theirs = request_of(
        lambda **rest: AnthropicVertex(region=region, project_id="p-1", access_token="token", **rest),
        lambda client: client.messages.create(**body),
    )
    version = ((b"anthropic-version", theirs["anthropic_version"].encode()),)  # this SDK speaks the newer one
    ours = sent(replace(HERE, region=region), body=msgspec.json.encode(body), headers=version)
    assert ours.url == url.replace("%40", "@")
    assert document(ours) == theirs
    assert header(ours.headers, b"authorization") == headers["authorization"] == "Bearer token"
    assert not header(ours.headers, b"anthropic-version")
    assert "anthropic-version" not in headers


def test_tokens_are_counted_as_the_sdk_counts_them() -> None:
    body = {"model": "claude-sonnet-4-5@20250929", "messages": [{"role": "user", "content": "hi"}]}
    url, _, theirs = request_of(
        lambda **rest: AnthropicVertex(region="global", project_id="p-1", access_token="token", **rest),
        lambda client: client.messages.count_tokens(**body),
    )
    ours = sent(
        path="/v1/messages/count_tokens", body=msgspec.json.encode(body), headers=((b"anthropic-version", b"2026-10-21"),)
    )
    assert (ours.url, document(ours)) == (url, theirs)


def test_betas_pass_in_the_header_as_the_sdk_has_them() -> None:
    _, headers, theirs = request_of(
        lambda **rest: AnthropicVertex(region="global", project_id="p-1", access_token="token", **rest),
        lambda client: client.beta.messages.create(
            model="claude-opus-5-5", max_tokens=5, messages=[{"role": "user", "content": "hi"}], betas=["compact-2026-01-12"]
        ),
    )
    assert headers["anthropic-beta"] == header(sent().headers, b"anthropic-beta") == "compact-2026-01-12"
    assert "anthropic_beta" not in theirs
    assert "anthropic_beta" not in document(sent())


def test_all_but_model_and_version_keeps_its_bytes() -> None:
    outgoing = sent()
    assert isinstance(outgoing.body, bytes)
    assert b'"max_tokens":10, "x-unknown": [1.0e2 , "\\u00e4"], "messages":[]' in outgoing.body
    assert b'"anthropic_version":"vertex-2023-10-16"' in outgoing.body
    assert b'"model"' not in outgoing.body
    own = sent(body=BODY.replace(b'"max', b'"anthropic_version":"vertex-2029-01-01","max'))
    assert document(own)["anthropic_version"] == "vertex-2029-01-01"


def test_headers_of_nobody_pass_and_the_query_stays_here() -> None:
    outgoing = sent()
    assert header(outgoing.headers, b"x-nobody-knows") == "kept"
    assert "?" not in outgoing.url
    assert not [value for _, value in outgoing.headers if b"sk-client" in value]


@pytest.mark.parametrize(
    ("model", "there"),
    [
        ("claude-opus-5-5", "claude-opus-5-5"),
        ("claude-opus-4-8", "claude-opus-4-8"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5@20250929"),
        ("claude-sonnet-4-5", "claude-sonnet-4-5@20250929"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5@20251001"),
        ("claude-3-5-sonnet-20241022", "claude-3-5-sonnet-v2@20241022"),
        ("claude-opus-4-1@20250805", "claude-opus-4-1@20250805"),
        ("gpt-5", ""),
    ],
)
def test_what_models_are_called(model: str, there: str) -> None:
    assert Vertex(HERE).model_id(model) == there
    if there:
        assert sent(body=BODY.replace(b"claude-opus-5-5", model.encode())).url.endswith(f"/models/{there}:rawPredict")


def test_models_can_be_called_otherwise() -> None:
    mine = replace(HERE, models={"claude-opus-5-5": "opus@1", "deep": "claude-x"})
    assert (Vertex(mine).model_id("deep"), Vertex(mine).model_id("claude-opus-5-5")) == ("claude-x", "opus@1")
    assert sent(mine).url.endswith("/models/opus@1:rawPredict")
    hostile = sent(body=BODY.replace(b"claude-opus-5-5", b"../../x?y#z:evil"))
    assert hostile.url.endswith("/publishers/anthropic/models/..%2F..%2Fx%3Fy%23z%3Aevil:rawPredict")
    count = sent(mine, "/v1/messages/count_tokens")
    assert document(count)["model"] == "opus@1"


@pytest.mark.parametrize(
    ("region", "host", "place", "fast"),
    [
        ("", "aiplatform.googleapis.com", "", True),
        ("global", "aiplatform.googleapis.com", "", True),
        ("eu", "aiplatform.eu.rep.googleapis.com", "regional", True),
        ("europe-west1", "europe-west1-aiplatform.googleapis.com", "regional", False),
    ],
)
def test_regions_have_addresses_and_prices_of_their_own(region: str, host: str, place: str, fast: bool) -> None:
    provider = Vertex(replace(HERE, region=region))
    assert provider.url == f"https://{host}/v1"
    assert provider.place == place
    assert provider.traits.is_fast("claude-fable-5-2") is fast
    assert not provider.traits.is_fast("claude-opus-5-5")


def test_what_it_cannot_take_is_said() -> None:
    traits = Vertex(HERE).traits
    for members, why in (
        (b',"inference_geo":"us"', "inference_geo"),
        (b',"speed":"fast"', "fast mode (speed) for claude-opus"),
    ):
        assert why in objection(parse_request(BODY[:-1] + members + b"}"), CLIENT, traits)
    assert objection(parse_request(BODY), CLIENT, traits) == ""
    assert "28 MiB" in objection(parse_request(BODY + b" " * 30_000_000), (), traits)
    model: Capabilities = load_models()["claude-opus-5-5"]
    assert not fitted(model, traits).batch


def test_what_it_does_not_have() -> None:
    provider = Vertex(HERE)
    for method, path in (("GET", "/v1/models"), ("POST", "/v1/messages/batches")):
        with pytest.raises(NotThere, match=f"Vertex has no {path}"):
            provider.prepare(method, path, "", (), b"")
    with pytest.raises(InputError, match="cannot come from a file"):
        provider.prepare("POST", "/v1/messages", "", (), FileBody(Path("x"), 1))


def test_a_body_that_is_no_message_is_googles_to_judge() -> None:
    outgoing = sent(body=b"[1]")
    assert (outgoing.body, outgoing.url.rpartition("/")[2]) == (b"[1]", "unknown:rawPredict")


def test_the_project_is_that_of_the_key_where_none_is_named() -> None:
    file = msgspec.json.encode(account()[0]).decode()
    assert "/projects/p-1/locations/global/" in sent(Endpoint(credentials=file)).url
    assert "/projects/mine/locations/global/" in sent(Endpoint(credentials=file, project="mine")).url


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"project": ""}, "project: is missing"),
        ({"project": "a/b"}, "project: 'a/b' is none"),
        ({"region": "eu/../x"}, "region: "),
        ({"key": "", "credentials": "{}"}, "credentials: "),
    ],
)
def test_what_it_needs(members: dict[str, str], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        Vertex(replace(HERE, **members))
