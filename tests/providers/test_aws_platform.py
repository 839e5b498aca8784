"""Claude Platform on AWS."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from thriftgate.core.errors import ConfigError
from thriftgate.providers.aws_platform import AwsPlatform
from thriftgate.providers.endpoint import Endpoint

ROW = Endpoint(region="us-west-2", workspace="wrkspc_1")
BODY = b'{"model":"claude-opus-5-5","max_tokens":1,"messages":[]}'


def test_the_request_is_the_clients_for_our_workspace() -> None:
    headers = ((b"anthropic-workspace-id", b"theirs"), (b"anthropic-beta", b"any-2030-01-01"), (b"x-api-key", b"theirs"))
    outgoing = AwsPlatform(ROW).prepare("POST", "/v1/messages", "beta=true", headers, BODY)
    assert outgoing.url == "https://aws-external-anthropic.us-west-2.api.aws/v1/messages?beta=true"
    assert (outgoing.body is BODY, outgoing.finish is not None) == (True, True)
    assert [value for name, value in outgoing.headers if name == b"anthropic-workspace-id"] == [b"wrkspc_1"]
    assert (b"anthropic-beta", b"any-2030-01-01") in outgoing.headers
    assert b"theirs" not in dict(outgoing.headers).values()


def test_names_of_our_own_are_put_in_the_place_of_the_callers() -> None:
    provider = AwsPlatform(replace(ROW, models={"claude-opus-5-5": "claude-opus-5"}))
    outgoing = provider.prepare("POST", "/v1/messages", "", (), BODY)
    assert outgoing.body == BODY.replace(b"claude-opus-5-5", b"claude-opus-5")


def test_a_workspace_must_be_named() -> None:
    with pytest.raises(ConfigError, match=r"upstream\.workspace: name the workspace"):
        AwsPlatform(replace(ROW, workspace=""))
