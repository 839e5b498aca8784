"""The Claude API's own envelope. The rest is the provider contract (test_provider.py)."""

from __future__ import annotations

from thriftgate.providers.anthropic import DEFAULT_URL, Anthropic
from thriftgate.providers.transport import Outgoing


def test_a_call_as_it_leaves() -> None:
    provider = Anthropic("http://localhost:1/proxy/", "sk-own")
    headers = ((b"x-api-key", b"sk-client"), (b"anthropic-version", b"2023-06-01"), (b"host", b"gateway"))
    assert provider.prepare("POST", "/v1/messages", "beta=true", headers, b"{}") == Outgoing(
        method="POST",
        url="http://localhost:1/proxy/v1/messages?beta=true",
        headers=((b"anthropic-version", b"2023-06-01"), (b"x-api-key", b"sk-own"), (b"accept-encoding", b"identity")),
        body=b"{}",
    )


def test_it_is_the_public_api_unless_told_otherwise() -> None:
    assert Anthropic().url == DEFAULT_URL == "https://api.anthropic.com"
    assert Anthropic().count_path == "/v1/messages/count_tokens"
