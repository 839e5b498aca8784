"""What all providers' requests have in common; the rest is the provider contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from thriftgate.core.errors import ConfigError
from thriftgate.providers.envelope import CREDENTIALS, checked_key, checked_origin, passed_on, renamed, renamed_by
from thriftgate.providers.transport import FileBody

BODY = b'{ "max_tokens": 1, "model" : "claude-opus-5-5", "messages": [] , "x": 1.50 }'


def test_what_concerns_the_provider_passes() -> None:
    headers = (
        (b"host", b"a"),
        (b"x-api-key", b"k"),
        (b"x-b", b"1"),
        (b"thriftgate-a", b"t"),
        (b"accept-encoding", b"gzip"),
    )
    assert passed_on(headers) == ((b"x-api-key", b"k"), (b"x-b", b"1"), (b"accept-encoding", b"identity"))
    assert passed_on(headers, CREDENTIALS) == ((b"x-b", b"1"), (b"accept-encoding", b"identity"))


def test_only_the_model_is_renamed() -> None:
    there = renamed(BODY, {"claude-opus-5-5": "mine"})
    assert there == BODY.replace(b'"claude-opus-5-5"', b'"mine"')
    assert renamed(BODY, {"another": "mine"}) is BODY
    file = FileBody(Path("none"), 1)
    assert renamed(file, {"claude-opus-5-5": "mine"}) is file
    assert renamed(b"", {"claude-opus-5-5": "mine"}) == b""
    assert renamed(b"garbage", {"claude-opus-5-5": "mine"}) == b"garbage"


def test_origins_and_keys_that_cannot_be_used_are_refused() -> None:
    assert checked_origin("https://a.example/b/") == "https://a.example/b"
    assert checked_key("sk-1") == b"sk-1"
    with pytest.raises(ConfigError, match="is not an http:// or https:// URL"):
        checked_origin("a.example")
    for key in ("sk-\n1", "sk-é1"):
        with pytest.raises(ConfigError) as caught:
            checked_key(key)
        assert key not in str(caught.value)


def test_a_rule_names_models_too() -> None:
    assert renamed_by(BODY, lambda model: f"there.{model}") == BODY.replace(b'"claude', b'"there.claude')
    assert renamed_by(BODY, lambda model: "") is BODY
