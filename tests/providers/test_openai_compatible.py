"""Providers made from the table of servers; the contract is in test_provider.py."""

from __future__ import annotations

import msgspec
import pytest

from thriftgate.core.errors import ConfigError, InputError
from thriftgate.providers import PROVIDERS
from thriftgate.providers.endpoint import Endpoint
from thriftgate.providers.openai_compatible import OpenAICompatible, Translated, spoken_by
from thriftgate.providers.provider import Choosy
from thriftgate.wire.openai_out.servers import SERVERS

BODY = msgspec.json.encode({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]})


def headers_of(name: str, key: str = "sk") -> dict[bytes, bytes]:
    provider = PROVIDERS[name](Endpoint(url="http://x", key=key))
    sent = ((b"http-referer", b"https://app"), (b"x-portkey-provider", b"@anthropic"), (b"x-api-key", b"client"))
    return dict(provider.prepare("POST", "/v1/messages", "", sent, BODY).headers)


def test_each_server_is_a_provider_of_its_own_name() -> None:
    for server in SERVERS:
        provider = PROVIDERS[server.name](Endpoint(url="http://x"))
        assert isinstance(provider, OpenAICompatible)
        assert isinstance(provider, Choosy)
        assert provider.traits.marks == server.marks
        assert not provider.traits.claude


def test_a_server_that_everybody_runs_himself_needs_an_address() -> None:
    with pytest.raises(ConfigError, match="write the base that OpenAI's SDK is given"):
        PROVIDERS["vllm"](Endpoint())
    assert PROVIDERS["deepseek"](Endpoint()).url == "https://api.deepseek.com"
    deepseek = PROVIDERS["deepseek"](Endpoint(models={"m": "deepseek-flash"}))
    assert deepseek.prepare("POST", "/v1/messages", "", (), BODY).url == "https://api.deepseek.com/v1/chat/completions"
    openrouter = PROVIDERS["openrouter"](Endpoint())
    assert openrouter.prepare("POST", "/v1/messages", "", (), BODY).url == "https://openrouter.ai/api/v1/chat/completions"


def test_keys_go_where_each_server_wants_them() -> None:
    assert headers_of("deepseek")[b"authorization"] == b"Bearer sk"
    assert headers_of("portkey")[b"x-portkey-api-key"] == b"sk"
    assert b"authorization" not in headers_of("portkey")
    assert b"authorization" not in headers_of("vllm", "")


def test_only_what_concerns_the_server_goes_on() -> None:
    assert headers_of("openrouter")[b"http-referer"] == b"https://app"
    assert b"http-referer" not in headers_of("deepseek")
    assert headers_of("portkey")[b"x-portkey-provider"] == b"@anthropic"


def test_a_body_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(InputError):
        PROVIDERS["deepseek"](Endpoint()).prepare("POST", "/v1/messages", "", (), b"no json")


def test_the_answer_is_read_as_one_for_the_name_that_the_caller_used() -> None:
    provider = spoken_by(SERVERS[0])(Endpoint(url="http://x", models={"m": "theirs"}))
    finish = provider.prepare("POST", "/v1/messages", "", (), BODY).finish
    assert isinstance(finish, Translated)
    assert finish.asked.model == "m"
