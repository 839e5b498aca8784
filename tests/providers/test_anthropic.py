"""The Claude API's own envelope. The rest is the provider contract (test_provider.py)."""

from __future__ import annotations

from thriftgate.providers.anthropic import DEFAULT_URL, Anthropic
from thriftgate.providers.endpoint import Endpoint
from thriftgate.providers.transport import Outgoing


def test_a_call_as_it_leaves() -> None:
    provider = Anthropic(Endpoint(url="http://localhost:1/proxy/", key="sk-own"))
    headers = ((b"x-api-key", b"sk-client"), (b"anthropic-version", b"2023-06-01"), (b"host", b"gateway"))
    assert provider.prepare("POST", "/v1/messages", "beta=true", headers, b"{}") == Outgoing(
        method="POST",
        url="http://localhost:1/proxy/v1/messages?beta=true",
        headers=((b"anthropic-version", b"2023-06-01"), (b"accept-encoding", b"identity"), (b"x-api-key", b"sk-own")),
        body=b"{}",
    )


def test_it_is_the_public_api_unless_told_otherwise() -> None:
    assert Anthropic(Endpoint()).url == DEFAULT_URL == "https://api.anthropic.com"
    assert Anthropic(Endpoint()).count_path == "/v1/messages/count_tokens"
